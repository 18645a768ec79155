//! One item of a backfill: the run that was made for it is found or made, and followed until it has ended.

use std::time::Duration;

use model::RunId;
use model::backfill::ItemState;
use model::failure::{Failure, FailureKind};
use model::ports::{Engine as _, RecordedRun};
use model::run::{RunReport, RunStatus};
use model::work::{Lineage, Trigger, WorkSpec};

use super::{Backfill, items};
use crate::heartbeat::Watched;
use crate::identity;
use crate::job::cancelled;
use crate::lease::after;
use crate::live::{Live, ended};
use crate::orchestrator::Begun;

/// How long to wait before a run of another process, or a plugin without room, is asked again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a turn at an item came to.
pub(super) enum Item {
    Is(ItemState),
    /// Somebody else goes on: this process is about to end.
    Left,
}

impl Backfill {
    /// One item to its end. `known` is the run that was made for it before.
    pub(super) async fn item(&self, root: RunId, at: usize, known: Option<&RecordedRun>, watched: &Watched) -> Item {
        // What came to nothing and is done once more: its dead letter counts that, and is resolved by it.
        let mut repeated = None;
        if let Some(known) = known.filter(|known| known.status.is_terminal()) {
            let is_own = known.spec.lineage.parent_run_id == Some(self.run_id);
            match self.host.recorded(known.run_id).await {
                Ok(report) if report.status == RunStatus::Completed => return Item::Is(ItemState::Completed),
                Ok(report) if is_own && !was_interrupted(&report) => return Item::Is(state(report)),
                Ok(report) => repeated = Some(report.run_id),
                Err(failure) => return Item::Is(ItemState::Failed { run: Some(known.run_id), failure }),
            }
        }
        while !self.cancel.is_cancelled() {
            let run = match self.ask_for(root, at, repeated).await {
                Ok(Begun::Started { run, .. }) => run,
                Ok(Begun::Existing(report)) if report.status.is_terminal() => return Item::Is(state(report)),
                Ok(Begun::Existing(report) | Begun::Elsewhere(report)) => report.run_id,
                Err(failure) if failure.code == "not_ready" => return Item::Left,
                Err(failure) if failure.code == "bulkhead_full" => {
                    self.pause().await;
                    continue;
                }
                Err(failure) => return Item::Is(ItemState::Failed { run: None, failure }),
            };
            match self.follow(run, watched).await {
                // Its host ended, not it: once more under the same key, unless this host ends too.
                Some(report) if was_interrupted(&report) && !self.host.shared.live.is_closed() => {
                    repeated = Some(report.run_id);
                }
                Some(report) if !was_interrupted(&report) => return Item::Is(state(report)),
                Some(_) | None => return Item::Left,
            }
        }
        Item::Is(ItemState::Pending)
    }

    async fn ask_for(&self, root: RunId, at: usize, repeated: Option<RunId>) -> Result<Begun, Failure> {
        let parts = &self.host.shared.parts;
        let run_id = identity::run_id(&*parts.clock, &*parts.entropy);
        let job = self.host.recorded_job(run_id, self.work(root, at, repeated)?, parts.clock.now()).await?;
        self.host.begin_job(job, false).await
    }

    /// The work of an item, under its key.
    fn work(&self, root: RunId, at: usize, repeated: Option<RunId>) -> Result<WorkSpec, Failure> {
        let Some(item) = self.plan.items.get(at) else {
            return Err(Failure::new(FailureKind::Internal, "no_item", format!("there is no item {}", at + 1)));
        };
        let target = self.host.plugin_set().find(&item.name)?;
        let Some(kind) = item.kind else {
            let message = format!(
                "nobody offered `{}` when the backfill was asked for, so its parameters were not checked; ask for it \
                 again",
                item.name
            );
            return Err(Failure::new(FailureKind::Validation, "unknown_name", message));
        };
        let correlation_id = self.spec.lineage.correlation_id.clone();
        let lineage = Lineage {
            trigger: if repeated.is_some() { Trigger::Retry } else { Trigger::Internal },
            correlation_id: correlation_id.or_else(|| Some(self.run_id.to_string())),
            parent_run_id: Some(self.run_id),
            retry_of: repeated,
        };
        Ok(WorkSpec {
            name: item.name.clone(),
            kind,
            params: item.params.clone(),
            inputs: items::files_of(&self.spec.inputs, at),
            force: self.spec.force,
            routing: self.spec.routing,
            lineage,
            idempotency_key: Some(key(root, at)),
            retry: self.host.shared.parts.policy_of(&target.name, &target.manifest)?.retry,
        })
    }

    /// Waits for the end of a run, and asks it to stop once the backfill is to stop. None if this process goes no
    /// further with it.
    async fn follow(&self, run: RunId, watched: &Watched) -> Option<RunReport> {
        let mut is_asked = false;
        loop {
            let mut is_at_work = false;
            if let Some(Live { end, .. }) = self.host.shared.live.find(run) {
                tokio::select! {
                    biased;
                    report = ended(end) => if report.is_some() { return report },
                    () = self.cancel.cancelled(), if !is_asked => is_at_work = true,
                }
            }
            if watched.is_lost() {
                // Whoever has the backfill now has its items.
                return None;
            }
            if self.cancel.is_cancelled() && !is_asked {
                is_asked = true;
                if let Err(failure) = self.host.cancel(run).await {
                    tracing::warn!(code = %failure.code, "could not ask {run} to stop: {failure}");
                }
            }
            if is_at_work {
                continue;
            }
            match self.host.recorded(run).await {
                Ok(report) if report.status.is_terminal() => return Some(report),
                Ok(_) => {}
                Err(failure) => tracing::warn!(code = %failure.code, "could not look at {run}: {failure}"),
            }
            if self.host.shared.live.is_closed() {
                return None;
            }
            self.pause().await;
        }
    }

    async fn pause(&self) {
        let parts = &self.host.shared.parts;
        parts.timer.until(after(parts.clock.now(), LOOK_AGAIN)).await;
    }
}

/// Stands for one item of a backfill and of its repetitions.
pub(super) fn key(root: RunId, at: usize) -> String {
    format!("{root}/{}", at + 1)
}

/// Whether a run ended because its host did, not because of what it is.
fn was_interrupted(report: &RunReport) -> bool {
    report.error.as_ref().is_some_and(|error| error.code == "interrupted")
}

fn state(report: RunReport) -> ItemState {
    match (report.status, report.error) {
        (RunStatus::Completed, _) => ItemState::Completed,
        (_, failure) => ItemState::Failed { run: Some(report.run_id), failure: failure.unwrap_or_else(cancelled) },
    }
}
