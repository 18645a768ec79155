//! Captures: immutable deliveries of one partition, and the statistics their files are published with.

use serde::{Deserialize, Serialize};

use crate::dataset::{DatasetName, Partition};
use crate::ids::{CaptureId, Digest, RunId};
use crate::time::Timestamp;

/// Where a capture is in its life.
///
/// ```text
///  (staged) ──publish──▶ published
///      └────blocked────▶ quarantined ──release──▶ published
///                             └───────discard───▶ discarded
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptureState {
    Published,
    Quarantined,
    Discarded,
}

impl CaptureState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Quarantined => "quarantined",
            Self::Discarded => "discarded",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Published, Self::Quarantined, Self::Discarded].into_iter().find(|state| state.name() == name)
    }
}

/// A capture as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureRecord {
    pub dataset: DatasetName,
    pub partition: Partition,
    /// 1, 2, 3... within the partition; none until it is published.
    pub revision: Option<u64>,
    pub capture_id: CaptureId,
    /// The time of the catalog snapshot that published it; strictly increasing.
    pub captured_at: Option<Timestamp>,
    pub rows: u64,
    pub content_hash: Digest,
    pub run_id: RunId,
    pub plugin_digest: Digest,
    pub state: CaptureState,
}

/// The latest published capture of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub capture_id: CaptureId,
    pub revision: u64,
    pub rows: u64,
    pub content_hash: Digest,
}

/// A capture that is written and fsynced but not yet known to the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct StagedCapture {
    pub capture_id: CaptureId,
    pub dataset: DatasetName,
    pub partition: Partition,
    pub rows: u64,
    pub content_hash: Digest,
    /// None for a capture of zero rows.
    pub file: Option<StagedFile>,
}

/// A Parquet file with what the catalog must say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct StagedFile {
    /// Relative to the folder of its table (`captures/<domain>/<dataset>/`), with `/`.
    pub path: String,
    pub bytes: u64,
    /// The four bytes before the final `PAR1`.
    pub footer_bytes: u64,
    /// One for each column of the file, `_capture_id` and `_run_id` included; exact, or absent per value.
    pub columns: Vec<ColumnStats>,
}

/// Exact statistics of one column of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnStats {
    pub column: String,
    /// Compressed bytes of the column in the file.
    pub bytes: u64,
    pub values: u64,
    pub nulls: u64,
    /// For floats: whether any value is NaN.
    pub contains_nan: Option<bool>,
    /// As the catalog writes values: dates `YYYY-MM-DD`, decimals with their scale, booleans 0 and 1. None where
    /// all is null or an exact bound is not to be had.
    pub min: Option<String>,
    pub max: Option<String>,
}
