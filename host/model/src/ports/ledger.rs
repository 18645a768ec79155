//! The ledger as the orchestrator sees it. Status, events and data change together, or not at all.

use std::fmt::Debug;
use std::sync::Arc;

use super::keepers::{Adoption, Heard, Keeper};
use super::leases::{Exclusive, Interrupted, Reaped, Worker};
use crate::capture::Head;
use crate::catalog::CatalogView;
use crate::dataset::{DatasetName, Partition};
use crate::failure::Failure;
use crate::ids::{CaptureId, Digest, RunId, WorkerId};
use crate::manifest::{CapabilitySpec, Manifest};
use crate::plugin::{Approval, PluginEvent, PluginRecord, PluginRef};
use crate::reject::Reject;
use crate::run::{Conclusion, Conditions, LogLine, RunReport, RunStatus};
use crate::time::Timestamp;
use crate::usage::Usage;
use crate::work::WorkSpec;

/// Runs, captures and what is known of plugins, durable once a call returns.
#[async_trait::async_trait]
pub trait Ledger: Debug + Send + Sync {
    /// Records a run: created, then queued. A key that is already bound gives the run it is bound to, unless
    /// [`NewRun::rebind`] names that run. A run that repeats another counts against the other's dead letter.
    ///
    /// # Errors
    ///
    /// `not_repeatable` if the run that is to be repeated did not fail; `retries_used_up` if it was repeated as often as
    /// its dead letter allows, or somebody resolved that. `key_reused` if the key is bound to another request. Of a run that ended badly only name and parameters are
    /// compared: the corrected file may follow under its key.
    async fn submit(&self, run: NewRun) -> Result<Submission, Failure>;

    /// Queued to running, or the next attempt of a running run. Takes every lease that the run needs, or none. A
    /// worker that is not known yet is from now on, and alive as long as these leases. Who kept the run keeps it no more.
    ///
    /// # Errors
    ///
    /// `lease_held` (retryable) if another run holds what this one needs, with the details `lease` and `holder`; `lost`
    /// if the worker has expired while it had runs, or another one carries the run out; `kept` if another one that is
    /// alive keeps it; `illegal_transition` if the run is not where this attempt begins. Nothing was written then.
    async fn start(&self, start: Start) -> Result<(), Failure>;

    /// Running to queued: the attempt failed, and another follows at its time. Frees the leases of the run, which the
    /// worker keeps.
    ///
    /// # Errors
    ///
    /// `illegal_transition` if the attempt is not at work, or is not the latest of the run; `lost` if it is not the
    /// worker's any more. Nothing was written then.
    async fn requeue(&self, requeue: Requeue) -> Result<RunReport, Failure>;

    /// Says that a worker is alive until then: it and the leases of its runs last until then at least. Returns the runs
    /// that it still has.
    ///
    /// A worker that expired while it had runs at work is not brought back, and an expired lease neither: it has none of
    /// them any more.
    async fn heartbeat(&self, worker: &Worker, until: Timestamp) -> Result<Heard, Failure>;

    /// Ends or queues again the runs in flight that nobody carries out: their worker expired or is not known, or they
    /// lost a lease. Several processes may do so at once; each run is one's.
    async fn reap(&self, policy: Interrupted) -> Result<Vec<Reaped>, Failure>;

    /// Gives a worker queued runs that nobody keeps, the oldest first: those whose keeper expired, is not known or gave
    /// them up. Several may ask at once; each run is one's. A worker that counts as dead gets none.
    async fn adopt(&self, adoption: Adoption) -> Result<Vec<RecordedRun>, Failure>;

    /// These queued runs are this worker's no more: whoever comes next adopts them. Those that it does not keep are left
    /// alone.
    async fn give_up(&self, worker: WorkerId, runs: Vec<RunId>) -> Result<(), Failure>;

    /// The worker goes: it gives up all that it keeps, and is forgotten unless it has runs at work.
    async fn leave(&self, worker: WorkerId) -> Result<(), Failure>;

    /// The living worker that carries a run out, or keeps it; none if there is none.
    async fn kept_by(&self, run: RunId) -> Result<Option<WorkerId>, Failure>;

    /// The runs that this one asked for, with the work they carry out, the oldest first.
    async fn children(&self, parent: RunId) -> Result<Vec<RecordedRun>, Failure>;

    /// A run with the work it carries out; none if there is no such run.
    async fn recorded(&self, run: RunId) -> Result<Option<RecordedRun>, Failure>;

    /// One attempt of a run as it began; none if it did not.
    async fn attempt(&self, run: RunId, number: u32) -> Result<Option<RecordedAttempt>, Failure>;

    /// The newest completed runs that a version of a plugin carried out.
    async fn completed_runs(&self, version: Digest, at_most: u32) -> Result<Vec<RunId>, Failure>;

    /// The last completed run that was concluded under this [`Conclusion::input_key`] and did its work itself.
    async fn done_under(&self, input_key: Digest) -> Result<Option<RunId>, Failure>;

    /// The latest published capture of each partition, in the order asked.
    async fn heads(&self, wanted: Vec<(DatasetName, Partition)>) -> Result<Vec<Option<Head>>, Failure>;

    /// The capture of each partition that is in quarantine with this content, in the order asked.
    async fn held(&self, wanted: Vec<(DatasetName, Partition, Digest)>) -> Result<Vec<Option<CaptureId>>, Failure>;

    /// Adds lines to the log of a run that has not ended, after those that are there.
    ///
    /// # Errors
    ///
    /// `illegal_transition` if the run has ended; nothing was written then, as after any other failure.
    async fn append_log(&self, run: RunId, lines: Vec<LogLine>) -> Result<(), Failure>;

    /// Ends a running run, or a queued one as cancelled. Captures, catalog rows, quality results, rejects, cursor,
    /// status, events and the release of its leases are one transaction.
    ///
    /// # Errors
    ///
    /// `conflict` (retryable) if a partition's head is not the one the run saw, `lost` if the attempt is not the
    /// caller's any more, or a lease of it is not; nothing was written then. After another failure it is not known whether anything was, unless a later call ends the run: a run ends once.
    async fn conclude(&self, conclusion: Conclusion) -> Result<RunReport, Failure>;

    async fn report(&self, run: RunId) -> Result<Option<RunReport>, Failure>;

    /// What was published as of an instant, or by now.
    ///
    /// # Errors
    ///
    /// `bad_as_of` for an instant in the future, or a snapshot that there never was.
    async fn catalog(&self, as_of: AsOf) -> Result<Arc<CatalogView>, Failure>;

    /// The latest capture of every partition by now: what an attempt may read. What they replaced is left out.
    async fn latest(&self) -> Result<Arc<CatalogView>, Failure>;

    /// How far a source has come.
    async fn cursor(&self, source: &str) -> Result<Option<Vec<u8>>, Failure>;

    /// What was decided about plugins so far.
    async fn plugin_standing(&self) -> Result<PluginStanding, Failure>;

    /// The versions of a plugin that were ever active, the latest activation first.
    async fn plugin_versions(&self, name: &str) -> Result<Vec<PluginRef>, Failure>;

    /// What happened to the versions of a plugin, the oldest first.
    async fn plugin_history(&self, name: &str) -> Result<Vec<PluginEvent>, Failure>;

    /// The first rejects of a run that are rows of the ledger, in their order: none of a run that has a file of them.
    async fn rejects(&self, run: RunId, at_most: usize) -> Result<Vec<Reject>, Failure>;

    /// Whether an active plugin could be registered: its datasets fit the tables that are there. Changes nothing.
    ///
    /// # Errors
    ///
    /// `schema_changed` with the differences.
    async fn check_schema(&self, plugin: &PluginRecord, manifest: &Manifest) -> Result<(), Failure>;

    /// Records what was found in the plugins folder, the datasets of the active ones, what was decided and what
    /// happened. What is not named here stays as it was; if the call fails nothing was recorded.
    ///
    /// # Errors
    ///
    /// `schema_changed` if a dataset of an active plugin differs from the table that holds its captures.
    async fn register(&self, registration: Registration) -> Result<(), Failure>;
}

/// What was decided about plugins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginStanding {
    /// The version that was last active under each name.
    pub incumbents: Vec<Incumbent>,
    /// Versions that an operator rolled back from: they do not come back by themselves.
    pub held_back: Vec<(String, Digest)>,
    pub approved: Vec<Approval>,
}

/// The version that was last active under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incumbent {
    pub name: String,
    pub version: String,
    pub digest: Digest,
    /// Where it was found.
    pub file: String,
    /// What it asks for.
    pub asked: Vec<CapabilitySpec>,
    /// Its file was gone when that was last looked.
    pub removed: bool,
}

/// What is to be recorded of plugins, together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// An active one becomes the last active of its name, unless it is that already.
    pub found: Vec<(PluginRecord, Option<Arc<Manifest>>)>,
    /// Whether a version is held back from now on.
    pub held_back: Vec<(String, Digest, bool)>,
    pub approved: Vec<Approval>,
    /// What happened; their numbers are given by the ledger. One that says of a version what was said of it last is left
    /// out: a host that starts again finds the same.
    pub events: Vec<PluginEvent>,
}

/// A run to record.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    pub run_id: RunId,
    pub spec: WorkSpec,
    /// Stands for all that was asked for, the content of files included; there with a key.
    pub request_hash: Option<Digest>,
    /// The ended run that the key leaves for this one. Only if the key is still bound to it: of two submitters that
    /// saw the same failure one gets a new run and the other is told of that.
    pub rebind: Option<RunId>,
    /// None for a run that waits for whoever adopts it.
    pub keeper: Option<Keeper>,
    pub created_at: Timestamp,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq)]
pub enum Submission {
    New,
    /// The key's run, whatever its status.
    Existing(RunId),
}

/// An attempt that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    pub run_id: RunId,
    /// From 1.
    pub attempt: u32,
    /// None where the host itself carries it out.
    pub plugin: Option<PluginRef>,
    pub conditions: Conditions,
    pub input_hash: Option<Digest>,
    /// File name and digest of each input.
    pub inputs: Vec<(String, Digest)>,
    /// The snapshot of the datasets it may read.
    pub snapshot: u64,
    /// Who carries it out.
    pub worker: WorkerId,
    /// Who has kept the run so far, as far as the caller knows.
    pub keeper: Option<WorkerId>,
    /// When its leases expire, unless the worker says that it is alive. Not before the worker expires.
    pub lease_until: Timestamp,
    /// What no other run may hold meanwhile, or only so many at one time.
    pub exclusive: Vec<Exclusive>,
    pub started_at: Timestamp,
}

/// An attempt that failed and will be followed by another.
#[derive(Clone, Debug, PartialEq)]
pub struct Requeue {
    pub run_id: RunId,
    pub attempt: u32,
    /// Who carried it out, and keeps it.
    pub worker: WorkerId,
    /// Why it failed.
    pub error: Failure,
    /// What it used; none if no guest was called.
    pub usage: Option<Usage>,
    /// When the next may begin.
    pub not_before: Timestamp,
    /// The end of its log: what [`Ledger::append_log`] has not written yet.
    pub logs: Vec<LogLine>,
    pub at: Timestamp,
}

/// A run, whole: with it another process can carry it out, or repeat it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedRun {
    pub run_id: RunId,
    pub spec: WorkSpec,
    pub status: RunStatus,
    /// Calls so far.
    pub attempt: u32,
    pub not_before: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Of the first attempt.
    pub started_at: Option<Timestamp>,
}

/// An attempt as it began.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedAttempt {
    /// None where the host itself carried it out.
    pub plugin: Option<PluginRef>,
    /// The snapshot of the datasets it could read.
    pub snapshot: u64,
    pub started_at: Timestamp,
    /// What it read, by name and digest: files and exchanges.
    pub inputs: Vec<(String, Digest)>,
}

/// Which state of the lake a reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    Latest,
    /// The newest snapshot at or before this instant.
    Instant(Timestamp),
    /// The snapshot with this number.
    Snapshot(u64),
}
