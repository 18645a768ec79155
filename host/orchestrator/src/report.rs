//! Reports that no ledger wrote: of a run that has just been queued, of a dry run, and of a run whose end the ledger
//! could not record.

use model::capture::StagedCapture;
use model::run::{CaptureOutcome, Conclusion, RunCapture, RunCaptureState, RunReport, RunStatus};

use crate::job::{Course, Job};

/// A run that was recorded and has not started.
pub(crate) fn queued(job: &Job) -> RunReport {
    RunReport {
        run_id: job.run_id,
        name: job.target.name.clone(),
        kind: job.target.kind(),
        status: RunStatus::Queued,
        unchanged: false,
        attempt: 0,
        rows_in: 0,
        rows_out: 0,
        rejected: 0,
        rejects: None,
        captures: Vec::new(),
        quality: Vec::new(),
        plugin: Some(job.target.plugin.clone()),
        conditions: Some(job.conditions()),
        input_hash: None,
        duration_ms: None,
        usage: None,
        error: None,
        params: job.params.shown.clone(),
        routing: job.spec.routing,
        lineage: job.spec.lineage.clone(),
        attempts_max: job.spec.retry.calls_max(),
        not_before: None,
        created_at: job.created_at,
        started_at: None,
        finished_at: None,
        result: None,
    }
}

/// What a conclusion says, without the revisions that only a commit gives.
pub(crate) fn concluded(job: &Job, course: &Course, conclusion: Conclusion) -> RunReport {
    let captures: Vec<RunCapture> = conclusion.captures.iter().map(|outcome| capture(outcome, job.dry_run)).collect();
    let completed = conclusion.status == RunStatus::Completed;
    let started = course.started_at.unwrap_or(conclusion.finished_at);
    let micros = conclusion.finished_at.as_micros().saturating_sub(started.as_micros());
    RunReport {
        status: conclusion.status,
        unchanged: completed && !captures.is_empty() && captures.iter().all(|capture| capture.unchanged),
        attempt: course.attempt,
        rows_in: conclusion.rows_in,
        rows_out: conclusion.rows_out,
        rejected: conclusion.rejected,
        rejects: job.dry_run.then_some(conclusion.rejects.rows),
        captures,
        quality: conclusion.quality,
        input_hash: conclusion.input_hash.or(course.read.hash),
        duration_ms: Some(u64::try_from(micros / 1000).unwrap_or_default()),
        usage: conclusion.usage,
        error: conclusion.error,
        started_at: course.started_at,
        finished_at: Some(conclusion.finished_at),
        result: conclusion.result,
        ..queued(job)
    }
}

fn capture(outcome: &CaptureOutcome, dry_run: bool) -> RunCapture {
    let new = |staged: &StagedCapture, state| RunCapture {
        dataset: staged.dataset.clone(),
        partition: staged.partition.clone(),
        capture_id: staged.capture_id,
        revision: None,
        rows: staged.rows,
        content_hash: staged.content_hash,
        unchanged: false,
        state,
    };
    match outcome {
        CaptureOutcome::Publish { staged, .. } if dry_run => new(staged, RunCaptureState::WouldPublish),
        CaptureOutcome::Publish { staged, .. } => new(staged, RunCaptureState::Published),
        CaptureOutcome::Quarantine { staged } if dry_run => new(staged, RunCaptureState::WouldQuarantine),
        CaptureOutcome::Quarantine { staged } => new(staged, RunCaptureState::Quarantined),
        // It waits there already, also for a dry run.
        CaptureOutcome::Held { dataset, partition, capture_id, rows, content_hash } => RunCapture {
            dataset: dataset.clone(),
            partition: partition.clone(),
            capture_id: *capture_id,
            revision: None,
            rows: *rows,
            content_hash: *content_hash,
            unchanged: false,
            state: RunCaptureState::Quarantined,
        },
        CaptureOutcome::Unchanged { dataset, partition, head } => RunCapture {
            dataset: dataset.clone(),
            partition: partition.clone(),
            capture_id: head.capture_id,
            revision: Some(head.revision),
            rows: head.rows,
            content_hash: head.content_hash,
            unchanged: true,
            state: RunCaptureState::Unchanged,
        },
    }
}
