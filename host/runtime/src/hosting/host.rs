//! `spine:plugin/host`: what an attempt may ask of its host.

use model::ports::Workbench;
use model::{Failure, FailureKind};
use wasmtime::component::Resource;

use super::{Blob, Reader, Writer, guest_error, kernel};
use crate::attempt::{HostState, Journal, LimitReached, Severity, as_json, cut};
use crate::bindings::host;

/// Fields of one log line that are kept, and the bytes of each.
const FIELDS_MAX: usize = 32;
pub(super) const FIELD_BYTES_MAX: usize = 1_024;

type Called<T> = wasmtime::Result<Result<T, host::Error>>;

impl HostState {
    /// Opens something of the workbench. Only a file of a folder, `folder/file`, has yet to be read from a disk.
    fn outside<T>(&mut self, name: &str, open: impl FnOnce(&mut dyn Workbench) -> T) -> T {
        let bench = &mut *self.workbench;
        if name.contains('/') { kernel(|| open(bench)) } else { open(bench) }
    }

    fn push<T: Send + 'static>(&mut self, entry: T) -> Result<Resource<T>, host::Error> {
        self.table.push(entry).map_err(|_| {
            let reached = LimitReached::handles(&self.facts.plugin, self.limits.handles);
            guest_error(Failure::new(FailureKind::Pipeline, reached.code, reached.to_string()))
        })
    }
}

impl host::Host for HostState {
    fn run_id(&mut self) -> wasmtime::Result<String> {
        self.called("run-id", format_args!(""))?;
        Ok(self.facts.run_id.clone())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        self.called("attempt", format_args!(""))?;
        Ok(self.facts.attempt)
    }

    fn params(&mut self) -> wasmtime::Result<String> {
        self.called("params", format_args!(""))?;
        Ok(self.facts.params.clone())
    }

    fn now_us(&mut self) -> wasmtime::Result<i64> {
        self.called("now-us", format_args!(""))?;
        Ok(self.clock.now_us())
    }

    fn input(&mut self, name: String, select: String) -> Called<Resource<Reader>> {
        self.called("input", format_args!("{name} {select}"))?;
        let opened = self.outside(&name, |bench| bench.input(&name, &select));
        Ok(opened.map_err(guest_error).and_then(|reader| {
            let id = self.held.new_reader();
            self.push(Reader::new(reader, id))
        }))
    }

    fn open(&mut self, name: String) -> Called<Resource<Blob>> {
        self.called("open", format_args!("{name}"))?;
        let opened = self.outside(&name, |bench| bench.open(&name));
        Ok(opened.map_err(guest_error).and_then(|blob| self.push(Blob(blob))))
    }

    fn output(&mut self, dataset: String) -> Called<Resource<Writer>> {
        self.called("output", format_args!("{dataset}"))?;
        let opened = self.workbench.output(&dataset);
        Ok(opened.map_err(guest_error).and_then(|writer| self.push(Writer(writer))))
    }

    fn files(&mut self, folder: String) -> Called<Vec<host::FileEntry>> {
        self.called("files", format_args!("{folder}"))?;
        Ok(self.list_files(&folder))
    }

    fn save(&mut self, folder: String, name: String, bytes: Vec<u8>) -> Called<()> {
        self.called("save", format_args!("{folder}/{name}, {} bytes", bytes.len()))?;
        Ok(self.save_file(&folder, &name, bytes))
    }

    fn reject(&mut self, rows: Vec<host::RejectedRow>) -> Called<()> {
        self.called("reject", format_args!("{} rows", rows.len()))?;
        // Very many of them go to a disk.
        let rejected = kernel(|| self.workbench.reject(rows.into_iter().map(Into::into).collect()));
        Ok(rejected.map_err(guest_error))
    }

    fn report(&mut self, found: host::Anomaly) -> Called<()> {
        self.called("report", format_args!("{} {}", found.severity, found.category))?;
        let mut fields = kept_fields(&self.journal, found.details);
        fields.push(("severity".to_owned(), cut(&found.severity, FIELD_BYTES_MAX).to_owned()));
        fields.push(("category".to_owned(), cut(&found.category, FIELD_BYTES_MAX).to_owned()));
        self.journal.line(Severity::from_word(&found.severity), "guest", &found.message, fields);
        self.journal.stage(&format!("anomaly:{}", cut(&found.category, FIELD_BYTES_MAX)), 1, Vec::new());
        Ok(Ok(()))
    }

    fn stage(&mut self, name: String, rows: u64, details: Vec<(String, String)>) -> Called<()> {
        self.called("stage", format_args!("{name} {rows}"))?;
        let details = kept_fields(&self.journal, details);
        if !self.journal.stage(&name, rows, details.clone()) {
            let message = format!("plugin `{}` records more stages than an attempt may have", self.facts.plugin);
            return Ok(Err(guest_error(Failure::new(FailureKind::Pipeline, "stage_limit", message))));
        }
        if !details.is_empty() {
            self.journal.line(Severity::Debug, "host", &format!("stage {name}: {rows} rows"), details);
        }
        Ok(Ok(()))
    }

    fn progress(&mut self, done: u64, total: Option<u64>) -> wasmtime::Result<()> {
        self.called("progress", format_args!("{done}"))?;
        if let Some(progress) = &self.progress {
            (progress.0)(done, total);
        }
        Ok(())
    }

    fn log(&mut self, level: String, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.called("log", format_args!("{level}"))?;
        self.journal.line(Severity::from_word(&level), "guest", &message, kept_fields(&self.journal, fields));
        Ok(())
    }

    fn metric(&mut self, name: String, value: f64, labels: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.called("metric", format_args!("{name} {value}"))?;
        let (name, labels) = (self.journal.hidden(&name).into_owned(), kept_fields(&self.journal, labels));
        if !self.meters.set(&self.facts.plugin, &name, &labels, value, self.limits.metric_series) {
            self.journal.not_measured();
        }
        tracing::debug!(target: "metric", name = cut(&name, FIELD_BYTES_MAX), value, fields = as_json(&labels));
        Ok(())
    }

    fn secret(&mut self, name: String) -> Called<String> {
        self.called("secret", format_args!("{name}"))?;
        Ok(self.egress.vault().show(&self.facts.plugin, cut(&name, FIELD_BYTES_MAX)).map_err(guest_error))
    }
}

/// Secrets are hidden before anything is cut, so that no part of one is left.
fn kept_fields(journal: &Journal, fields: Vec<(String, String)>) -> Vec<(String, String)> {
    let short = |text: &str| cut(&journal.hidden(text), FIELD_BYTES_MAX).to_owned();
    fields.iter().take(FIELDS_MAX).map(|(name, value)| (short(name), short(value))).collect()
}
