//! A workbench without Arrow or files: batches are numbers, and what is written is only counted.

use std::any::Any;
use std::sync::{Arc, Mutex};

use model::ports::{
    Blob, Buffers, DataError, Field, FileEntry, Finished, InputBytes, RejectedRow, SharedBuffers, TableBatch,
    TableReader, TableWriter, Workbench,
};
use model::{DatasetName, Failure, FailureKind};

/// Bytes a batch of [`Bench`] claims to hold.
pub(crate) const BATCH_BYTES: u64 = 100;

/// Names and bytes of files.
type SavedFiles = Vec<(String, Vec<u8>)>;

/// Hands out `batches` batches under any name but `absent`.
#[derive(Debug, Default)]
pub(crate) struct Bench {
    pub(crate) batches: u32,
    pub(crate) written: Vec<DatasetName>,
    /// Blocks in `files` for this long.
    pub(crate) stuck: Option<std::time::Duration>,
    /// Panics in `files`.
    pub(crate) panics: bool,
    /// `folder/name` and bytes of what was saved.
    pub(crate) saved: Arc<Mutex<SavedFiles>>,
    /// Exchanges that were kept.
    pub(crate) kept: Arc<Mutex<Vec<InputBytes>>>,
}

/// `number` rows of nothing.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) number: u32,
    pub(crate) bytes: u64,
}

#[derive(Debug)]
struct Counter {
    next: u32,
    last: u32,
}

#[derive(Debug)]
struct Sink(u64);

impl Workbench for Bench {
    fn input(&mut self, name: &str, _select: &str) -> Result<Box<dyn TableReader>, Failure> {
        if name == "absent" {
            return Err(Failure::new(FailureKind::Source, "not_found", "there is no such input"));
        }
        Ok(Box::new(Counter { next: 1, last: self.batches }))
    }

    fn open(&mut self, _name: &str) -> Result<Box<dyn Blob>, Failure> {
        Err(Failure::new(FailureKind::Source, "not_found", "there is no such input"))
    }

    fn output(&mut self, _dataset: &str) -> Result<Box<dyn TableWriter>, Failure> {
        Ok(Box::new(Sink(0)))
    }

    fn files(&mut self, _folder: &str) -> Result<Vec<FileEntry>, Failure> {
        if let Some(stuck) = self.stuck {
            std::thread::sleep(stuck);
        }
        assert!(!self.panics, "the bench was told to panic");
        Ok(vec![FileEntry { name: "a.txt".to_owned(), bytes: 3, modified_us: 5 }])
    }

    fn save(&mut self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        if folder == "denied" {
            return Err(Failure::new(FailureKind::Auth, "not_granted", "for tests"));
        }
        self.saved.lock().unwrap().push((format!("{folder}/{name}"), bytes));
        Ok(())
    }

    fn keep(&mut self, exchange: InputBytes) {
        self.kept.lock().unwrap().push(exchange);
    }

    fn reject(&mut self, _rows: Vec<RejectedRow>) -> Result<(), Failure> {
        Ok(())
    }

    fn begin_partition(&mut self) {}

    fn end_partition(&mut self) {}

    fn written(&self) -> Vec<DatasetName> {
        self.written.clone()
    }

    fn finish(self: Box<Self>) -> Result<Finished, Failure> {
        Err(Failure::new(FailureKind::Internal, "unused", "no test finishes"))
    }

    fn abandon(self: Box<Self>) -> Result<Finished, Failure> {
        self.finish()
    }
}

impl TableReader for Counter {
    fn schema(&self) -> Vec<Field> {
        Vec::new()
    }

    fn info(&self) -> Vec<(String, String)> {
        vec![("format".to_owned(), "numbers".to_owned())]
    }

    fn next(&mut self) -> Result<Option<Box<dyn TableBatch>>, DataError> {
        if self.next > self.last {
            return Ok(None);
        }
        let rows = Rows { number: self.next, bytes: BATCH_BYTES };
        self.next += 1;
        Ok(Some(Box::new(rows)))
    }
}

impl TableBatch for Rows {
    fn schema(&self) -> Vec<Field> {
        let field = |name: &str| Field {
            name: name.to_owned(),
            dtype: "int64".to_owned(),
            nullable: false,
            details: Vec::new(),
        };
        vec![field("n")]
    }

    fn rows(&self) -> u32 {
        self.number
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn columns(&self, names: &[String]) -> Result<Vec<SharedBuffers>, DataError> {
        let column = || SharedBuffers { rows: self.number, parts: vec![Vec::new().into(), vec![0; 8].into()] };
        Ok(names.iter().map(|_| column()).collect())
    }

    fn columns_bytes(&self, names: &[String]) -> Result<u64, DataError> {
        Ok(names.len() as u64 * self.bytes)
    }

    fn select(&self, _names: &[String]) -> Result<Box<dyn TableBatch>, DataError> {
        Ok(Box::new(self.clone()))
    }

    fn filter(&self, _keep: &[u8]) -> Result<Box<dyn TableBatch>, DataError> {
        Ok(Box::new(self.clone()))
    }

    fn take(&self, _rows: &[u8], bytes_max: u64) -> Result<Box<dyn TableBatch>, DataError> {
        if self.bytes > bytes_max {
            return Err(DataError::new("held_limit", "too much"));
        }
        Ok(Box::new(self.clone()))
    }

    fn with_column(&self, _column: &Field, data: Buffers) -> Result<Box<dyn TableBatch>, DataError> {
        let added: usize = data.parts.iter().map(Vec::len).sum();
        Ok(Box::new(Self { number: self.number, bytes: self.bytes + added as u64 }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl TableWriter for Sink {
    fn write(&mut self, columns: Vec<(String, Buffers)>) -> Result<u64, DataError> {
        self.0 += columns.first().map_or(0, |(_, data)| u64::from(data.rows));
        Ok(self.0)
    }

    fn write_batch(&mut self, rows: &dyn TableBatch) -> Result<u64, DataError> {
        self.0 += u64::from(rows.rows());
        Ok(self.0)
    }

    fn declare(&mut self, _partition: &[(String, String)]) -> Result<(), DataError> {
        Ok(())
    }
}
