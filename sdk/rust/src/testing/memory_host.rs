//! What tests call.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value;

use super::backend::MemoryBackend;
use super::state::{Input, State};
use super::table::{Rows, Table};
use super::text;
use crate::column::{Column, Int64, Storage};
use crate::dataset::Dataset;
use crate::error::Error;
use crate::file_format::Format;
use crate::host::{Anomaly, Host, Level, Reject};
use crate::http::{Request, Response};
use crate::work::{Check, Cursor, Discovery, Finding, Page, Partition, Pipeline, Source, Summary, Task};

/// A host in memory. Give it inputs, run work, look at what came out.
///
/// ```
/// use spine_sdk::prelude::*;
/// use spine_sdk::testing::MemoryHost;
///
/// file_format! {
///     struct Psv = "psv" { symbol: Utf8 => header("Symbol").key(), volume: Int64 => header("Volume") }
///     delimited { delimiter: '|' }
///     footer { rule: RecordCount }
/// }
///
/// let host = MemoryHost::new()
///     .param("facility", "CNMS")
///     .file_text::<Psv>("file", "day.txt", "Symbol|Volume\nNAN|5\n|7\n2\n")
///     .now_us(1_000_000);
///
/// let mut reader = host.host().input("file").unwrap();
/// let rows: Psv = reader.read_all().unwrap();
/// assert_eq!((rows.symbol.get(0), rows.line.get(0)), ("NAN", 2));
/// assert_eq!((reader.info().footer(), reader.info().data_lines()), (Some("2"), Some(2)));
/// assert_eq!(host.rejects()[0].code, "blank_key");
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryHost {
    state: Rc<RefCell<State>>,
}

/// A line that a plugin logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub level: Level,
    pub message: String,
    pub fields: Vec<(String, String)>,
}

impl MemoryHost {
    /// A host without inputs, its clock at 1970.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.state.borrow_mut());
        self
    }

    /// Gives a parameter.
    #[must_use]
    pub fn param(self, name: &str, value: impl Into<Value>) -> Self {
        self.with(|state| {
            state.params.insert(name.to_owned(), value.into());
        })
    }

    /// Gives a file as text, for the input and parameter `input`. A file that does not fit the format is the error of
    /// opening it.
    #[must_use]
    pub fn file_text<F: Format>(self, input: &str, file_name: &str, text: &str) -> Self {
        let table = text::parse(&F::spec(), file_name, text);
        self.param(input, file_name).with(|state| state.give(input, Input { table, bytes: text.into() }))
    }

    /// Gives a file as rows; `line` counts on from 2 where it is empty.
    #[must_use]
    pub fn file_rows<F: Format>(self, input: &str, file_name: &str, rows: F) -> Self {
        let mut storages = rows.into_storages();
        let count = storages.last().map_or(0, Storage::rows);
        if let Some(line) = storages.first_mut().filter(|line| line.rows() == 0) {
            *line = (2..).take(count).collect::<Column<Int64>>().into_storage();
        }
        let table = Table::new(F::COLUMNS, storages).file(file_name, F::NAME, 0).lines(count, 0, None, true);
        self.param(input, file_name).with(|state| state.give(input, Input { table: Ok(table), bytes: Vec::new() }))
    }

    /// Gives a file as bytes, for `host.open` alone.
    #[must_use]
    pub fn file_bytes(self, input: &str, file_name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let message = format!("`{file_name}` was given as bytes: use `file_text` or `file_rows` to read it as a table");
        let table = Err(Error::internal("no_table", message));
        self.param(input, file_name).with(|state| state.give(input, Input { table, bytes: bytes.into() }))
    }

    /// Puts a file into a folder, and grants the folder.
    #[must_use]
    pub fn folder_text<F: Format>(self, folder: &str, file_name: &str, text: &str) -> Self {
        let table = text::parse(&F::spec(), file_name, text);
        let input = Input { table, bytes: text.into() };
        self.with(|state| {
            state.folders.entry(folder.to_owned()).or_default().insert(file_name.to_owned(), input);
        })
    }

    /// Grants a folder without files.
    #[must_use]
    pub fn folder(self, folder: &str) -> Self {
        self.with(|state| {
            state.folders.entry(folder.to_owned()).or_default();
        })
    }

    /// Grants a folder for writing.
    #[must_use]
    pub fn writable(self, folder: &str) -> Self {
        self.folder(folder).with(|state| {
            state.writable.insert(folder.to_owned());
        })
    }

    /// Answers requests of this method and address with a status and a body: given again, one after the other, the last of
    /// them for ever.
    #[must_use]
    pub fn answer(self, method: &str, url: &str, status: u16, body: impl Into<Vec<u8>>) -> Self {
        let response = Response { status, body: body.into(), url: url.to_owned(), headers: Vec::new() };
        self.with(|state| state.answers.entry((method.to_owned(), url.to_owned())).or_default().push(response))
    }

    /// The file that was saved as `folder/name`.
    pub fn saved(&self, path: &str) -> Option<Vec<u8>> {
        self.state.borrow().saved.get(path).cloned()
    }

    /// Every request, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.state.borrow().requests.clone()
    }

    /// Gives rows that were published before this run; adds to those given before.
    #[must_use]
    pub fn published<D: Dataset>(self, rows: D) -> Self {
        self.with(|state| {
            let table = state.published.entry(D::NAME.to_owned()).or_insert_with(|| Rows::new(D::COLUMNS));
            table.partition_by = D::spec().partition_by;
            table.append(rows.into_storages(), None);
        })
    }

    /// Gives rows that this run wrote, with the line each came from: for tests of checks.
    #[must_use]
    pub fn staged<D: Dataset>(self, rows: D, lines: impl IntoIterator<Item = i64>) -> Self {
        self.with(|state| {
            let lines: Column<Int64> = lines.into_iter().collect();
            state.written_to(D::NAME, D::COLUMNS).append(rows.into_storages(), Some(lines.into_storage()));
        })
    }

    /// Sets the attempt's clock.
    #[must_use]
    pub fn now_us(self, now_us: i64) -> Self {
        self.with(|state| state.now_us = now_us)
    }

    /// Sets which attempt this is.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> Self {
        self.with(|state| state.attempt = attempt)
    }

    /// Gives a secret that the plugin may see.
    #[must_use]
    pub fn secret(self, name: &str, value: &str) -> Self {
        self.with(|state| {
            state.secrets.insert(name.to_owned(), value.to_owned());
        })
    }

    /// The host as work sees it.
    pub fn host(&self) -> Host {
        Host::new(Box::new(MemoryBackend::new(Rc::clone(&self.state))))
    }

    /// Runs a pipeline.
    pub fn run<P: Pipeline>(&self, pipeline: &P) -> Result<Summary, Error> {
        let host = self.host();
        pipeline.run(host.params()?, &host)
    }

    /// Runs a check on what was written.
    pub fn check<C: Check>(&self, check: &C, dataset: &str) -> Result<Vec<Finding>, Error> {
        check.check(dataset, &self.host())
    }

    /// Asks a source what is there.
    pub fn discover<S: Source>(&self, source: &S, since: Option<Cursor>) -> Result<Discovery, Error> {
        let host = self.host();
        source.discover(host.params()?, since, &host)
    }

    /// Fetches a page of a source.
    pub fn fetch<S: Source>(&self, source: &S, partition: &Partition, cursor: Option<Cursor>) -> Result<Page, Error> {
        let host = self.host();
        source.fetch(host.params()?, partition, cursor, &host)
    }

    /// Calls a task.
    pub fn call<T: Task>(&self, task: &T, input: Value) -> Result<Value, Error> {
        task.call(crate::Params::from_json(&input.to_string())?, &self.host())
    }

    /// The rows that were written to a dataset.
    pub fn written<D: Dataset>(&self) -> D {
        let state = self.state.borrow();
        let storages = state.written.get(D::NAME).map(|rows| rows.storages.clone());
        storages.and_then(|storages| D::from_storages(storages).ok()).unwrap_or_default()
    }

    /// The input lines of the rows that were written to a dataset; rows written without one are left out.
    pub fn lines<D: Dataset>(&self) -> Vec<i64> {
        let state = self.state.borrow();
        let lines = state.written.get(D::NAME).map(|rows| rows.lines.clone()).unwrap_or_default();
        Column::<Option<Int64>>::from_storage(lines).iter().flatten().collect()
    }

    /// The partitions that a dataset's writer declared.
    pub fn declared<D: Dataset>(&self) -> Vec<Vec<(String, String)>> {
        self.state.borrow().written.get(D::NAME).map(|rows| rows.declared.clone()).unwrap_or_default()
    }

    /// What was rejected, by the reader of a file or by the plugin.
    pub fn rejects(&self) -> Vec<Reject> {
        self.state.borrow().rejects.clone()
    }

    pub fn anomalies(&self) -> Vec<Anomaly> {
        self.state.borrow().anomalies.clone()
    }

    pub fn logs(&self) -> Vec<LogLine> {
        self.state.borrow().logs.clone()
    }

    /// The stages that were recorded, with their rows.
    pub fn stages(&self) -> Vec<(String, u64)> {
        self.state.borrow().stages.clone()
    }

    /// The metrics that were recorded.
    pub fn metrics(&self) -> Vec<(String, f64)> {
        self.state.borrow().metrics.clone()
    }
}
