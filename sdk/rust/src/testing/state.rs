//! What a host in memory holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::memory_host::LogLine;
use super::table::{Rows, Table};
use crate::columns::ColumnInfo;
use crate::error::Error;
use crate::host::{Anomaly, Reject};
use crate::http::{Request, Response};

/// A file: its rows, or why it has none, and its bytes.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) table: Result<Table, Error>,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) params: Map<String, Value>,
    pub(super) inputs: BTreeMap<String, Input>,
    pub(super) folders: BTreeMap<String, BTreeMap<String, Input>>,
    pub(super) published: BTreeMap<String, Rows>,
    pub(super) written: BTreeMap<String, Rows>,
    pub(super) rejects: Vec<Reject>,
    /// Inputs whose rejects were recorded: reading one twice rejects its lines once.
    pub(super) read: BTreeSet<String>,
    pub(super) anomalies: Vec<Anomaly>,
    pub(super) logs: Vec<LogLine>,
    pub(super) stages: Vec<(String, u64)>,
    pub(super) metrics: Vec<(String, f64)>,
    pub(super) secrets: BTreeMap<String, String>,
    /// Folders that may be saved in.
    pub(super) writable: BTreeSet<String>,
    /// `folder/name` and bytes.
    pub(super) saved: BTreeMap<String, Vec<u8>>,
    /// By method and address; the last is repeated.
    pub(super) answers: BTreeMap<(String, String), Vec<Response>>,
    pub(super) requests: Vec<Request>,
    pub(super) now_us: i64,
    pub(super) attempt: u32,
}

impl Default for State {
    fn default() -> Self {
        Self {
            params: Map::new(),
            inputs: BTreeMap::new(),
            folders: BTreeMap::new(),
            published: BTreeMap::new(),
            written: BTreeMap::new(),
            rejects: Vec::new(),
            read: BTreeSet::new(),
            anomalies: Vec::new(),
            logs: Vec::new(),
            stages: Vec::new(),
            metrics: Vec::new(),
            secrets: BTreeMap::new(),
            writable: BTreeSet::new(),
            saved: BTreeMap::new(),
            answers: BTreeMap::new(),
            requests: Vec::new(),
            now_us: 0,
            attempt: 1,
        }
    }
}

impl State {
    pub(super) fn give(&mut self, name: &str, input: Input) {
        self.inputs.insert(name.to_owned(), input);
    }

    pub(super) fn written_to(&mut self, dataset: &str, columns: &'static [ColumnInfo]) -> &mut Rows {
        self.written.entry(dataset.to_owned()).or_insert_with(|| Rows::new(columns))
    }

    /// The file of an input, or of `folder/file`.
    pub(super) fn file(&self, name: &str) -> Result<&Input, Error> {
        let of_folder = || {
            let (folder, file) = name.split_once('/')?;
            self.folders.get(folder)?.get(file)
        };
        let known = || self.inputs.keys().map(String::as_str).collect::<Vec<_>>().join("`, `");
        let missing = || Error::source("not_found", format!("there is no input `{name}`; the test gave `{}`", known()));
        self.inputs.get(name).or_else(of_folder).ok_or_else(missing)
    }
}
