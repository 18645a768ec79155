//! The execution engine as its callers see it: a command line in the same process, or the HTTP API.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::invoker::{Cancel, Progress};
use super::lake::InputBytes;
use crate::capture::CaptureRecord;
use crate::failure::Failure;
use crate::ids::{CaptureId, RunId};
use crate::plugin::{PluginEvent, PluginGrants, PluginRecord};
use crate::replay::ReplayReport;
use crate::run::{RunReport, RunStatus};
use crate::time::Timestamp;
use crate::work::{Lineage, Routing};

/// Carries out runs. An error means that no run was made: usage, or refused. Once there is a run, whatever happens to
/// it is in its report.
#[async_trait::async_trait]
pub trait Engine: Debug + Send + Sync {
    /// Records a run, starts it and returns without waiting for its end. A dry run has no record: [`Engine::wait`]
    /// knows it until it has ended and for a while longer.
    ///
    /// # Errors
    ///
    /// `unknown_name`, `bad_params`: the caller's mistake. `plugin_refused`, `key_reused`, `not_ready`: refused.
    async fn spawn(&self, request: RunRequest) -> Result<RunReport, Failure>;

    /// Carries a run out to its end. The run goes on if the caller stops waiting.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::spawn`].
    async fn submit(&self, request: RunRequest) -> Result<RunReport, Failure>;

    /// Records a backfill, begins it and returns without waiting for its end. Its items are runs of their own, which
    /// name it as their parent.
    ///
    /// # Errors
    ///
    /// `bad_params` with every problem of every item, `usage` for numbers out of range; `key_reused`, `not_ready`. An
    /// item whose name nobody offers is not refused here: it fails when its turn comes.
    async fn backfill(&self, request: BackfillRequest) -> Result<RunReport, Failure>;

    /// The report of a run, once it has ended or `at_most` has passed; none if there is no such run.
    async fn wait(&self, run: RunId, at_most: Duration) -> Result<Option<RunReport>, Failure>;

    /// Asks a run to stop and returns without waiting for it; one that waits in no queue ends at once. A run that has
    /// ended stays as it is; none if there is no such run. With a backfill its items stop too.
    async fn cancel(&self, run: RunId) -> Result<Option<RunReport>, Failure>;

    /// Makes a new run of the work of one that failed, timed out or was cancelled, and returns without waiting for its
    /// end. It takes the idempotency key over.
    ///
    /// # Errors
    ///
    /// `bad_id` if there is no such run, `not_repeatable` if it did not end badly, `retries_used_up` if it was repeated as
    /// often as it may be, `secret_lost` if it had a secret parameter; those of [`Engine::spawn`].
    async fn retry(&self, run: RunId) -> Result<RunReport, Failure>;

    /// Carries a run out again as it was recorded, and compares what it delivers. Nothing is written.
    ///
    /// # Errors
    ///
    /// `bad_id` if there is no such run; `not_replayable` with the reason if it cannot be carried out again as it was;
    /// `secret_lost`, `not_kept`, `input_missing` if what it needs is not kept.
    async fn replay(&self, run: RunId) -> Result<ReplayReport, Failure>;

    /// Why a run stands where it stands; none if there is no such run.
    async fn why(&self, run: RunId) -> Result<Option<Standing>, Failure>;

    /// The parameters of type `file` of a pipeline, source or task: those whose bytes a caller has to bring.
    ///
    /// # Errors
    ///
    /// `unknown_name`, `plugin_refused`.
    fn file_params(&self, name: &str) -> Result<Vec<String>, Failure>;

    /// What was found in the plugins folder.
    fn plugins(&self) -> Vec<PluginRecord>;

    /// What the versions of a plugin ask for, what `spine.toml` grants them, and what was approved for the name.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name.
    async fn plugin_grants(&self, name: &str) -> Result<PluginGrants, Failure>;

    /// What happened to the versions of a plugin, the oldest first; also of one that is not there any more.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name.
    async fn plugin_history(&self, name: &str) -> Result<Vec<PluginEvent>, Failure>;
}

/// Decides what becomes of captures that a check blocked.
#[async_trait::async_trait]
pub trait Quarantine: Debug + Send + Sync {
    /// Publishes a quarantined capture: it replaces its whole partition as the next revision.
    ///
    /// # Errors
    ///
    /// `bad_id` if there is no such capture, `not_releasable` if it is not in quarantine.
    async fn release(&self, capture: CaptureId) -> Result<CaptureRecord, Failure>;

    /// Gives a quarantined capture up. It keeps its row, and never becomes readable.
    ///
    /// # Errors
    ///
    /// `bad_id` if there is no such capture, `not_releasable` if it is not in quarantine.
    async fn discard(&self, capture: CaptureId) -> Result<CaptureRecord, Failure>;
}

/// What somebody wants to be run.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// A pipeline, source or task.
    pub name: String,
    /// Parameters other than files.
    pub params: BTreeMap<String, ParamValue>,
    /// Parameters of type `file`, read by whoever may read them.
    pub files: BTreeMap<String, GivenFile>,
    /// Publishes a new revision although the content is identical.
    pub force: bool,
    /// Reads and checks; writes nothing.
    pub dry_run: bool,
    pub routing: Routing,
    pub lineage: Lineage,
    /// The idempotency key: the body of one key succeeds at most once. A dry run has none.
    pub key: Option<String>,
    pub progress: Option<Progress>,
    pub cancel: Cancel,
}

/// Several pieces of work that somebody wants done.
#[derive(Clone, Debug, Default)]
pub struct BackfillRequest {
    pub items: Vec<BackfillWork>,
    /// Items at work at one time: 1 to [`crate::backfill::BACKFILL_PARALLEL_MAX`].
    pub parallel: Option<u32>,
    pub stop_on_failure: bool,
    /// For every item: see [`RunRequest::force`].
    pub force: bool,
    /// Of the backfill and of every item.
    pub routing: Routing,
    pub lineage: Lineage,
    /// The idempotency key of the backfill. Its items have their own.
    pub key: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, Default)]
pub struct BackfillWork {
    /// A pipeline, source or task.
    pub name: String,
    pub params: BTreeMap<String, ParamValue>,
    pub files: BTreeMap<String, GivenFile>,
}

/// The value of a parameter as it came.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamValue {
    /// Command-line text, parsed by the declared type: `5` is an integer where one is declared.
    Text(String),
    /// JSON, which has types of its own: `"5"` is not an integer.
    Json(serde_json::Value),
}

/// A file that a caller named.
#[derive(Clone, Debug)]
pub struct GivenFile {
    /// Without its folder. Known even of a file that could not be read.
    pub file_name: String,
    /// Its bytes, or why they could not be read. The run is made then too, and fails with that.
    pub bytes: Result<Arc<Vec<u8>>, Failure>,
}

impl From<InputBytes> for GivenFile {
    fn from(input: InputBytes) -> Self {
        Self { file_name: input.file_name, bytes: Ok(input.bytes) }
    }
}

/// Why a run stands where it stands, for somebody who asks why it is not further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub run_id: RunId,
    pub status: RunStatus,
    /// `not_before`, `lane`, `bulkhead`, `ready`, `running`, `no_host`, `ended`; may grow.
    pub code: String,
    pub reason: String,
    /// When that is over, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Standing {
    /// Of a run that has ended, or that is in no queue of the host that is asked.
    pub fn of(report: &RunReport) -> Self {
        let (code, reason) = match (report.status, &report.error) {
            (RunStatus::Running, _) => ("running", format!("attempt {} is at work", report.attempt)),
            (RunStatus::Pending | RunStatus::Queued, _) => {
                let reason = "no host has it in its queue; `spine-host serve` in its data folder takes it up";
                ("no_host", reason.to_owned())
            }
            (_, None) => ("ended", "it has ended well".to_owned()),
            (_, Some(error)) => ("ended", format!("{}: {error}", error.code)),
        };
        let (run_id, status) = (report.run_id, report.status);
        Self { run_id, status, code: code.to_owned(), reason, until: report.not_before }
    }
}

/// Told of each run that ended. Called on the thread that ended it: it must not block.
#[derive(Clone)]
pub struct RunListener(pub Arc<dyn Fn(&RunReport) + Send + Sync>);

impl Debug for RunListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunListener")
    }
}
