//! Forgetting what the operator does not want kept any longer: at once, or every day.
//!
//! One sweep at a time. It goes in small pieces, so that runs do not wait for it: files of rejects, then the runs that
//! named them, then inputs that no run names any more. A sweep that breaks off has forgotten what it has, and the next
//! one goes on; at worst it leaves inputs that nobody names.
//!
//! Limits: of what other processes are being asked to keep, where several share a ledger, nothing is known here. An input
//! that is old, unnamed and wanted again by another process in the moment of the sweep is gone for its repetitions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::failure::Failure;
use model::ports::{RetentionLedger, Shelves};
use model::retention::{Cutoffs, RetentionPolicy, RetentionReport};
use model::{Clock, Digest, Timer};
use tokio::sync::Mutex;

use crate::blocking::blocking;
use crate::lease::after;

/// How long a host waits between two sweeps.
pub const EVERY: Duration = Duration::from_secs(24 * 3600);

/// What a sweep needs. Cheap to clone; of the clones one sweeps at a time.
#[derive(Clone, Debug)]
pub struct Retention {
    policy: RetentionPolicy,
    ledger: Arc<dyn RetentionLedger>,
    shelves: Arc<dyn Shelves>,
    clock: Arc<dyn Clock>,
    turn: Arc<Mutex<()>>,
}

impl Retention {
    /// To be made before any work is taken: from then on it is known what is being kept.
    pub fn new(
        policy: RetentionPolicy,
        ledger: Arc<dyn RetentionLedger>,
        shelves: Arc<dyn Shelves>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        if !policy.keeps_all() {
            shelves.begin_sweep();
        }
        Self { policy, ledger, shelves, clock, turn: Arc::default() }
    }

    /// Forgets what is old enough now.
    ///
    /// # Errors
    ///
    /// Those of the ledger, and of the disk where a file cannot be removed.
    pub async fn sweep(&self) -> Result<RetentionReport, Failure> {
        let _turn = self.turn.lock().await;
        if self.policy.keeps_all() {
            return Ok(begun(Cutoffs::default(), false));
        }
        let cutoffs = self.policy.cutoffs(self.clock.now());
        self.shelves.begin_sweep();
        let mut report = begun(cutoffs, false);
        loop {
            match self.ledger.forget_dead_letters(cutoffs).await? {
                0 => break,
                letters => report.dead_letters += letters,
            }
        }
        let mut inputs = BTreeSet::new();
        // What was referred to by runs that are forgotten may go in the next round.
        while self.round(cutoffs, &mut report, &mut inputs).await? > 0 {}
        if !inputs.is_empty() {
            let unnamed = self.ledger.unnamed_inputs(inputs.into_iter().collect()).await?;
            let shelves = Arc::clone(&self.shelves);
            let removed = blocking("remove old inputs", move || shelves.remove_inputs(&unnamed)).await?;
            report.input_files += removed;
        }
        tracing::info!(
            runs = report.runs,
            dead_letters = report.dead_letters,
            reject_files = report.reject_files,
            input_files = report.input_files,
            "forgot what is kept no longer"
        );
        Ok(report)
    }

    /// What a sweep would forget now, changing nothing. Runs that others refer to are not counted, although they may go
    /// after those, and inputs are not.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn rehearse(&self) -> Result<RetentionReport, Failure> {
        let cutoffs = self.policy.cutoffs(self.clock.now());
        rehearse(&*self.ledger, cutoffs).await
    }

    /// Sweeps now and then every day, for as long as it is polled. Returns at once if everything is kept. A sweep that
    /// fails is told in the log.
    pub async fn daily(&self, timer: Arc<dyn Timer>) {
        if self.policy.keeps_all() {
            return;
        }
        loop {
            let began = self.clock.now();
            if let Err(failure) = self.sweep().await {
                tracing::error!(code = %failure.code, "could not forget what is kept no longer: {failure}");
            }
            timer.until(after(began, EVERY)).await;
        }
    }

    /// Returns how many runs were forgotten.
    async fn round(
        &self,
        cutoffs: Cutoffs,
        report: &mut RetentionReport,
        inputs: &mut BTreeSet<Digest>,
    ) -> Result<u64, Failure> {
        let (mut forgotten, mut next) = (0, None);
        loop {
            let page = self.ledger.forgettable_runs(cutoffs, next).await?;
            if page.runs.is_empty() {
                break;
            }
            if !page.rejects.is_empty() {
                let (shelves, rejects) = (Arc::clone(&self.shelves), page.rejects);
                report.reject_files += blocking("remove old rejects", move || shelves.remove_rejects(&rejects)).await?;
            }
            loop {
                let gone = self.ledger.forget_runs(cutoffs, page.runs.clone()).await?;
                forgotten += gone.runs;
                inputs.extend(gone.inputs);
                if !gone.more {
                    break;
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        report.runs += forgotten;
        Ok(forgotten)
    }
}

/// As [`Retention::rehearse`], for whoever only reads.
///
/// # Errors
///
/// Those of the ledger.
pub async fn rehearse(ledger: &dyn RetentionLedger, cutoffs: Cutoffs) -> Result<RetentionReport, Failure> {
    let mut report = begun(cutoffs, true);
    report.dead_letters = ledger.forgettable_dead_letters(cutoffs).await?;
    let mut next = None;
    loop {
        let page = ledger.forgettable_runs(cutoffs, next).await?;
        report.runs += page.runs.len() as u64;
        report.reject_files += page.rejects.len() as u64;
        next = page.next;
        if next.is_none() {
            return Ok(report);
        }
    }
}

fn begun(cutoffs: Cutoffs, dry_run: bool) -> RetentionReport {
    let Cutoffs { runs_before, dead_letters_before } = cutoffs;
    RetentionReport { dry_run, runs_before, dead_letters_before, ..RetentionReport::default() }
}
