//! The backend of a host in memory.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value;
use spine_primitives::DataType;

use super::memory_host::LogLine;
use super::state::State;
use super::table::{MemoryBatch, Table};
use crate::backend::{BatchBackend, BlobBackend, HostBackend, ReaderBackend, WriterBackend};
use crate::column::{Buffers, Storage};
use crate::columns::ColumnInfo;
use crate::error::Error;
use crate::host::{Anomaly, FileEntry, Level, Reject, Select};
use crate::http::{Request, Response};

#[derive(Debug)]
pub(super) struct MemoryBackend {
    state: Rc<RefCell<State>>,
}

impl MemoryBackend {
    pub(super) fn new(state: Rc<RefCell<State>>) -> Self {
        Self { state }
    }

    fn table(&self, name: &str) -> Result<Table, Error> {
        let state = &mut *self.state.borrow_mut();
        if let Some(dataset) = name.strip_prefix("staged:") {
            return Ok(state.written.get(dataset).map(|rows| rows.table()).unwrap_or_default());
        }
        if let Some(dataset) = name.strip_prefix("captures:") {
            return Ok(state.published.get(dataset).map(|rows| rows.captures()).unwrap_or_default());
        }
        if let Some(rows) = state.published.get(name) {
            return Ok(rows.table());
        }
        if name.contains('.') && !name.contains('/') {
            return Ok(Table::default());
        }
        let table = state.file(name)?.table.clone()?;
        if state.read.insert(name.to_owned()) {
            state.rejects.extend(table.rejects.iter().cloned());
        }
        Ok(table)
    }
}

fn select(text: &str) -> Select {
    let mut select = Select::new();
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    for (column, value) in value["partition"].as_object().into_iter().flatten() {
        select = select.partition(column, value.as_str().unwrap_or_default());
    }
    for column in value["columns"].as_array().into_iter().flatten() {
        select = select.columns([column.as_str().unwrap_or_default()]);
    }
    select
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl HostBackend for MemoryBackend {
    fn run_id(&self) -> String {
        "00000000-0000-7000-8000-000000000000".to_owned()
    }

    fn attempt(&self) -> u32 {
        self.state.borrow().attempt
    }

    fn params(&self) -> String {
        serde_json::to_string(&self.state.borrow().params).unwrap_or_default()
    }

    fn now_us(&self) -> i64 {
        self.state.borrow().now_us
    }

    fn input(&self, name: &str, wanted: &str) -> Result<Box<dyn ReaderBackend>, Error> {
        let table = self.table(name)?;
        Ok(Box::new(table.select(&select(wanted))?.reader()))
    }

    fn open(&self, name: &str) -> Result<Box<dyn BlobBackend>, Error> {
        Ok(Box::new(MemoryBlob(self.state.borrow().file(name)?.bytes.clone())))
    }

    fn output(&self, dataset: &str, columns: &'static [ColumnInfo]) -> Result<Box<dyn WriterBackend>, Error> {
        self.state.borrow_mut().written_to(dataset, columns);
        Ok(Box::new(MemoryWriter { state: Rc::clone(&self.state), dataset: dataset.to_owned(), columns }))
    }

    fn files(&self, folder: &str) -> Result<Vec<FileEntry>, Error> {
        let state = self.state.borrow();
        let missing = || Error::config("not_granted", format!("the folder `{folder}` is not granted"));
        let files = state.folders.get(folder).ok_or_else(missing)?.iter();
        let entry =
            |name: &String, size: usize| FileEntry { name: name.clone(), size: size as u64, modified_us: Some(0) };
        Ok(files.map(|(name, input)| entry(name, input.bytes.len())).collect())
    }

    fn save(&self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let state = &mut *self.state.borrow_mut();
        if !state.writable.contains(folder) {
            return Err(Error::auth("not_granted", format!("the folder `{folder}` is not granted for writing")));
        }
        state.saved.insert(format!("{folder}/{name}"), bytes);
        Ok(())
    }

    fn fetch(&self, request: &Request) -> Result<Response, Error> {
        let state = &mut *self.state.borrow_mut();
        state.requests.push(request.clone());
        let key = (request.method.clone(), request.url.clone());
        let answers = state.answers.get_mut(&key).filter(|answers| !answers.is_empty());
        let missing = || Error::auth("not_granted", format!("{} `{}` is not granted", request.method, request.url));
        answers
            .map(|answers| if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
            .ok_or_else(missing)
    }

    fn reject(&self, rows: Vec<Reject>) -> Result<(), Error> {
        self.state.borrow_mut().rejects.extend(rows);
        Ok(())
    }

    fn report(&self, anomaly: Anomaly) -> Result<(), Error> {
        self.state.borrow_mut().anomalies.push(anomaly);
        Ok(())
    }

    fn stage(&self, name: &str, rows: u64, _: &[(&str, &str)]) -> Result<(), Error> {
        self.state.borrow_mut().stages.push((name.to_owned(), rows));
        Ok(())
    }

    fn progress(&self, _done: u64, _total: Option<u64>) {}

    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let line = LogLine { level, message: message.to_owned(), fields: pairs(fields) };
        self.state.borrow_mut().logs.push(line);
    }

    fn metric(&self, name: &str, value: f64, _labels: &[(&str, &str)]) {
        self.state.borrow_mut().metrics.push((name.to_owned(), value));
    }

    fn secret(&self, name: &str) -> Result<String, Error> {
        let missing = || Error::config("not_granted", format!("the secret `{name}` is not granted"));
        self.state.borrow().secrets.get(name).cloned().ok_or_else(missing)
    }
}

#[derive(Debug)]
struct MemoryWriter {
    state: Rc<RefCell<State>>,
    dataset: String,
    columns: &'static [ColumnInfo],
}

impl MemoryWriter {
    fn append(&self, storages: Vec<Storage>, lines: Option<Storage>) -> u64 {
        let mut state = self.state.borrow_mut();
        let rows = state.written_to(&self.dataset, self.columns);
        rows.append(storages, lines);
        rows.storages.first().map_or(0, |storage| storage.rows() as u64)
    }
}

impl WriterBackend for MemoryWriter {
    fn write(&mut self, columns: Vec<(&'static str, Buffers)>) -> Result<u64, Error> {
        let (mut storages, mut lines) = (Vec::new(), None);
        for (name, buffers) in columns {
            match self.columns.iter().find(|info| info.name == name) {
                Some(info) => storages.push(Storage::from_buffers(info.data_type, buffers)?),
                None => lines = Some(Storage::from_buffers(DataType::Int64, buffers)?),
            }
        }
        Ok(self.append(storages, lines))
    }

    fn write_batch(&mut self, batch: &dyn BatchBackend) -> Result<u64, Error> {
        let Some(batch) = batch.as_any().downcast_ref::<MemoryBatch>() else {
            return Err(Error::internal("foreign_batch", "the batch is not of this host"));
        };
        let known = |name: &str| name == "_line" || self.columns.iter().any(|info| info.name == name);
        if let Some(unknown) = batch.names().find(|name| !known(name)) {
            let message = format!("`{}` has no column `{unknown}`: `select` its columns first", self.dataset);
            return Err(Error::pipeline("unknown_column", message));
        }
        let mut storages = Vec::new();
        for info in self.columns {
            let storage = batch.storage(info.name, info.data_type)?;
            if let Some(row) = storage.first_null().filter(|_| !info.nullable) {
                let message = format!("column `{}` of `{}` is null in row {row}", info.name, self.dataset);
                return Err(Error::pipeline("unexpected_null", message));
            }
            storages.push(storage);
        }
        let has_lines = batch.names().any(|name| name == "_line");
        let lines = if has_lines { Some(batch.storage("_line", DataType::Int64)?) } else { None };
        Ok(self.append(storages, lines))
    }

    fn declare(&mut self, partition: &[(&str, &str)]) -> Result<(), Error> {
        self.state.borrow_mut().written_to(&self.dataset, self.columns).declared.push(pairs(partition));
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryBlob(Vec<u8>);

impl BlobBackend for MemoryBlob {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let end = start.saturating_add(length as usize).min(self.0.len());
        Ok(self.0[start..end].to_vec())
    }
}
