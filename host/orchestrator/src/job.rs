//! One run from the queue to its end: its turn, its inputs, its attempts, and the ledger's last word.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use model::failure::{Failure, FailureKind};
use model::ports::{Cancel, GivenFile, InputBytes, KeptInput, NewRun, Progress};
use model::reject::Rejects;
use model::run::{Conclusion, LogLine, RunReport, RunStatus};
use model::{Digest, RunId, Timestamp};
use tokio::sync::SemaphorePermit;
use tracing::{error, info, warn};

use crate::attempt::Attempted;
use crate::blocking::{blocking, panicked};
use crate::identity::{self, InputsRead};
use crate::log::RunLog;
use crate::orchestrator::Shared;
use crate::params::Params;
use crate::plugins::Target;
use crate::publish;
use crate::report;

/// Calls of one run in all. Only a race for a partition is tried again.
const ATTEMPTS_MAX: u32 = 3;

/// A run that was asked for: validated, and pinned to a plugin version.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) target: Target,
    pub(crate) run_id: RunId,
    pub(crate) params: Params,
    pub(crate) files: BTreeMap<String, GivenFile>,
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
    pub(crate) progress: Option<Progress>,
    pub(crate) cancel: Cancel,
    pub(crate) created_at: Timestamp,
}

/// An idempotency key, and what it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) request_hash: Digest,
}

/// What has happened to a run so far.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) attempt: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) read: InputsRead,
    /// Of all attempts.
    pub(crate) log: RunLog,
}

impl Job {
    /// Reads every file, so it is only done where there is a key.
    pub(crate) async fn key(&self, text: String) -> Result<Key, Failure> {
        let (name, kind, params, files) =
            (self.target.name.clone(), self.target.kind, self.params.shown.clone(), self.files.clone());
        let hash = move || Ok(identity::request_hash(&name, kind, &params, &files));
        Ok(Key { text, request_hash: blocking("hash what a key stands for", hash).await? })
    }

    pub(crate) fn new_run(&self, key: Option<&Key>, rebind: Option<RunId>) -> NewRun {
        NewRun {
            run_id: self.run_id,
            name: self.target.name.clone(),
            kind: self.target.kind,
            params: self.params.shown.clone(),
            idempotency_key: key.map(|key| key.text.clone()),
            request_hash: key.map(|key| key.request_hash),
            rebind,
            created_at: self.created_at,
        }
    }

    /// What every log line about the run is joined to. Of the highest level, so that a filter which lets an error
    /// through lets it say whose it is.
    pub(crate) fn span(&self) -> tracing::Span {
        let plugin = &self.target.plugin;
        tracing::error_span!(
            "run",
            run.id = %self.run_id,
            run.name = %self.target.name,
            plugin.name = %plugin.name,
            plugin.digest = %plugin.digest,
        )
    }

    pub(crate) fn writers(&self) -> usize {
        self.shared.parts.concurrency.writers.max(1)
    }

    /// Carries the run out. It always ends, and always with a report.
    pub(crate) async fn carry_out(&self) -> RunReport {
        let report = match AssertUnwindSafe(self.to_its_end()).catch_unwind().await {
            Ok(report) => report,
            Err(_) => self.end(&self.course(), self.failed(panicked("carry the run out"))).await,
        };
        log_end(&report);
        if let Some(listener) = self.shared.parts.ended.as_ref().filter(|_| !self.dry_run) {
            (listener.0)(&report);
        }
        report
    }

    fn course(&self) -> Course {
        let ledger = (!self.dry_run).then(|| Arc::clone(&self.shared.parts.ledger));
        Course { attempt: 0, started_at: None, read: InputsRead::default(), log: RunLog::new(self.run_id, ledger) }
    }

    async fn to_its_end(&self) -> RunReport {
        let mut course = self.course();
        let Some(_slot) = self.slot().await else {
            return self.end(&course, self.failed(cancelled())).await;
        };
        info!(dry_run = self.dry_run, "the run begins");
        let inputs = self.keep_inputs().await;
        if let Ok(inputs) = &inputs {
            course.read = InputsRead::new(inputs, &[]);
        }
        loop {
            course.attempt += 1;
            let last = course.attempt >= ATTEMPTS_MAX;
            // Runs that lost a race try again one after the other, or they would only race each other once more.
            let _turn = if course.attempt == 1 { None } else { Some(self.shared.turn.lock().await) };
            match self.attempt(&mut course, &inputs).await {
                Attempted::Raced(conclusion) if last => return self.end(&course, conclusion).await,
                Attempted::Raced(_) => {}
                Attempted::Decided(conclusion) if self.dry_run => return report::concluded(self, &course, conclusion),
                Attempted::Decided(conclusion) => match self.shared.parts.ledger.conclude(conclusion.clone()).await {
                    Ok(report) => return report,
                    Err(failure) if failure.code == "conflict" && !last => {
                        publish::discard(self, conclusion.captures).await;
                    }
                    Err(failure) => return self.unpublished(&course, conclusion, failure).await,
                },
            }
            let note = format!("attempt {} lost a race for a partition, trying again", course.attempt);
            warn!("{note}");
            course.log.push(self.host_line("warn", note));
        }
    }

    /// Waits for a free place; none if the run is cancelled before it has one.
    async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => None,
            slot = self.shared.slots.acquire() => slot.ok(),
        }
    }

    async fn keep_inputs(&self) -> Result<BTreeMap<String, KeptInput>, Failure> {
        let mut kept = BTreeMap::new();
        for (name, file) in &self.files {
            let bytes = file.bytes.clone()?;
            let input = InputBytes { file_name: file.file_name.clone(), bytes };
            let lake = Arc::clone(&self.shared.parts.lake);
            let dry_run = self.dry_run;
            let one = blocking("keep an input", move || match dry_run {
                true => {
                    let digest = identity::digest(&input.bytes);
                    Ok(KeptInput { file_name: input.file_name, digest, bytes: input.bytes })
                }
                false => lake.keep_input(input),
            });
            kept.insert(name.clone(), one.await?);
        }
        Ok(kept)
    }

    /// Ends a run whose captures the ledger did not take. Whether a commit that failed was made is known once the run
    /// has ended in another way, since it ends once: then, and only then, nothing names the files, and they go.
    async fn unpublished(&self, course: &Course, mut conclusion: Conclusion, failure: Failure) -> RunReport {
        let captures = std::mem::take(&mut conclusion.captures);
        match self.recorded(course, instead(conclusion, failure)).await {
            Ok(report) => {
                publish::discard(self, captures).await;
                report
            }
            Err(unrecorded) => *unrecorded,
        }
    }

    /// Has the ledger record an end without captures. If even that fails the caller is told all the same; the ledger
    /// finds the run interrupted at the next start.
    async fn end(&self, course: &Course, conclusion: Conclusion) -> RunReport {
        self.recorded(course, conclusion).await.unwrap_or_else(|unrecorded| *unrecorded)
    }

    /// As [`Job::end`]; the error is the report of an end that the ledger could not record.
    async fn recorded(&self, course: &Course, conclusion: Conclusion) -> Result<RunReport, Box<RunReport>> {
        if self.dry_run {
            return Ok(report::concluded(self, course, conclusion));
        }
        self.shared.parts.ledger.conclude(conclusion.clone()).await.map_err(|failure| {
            error!(code = %failure.code, "the ledger could not record the end of the run: {failure}");
            let mut report = report::concluded(self, course, conclusion);
            let error = report.error.get_or_insert_with(|| failure.clone());
            error.causes.push(format!("the ledger could not record the end of the run: {failure}"));
            Box::new(report)
        })
    }

    /// The end of a run that comes to nothing.
    pub(crate) fn failed(&self, failure: Failure) -> Conclusion {
        let asked = self.cancel.is_cancelled();
        Conclusion {
            run_id: self.run_id,
            status: crate::verdict::status(&failure, asked),
            error: Some(failure),
            rows_in: 0,
            rows_out: 0,
            captures: Vec::new(),
            quality: Vec::new(),
            rejects: Rejects::default(),
            rejected: 0,
            logs: Vec::new(),
            stages: Vec::new(),
            result: None,
            cursor: None,
            input_hash: None,
            inputs: Vec::new(),
            finished_at: self.shared.parts.clock.now(),
        }
    }

    pub(crate) fn host_line(&self, level: &str, message: String) -> LogLine {
        let at = self.shared.parts.clock.now();
        LogLine { at, level: level.to_owned(), origin: "host".to_owned(), message, fields: Vec::new() }
    }
}

/// The same end, but failed and without captures: what the ledger could not publish.
fn instead(conclusion: Conclusion, failure: Failure) -> Conclusion {
    Conclusion {
        status: RunStatus::Failed,
        error: Some(failure),
        rows_out: 0,
        captures: Vec::new(),
        result: None,
        cursor: None,
        ..conclusion
    }
}

pub(crate) fn cancelled() -> Failure {
    Failure::new(FailureKind::Orchestration, "cancelled", "the run was cancelled; nothing was published")
}

fn log_end(report: &RunReport) {
    let RunReport { attempt, rows_in, rows_out, rejected, unchanged, .. } = report;
    let status = report.status.name();
    match &report.error {
        None => info!(status, unchanged, attempt, rows_in, rows_out, rejected, "the run has ended"),
        Some(failure) => {
            let (kind, code) = (failure.kind.name(), failure.code.as_str());
            warn!(status, attempt, rows_in, rejected, kind, code, "the run has ended: {failure}");
        }
    }
}
