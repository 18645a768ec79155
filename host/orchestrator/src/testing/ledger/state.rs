//! What the ledger in memory knows, and how a call changes it.

use model::capture::Head;
use model::failure::{Failure, FailureKind};
use model::ports::{NewRun, RecordedRun, Start};
use model::run::{CaptureOutcome, RunCapture, RunCaptureState, RunReport, RunStatus};
use model::{RunId, WorkerId};

use super::State;

impl State {
    pub(crate) fn beats_of(&self, worker: WorkerId) -> usize {
        self.told.get(&worker).copied().unwrap_or_default()
    }

    pub(crate) fn living_keeper(&self, run: RunId) -> Option<WorkerId> {
        self.keepers.get(&run).copied().filter(|worker| !self.dead.contains(worker))
    }

    pub(super) fn is_away(&mut self, asked: &'static str) -> Result<(), Failure> {
        match self.away.pop_front_if(|(name, _)| *name == asked) {
            Some((_, failure)) => Err(failure),
            None => Ok(()),
        }
    }

    pub(super) fn is_untold(&mut self, done: &'static str) -> Result<(), Failure> {
        match self.untold.pop_front_if(|name| *name == done) {
            Some(_) => Err(Failure::new(FailureKind::Database, "outcome_unknown", "nobody told")),
            None => Ok(()),
        }
    }

    pub(super) fn has_begun(&mut self, start: Start) {
        let run = self.runs.get_mut(&start.run_id).unwrap();
        assert!(run.status == RunStatus::Running || run.status.may_become(RunStatus::Running), "{:?}", run.status);
        assert_eq!(run.attempt + 1, start.attempt);
        run.status = RunStatus::Running;
        run.attempt = start.attempt;
        run.input_hash = start.input_hash;
        run.conditions = Some(start.conditions.clone());
        self.keepers.remove(&start.run_id);
        self.starts.push(start);
    }

    pub(super) fn whole(&self, run: &RunReport) -> RecordedRun {
        RecordedRun {
            run_id: run.run_id,
            spec: self.specs[&run.run_id].clone(),
            status: run.status,
            attempt: run.attempt,
            not_before: run.not_before,
            created_at: run.created_at,
            started_at: run.started_at,
        }
    }

    pub(super) fn carry_out(&mut self, outcome: &CaptureOutcome) -> RunCapture {
        let (dataset, partition, capture_id, revision, rows, content_hash, state) = match outcome {
            CaptureOutcome::Publish { staged, .. } => {
                let heads = self.published.entry((staged.dataset.clone(), staged.partition.clone())).or_default();
                let revision = heads.len() as u64 + 1;
                let (capture_id, rows, content_hash) = (staged.capture_id, staged.rows, staged.content_hash);
                heads.push(Head { capture_id, revision, rows, content_hash });
                (
                    &staged.dataset,
                    &staged.partition,
                    capture_id,
                    Some(revision),
                    rows,
                    content_hash,
                    RunCaptureState::Published,
                )
            }
            CaptureOutcome::Quarantine { staged } => {
                self.quarantined += 1;
                let content = (staged.dataset.clone(), staged.partition.clone(), staged.content_hash);
                self.held.insert(content, staged.capture_id);
                let (capture_id, rows, content_hash) = (staged.capture_id, staged.rows, staged.content_hash);
                (&staged.dataset, &staged.partition, capture_id, None, rows, content_hash, RunCaptureState::Quarantined)
            }
            CaptureOutcome::Held { dataset, partition, capture_id, rows, content_hash } => {
                (dataset, partition, *capture_id, None, *rows, *content_hash, RunCaptureState::Quarantined)
            }
            CaptureOutcome::Unchanged { dataset, partition, head } => {
                let state = RunCaptureState::Unchanged;
                (dataset, partition, head.capture_id, Some(head.revision), head.rows, head.content_hash, state)
            }
        };
        let (dataset, partition) = (dataset.clone(), partition.clone());
        let unchanged = state == RunCaptureState::Unchanged;
        RunCapture { dataset, partition, capture_id, revision, rows, content_hash, unchanged, state }
    }
}

/// A run that was just asked for.
pub(super) fn report(run: &NewRun) -> RunReport {
    RunReport {
        run_id: run.run_id,
        name: run.spec.name.clone(),
        kind: run.spec.kind,
        status: RunStatus::Queued,
        unchanged: false,
        attempt: 0,
        rows_in: 0,
        rows_out: 0,
        rejected: 0,
        rejects: None,
        captures: Vec::new(),
        quality: Vec::new(),
        plugin: None,
        conditions: None,
        input_hash: None,
        duration_ms: None,
        usage: None,
        error: None,
        params: run.spec.params.clone(),
        routing: run.spec.routing,
        lineage: run.spec.lineage.clone(),
        attempts_max: run.spec.retry.calls_max(),
        not_before: None,
        created_at: run.created_at,
        started_at: None,
        finished_at: None,
        result: None,
    }
}
