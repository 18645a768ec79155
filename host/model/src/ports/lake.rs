//! The lake as the orchestrator sees it: inputs kept by digest, and a workbench for each attempt.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use super::sight::Outlook;
use super::tables::Workbench;
use crate::capture::{StagedCapture, StagedFile};
use crate::catalog::{CatalogFile, CatalogView};
use crate::dataset::{DatasetName, Partition};
use crate::difference::Difference;
use crate::failure::Failure;
use crate::grants::FolderGrant;
use crate::ids::{CaptureId, Digest, RunId};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::quality::CheckResult;
use crate::reject::Rejects;
use crate::secret::Secrets;

/// Arrow, Parquet, files. Calls block; run them where blocking is allowed.
pub trait Lake: Debug + Send + Sync {
    /// Keeps the bytes of an input under `inputs/` by their digest. The same bytes are kept once.
    fn keep_input(&self, input: InputBytes) -> Result<KeptInput, Failure>;
    /// An input that was kept before.
    ///
    /// # Errors
    ///
    /// `input_missing` if it is not there any more or is not what its digest says.
    fn kept_input(&self, file_name: &str, digest: Digest) -> Result<KeptInput, Failure>;

    /// Waits until an input that is being kept is durable.
    ///
    /// # Errors
    ///
    /// Of kind `storage`: why it could not be kept.
    fn settle_input(&self, digest: Digest) -> Result<(), Failure>;
    /// Prepares what one attempt reads and writes. Fails, with the publisher's file at fault, if an input fits none of
    /// its declared formats: `empty_file`, `not_text`, `header_mismatch`, `bad_document`, `too_large`.
    fn workbench(&self, order: WorkOrder) -> Result<Box<dyn Workbench>, Failure>;
    /// Removes the files of captures that the ledger does not know and never will. What cannot be removed now is
    /// removed at the next start.
    fn discard(&self, captures: &[StagedCapture]);
    /// Looks whether a folder that was granted can be read.
    fn check_folder(&self, path: &Path) -> Result<(), Failure>;
}

/// Bytes that somebody who may read them has read.
#[derive(Clone, Debug)]
pub struct InputBytes {
    /// The file's name without its folder.
    pub file_name: String,
    pub bytes: Arc<Vec<u8>>,
}

/// An input as it was kept.
#[derive(Clone, Debug)]
pub struct KeptInput {
    pub file_name: String,
    /// SHA-256 over the bytes as they came, still compressed if they came so.
    pub digest: Digest,
    pub bytes: Arc<Vec<u8>>,
}

/// What an attempt is allowed to read and write.
#[derive(Clone, Debug)]
pub struct WorkOrder {
    /// The run and the attempt that ask; their rejects are kept under both.
    pub run_id: RunId,
    pub attempt: u32,
    pub manifest: Arc<Manifest>,
    /// By input name. Opened, and their formats found, before the guest starts.
    pub inputs: BTreeMap<String, KeptInput>,
    /// Format names each input may have, by input name.
    pub formats: BTreeMap<String, Vec<String>>,
    /// The validated parameters, secrets included; a footer rule may name one.
    pub params: serde_json::Value,
    pub outputs: Vec<DatasetName>,
    /// Folders that are granted, by the plugin's word for them.
    pub folders: BTreeMap<String, FolderGrant>,
    /// What it sees of them.
    pub outlook: Outlook,
    /// What was published when the run started.
    pub catalog: Arc<CatalogView>,
    pub limits: Limits,
    /// Read and check only.
    pub dry_run: bool,
    /// What no message of a guest may quote.
    pub secrets: Secrets,
}

/// What an attempt delivered, checked by the host and sorted, not yet written to captures.
#[derive(Debug)]
pub struct Finished {
    /// In the order of the outputs, then of the partitions.
    pub captures: Vec<Prepared>,
    /// Results of the host's checks.
    pub checks: Vec<CheckResult>,
    /// At most the limits; durable where they are a file. Until the ledger names that file nobody reads it, and the
    /// next start removes it. Of a dry run the first, up to what its report shows.
    pub rejects: Rejects,
    /// Rejected lines in all. Of a run that `unique_key` refuses, every data line.
    pub rejected: u64,
    /// Data lines over all inputs, rejected ones included.
    pub rows_in: u64,
    /// Rows that the guest wrote, whatever became of them.
    pub rows_written: u64,
    /// Bytes of the files that were opened as inputs.
    pub bytes_in: u64,
    /// Bytes of the rows written, as columns in memory.
    pub bytes_written: u64,
    /// Inputs that the guest found itself: files of granted folders, what came back for its
    /// requests, and what it saw of folders and cursor.
    pub found_inputs: Vec<KeptInput>,
    /// Files that the guest saved in granted folders. Nobody sees them before [`SavedFiles::place`].
    pub saved: Box<dyn SavedFiles>,
}

/// Files that a guest saved. They are seen once the run is to be published; dropping them leaves nothing behind.
pub trait SavedFiles: Debug + Send {
    /// Puts each at its place, whole and durable: a file of that name is replaced. How many there were.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, naming folder and file. Those before it are at their place; the same run done again replaces
    /// them.
    fn place(self: Box<Self>) -> Result<usize, Failure>;
}

/// Nothing was saved.
impl SavedFiles for () {
    fn place(self: Box<Self>) -> Result<usize, Failure> {
        Ok(0)
    }
}

/// One capture to be.
#[derive(Debug)]
pub struct Prepared {
    pub dataset: DatasetName,
    pub partition: Partition,
    pub rows: u64,
    pub content_hash: Digest,
    pub data: Box<dyn PreparedData>,
}

/// The sorted rows of one capture.
pub trait PreparedData: Debug + Send {
    /// Writes the Parquet file at its final place and syncs file and folder; none for zero rows. Until the ledger
    /// knows it, no reader sees it, and a start after the end of the run removes it.
    fn write(self: Box<Self>, capture: CaptureId, run: RunId) -> Result<Option<StagedFile>, Failure>;

    /// How these rows differ from those of a capture that was published; all are added where it has no file.
    ///
    /// # Errors
    ///
    /// `capture_unreadable` if its file cannot be read.
    fn compare(&self, with: Option<&CatalogFile>) -> Result<Difference, Failure>;
}
