//! Backfills: a run that asks for other runs and counts what becomes of them.
//!
//! Its items are in the ledger with it, and each becomes a run under a key of its own: whoever takes the backfill up
//! after its process died finds the runs that were made and makes none of them twice. A repetition of a backfill uses
//! the same keys, so that only what did not complete is done again. A backfill holds no place in a lane: its items do.

mod course;
mod item;
mod items;

use std::sync::Arc;

use model::backfill::BackfillPlan;
use model::failure::{Failure, FailureKind};
use model::policy::RetryPolicy;
use model::ports::{BackfillRequest, Cancel, Engine as _, Keeper, NewRun, RecordedRun, Submission};
use model::run::{RunKind, RunReport, RunStatus};
use model::work::WorkSpec;
use model::{RunId, Timestamp, WorkerId};
use tracing::Instrument as _;

use crate::live::Seat;
use crate::orchestrator::Orchestrator;
use crate::{identity, inputs};

/// What a backfill is called whose items have several names.
pub(crate) const OF_SEVERAL: &str = "several";

/// A backfill that this process has.
#[derive(Debug)]
struct Backfill {
    host: Orchestrator,
    run_id: RunId,
    spec: WorkSpec,
    plan: BackfillPlan,
    cancel: Cancel,
    /// Who has it by the ledger, as long as it is queued.
    keeper: WorkerId,
    /// Calls so far: how often somebody took it up.
    attempt: u32,
}

impl Orchestrator {
    pub(crate) async fn begin_backfill(&self, request: BackfillRequest) -> Result<RunReport, Failure> {
        let BackfillRequest { items, parallel, stop_on_failure, force, routing, lineage, key } = request;
        let (plan, inputs) = self.plan(items, parallel, stop_on_failure).await?;
        // Its items are begun later, and perhaps by another process.
        inputs::settle(&self.shared.parts.lake, &inputs).await;
        let names: Vec<&str> = plan.items.iter().map(|item| item.name.as_str()).collect();
        let name = match names.as_slice() {
            [first, rest @ ..] if rest.iter().all(|name| name == first) => (*first).to_owned(),
            _ => OF_SEVERAL.to_owned(),
        };
        let spec = WorkSpec {
            name,
            kind: RunKind::Backfill,
            params: serde_json::to_value(&plan).map_err(|error| damaged(&error.to_string()))?,
            inputs,
            force,
            routing,
            lineage,
            idempotency_key: key,
            // It makes no call that could be tried again: its items do.
            retry: RetryPolicy { attempts_max: 1, ..RetryPolicy::default() },
        };
        self.record_backfill(spec, None).await
    }

    /// Records a backfill and begins it, or finds the run that its key is bound to. A repetition takes the key over.
    pub(crate) async fn record_backfill(&self, spec: WorkSpec, repeated: Option<RunId>) -> Result<RunReport, Failure> {
        let parts = &self.shared.parts;
        let run_id = identity::run_id(&*parts.clock, &*parts.entropy);
        let keeper = self.shared.heart.keeper();
        let backfill = self.taken(run_id, spec, 0, keeper.worker)?;
        let (span, cancel) = (backfill.span(), backfill.cancel.clone());
        let seat = self.shared.live.enter(run_id, cancel, span.clone(), None)?;
        let created_at = parts.clock.now();
        let mut rebind = repeated;
        loop {
            let submitted = parts.ledger.submit(backfill.new_run(rebind, keeper, created_at));
            let old = match submitted.instrument(span.clone()).await? {
                Submission::New => break,
                Submission::Existing(old) => self.recorded(old).await?,
            };
            let ended_badly = old.status.is_terminal() && old.status != RunStatus::Completed;
            if !ended_badly || rebind.is_some() {
                return Ok(old);
            }
            rebind = Some(old.run_id);
        }
        let queued = self.recorded(run_id).await?;
        backfill.go(seat);
        Ok(queued)
    }

    /// Goes on with a backfill that the ledger has as queued.
    ///
    /// # Errors
    ///
    /// `bad_backfill` if nobody can tell what it is to do; `not_ready` while this host shuts down.
    pub(crate) fn resume_backfill(&self, queued: RecordedRun, keeper: WorkerId) -> Result<(), Failure> {
        let RecordedRun { run_id, spec, attempt, .. } = queued;
        let backfill = self.taken(run_id, spec, attempt, keeper)?;
        let seat = self.shared.live.enter(run_id, backfill.cancel.clone(), backfill.span(), None)?;
        backfill.go(seat);
        Ok(())
    }

    fn taken(&self, run_id: RunId, spec: WorkSpec, attempt: u32, keeper: WorkerId) -> Result<Backfill, Failure> {
        let plan = match spec.kind {
            RunKind::Backfill => {
                serde_json::from_value(spec.params.clone()).map_err(|error| damaged(&error.to_string()))?
            }
            other => return Err(damaged(&format!("this version does not carry out runs of kind `{}`", other.name()))),
        };
        Ok(Backfill { host: self.clone(), run_id, spec, plan, cancel: Cancel::default(), keeper, attempt })
    }

    /// Stops the items of a backfill that has ended without this process.
    pub(crate) async fn cancel_children(&self, parent: &RunReport) -> Result<(), Failure> {
        if !parent.kind.is_of_runs() {
            return Ok(());
        }
        for child in self.shared.parts.ledger.children(parent.run_id).await? {
            if !child.status.is_terminal() {
                // A backfill has no backfills below it, so this ends.
                match Box::pin(self.cancel(child.run_id)).await {
                    // It ended while it was asked.
                    Err(failure) if failure.code == "illegal_transition" => {}
                    done => drop(done?),
                }
            }
        }
        Ok(())
    }
}

impl Backfill {
    fn span(&self) -> tracing::Span {
        tracing::error_span!("run", run.id = %self.run_id, run.name = %self.spec.name)
    }

    fn new_run(&self, rebind: Option<RunId>, keeper: Keeper, created_at: Timestamp) -> NewRun {
        let request_hash = self.spec.idempotency_key.is_some().then(|| identity::request_hash(&self.spec));
        let (spec, keeper) = (self.spec.clone(), Some(keeper));
        NewRun { run_id: self.run_id, spec, request_hash, rebind, keeper, created_at }
    }

    /// Carries it out, whether anybody waits for it or not.
    fn go(self, seat: Seat) {
        let span = self.span();
        tokio::spawn(Arc::new(self).carry_out(seat).instrument(span));
    }
}

fn damaged(why: &str) -> Failure {
    let message = format!("the ledger does not say what the backfill is to do: {why}; cancel it and ask for it again");
    Failure::new(FailureKind::Orchestration, "bad_backfill", message)
}
