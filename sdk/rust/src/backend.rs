//! The seam below the SDK: the component's imports on wasm, memory in native tests.
//!
//! Plain data and trait objects: called once a batch, never once a row.

use std::any::Any;
use std::fmt::Debug;

use crate::column::Buffers;
use crate::columns::ColumnInfo;
use crate::error::Error;
use crate::host::{Anomaly, FileEntry, Level, Reject};
use crate::http::{Request, Response};
use crate::table::Field;

/// What an attempt may ask of its host.
pub trait HostBackend: Debug {
    fn run_id(&self) -> String;
    fn attempt(&self) -> u32;
    fn params(&self) -> String;
    fn now_us(&self) -> i64;
    fn input(&self, name: &str, select: &str) -> Result<Box<dyn ReaderBackend>, Error>;
    fn open(&self, name: &str) -> Result<Box<dyn BlobBackend>, Error>;
    /// `columns` are those of the dataset; a component's host knows them from the manifest.
    fn output(&self, dataset: &str, columns: &'static [ColumnInfo]) -> Result<Box<dyn WriterBackend>, Error>;
    fn files(&self, folder: &str) -> Result<Vec<FileEntry>, Error>;
    fn save(&self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), Error>;
    fn fetch(&self, request: &Request) -> Result<Response, Error>;
    fn reject(&self, rows: Vec<Reject>) -> Result<(), Error>;
    fn report(&self, anomaly: Anomaly) -> Result<(), Error>;
    fn stage(&self, name: &str, rows: u64, metrics: &[(&str, &str)]) -> Result<(), Error>;
    fn progress(&self, done: u64, total: Option<u64>);
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);
    fn metric(&self, name: &str, value: f64, labels: &[(&str, &str)]);
    fn secret(&self, name: &str) -> Result<String, Error>;
}

pub trait ReaderBackend: Debug {
    fn schema(&self) -> Vec<Field>;
    fn info(&self) -> Vec<(String, String)>;
    fn next(&mut self) -> Result<Option<Box<dyn BatchBackend>>, Error>;
}

pub trait BatchBackend: Debug {
    fn schema(&self) -> Vec<Field>;
    fn rows(&self) -> u32;
    fn columns(&self, names: &[&str]) -> Result<Vec<Buffers>, Error>;
    fn select(&self, names: &[&str]) -> Result<Box<dyn BatchBackend>, Error>;
    fn filter(&self, keep: &[u8]) -> Result<Box<dyn BatchBackend>, Error>;
    fn take(&self, rows: &[u8]) -> Result<Box<dyn BatchBackend>, Error>;
    fn with_column(&self, field: &Field, data: Buffers) -> Result<Box<dyn BatchBackend>, Error>;
    fn keep(&self) -> Result<(), Error>;
    fn release(&self);
    fn as_any(&self) -> &dyn Any;
}

pub trait WriterBackend: Debug {
    fn write(&mut self, columns: Vec<(&'static str, Buffers)>) -> Result<u64, Error>;
    fn write_batch(&mut self, batch: &dyn BatchBackend) -> Result<u64, Error>;
    fn declare(&mut self, partition: &[(&str, &str)]) -> Result<(), Error>;
}

pub trait BlobBackend: Debug {
    fn size(&self) -> u64;
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error>;
}
