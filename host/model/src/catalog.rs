//! What can be queried as of one snapshot: the answer of the catalog, for readers that know nothing of SQL tables.

use crate::dataset::{DatasetName, Partition};
use crate::fields::FieldIds;
use crate::ids::{CaptureId, Digest, RunId};
use crate::manifest::DatasetSpec;
use crate::time::Timestamp;

/// How much of a dataset a reader needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// No more than that it is there.
    Nothing,
    /// The latest capture of every partition.
    Heads,
    /// Every published capture.
    History,
}

/// What was published up to one snapshot: everything, or as much of each dataset as its reader asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogView {
    pub snapshot: Snapshot,
    pub datasets: Vec<CatalogDataset>,
}

impl CatalogView {
    pub fn dataset(&self, name: &DatasetName) -> Option<&CatalogDataset> {
        self.datasets.iter().find(|dataset| &dataset.spec.name == name)
    }
}

/// One state of the whole lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub id: u64,
    pub at: Timestamp,
}

/// One dataset with captures published up to the snapshot, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogDataset {
    pub spec: DatasetSpec,
    /// The ids that its columns have in files, and those that it had before.
    pub fields: FieldIds,
    pub captures: Vec<CatalogCapture>,
}

/// One published capture.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogCapture {
    pub capture_id: CaptureId,
    pub partition: Partition,
    pub revision: u64,
    pub captured_at: Timestamp,
    pub run_id: RunId,
    pub rows: u64,
    pub content_hash: Digest,
    /// Whether no later capture of its partition was published up to the snapshot.
    pub latest: bool,
    /// Path relative to `captures/`, and its size; none for a capture of zero rows.
    pub file: Option<CatalogFile>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogFile {
    pub path: String,
    pub bytes: u64,
}
