//! The component's imports as the SDK's backend.

use std::any::Any;

use super::bindings::spine::plugin::{host, http, tables};
use super::convert::pairs;
use crate::backend::{BatchBackend, BlobBackend, HostBackend, ReaderBackend, WriterBackend};
use crate::column::Buffers;
use crate::columns::ColumnInfo;
use crate::error::Error;
use crate::host::{Anomaly, FileEntry, Level, Reject};
use crate::http::{Request, Response};
use crate::table::Field;

#[derive(Debug)]
pub(super) struct Imports;

impl HostBackend for Imports {
    fn run_id(&self) -> String {
        host::run_id()
    }

    fn attempt(&self) -> u32 {
        host::attempt()
    }

    fn params(&self) -> String {
        host::params()
    }

    fn now_us(&self) -> i64 {
        host::now_us()
    }

    fn input(&self, name: &str, select: &str) -> Result<Box<dyn ReaderBackend>, Error> {
        Ok(Box::new(Reader(host::input(name, select)?)))
    }

    fn open(&self, name: &str) -> Result<Box<dyn BlobBackend>, Error> {
        Ok(Box::new(Blob(host::open(name)?)))
    }

    fn output(&self, dataset: &str, _: &'static [ColumnInfo]) -> Result<Box<dyn WriterBackend>, Error> {
        Ok(Box::new(Writer(host::output(dataset)?)))
    }

    fn files(&self, folder: &str) -> Result<Vec<FileEntry>, Error> {
        let entry = |entry: host::FileEntry| {
            let modified = entry.details.iter().find(|(name, _)| name == "modified_us");
            let modified_us = modified.and_then(|(_, value)| value.parse().ok());
            FileEntry { name: entry.name, size: entry.size, modified_us }
        };
        Ok(host::files(folder)?.into_iter().map(entry).collect())
    }

    fn save(&self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        Ok(host::save(folder, name, &bytes)?)
    }

    fn fetch(&self, request: &Request) -> Result<Response, Error> {
        let Request { method, url, headers, body, timeout_ms } = request.clone();
        let details = timeout_ms.map(|timeout| ("timeout_ms".to_owned(), timeout.to_string()));
        let details = details.into_iter().collect();
        let response = http::fetch(&http::Request { method, url, headers, body, details })?;
        let http::Response { status, headers, body, details } = response;
        let url = details.into_iter().find(|(name, _)| name == "url").map(|(_, url)| url).unwrap_or_default();
        Ok(Response { status, headers, body, url })
    }

    fn reject(&self, rows: Vec<Reject>) -> Result<(), Error> {
        let rows: Vec<_> = rows.into_iter().map(Into::into).collect();
        Ok(host::reject(&rows)?)
    }

    fn report(&self, anomaly: Anomaly) -> Result<(), Error> {
        Ok(host::report(&anomaly.into())?)
    }

    fn stage(&self, name: &str, rows: u64, metrics: &[(&str, &str)]) -> Result<(), Error> {
        Ok(host::stage(name, rows, &pairs(metrics))?)
    }

    fn progress(&self, done: u64, total: Option<u64>) {
        host::progress(done, total);
    }

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        host::log(level.name(), message, &pairs(fields));
    }

    fn metric(&self, name: &str, value: f64, labels: &[(&str, &str)]) {
        host::metric(name, value, &pairs(labels));
    }

    fn secret(&self, name: &str) -> Result<String, Error> {
        Ok(host::secret(name)?)
    }
}

#[derive(Debug)]
struct Reader(tables::Reader);

impl ReaderBackend for Reader {
    fn schema(&self) -> Vec<Field> {
        self.0.schema().into_iter().map(Into::into).collect()
    }

    fn info(&self) -> Vec<(String, String)> {
        self.0.info()
    }

    fn next(&mut self) -> Result<Option<Box<dyn BatchBackend>>, Error> {
        Ok(self.0.next()?.map(boxed))
    }
}

#[derive(Debug)]
struct Batch(tables::Batch);

fn boxed(batch: tables::Batch) -> Box<dyn BatchBackend> {
    Box::new(Batch(batch))
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl BatchBackend for Batch {
    fn schema(&self) -> Vec<Field> {
        self.0.schema().into_iter().map(Into::into).collect()
    }

    fn rows(&self) -> u32 {
        self.0.num_rows()
    }

    fn columns(&self, names: &[&str]) -> Result<Vec<Buffers>, Error> {
        Ok(self.0.columns(&owned(names))?.into_iter().map(Into::into).collect())
    }

    fn select(&self, names: &[&str]) -> Result<Box<dyn BatchBackend>, Error> {
        Ok(boxed(self.0.select(&owned(names))?))
    }

    fn filter(&self, keep: &[u8]) -> Result<Box<dyn BatchBackend>, Error> {
        Ok(boxed(self.0.filter(keep)?))
    }

    fn take(&self, rows: &[u8]) -> Result<Box<dyn BatchBackend>, Error> {
        Ok(boxed(self.0.take(rows)?))
    }

    fn with_column(&self, field: &Field, data: Buffers) -> Result<Box<dyn BatchBackend>, Error> {
        Ok(boxed(self.0.with_column(&field.into(), &data.into())?))
    }

    fn keep(&self) -> Result<(), Error> {
        Ok(self.0.keep()?)
    }

    fn release(&self) {
        self.0.release();
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct Writer(tables::Writer);

impl WriterBackend for Writer {
    fn write(&mut self, columns: Vec<(&'static str, Buffers)>) -> Result<u64, Error> {
        let columns: Vec<_> = columns.into_iter().map(|(name, data)| (name.to_owned(), data.into())).collect();
        Ok(self.0.write(&columns)?)
    }

    fn write_batch(&mut self, batch: &dyn BatchBackend) -> Result<u64, Error> {
        match batch.as_any().downcast_ref::<Batch>() {
            Some(batch) => Ok(self.0.write_batch(&batch.0)?),
            None => Err(Error::internal("foreign_batch", "the batch is not of this host")),
        }
    }

    fn declare(&mut self, partition: &[(&str, &str)]) -> Result<(), Error> {
        Ok(self.0.declare(&pairs(partition))?)
    }
}

#[derive(Debug)]
struct Blob(tables::Blob);

impl BlobBackend for Blob {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        Ok(self.0.read(offset, length)?)
    }
}
