//! The plugin's own Rust code without a sandbox, on the very workbench that a component gets: batches are shared, not
//! copied, and what the plugin reads of a column is copied out once, as the SDK gives it to any plugin.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use model::Failure;
use model::ports::{self, DataError, RejectedRow, TableBatch, TableReader, TableWriter, Workbench};
use spine_sdk::backend::{BatchBackend, BlobBackend, HostBackend, ReaderBackend, WriterBackend};
use spine_sdk::column::Buffers;
use spine_sdk::host::{Anomaly, FileEntry, Level, Reject};
use spine_sdk::http::{Request, Response};
use spine_sdk::table::Field;
use spine_sdk::{ColumnInfo, Error};

/// A workbench as the SDK's backend.
#[derive(Debug)]
pub(crate) struct Native {
    pub(crate) bench: Rc<RefCell<Box<dyn Workbench>>>,
    pub(crate) params: String,
}

#[derive(Debug)]
struct Reader(Box<dyn TableReader>);

#[derive(Debug)]
struct Batch(Box<dyn TableBatch>);

#[derive(Debug)]
struct Writer(Box<dyn TableWriter>);

#[derive(Debug)]
struct Blob(Box<dyn ports::Blob>);

fn failed(failure: Failure) -> Error {
    Error::pipeline(&failure.code, failure.to_string())
}

fn refused(error: DataError) -> Error {
    Error::pipeline(&error.code, error.message)
}

fn to_plugin(data: &ports::SharedBuffers) -> Buffers {
    let ports::Buffers { rows, parts } = data.to_owned_buffers();
    Buffers { rows, parts }
}

fn to_host(data: Buffers) -> ports::Buffers {
    ports::Buffers { rows: data.rows, parts: data.parts }
}

fn fields(fields: Vec<ports::Field>) -> Vec<Field> {
    let field = |it: ports::Field| Field { name: it.name, dtype: it.dtype, nullable: it.nullable, details: it.details };
    fields.into_iter().map(field).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn boxed(made: Result<Box<dyn TableBatch>, DataError>) -> Result<Box<dyn BatchBackend>, Error> {
    made.map(|batch| Box::new(Batch(batch)) as Box<dyn BatchBackend>).map_err(refused)
}

impl HostBackend for Native {
    fn run_id(&self) -> String {
        String::new()
    }

    fn attempt(&self) -> u32 {
        1
    }

    fn params(&self) -> String {
        self.params.clone()
    }

    fn now_us(&self) -> i64 {
        0
    }

    fn input(&self, name: &str, select: &str) -> Result<Box<dyn ReaderBackend>, Error> {
        let reader = self.bench.borrow_mut().input(name, select).map_err(failed)?;
        Ok(Box::new(Reader(reader)))
    }

    fn open(&self, name: &str) -> Result<Box<dyn BlobBackend>, Error> {
        Ok(Box::new(Blob(self.bench.borrow_mut().open(name).map_err(failed)?)))
    }

    fn output(&self, dataset: &str, _: &'static [ColumnInfo]) -> Result<Box<dyn WriterBackend>, Error> {
        Ok(Box::new(Writer(self.bench.borrow_mut().output(dataset).map_err(failed)?)))
    }

    fn files(&self, folder: &str) -> Result<Vec<FileEntry>, Error> {
        let files = self.bench.borrow_mut().files(folder).map_err(failed)?;
        let entry =
            |it: ports::FileEntry| FileEntry { name: it.name, size: it.bytes, modified_us: Some(it.modified_us) };
        Ok(files.into_iter().map(entry).collect())
    }

    fn save(&self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        self.bench.borrow_mut().save(folder, name, bytes).map_err(failed)
    }

    fn fetch(&self, request: &Request) -> Result<Response, Error> {
        Err(Error::pipeline("not_granted", format!("no request to `{}` here", request.url)))
    }

    fn reject(&self, rows: Vec<Reject>) -> Result<(), Error> {
        let row = |it: Reject| RejectedRow { line: it.line, code: it.code, message: it.message, details: it.details };
        self.bench.borrow_mut().reject(rows.into_iter().map(row).collect()).map_err(failed)
    }

    fn report(&self, _: Anomaly) -> Result<(), Error> {
        Ok(())
    }

    fn stage(&self, _: &str, _: u64, _: &[(&str, &str)]) -> Result<(), Error> {
        Ok(())
    }

    fn progress(&self, _: u64, _: Option<u64>) {}

    fn log(&self, _: Level, _: &str, _: &[(&str, &str)]) {}

    fn metric(&self, _: &str, _: f64, _: &[(&str, &str)]) {}

    fn secret(&self, name: &str) -> Result<String, Error> {
        Err(Error::pipeline("not_granted", format!("no secret `{name}` here")))
    }
}

impl ReaderBackend for Reader {
    fn schema(&self) -> Vec<Field> {
        fields(self.0.schema())
    }

    fn info(&self) -> Vec<(String, String)> {
        self.0.info()
    }

    fn next(&mut self) -> Result<Option<Box<dyn BatchBackend>>, Error> {
        self.0.next().map_err(refused)?.map(Ok).map(boxed).transpose()
    }
}

impl BatchBackend for Batch {
    fn schema(&self) -> Vec<Field> {
        fields(self.0.schema())
    }

    fn rows(&self) -> u32 {
        self.0.rows()
    }

    fn columns(&self, names: &[&str]) -> Result<Vec<Buffers>, Error> {
        let columns = self.0.columns(&owned(names)).map_err(refused)?;
        Ok(columns.iter().map(to_plugin).collect())
    }

    fn select(&self, names: &[&str]) -> Result<Box<dyn BatchBackend>, Error> {
        boxed(self.0.select(&owned(names)))
    }

    fn filter(&self, keep: &[u8]) -> Result<Box<dyn BatchBackend>, Error> {
        boxed(self.0.filter(keep))
    }

    fn take(&self, rows: &[u8]) -> Result<Box<dyn BatchBackend>, Error> {
        boxed(self.0.take(rows, u64::MAX))
    }

    fn with_column(&self, field: &Field, data: Buffers) -> Result<Box<dyn BatchBackend>, Error> {
        let Field { name, dtype, nullable, details } = field.clone();
        boxed(self.0.with_column(&ports::Field { name, dtype, nullable, details }, to_host(data)))
    }

    fn keep(&self) -> Result<(), Error> {
        Ok(())
    }

    fn release(&self) {}

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl WriterBackend for Writer {
    fn write(&mut self, columns: Vec<(&'static str, Buffers)>) -> Result<u64, Error> {
        let columns = columns.into_iter().map(|(name, data)| (name.to_owned(), to_host(data)));
        self.0.write(columns.collect()).map_err(refused)
    }

    fn write_batch(&mut self, batch: &dyn BatchBackend) -> Result<u64, Error> {
        let foreign = || Error::pipeline("foreign_batch", "the batch is not of this host");
        let batch = batch.as_any().downcast_ref::<Batch>().ok_or_else(foreign)?;
        self.0.write_batch(&*batch.0).map_err(refused)
    }

    fn declare(&mut self, partition: &[(&str, &str)]) -> Result<(), Error> {
        let partition: Vec<_> =
            partition.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.0.declare(&partition).map_err(refused)
    }
}

impl BlobBackend for Blob {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        self.0.read(offset, length).map_err(refused)
    }
}
