//! Tables as the boundary sees them: raw Arrow buffers, no Arrow types.
//!
//! `runtime` hands what a guest sends through these traits, `lake` implements them. All calls are synchronous and run
//! on the guests' own threads.

use std::any::Any;
use std::fmt::Debug;

use bytes::Bytes;

use super::lake::{Finished, InputBytes};
use crate::failure::Failure;

/// A column of a table at the boundary. `dtype` is a [`crate::DataType`] in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub dtype: String,
    pub nullable: bool,
    pub details: Vec<(String, String)>,
}

/// The Arrow buffers of one column, laid out as `wit/tables.wit` says. From a guest: not to be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    pub rows: u32,
    pub parts: Vec<Vec<u8>>,
}

/// The same on their way to a guest: they share the batch's memory where that has the layout of the boundary already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedBuffers {
    pub rows: u32,
    pub parts: Vec<Bytes>,
}

impl SharedBuffers {
    /// A copy that is the caller's own.
    pub fn to_owned_buffers(&self) -> Buffers {
        Buffers { rows: self.rows, parts: self.parts.iter().map(|part| part.to_vec()).collect() }
    }
}

/// Why a table could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DataError {
    pub code: String,
    pub message: String,
    pub details: Vec<(String, String)>,
}

impl DataError {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), details: Vec::new() }
    }
}

/// Some immutable rows. Cheap to clone inside.
pub trait TableBatch: Debug + Send + Sync {
    fn schema(&self) -> Vec<Field>;
    fn rows(&self) -> u32;
    /// Host memory that this batch keeps alive, in bytes.
    fn bytes(&self) -> u64;
    fn columns(&self, names: &[String]) -> Result<Vec<SharedBuffers>, DataError>;
    /// Bytes that [`TableBatch::columns`] would return.
    fn columns_bytes(&self, names: &[String]) -> Result<u64, DataError>;
    fn select(&self, names: &[String]) -> Result<Box<dyn TableBatch>, DataError>;
    fn filter(&self, keep: &[u8]) -> Result<Box<dyn TableBatch>, DataError>;
    /// Takes rows by little-endian u32 positions; fails with `held_limit` before making more than `bytes_max`.
    fn take(&self, rows: &[u8], bytes_max: u64) -> Result<Box<dyn TableBatch>, DataError>;
    fn with_column(&self, column: &Field, data: Buffers) -> Result<Box<dyn TableBatch>, DataError>;
    fn as_any(&self) -> &dyn Any;
}

/// A table that is read once, front to back.
pub trait TableReader: Debug + Send {
    fn schema(&self) -> Vec<Field>;
    fn info(&self) -> Vec<(String, String)>;
    fn next(&mut self) -> Result<Option<Box<dyn TableBatch>>, DataError>;
}

/// A dataset being written. Dropping it neither publishes nor discards anything.
pub trait TableWriter: Debug + Send {
    fn write(&mut self, columns: Vec<(String, Buffers)>) -> Result<u64, DataError>;
    fn write_batch(&mut self, rows: &dyn TableBatch) -> Result<u64, DataError>;
    fn declare(&mut self, partition: &[(String, String)]) -> Result<(), DataError>;
}

/// Raw bytes of an input.
pub trait Blob: Debug + Send {
    fn size(&self) -> u64;
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, DataError>;
}

/// One file of a granted folder.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileEntry {
    pub name: String,
    pub bytes: u64,
    /// Microseconds since 1970 UTC.
    pub modified_us: i64,
}

/// A row that a guest rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    pub line: Option<u64>,
    pub code: String,
    pub message: String,
    pub details: Vec<(String, String)>,
}

/// Everything one attempt reads and writes. Made by [`super::Lake::workbench`], used by the guest, then finished.
pub trait Workbench: Debug + Send {
    /// `host.input`.
    fn input(&mut self, name: &str, select: &str) -> Result<Box<dyn TableReader>, Failure>;
    /// `host.open`.
    fn open(&mut self, name: &str) -> Result<Box<dyn Blob>, Failure>;
    /// `host.output`.
    fn output(&mut self, dataset: &str) -> Result<Box<dyn TableWriter>, Failure>;
    /// `host.files`.
    fn files(&mut self, folder: &str) -> Result<Vec<FileEntry>, Failure>;
    /// `host.save`: keeps a file for a granted folder until the run is published; the name is one of the folder itself.
    ///
    /// # Errors
    ///
    /// `not_granted`, `bad_name`, `too_large`.
    fn save(&mut self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), Failure>;
    /// Keeps what came back for a request with the inputs of the run.
    fn keep(&mut self, exchange: InputBytes);
    /// `host.reject`: adds the raw text of each line.
    fn reject(&mut self, rows: Vec<RejectedRow>) -> Result<(), Failure>;
    /// A source begins to fetch a partition. What it reads and writes until [`Workbench::end_partition`] belongs
    /// together: the checks of a file judge only datasets that were written while it was worked on.
    fn begin_partition(&mut self);
    /// What is read or written from here on belongs to every partition.
    fn end_partition(&mut self);
    /// The datasets that hold rows or declared partitions so far.
    fn written(&self) -> Vec<crate::DatasetName>;
    /// Reads inputs to their end, carries out the host's checks, sorts what was written by natural key and keeps the
    /// rejects. No capture is written yet.
    fn finish(self: Box<Self>) -> Result<Finished, Failure>;
    /// The end of an attempt whose guest has failed: as [`Workbench::finish`], but nobody is going to look at what was
    /// written, which is not sorted, hashed, checked or returned.
    fn abandon(self: Box<Self>) -> Result<Finished, Failure>;
}
