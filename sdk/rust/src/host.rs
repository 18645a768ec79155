//! What an attempt may ask of its host.

mod captures;
mod report;
mod select;

pub use report::{Anomaly, Level, Reject};
pub use select::Select;

use crate::backend::HostBackend;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::file_format::Format;
use crate::http::{Request, Response};
use crate::manifest::json;
use crate::params::{File, Params};
use crate::table::{Blob, Reader, Writer};

/// One file of a granted folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// Microseconds since 1970 UTC, where the host says it.
    pub modified_us: Option<i64>,
}

/// A published partition of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The value of each partition column; dates as `YYYY-MM-DD`.
    pub partition: Vec<(String, String)>,
    pub rows: i64,
    pub revision: i64,
}

impl Capture {
    /// The value of one partition column.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.partition.iter().find(|(name, _)| name == column).map(|(_, value)| value.as_str())
    }
}

/// The host of this attempt. Readers and writers do not borrow it.
#[derive(Debug)]
pub struct Host {
    backend: Box<dyn HostBackend>,
}

impl Host {
    #[doc(hidden)]
    pub fn new(backend: Box<dyn HostBackend>) -> Self {
        Self { backend }
    }

    pub fn run_id(&self) -> String {
        self.backend.run_id()
    }

    /// 1 for the first attempt.
    pub fn attempt(&self) -> u32 {
        self.backend.attempt()
    }

    /// The run's parameters; a check asks for those of the pipeline whose rows it judges.
    pub fn params<P: Params>(&self) -> Result<P, Error> {
        P::from_json(&self.backend.params())
    }

    /// The attempt's clock in microseconds since 1970 UTC; the same on replay.
    pub fn now_us(&self) -> i64 {
        self.backend.now_us()
    }

    /// Reads the file that a parameter names, in the format whose header fits.
    pub fn read(&self, file: &File) -> Result<Reader, Error> {
        self.input(file.input())
    }

    /// Opens the file that a parameter names as raw bytes.
    pub fn open_file(&self, file: &File) -> Result<Blob, Error> {
        self.open(file.input())
    }

    /// Reads all of an input, by any name that the contract knows.
    pub fn input(&self, name: &str) -> Result<Reader, Error> {
        self.input_select(name, &Select::all())
    }

    /// Reads a part of an input.
    pub fn input_select(&self, name: &str, select: &Select) -> Result<Reader, Error> {
        self.backend.input(name, &select.to_json()).map(Reader::new)
    }

    /// Reads a file of a granted folder.
    pub fn folder_file<F: Format>(&self, folder: &str, file: &str) -> Result<Reader, Error> {
        let select = json::object(|select| select.text("format", F::NAME));
        self.backend.input(&format!("{folder}/{file}"), &select).map(Reader::new)
    }

    /// Reads rows that were published before this run.
    pub fn published<D: Dataset>(&self, select: &Select) -> Result<Reader, Error> {
        self.input_select(D::NAME, select)
    }

    /// Reads what this run wrote.
    pub fn staged<D: Dataset>(&self) -> Result<Reader, Error> {
        self.staged_of(D::NAME)
    }

    /// As [`Host::staged`], by the name that a check was called with.
    pub fn staged_of(&self, dataset: &str) -> Result<Reader, Error> {
        self.input(&format!("staged:{dataset}"))
    }

    /// The partitions of a dataset that were published before this run.
    pub fn captures<D: Dataset>(&self) -> Result<Vec<Capture>, Error> {
        captures::read(self.input(&format!("captures:{}", D::NAME))?, &D::spec())
    }

    /// Opens an input, or `folder/file`, as raw bytes.
    pub fn open(&self, name: &str) -> Result<Blob, Error> {
        self.backend.open(name).map(Blob)
    }

    /// Opens a dataset for writing. Opened again, it is the same table.
    pub fn output<D: Dataset>(&self) -> Result<Writer<D>, Error> {
        self.backend.output(D::NAME, D::COLUMNS).map(Writer::new)
    }

    /// The files of a granted folder, in order of name. The error's code is `not_granted` without the grant.
    pub fn files(&self, folder: &str) -> Result<Vec<FileEntry>, Error> {
        self.backend.files(folder)
    }

    /// Saves a file in a folder that is granted for writing. Others see it once the run is published, whole, in place of
    /// one of that name.
    ///
    /// # Errors
    ///
    /// `not_granted`, `bad_name`, `too_large`.
    pub fn save(&self, folder: &str, name: &str, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        self.backend.save(folder, name, bytes.into())
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    ///
    /// `not_granted` or `address_denied` where it may not go, `timeout`, `network`, `circuit_open` and others where no
    /// answer came. A status of failure is an answer: [`Response::ok`].
    pub fn fetch(&self, request: &Request) -> Result<Response, Error> {
        self.backend.fetch(request)
    }

    /// Says that an input row will not be in the output, and why. The host adds the text of its line.
    pub fn reject(&self, row: Reject) -> Result<(), Error> {
        self.reject_all(vec![row])
    }

    pub fn reject_all(&self, rows: Vec<Reject>) -> Result<(), Error> {
        if rows.is_empty() { Ok(()) } else { self.backend.reject(rows) }
    }

    /// Reports something odd that an operator should see.
    pub fn report(&self, anomaly: Anomaly) -> Result<(), Error> {
        self.backend.report(anomaly)
    }

    /// Records that a stage of the work is done. Where the pipeline declares its stages, each capture of the run has
    /// come that far.
    pub fn stage(&self, name: &str, rows: u64) -> Result<(), Error> {
        self.stage_with(name, rows, &[])
    }

    /// The same, with what else there is to say about it.
    pub fn stage_with(&self, name: &str, rows: u64, metrics: &[(&str, &str)]) -> Result<(), Error> {
        self.backend.stage(name, rows, metrics)
    }

    pub fn progress(&self, done: u64, total: Option<u64>) {
        self.backend.progress(done, total);
    }

    pub fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        self.backend.log(level, message, fields);
    }

    pub fn trace(&self, message: &str) {
        self.log(Level::Trace, message, &[]);
    }

    pub fn debug(&self, message: &str) {
        self.log(Level::Debug, message, &[]);
    }

    pub fn info(&self, message: &str) {
        self.log(Level::Info, message, &[]);
    }

    pub fn warn(&self, message: &str) {
        self.log(Level::Warn, message, &[]);
    }

    pub fn error(&self, message: &str) {
        self.log(Level::Error, message, &[]);
    }

    pub fn metric(&self, name: &str, value: f64, labels: &[(&str, &str)]) {
        self.backend.metric(name, value, labels);
    }

    /// A placeholder that the host replaces on the way out of a request, unless the grant says that the plugin may see the
    /// value.
    ///
    /// # Errors
    ///
    /// `not_granted`.
    pub fn secret(&self, name: &str) -> Result<String, Error> {
        self.backend.secret(name)
    }
}
