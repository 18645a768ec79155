//! A backfill from its beginning to its end: some items at a time, counted as they end.
//!
//! Nothing is kept in memory that the ledger could not tell the next process.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::RunId;
use model::backfill::{BackfillResult, ItemState};
use model::failure::{Failure, FailureKind};
use model::ports::{RecordedRun, Requeue, Start};
use model::run::{Claim, Conclusion, Conditions, RunStatus};
use serde_json::json;

use super::Backfill;
use super::item::{Item, key};
use crate::heartbeat::Watched;
use crate::identity;
use crate::job::{log_end, past_deadline};
use crate::live::Seat;

impl Backfill {
    pub(super) async fn carry_out(self: Arc<Self>, seat: Seat) {
        let (claim, watched) = match self.begin().await {
            Ok(begun) => begun,
            Err(failure) => {
                tracing::warn!(code = %failure.code, "the backfill is left as it is: {failure}");
                return;
            }
        };
        let came_to = self.items(&watched).await;
        let is_lost = watched.is_lost();
        // Nobody stops it any more: what it came to is about to be recorded.
        drop(watched);
        match came_to {
            _ if is_lost => {}
            Ok(states) => self.conclude(claim, &states, seat).await,
            Err(why) => self.leave(claim, why).await,
        }
    }

    /// Has the ledger record that this process is at it.
    async fn begin(&self) -> Result<(Claim, Watched), Failure> {
        let (heart, parts) = (&self.host.shared.heart, &self.host.shared.parts);
        let mut is_second = false;
        loop {
            let claim = Claim { worker: heart.worker(), attempt: self.attempt + 1 };
            let start = Start {
                run_id: self.run_id,
                attempt: claim.attempt,
                plugin: None,
                conditions: Conditions {
                    host_version: parts.versions.host.clone(),
                    wasmtime_version: parts.versions.wasmtime.clone(),
                    grants_hash: identity::grants_hash(&model::Grants::default()),
                },
                input_hash: None,
                inputs: Vec::new(),
                // It reads no dataset.
                snapshot: 0,
                worker: claim.worker,
                keeper: Some(self.keeper),
                lease_until: heart.until(),
                exclusive: Vec::new(),
                started_at: parts.clock.now(),
            };
            match self.host.shared.start(start).await {
                Ok(()) => return Ok((claim, heart.watch(self.run_id, claim, self.cancel.clone()))),
                // This host counts as dead, and goes on under another name.
                Err(failure) if failure.code == "lost" && !is_second => heart.renew(claim.worker),
                Err(failure) => return Err(failure),
            }
            is_second = true;
        }
    }

    /// Some items at a time, to their ends. An error if somebody else is to go on, with why.
    async fn items(&self, watched: &Watched) -> Result<Vec<ItemState>, Failure> {
        let chain = self.chain().await?;
        let root = chain.last().copied().unwrap_or(self.run_id);
        let known = self.known(root, &chain).await?;
        let (known, mut waiting) = (&known, 0..self.plan.items.len());
        let mut states = vec![ItemState::Pending; self.plan.items.len()];
        let (mut at_work, mut goes_on, mut is_left) = (FuturesUnordered::new(), true, false);
        loop {
            while goes_on && at_work.len() < self.plan.parallel as usize && !self.cancel.is_cancelled() {
                let Some(at) = waiting.next() else { break };
                at_work.push(async move { (at, self.item(root, at, known.get(&at), watched).await) });
            }
            let Some((at, item)) = at_work.next().await else { break };
            match item {
                Item::Is(state) => {
                    goes_on &= !(self.plan.stop_on_failure && matches!(state, ItemState::Failed { .. }));
                    if let Some(it) = states.get_mut(at) {
                        *it = state;
                    }
                }
                Item::Left => (goes_on, is_left) = (false, true),
            }
        }
        if is_left { Err(shut_down()) } else { Ok(states) }
    }

    /// This backfill and those that it repeats. The keys of all their items are those of the first, which is the last
    /// here.
    async fn chain(&self) -> Result<Vec<RunId>, Failure> {
        let (mut chain, mut before) = (vec![self.run_id], self.spec.lineage.retry_of);
        while let Some(earlier) = before {
            chain.push(earlier);
            let recorded = self.host.shared.parts.ledger.recorded(earlier).await?;
            before = recorded.and_then(|run| run.spec.lineage.retry_of);
        }
        Ok(chain)
    }

    /// The runs that were made for the items, by position: of several the last.
    async fn known(&self, root: RunId, chain: &[RunId]) -> Result<BTreeMap<usize, RecordedRun>, Failure> {
        let keys: BTreeMap<String, usize> = (0..self.plan.items.len()).map(|at| (key(root, at), at)).collect();
        let position = |child: &RecordedRun| keys.get(child.spec.idempotency_key.as_ref()?).copied();
        let mut known = BTreeMap::new();
        for backfill in chain.iter().rev() {
            let children = self.host.shared.parts.ledger.children(*backfill).await?;
            known.extend(children.into_iter().filter_map(|child| Some((position(&child)?, child))));
        }
        Ok(known)
    }

    /// Ends it with the count of what became of the items.
    async fn conclude(&self, claim: Claim, states: &[ItemState], seat: Seat) {
        let parts = &self.host.shared.parts;
        let (now, result) = (parts.clock.now(), BackfillResult::of(&self.plan, states));
        let is_done = result.completed == result.total;
        let (status, error) = match self.spec.routing.deadline {
            _ if is_done => (RunStatus::Completed, None),
            _ if self.cancel.is_cancelled() => (RunStatus::Cancelled, Some(cancelled(&result))),
            Some(deadline) if now >= deadline => (RunStatus::TimedOut, Some(past_deadline(deadline))),
            _ => (RunStatus::Failed, Some(items_failed(&result))),
        };
        let nothing = Conclusion::nothing(self.run_id, status, error, now);
        let conclusion = Conclusion { claim: Some(claim), result: Some(json!(result)), ..nothing };
        match self.host.shared.conclude(conclusion).await {
            Ok(report) => {
                log_end(&report);
                parts.told(&report);
                seat.leave(report);
            }
            Err(failure) => tracing::error!(
                code = %failure.code,
                "the ledger could not record the end of the backfill: {failure}; the next host of the ledger ends it"
            ),
        }
    }

    /// Back to the queue: the next host goes on.
    async fn leave(&self, claim: Claim, error: Failure) {
        let parts = &self.host.shared.parts;
        let (at, Claim { worker, attempt }) = (parts.clock.now(), claim);
        let requeue =
            Requeue { run_id: self.run_id, attempt, worker, error, usage: None, not_before: at, logs: Vec::new(), at };
        if let Err(failure) = self.host.shared.requeue(requeue).await {
            tracing::warn!(code = %failure.code, "the ledger does not have the backfill as queued: {failure}");
            return;
        }
        self.host.shared.give_up(vec![(self.run_id, Some(worker))]).await;
    }
}

fn shut_down() -> Failure {
    let message = "this host shut down before every item had ended; the next host of the ledger goes on";
    Failure::new(FailureKind::Orchestration, "interrupted", message).retryable(true)
}

fn items_failed(result: &BackfillResult) -> Failure {
    let BackfillResult { total, failed, pending, failures, .. } = result;
    let begun = if *pending == 0 { String::new() } else { format!(", {pending} were not begun") };
    let message = format!(
        "{failed} of {total} items failed{begun}; `runs children` shows their runs, `runs retry` does again what did \
         not complete"
    );
    let causes = failures.iter().take(3).map(|it| format!("item {} (`{}`): {}", it.item, it.name, it.message));
    Failure { causes: causes.collect(), ..Failure::new(FailureKind::Orchestration, "items_failed", message) }
}

fn cancelled(result: &BackfillResult) -> Failure {
    let BackfillResult { total, completed, .. } = result;
    let message = format!("the backfill was cancelled; {completed} of {total} items had completed and stay published");
    Failure::new(FailureKind::Orchestration, "cancelled", message)
}
