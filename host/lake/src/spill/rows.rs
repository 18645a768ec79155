//! Batches of rows in a file of their own: one Arrow IPC stream, not compressed, read from wherever a batch begins.
//!
//! A reader sees what was written before it was made, also while the writer goes on: staged rows are read by the checks
//! of a guest that could write more of them.

use std::fmt;
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use model::{Failure, FailureKind};

use super::{SpillFile, SpillFolder, not_read, not_written};
use crate::disk::DiskFile;

const BUFFER_BYTES: usize = 256 * 1024;

/// Writes batches to a file.
pub(crate) struct SpillWriter {
    file: Arc<SpillFile>,
    stream: StreamWriter<Counted>,
    /// Where the first batch begins.
    start: Extent,
    written: Extent,
    /// Bytes that no row exceeds.
    longest: u64,
}

impl fmt::Debug for SpillWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillWriter").field("file", &self.file).field("written", &self.written).finish_non_exhaustive()
    }
}

/// How far a file is written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    bytes: u64,
    batches: u64,
    rows: u64,
}

impl SpillWriter {
    /// Makes a file for batches of `schema`.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, `no_space` among others, as of all that writes here.
    pub(crate) fn create(folder: &SpillFolder, schema: &Schema) -> Result<Self, Failure> {
        let (file, open) = folder.create()?;
        let out = Counted { below: BufWriter::with_capacity(BUFFER_BYTES, open), bytes: 0 };
        let stream = StreamWriter::try_new(out, schema).map_err(|error| write_failed(&error))?;
        let start = Extent { bytes: stream.get_ref().bytes, ..Extent::default() };
        Ok(Self { file: Arc::new(file), stream, start, written: start, longest: 0 })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.stream.write(batch).map_err(|error| write_failed(&error))?;
        self.longest = self.longest.max(longest_row(batch));
        self.written = Extent {
            bytes: self.stream.get_ref().bytes,
            batches: self.written.batches + 1,
            rows: self.written.rows + batch.num_rows() as u64,
        };
        Ok(())
    }

    /// Where the next batch will begin.
    pub(crate) fn end(&self) -> Extent {
        self.written
    }

    /// What was written.
    pub(crate) fn all(&mut self) -> Result<SpilledRows, Failure> {
        self.rows_since(self.start)
    }

    /// What was written since the file had that end.
    pub(crate) fn rows_since(&mut self, from: Extent) -> Result<SpilledRows, Failure> {
        self.stream.flush().map_err(|error| write_failed(&error))?;
        let (file, to) = (Arc::clone(&self.file), self.written);
        let (batches, rows) = (to.batches - from.batches, to.rows - from.rows);
        Ok(SpilledRows { file, from: from.bytes, bytes: to.bytes - from.bytes, batches, rows, longest: self.longest })
    }
}

/// Some successive batches of a file.
#[derive(Clone, Debug)]
pub(crate) struct SpilledRows {
    file: Arc<SpillFile>,
    from: u64,
    bytes: u64,
    batches: u64,
    rows: u64,
    longest: u64,
}

impl SpilledRows {
    pub(crate) fn count(&self) -> u64 {
        self.rows
    }

    /// Where there is room for more files.
    pub(crate) fn folder(&self) -> &SpillFolder {
        &self.file.folder
    }

    /// Bytes of a row on average, and bytes that none exceeds.
    pub(crate) fn row_bytes(&self) -> (u64, u64) {
        (self.bytes / self.rows.max(1), self.longest)
    }

    /// # Errors
    ///
    /// Of kind `storage`, if the file cannot be read.
    pub(crate) fn read(&self) -> Result<SpillReader, Failure> {
        let open = BufReader::with_capacity(BUFFER_BYTES, self.file.open()?);
        // The file begins with its schema.
        let mut stream = StreamReader::try_new(open, None).map_err(|error| read_failed(&error))?;
        stream.get_mut().seek(SeekFrom::Start(self.from)).map_err(|error| not_read(&error))?;
        Ok(SpillReader { stream, left: self.batches, _file: Arc::clone(&self.file) })
    }
}

/// Reads batches one by one.
#[derive(Debug)]
pub(crate) struct SpillReader {
    stream: StreamReader<BufReader<std::fs::File>>,
    left: u64,
    _file: Arc<SpillFile>,
}

impl SpillReader {
    pub(crate) fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }
}

impl Iterator for SpillReader {
    type Item = Result<RecordBatch, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let cut = || Err(not_read(&io::ErrorKind::UnexpectedEof.into()));
        Some(self.stream.next().map_or_else(cut, |batch| batch.map_err(|error| read_failed(&error))))
    }
}

/// Bytes that no row of the batch exceeds: as if one row had the longest text of each column.
fn longest_row(batch: &RecordBatch) -> u64 {
    let longest = |column: &ArrayRef| match column.data_type() {
        DataType::Utf8 => {
            let offsets = column.as_string::<i32>().value_offsets();
            let texts = offsets.windows(2).map(|ends| u64::from(ends[0].abs_diff(ends[1])));
            texts.max().unwrap_or(0) + 4
        }
        other => other.primitive_width().unwrap_or(1) as u64,
    };
    batch.columns().iter().map(longest).sum()
}

fn write_failed(error: &ArrowError) -> Failure {
    match error {
        ArrowError::IoError(_, error) => not_written(error),
        error => {
            let message = format!("could not spill rows to a file in `staging`: {error}");
            Failure::new(FailureKind::Internal, "encode", message)
        }
    }
}

fn read_failed(error: &ArrowError) -> Failure {
    match error {
        ArrowError::IoError(_, error) => not_read(error),
        error => {
            let message = format!("spilled rows in `staging` are damaged, run it again: {error}");
            Failure::new(FailureKind::Storage, "corrupt", message)
        }
    }
}

/// Counts what was written, to know where a batch begins.
#[derive(Debug)]
struct Counted {
    below: BufWriter<Box<dyn DiskFile>>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.below.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.below.flush()
    }
}
