//! Runs: one execution of a pipeline, source or task, or of several of them, and what it reports.

use serde::{Deserialize, Serialize};

use crate::capture::CaptureState;
use crate::dataset::{DatasetName, Partition};
use crate::failure::Failure;
use crate::ids::{CaptureId, Digest, RunId, WorkerId};
use crate::plugin::PluginRef;
use crate::quality::CheckResult;
use crate::reject::{Reject, Rejects};
use crate::stage::StageDone;
use crate::time::Timestamp;
use crate::usage::Usage;
use crate::work::{Lineage, Routing, UnknownWord};

/// Where a run is in its life.
///
/// ```text
///  pending ──▶ queued ◀──▶ running ──▶ completed | cancelled | timed_out | failed ──▶ dead_lettered
///     │           ├──▶ cancelled | timed_out
///     └──▶ cancelled
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Pending,
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
    DeadLettered,
}

impl RunStatus {
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
        Self::DeadLettered,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::DeadLettered => "dead_lettered",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut | Self::DeadLettered => true,
            Self::Pending | Self::Queued | Self::Running => false,
        }
    }

    /// Whether the work of a run that ended so may be done again by another run.
    pub const fn may_be_repeated(self) -> bool {
        match self {
            Self::Failed | Self::Cancelled | Self::TimedOut => true,
            Self::Pending | Self::Queued | Self::Running | Self::Completed | Self::DeadLettered => false,
        }
    }

    /// Returns whether a run in this status may become `next`.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Queued | Self::Cancelled),
            Self::Queued => matches!(next, Self::Running | Self::Cancelled | Self::TimedOut),
            Self::Running => {
                matches!(next, Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut | Self::Queued)
            }
            Self::Failed => matches!(next, Self::DeadLettered),
            Self::Completed | Self::Cancelled | Self::TimedOut | Self::DeadLettered => false,
        }
    }
}

impl std::str::FromStr for RunStatus {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let known = || Self::ALL.into_iter().map(Self::name).collect();
        Self::from_name(text).ok_or_else(|| UnknownWord { what: "status", text: text.to_owned(), known: known() })
    }
}

/// What a run carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    Pipeline,
    Source,
    Task,
    /// Several runs that depend on each other.
    Workflow,
    /// Several runs that do not: its items.
    Backfill,
    /// A run once more, apart from what is published.
    Replay,
}

impl RunKind {
    pub const ALL: [Self; 6] = [Self::Pipeline, Self::Source, Self::Task, Self::Workflow, Self::Backfill, Self::Replay];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Source => "source",
            Self::Task => "task",
            Self::Workflow => "workflow",
            Self::Backfill => "backfill",
            Self::Replay => "replay",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether the host itself carries it out, by runs that it asks for: no plugin is called.
    pub const fn is_of_runs(self) -> bool {
        match self {
            Self::Workflow | Self::Backfill => true,
            Self::Pipeline | Self::Source | Self::Task | Self::Replay => false,
        }
    }
}

impl std::str::FromStr for RunKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let known = || Self::ALL.into_iter().map(Self::name).collect();
        Self::from_name(text).ok_or_else(|| UnknownWord { what: "kind", text: text.to_owned(), known: known() })
    }
}

/// A capture as the report of a run shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCapture {
    pub dataset: DatasetName,
    pub partition: Partition,
    pub capture_id: CaptureId,
    /// None while quarantined.
    pub revision: Option<u64>,
    pub rows: u64,
    pub content_hash: Digest,
    /// Whether the partition's latest published revision already held this content; the ids are then its ids.
    pub unchanged: bool,
    pub state: RunCaptureState,
}

/// What became of a capture of a run, or would have become of it without `--dry-run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunCaptureState {
    Published,
    Unchanged,
    Quarantined,
    /// An operator gave it up after it was quarantined.
    Discarded,
    WouldPublish,
    WouldQuarantine,
}

impl RunCaptureState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Unchanged => "unchanged",
            Self::Quarantined => "quarantined",
            Self::Discarded => "discarded",
            Self::WouldPublish => "would_publish",
            Self::WouldQuarantine => "would_quarantine",
        }
    }
}

impl From<CaptureState> for RunCaptureState {
    fn from(state: CaptureState) -> Self {
        match state {
            CaptureState::Published => Self::Published,
            CaptureState::Quarantined => Self::Quarantined,
            CaptureState::Discarded => Self::Discarded,
        }
    }
}

/// A file that an attempt read, kept under `inputs/` by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInput {
    /// Without its folder.
    pub file_name: String,
    pub digest: Digest,
}

/// What an attempt ran under, beside plugin, parameters and inputs: what a replay has to repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    pub host_version: String,
    pub wasmtime_version: String,
    /// Stands for the folders that the plugin was granted, by name and path.
    pub grants_hash: Digest,
}

/// Everything a run reports. The JSON of `run`, `runs show` and `GET /api/v1/runs/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    pub run_id: RunId,
    pub name: String,
    pub kind: RunKind,
    pub status: RunStatus,
    /// The run completed and every capture was already there.
    pub unchanged: bool,
    /// Calls so far; 0 before the first.
    pub attempt: u32,
    /// Data lines read.
    pub rows_in: u64,
    /// Rows over all captures.
    pub rows_out: u64,
    pub rejected: u64,
    /// The first rejects of a dry run that has ended, which are kept nowhere else; none in every other report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects: Option<Vec<Reject>>,
    pub captures: Vec<RunCapture>,
    pub quality: Vec<CheckResult>,
    pub plugin: Option<PluginRef>,
    /// Of the latest attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
    /// SHA-256 over the bytes of the input; of several inputs, over their hashes in order of name.
    pub input_hash: Option<Digest>,
    pub duration_ms: Option<u64>,
    /// Of the latest attempt; none before it ended, and where no guest was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    pub error: Option<Failure>,
    pub params: serde_json::Value,
    #[serde(flatten)]
    pub routing: Routing,
    #[serde(flatten)]
    pub lineage: Lineage,
    /// Calls in all that its policy allows.
    #[serde(default)]
    pub attempts_max: u32,
    /// It waits for this time before it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// What a task answered; the summary of a pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
}

/// A line of `runs list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    pub run_id: RunId,
    pub name: String,
    pub kind: RunKind,
    pub status: RunStatus,
    pub unchanged: bool,
    pub attempt: u32,
    pub rows_in: u64,
    pub rows_out: u64,
    pub rejected: u64,
    pub created_at: Timestamp,
    pub duration_ms: Option<u64>,
    pub error: Option<Failure>,
}

/// One event of a run, in order of `seq` (from 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    pub seq: u64,
    pub at: Timestamp,
    /// `created`, `queued`, `started`, `stage`, `same_as`, `published`, `unchanged`, `quarantined`, `completed`, `failed`, ...
    #[serde(rename = "type")]
    pub event: String,
    pub data: serde_json::Value,
}

/// One log line of a run, of the guest or of the host about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    pub at: Timestamp,
    pub level: String,
    /// `guest`, `stdout`, `stderr` or `host`.
    pub origin: String,
    pub message: String,
    #[serde(default)]
    pub fields: Vec<(String, String)>,
}

/// How a run ended, as the orchestrator decided it; the ledger carries it out in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    pub run_id: RunId,
    /// The attempt that ends it; none for a run that waits, or that is cancelled whoever carries it out.
    pub claim: Option<Claim>,
    pub status: RunStatus,
    pub error: Option<Failure>,
    pub rows_in: u64,
    pub rows_out: u64,
    pub captures: Vec<CaptureOutcome>,
    pub quality: Vec<CheckResult>,
    pub rejects: Rejects,
    /// Rejected rows in all; more than `rejects` holds only when a limit cut the list.
    pub rejected: u64,
    /// The end of the log: what [`crate::ports::Ledger::append_log`] has not written yet.
    pub logs: Vec<LogLine>,
    pub stages: Vec<StageDone>,
    /// The order of the stages, where the pipeline declares one: each capture then has its own.
    pub stage_order: Vec<String>,
    /// Stands for parameters, inputs and plugin, where a later run of the same may be spared by it.
    pub input_key: Option<Digest>,
    /// What the attempt used; none if no guest was called.
    pub usage: Option<Usage>,
    /// The run that had done the same, if that is why no plugin was called.
    pub same_as: Option<RunId>,
    pub result: Option<serde_json::Value>,
    /// The cursor of a source, kept with the rows it stands for.
    pub cursor: Option<SourceCursor>,
    /// Replaces what the start of the attempt said, where files of granted folders were read; none leaves it.
    pub input_hash: Option<Digest>,
    /// File name and digest of each input, where `input_hash` is there.
    pub inputs: Vec<(String, Digest)>,
    pub finished_at: Timestamp,
}

impl Conclusion {
    /// The end of a run that came to nothing.
    pub fn nothing(run_id: RunId, status: RunStatus, error: Option<Failure>, finished_at: Timestamp) -> Self {
        Self {
            run_id,
            claim: None,
            status,
            error,
            rows_in: 0,
            rows_out: 0,
            captures: Vec::new(),
            quality: Vec::new(),
            rejects: crate::reject::Rejects::default(),
            rejected: 0,
            logs: Vec::new(),
            stages: Vec::new(),
            stage_order: Vec::new(),
            input_key: None,
            usage: None,
            same_as: None,
            result: None,
            cursor: None,
            input_hash: None,
            inputs: Vec::new(),
            finished_at,
        }
    }
}

/// An attempt and who carries it out: whoever says what became of a run has to be at it still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub worker: WorkerId,
    pub attempt: u32,
}

/// What happens to one staged capture.
#[derive(Clone, Debug, PartialEq)]
pub enum CaptureOutcome {
    /// Publish it, if the partition's head is still `expected_head`.
    Publish { staged: crate::capture::StagedCapture, expected_head: Option<CaptureId> },
    /// Keep it from readers until an operator decides.
    Quarantine { staged: crate::capture::StagedCapture },
    /// An operator already has this content in quarantine, so nothing was written.
    Held { dataset: DatasetName, partition: Partition, capture_id: CaptureId, rows: u64, content_hash: Digest },
    /// The head already has this content.
    Unchanged { dataset: DatasetName, partition: Partition, head: crate::capture::Head },
}

/// How far a source has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCursor {
    pub source: String,
    pub cursor: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_terminal_status_but_the_dead_letter_of_a_failure() {
        for from in RunStatus::ALL.into_iter().filter(|status| status.is_terminal()) {
            for to in RunStatus::ALL {
                let allowed = from == RunStatus::Failed && to == RunStatus::DeadLettered;
                assert_eq!(from.may_become(to), allowed, "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn case_p8_an_unknown_status_or_kind_suggests_the_nearest() {
        for kind in RunKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let error = "fialed".parse::<RunStatus>().unwrap_err().to_string();
        assert_eq!(error, "unknown status `fialed`, did you mean `failed`?");
        assert!("zz".parse::<RunStatus>().unwrap_err().to_string().contains("`dead_lettered`"));
        assert!("zz".parse::<RunKind>().unwrap_err().to_string().contains("`backfill`"));
    }
}
