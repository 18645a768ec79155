//! Patience with the ledger: what a run asks of it is asked again while it is away or busy.
//!
//! A failing database says nothing about the work, so no run ends because of it. Whoever has begun waits for as long as
//! it counts as alive; after that the run is left to whoever has it by then, as the ledger says.
//!
//! What may have been done already is not done twice: whoever was not told looks whether it is there, and the ledger
//! refuses the second of two.

use std::sync::Arc;
use std::time::Duration;

use model::catalog::CatalogView;
use model::failure::{Failure, FailureKind};
use model::ports::{Requeue, Start};
use model::run::{Conclusion, RunReport, RunStatus};
use model::{RunId, WorkerId};

use crate::lease::after;
use crate::orchestrator::Shared;

/// The first pause before the ledger is asked again; each later one is twice as long, up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(100);

const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Whether this failure of the ledger is about nothing but its database, and asking again may help.
pub(crate) fn is_away(failure: &Failure) -> bool {
    failure.kind == FailureKind::Database && (failure.retryable || failure.code == "outcome_unknown")
}

impl Shared {
    /// Asks the ledger for what changes nothing.
    ///
    /// # Errors
    ///
    /// Those of `ask`. For one that [`is_away`] it was asked again and again for the time of a lease.
    pub(crate) async fn patiently<T, A>(&self, ask: impl FnMut() -> A) -> Result<T, Failure>
    where
        A: Future<Output = Result<T, Failure>>,
    {
        self.until_done(ask, || std::future::ready(None)).await
    }

    pub(crate) async fn latest(&self) -> Result<Arc<CatalogView>, Failure> {
        self.patiently(|| self.parts.ledger.latest()).await
    }

    /// Has the ledger record that an attempt begins.
    ///
    /// # Errors
    ///
    /// As [`Shared::patiently`].
    pub(crate) async fn start(&self, start: Start) -> Result<(), Failure> {
        let (run, attempt, worker) = (start.run_id, start.attempt, start.worker);
        let has_begun = || async move { self.has_begun(run, attempt, worker).await.then_some(()) };
        self.until_done(|| self.parts.ledger.start(start.clone()), has_begun).await
    }

    /// Has the ledger record that another attempt follows.
    ///
    /// # Errors
    ///
    /// As [`Shared::patiently`].
    pub(crate) async fn requeue(&self, requeue: Requeue) -> Result<RunReport, Failure> {
        let (run, attempt, not_before) = (requeue.run_id, requeue.attempt, requeue.not_before);
        let is_queued = || async move {
            let there = self.parts.ledger.report(run).await.ok()??;
            let as_asked = (RunStatus::Queued, attempt, Some(not_before));
            ((there.status, there.attempt, there.not_before) == as_asked).then_some(there)
        };
        self.until_done(|| self.parts.ledger.requeue(requeue.clone()), is_queued).await
    }

    /// Has the ledger record the end of a run.
    ///
    /// # Errors
    ///
    /// As [`Shared::patiently`].
    pub(crate) async fn conclude(&self, conclusion: Conclusion) -> Result<RunReport, Failure> {
        let (run, status, at) = (conclusion.run_id, conclusion.status, conclusion.finished_at);
        let has_ended = || async move {
            let there = self.parts.ledger.report(run).await.ok()??;
            ((there.status, there.finished_at) == (status, Some(at))).then_some(there)
        };
        self.until_done(|| self.parts.ledger.conclude(conclusion.clone()), has_ended).await
    }

    /// Whether the attempt is at work, and this worker's.
    pub(crate) async fn has_begun(&self, run: RunId, attempt: u32, worker: WorkerId) -> bool {
        let ledger = &self.parts.ledger;
        self.has_come_to(run, RunStatus::Running, attempt).await
            && ledger.kept_by(run).await.is_ok_and(|by| by == Some(worker))
    }

    pub(crate) async fn has_come_to(&self, run: RunId, status: RunStatus, attempt: u32) -> bool {
        let report = self.parts.ledger.report(run).await;
        report.is_ok_and(|it| it.is_some_and(|it| (it.status, it.attempt) == (status, attempt)))
    }

    /// `done` looks whether it was done although nobody told.
    async fn until_done<T, A, D>(&self, mut ask: impl FnMut() -> A, done: impl Fn() -> D) -> Result<T, Failure>
    where
        A: Future<Output = Result<T, Failure>>,
        D: Future<Output = Option<T>>,
    {
        let given_up = after(self.parts.clock.now(), self.parts.lease.ttl);
        let (mut pause, mut may_be_done) = (PAUSE_FIRST, false);
        loop {
            let failure = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            may_be_done |= is_away(&failure);
            if may_be_done && let Some(answer) = done().await {
                return Ok(answer);
            }
            let next = after(self.parts.clock.now(), pause);
            if !is_away(&failure) || next > given_up {
                return Err(failure);
            }
            tracing::warn!(code = %failure.code, "the ledger is asked again: {failure}");
            self.parts.timer.until(next).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}
