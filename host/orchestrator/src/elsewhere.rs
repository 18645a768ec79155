//! Waiting for the end of a run that another process may carry out. Only the ledger knows, so it is asked now and then.

use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::ports::Cancel;
use model::run::RunReport;
use model::{RunId, Timestamp};

use crate::Orchestrator;
use crate::lease::after;
use crate::live::{Live, ended};

/// How often the ledger is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How long a run may be nobody's before it is given up: the time of several looks of those who adopt.
const NOBODYS_MAX: Duration = Duration::from_secs(15);

/// Who has a run that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// A living worker of another process.
    Others,
    /// Nobody, but somebody may adopt it.
    Nobodys,
    /// Nobody, and it is not to be expected that this changes.
    Left,
}

impl Orchestrator {
    /// Waits for the end of a recorded run, whoever carries it out.
    ///
    /// # Errors
    ///
    /// `interrupted` if nobody carries it out, or this host stops; `cancelled` if the caller does not wait any more.
    pub(crate) async fn end_of(&self, run: RunId, cancel: &Cancel) -> Result<RunReport, Failure> {
        let parts = &self.shared.parts;
        let mut nobodys_since: Option<Timestamp> = None;
        loop {
            if let Some(Live { end, .. }) = self.shared.live.find(run) {
                tokio::select! {
                    biased;
                    report = ended(end) => if let Some(report) = report { return Ok(report) },
                    () = cancel.cancelled() => return Err(stopped_waiting(run)),
                }
            }
            let report = self.recorded(run).await?;
            if report.status.is_terminal() {
                return Ok(report);
            }
            let now = parts.clock.now();
            match self.whose(run).await? {
                Whose::Others => nobodys_since = None,
                Whose::Nobodys if now < after(*nobodys_since.get_or_insert(now), NOBODYS_MAX) => {}
                Whose::Nobodys | Whose::Left => return Err(nobody_runs(run)),
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(stopped_waiting(run)),
                () = self.shared.leaving() => return Err(nobody_runs(run)),
                () = parts.timer.until(after(now, ASK_EVERY)) => {}
            }
        }
    }

    /// Whether somebody has a run, or may soon, that has not ended and is not in this process.
    pub(crate) async fn goes_on_elsewhere(&self, run: RunId) -> Result<bool, Failure> {
        Ok(self.whose(run).await? != Whose::Left)
    }

    async fn whose(&self, run: RunId) -> Result<Whose, Failure> {
        match self.shared.parts.ledger.kept_by(run).await? {
            Some(worker) if !self.shared.heart.is_own(worker) => Ok(Whose::Others),
            // What this process has and does not know is taken up as what nobody has.
            Some(_) | None if self.shared.may_adopt(run) => Ok(Whose::Nobodys),
            Some(_) | None => Ok(Whose::Left),
        }
    }
}

pub(crate) fn nobody_runs(run: RunId) -> Failure {
    let message = format!(
        "{run} has not ended, and this host has let it go: the next host of its ledger takes it up where it is queued"
    );
    Failure::new(FailureKind::Orchestration, "interrupted", message).retryable(true)
}

pub(crate) fn stopped_waiting(run: RunId) -> Failure {
    let message = format!("stopped waiting for {run}, which goes on");
    Failure::new(FailureKind::Orchestration, "cancelled", message)
}
