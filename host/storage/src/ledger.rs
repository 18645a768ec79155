//! [`Storage`] as the ledger of the orchestrator.

use std::sync::Arc;

use model::capture::Head;
use model::catalog::{CatalogView, Extent};
use model::failure::{Failure, FailureKind};
use model::plugin::{PluginEvent, PluginRecord, PluginRef};
use model::ports::{
    Acquired, Adoption, AsOf, DeadLetter, DeadLetterFilter, DeadLetters, Forgotten, Heard, Held, Interrupted, Lease,
    LeaseRequest, Leases, Ledger, NewRun, Page, PluginStanding, Reaped, RecordedAttempt, RecordedRun, Registration,
    Requeue, RetentionLedger, RunFilter, RunPage, Runs, SharedKind, SharedState, SharedStates, Start, Submission,
    Worker,
};
use model::reject::Reject;
use model::retention::Cutoffs;
use model::run::{Conclusion, LogLine, RunEvent, RunReport};
use model::{CaptureId, DatasetName, Digest, Manifest, Partition, RunId, Timestamp, WorkerId};
use serde_json::Value;

use crate::commands::append_log::AppendLog;
use crate::commands::dead_letters::Resolve;
use crate::commands::keepers::GiveUp;
use crate::commands::leases::LeaseChange;
use crate::commands::reap::{Reap, Whose};
use crate::commands::release::ReleaseLease;
use crate::commands::retention::{ForgetDeadLetters, ForgetRuns};
use crate::commands::shared_states::Swap;
use crate::commands::workers::Heartbeat;
use crate::failure::failed;
use crate::read::{heads, held, keepers, work};
use crate::storage::Storage;

#[async_trait::async_trait]
impl Ledger for Storage {
    #[tracing::instrument(name = "storage.submit", skip_all)]
    async fn submit(&self, run: NewRun) -> Result<Submission, Failure> {
        self.ask(run, |lanes| &mut lanes.submit).await
    }

    #[tracing::instrument(name = "storage.start", skip_all, fields(attempt = start.attempt))]
    async fn start(&self, start: Start) -> Result<(), Failure> {
        self.ask(start, |lanes| &mut lanes.start).await
    }

    #[tracing::instrument(name = "storage.requeue", skip_all, fields(attempt = requeue.attempt))]
    async fn requeue(&self, requeue: Requeue) -> Result<RunReport, Failure> {
        self.ask(requeue, |lanes| &mut lanes.requeue).await
    }

    #[tracing::instrument(name = "storage.heartbeat", skip_all)]
    async fn heartbeat(&self, worker: &Worker, until: Timestamp) -> Result<Heard, Failure> {
        self.ask(Heartbeat { worker: worker.clone(), until }, |lanes| &mut lanes.heartbeat).await
    }

    #[tracing::instrument(name = "storage.reap", skip_all)]
    async fn reap(&self, policy: Interrupted) -> Result<Vec<Reaped>, Failure> {
        self.ask(Reap { policy, whose: Whose::Expired }, |lanes| &mut lanes.reap).await
    }

    #[tracing::instrument(name = "storage.adopt", skip_all)]
    async fn adopt(&self, adoption: Adoption) -> Result<Vec<RecordedRun>, Failure> {
        self.ask(adoption, |lanes| &mut lanes.adopt).await
    }

    async fn give_up(&self, worker: WorkerId, runs: Vec<RunId>) -> Result<(), Failure> {
        self.ask(GiveUp::These { worker, runs }, |lanes| &mut lanes.give_up).await
    }

    async fn leave(&self, worker: WorkerId) -> Result<(), Failure> {
        self.ask(GiveUp::All { worker }, |lanes| &mut lanes.give_up).await
    }

    async fn kept_by(&self, run: RunId) -> Result<Option<WorkerId>, Failure> {
        keepers::kept_by(&mut *self.reader("look for who has a run").await?, run, self.clock.now()).await
    }

    async fn children(&self, parent: RunId) -> Result<Vec<RecordedRun>, Failure> {
        work::children(&mut *self.reader("read the runs that a run asked for").await?, parent).await
    }

    async fn recorded(&self, run: RunId) -> Result<Option<RecordedRun>, Failure> {
        work::recorded(&mut *self.reader("read a run").await?, run).await
    }

    async fn done_under(&self, input_key: Digest) -> Result<Option<RunId>, Failure> {
        self.run_under(input_key).await
    }

    async fn heads(&self, wanted: Vec<(DatasetName, Partition)>) -> Result<Vec<Option<Head>>, Failure> {
        let mut connection = self.reader("read the latest captures").await?;
        let heads = heads::read(&mut connection, &wanted).await?;
        Ok(heads.into_iter().map(|head| head.map(|head| head.head)).collect())
    }

    async fn held(&self, wanted: Vec<(DatasetName, Partition, Digest)>) -> Result<Vec<Option<CaptureId>>, Failure> {
        let mut connection = self.reader("read what is in quarantine").await?;
        held::read(&mut connection, &wanted).await
    }

    async fn append_log(&self, run: RunId, lines: Vec<LogLine>) -> Result<(), Failure> {
        self.ask(AppendLog { run, lines }, |lanes| &mut lanes.append_log).await
    }

    #[tracing::instrument(name = "storage.conclude", skip_all)]
    async fn conclude(&self, conclusion: Conclusion) -> Result<RunReport, Failure> {
        self.ask(conclusion, |lanes| &mut lanes.conclude).await
    }

    async fn completed_runs(&self, version: Digest, at_most: u32) -> Result<Vec<RunId>, Failure> {
        self.completed_by(version, at_most).await
    }

    async fn attempt(&self, run: RunId, number: u32) -> Result<Option<RecordedAttempt>, Failure> {
        self.recorded_attempt(run, number).await
    }

    async fn report(&self, run: RunId) -> Result<Option<RunReport>, Failure> {
        self.read_report(run).await
    }

    async fn catalog(&self, as_of: AsOf) -> Result<Arc<CatalogView>, Failure> {
        self.catalog_for(as_of, |_| Extent::History).await
    }

    async fn latest(&self) -> Result<Arc<CatalogView>, Failure> {
        self.catalog_for(AsOf::Latest, |_| Extent::Heads).await
    }

    async fn cursor(&self, source: &str) -> Result<Option<Vec<u8>>, Failure> {
        sqlx::query_scalar("SELECT cursor FROM source_cursors WHERE source = $1")
            .bind(source)
            .fetch_optional(&mut *self.reader("read the cursor of a source").await?)
            .await
            .map_err(failed("read the cursor of a source"))
    }

    async fn plugin_standing(&self) -> Result<PluginStanding, Failure> {
        self.standing_of_plugins().await
    }

    async fn plugin_versions(&self, name: &str) -> Result<Vec<PluginRef>, Failure> {
        self.versions_of_plugin(name).await
    }

    async fn plugin_history(&self, name: &str) -> Result<Vec<PluginEvent>, Failure> {
        self.history_of_plugin(name).await
    }

    async fn rejects(&self, run: RunId, at_most: usize) -> Result<Vec<Reject>, Failure> {
        self.rejects_of(run, at_most).await
    }

    #[tracing::instrument(name = "storage.register", skip_all)]
    async fn check_schema(&self, plugin: &PluginRecord, manifest: &Manifest) -> Result<(), Failure> {
        self.fits(plugin, manifest).await
    }

    async fn register(&self, registration: Registration) -> Result<(), Failure> {
        self.ask(registration, |lanes| &mut lanes.register).await
    }
}

#[async_trait::async_trait]
impl Runs for Storage {
    async fn events_after(&self, run: RunId, seq: u64) -> Result<Vec<RunEvent>, Failure> {
        let mut events = self.events(run).await?;
        events.retain(|event| event.seq > seq);
        Ok(events)
    }

    async fn runs(&self, filter: &RunFilter) -> Result<RunPage, Failure> {
        Self::runs(self, filter).await
    }
}

#[async_trait::async_trait]
impl Leases for Storage {
    async fn acquire(&self, request: LeaseRequest) -> Result<Result<Acquired, Held>, Failure> {
        self.ask(request, |lanes| &mut lanes.acquire).await
    }

    async fn extend(&self, key: &str, run: RunId, worker: WorkerId, until: Timestamp) -> Result<bool, Failure> {
        let change = LeaseChange::Extend { key: key.to_owned(), run, worker, until };
        Ok(self.ask(change, |lanes| &mut lanes.change_lease).await? > 0)
    }

    async fn free(&self, key: &str, run: RunId, worker: WorkerId) -> Result<bool, Failure> {
        let change = LeaseChange::Free { key: key.to_owned(), run, worker };
        Ok(self.ask(change, |lanes| &mut lanes.change_lease).await? > 0)
    }

    async fn clean_expired(&self) -> Result<u64, Failure> {
        self.ask(LeaseChange::CleanExpired, |lanes| &mut lanes.change_lease).await
    }

    async fn leases(&self) -> Result<Vec<Lease>, Failure> {
        self.read_leases(None).await
    }

    async fn holder(&self, key: &str) -> Result<Option<Lease>, Failure> {
        let leases = self.read_leases(Some(key)).await?;
        Ok(leases.into_iter().min_by_key(|lease| lease.expires_at))
    }
}

#[async_trait::async_trait]
impl DeadLetters for Storage {
    async fn dead_letters(&self, filter: DeadLetterFilter) -> Result<Vec<DeadLetter>, Failure> {
        self.read_dead_letters(&filter).await
    }

    async fn resolve(&self, run: RunId, by: &str, note: Option<&str>) -> Result<bool, Failure> {
        let filter = DeadLetterFilter { run: Some(run), resolved: true, limit: 1, ..DeadLetterFilter::default() };
        if self.read_dead_letters(&filter).await?.is_empty() {
            let message = format!("run `{run}` has no dead letter; `dlq list --all` shows those that there are");
            return Err(Failure::new(FailureKind::Validation, "bad_id", message));
        }
        let resolve = Resolve { run, by: by.to_owned(), note: note.map(ToOwned::to_owned) };
        self.ask(resolve, |lanes| &mut lanes.resolve).await
    }
}

#[async_trait::async_trait]
impl SharedStates for Storage {
    async fn load(&self, kind: SharedKind, key: &str) -> Result<Option<SharedState>, Failure> {
        self.read_shared_state(kind, key).await
    }

    async fn swap(&self, kind: SharedKind, key: &str, expected: Option<u64>, state: Value) -> Result<bool, Failure> {
        self.ask(Swap { kind, key: key.to_owned(), expected, state }, |lanes| &mut lanes.swap).await
    }
}

#[async_trait::async_trait]
impl model::ports::Quarantine for Storage {
    async fn release(&self, capture: model::CaptureId) -> Result<model::CaptureRecord, Failure> {
        Self::release(self, capture).await
    }

    async fn discard(&self, capture: model::CaptureId) -> Result<model::CaptureRecord, Failure> {
        Self::discard(self, capture).await
    }
}

impl Storage {
    /// Frees the leases of a key, or that of one run; with `force` also what has not expired.
    ///
    /// # Errors
    ///
    /// See [`model::ports::Operations::release_lease`].
    pub async fn release_lease(&self, key: &str, run: Option<RunId>, force: bool) -> Result<Vec<Lease>, Failure> {
        self.ask(ReleaseLease { key: key.to_owned(), run, force }, |lanes| &mut lanes.release).await
    }
}

#[async_trait::async_trait]
impl RetentionLedger for Storage {
    async fn forgettable_dead_letters(&self, cutoffs: Cutoffs) -> Result<u64, Failure> {
        self.count_forgettable_dead_letters(cutoffs).await
    }

    async fn forget_dead_letters(&self, cutoffs: Cutoffs) -> Result<u64, Failure> {
        self.ask(ForgetDeadLetters(cutoffs), |lanes| &mut lanes.forget_dead_letters).await
    }

    async fn forgettable_runs(&self, cutoffs: Cutoffs, after: Option<(Timestamp, RunId)>) -> Result<Page, Failure> {
        self.read_forgettable_runs(cutoffs, after).await
    }

    async fn forget_runs(&self, cutoffs: Cutoffs, runs: Vec<RunId>) -> Result<Forgotten, Failure> {
        self.ask(ForgetRuns { cutoffs, runs }, |lanes| &mut lanes.forget_runs).await
    }

    async fn unnamed_inputs(&self, inputs: Vec<Digest>) -> Result<Vec<Digest>, Failure> {
        self.read_unnamed_inputs(inputs).await
    }
}
