//! `run`: one pipeline, source or task, once, now.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use model::Failure;
use model::failure::{FailureKind, Reading};
use model::quality::CheckStatus;
use model::run::{Conditions, RunCapture, RunReport, RunStatus};

use super::{key_value, quality};
use crate::args::Global;
use crate::host::{self, Order};
use crate::output::{Format, Output, explained, grouped, row_count};

/// Run one pipeline, source or task once, now
///
/// The run is recorded and its captures are published together, or not at all. The same file again changes nothing:
/// the run is completed and `unchanged`. If another process owns the data folder, the run is made there, with that
/// host's plugins; this command still opens the input files itself.
#[derive(Debug, Args)]
pub(crate) struct RunCommand {
    /// What to run, such as `finra.regsho_daily`; `plugins list` shows all names
    name: String,

    /// A parameter; may be repeated. A file is given by its path
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = key_value)]
    param: Vec<(String, String)>,

    /// A file with parameters, a JSON object; `-p` wins over it
    #[arg(long, value_name = "FILE")]
    param_file: Option<PathBuf>,

    /// Publish a new revision even if the content is the same
    ///
    /// Never overrides a quality block, a lock or a key.
    #[arg(long)]
    force: bool,

    /// Read and check, write nothing
    #[arg(long)]
    dry_run: bool,

    /// Idempotency key: the work of one key succeeds at most once
    ///
    /// It stands for the name, the parameters and the content of the files; after a failed run the files may be
    /// corrected.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Return as soon as the run is queued; needs a serving host
    #[arg(long)]
    detach: bool,
}

impl RunCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let mut json = BTreeMap::new();
        if let Some(path) = &self.param_file {
            json = read_params(path)?;
        }
        let mut text = BTreeMap::new();
        for (name, value) in self.param {
            if text.insert(name.clone(), value).is_some() {
                let message = format!("the parameter `{name}` is given twice; give it once");
                return Err(Failure::new(FailureKind::Config, "usage", message));
            }
        }
        if self.key.as_deref().is_some_and(|key| key.trim().is_empty()) {
            let message = "`--key` is empty: give the work a name, or leave the option out";
            return Err(Failure::new(FailureKind::Config, "usage", message));
        }
        let order = Order {
            name: self.name,
            text,
            json,
            force: self.force,
            dry_run: self.dry_run,
            key: self.key,
            detach: self.detach,
        };
        let report = host::run(global, order).await?;
        show(&report, output)?;
        if let Some(error) = &report.error {
            crate::output::complain_about(error);
        }
        Ok(exit_code(&report))
    }
}

fn read_params(path: &std::path::Path) -> Result<BTreeMap<String, serde_json::Value>, Failure> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let failure = Failure::io(Reading::Input, "read", &place, &error);
        Failure::new(FailureKind::Config, "usage", failure.message)
    })?;
    serde_json::from_str(&text).map_err(|error| {
        let message = format!("`{place}` is not a JSON object of parameters: {error}");
        Failure::new(FailureKind::Config, "usage", message)
    })
}

/// The exit code of a run that was made.
pub(super) fn exit_code(report: &RunReport) -> u8 {
    match report.status {
        RunStatus::Completed | RunStatus::Pending | RunStatus::Queued | RunStatus::Running => 0,
        RunStatus::Failed | RunStatus::DeadLettered => match &report.error {
            Some(error) if error.exit_code() == 3 => 3,
            // Some parameters only the plugin can judge.
            Some(error) if error.code == "bad_params" => 2,
            _ => 1,
        },
        RunStatus::Cancelled | RunStatus::TimedOut => 1,
    }
}

/// Shows a run: its keys as JSON, or the story for people.
pub(super) fn show(report: &RunReport, output: Output) -> Result<(), Failure> {
    match output.format {
        Format::Json => output.json(report),
        Format::Table => output.line(&story(report)),
        Format::Csv => output.rows(&captures(report)),
    }
}

/// Shows a run that the ledger recorded: as [`show`] does, with its times and with the error that `run` tells aside.
pub(super) fn show_recorded(report: &RunReport, output: Output) -> Result<(), Failure> {
    match output.format {
        Format::Json | Format::Csv => show(report, output),
        Format::Table => output.line(&format!("{}\n{}", story(report), record(report))),
    }
}

fn record(report: &RunReport) -> String {
    let mut text = format!("  created   {}", report.created_at);
    for (name, at) in [("started ", report.started_at), ("finished", report.finished_at)] {
        if let Some(at) = at {
            text.push_str(&format!("\n  {name}  {at}"));
        }
    }
    if let Some(error) = &report.error {
        text.push_str(&format!("\n  error     {}", explained(error).replace('\n', "\n          ")));
    }
    text
}

fn story(report: &RunReport) -> String {
    let RunReport { run_id, name, rows_in, rows_out, rejected, .. } = report;
    let status = if report.unchanged { "completed, unchanged" } else { report.status.name() };
    let mut text = format!("{status}  {name}  {run_id}{}\n", duration(report));
    if let Some(plugin) = &report.plugin {
        text.push_str(&format!("  plugin    {} {} ({})\n", plugin.name, plugin.version, plugin.digest.short()));
    }
    if let Some(Conditions { host_version, wasmtime_version, grants_hash }) = &report.conditions {
        let grants = grants_hash.short();
        text.push_str(&format!("  host      {host_version}, wasmtime {wasmtime_version}, grants {grants}\n"));
    }
    text.push_str(&format!(
        "  rows      {} in, {} out, {} rejected\n",
        grouped(*rows_in),
        grouped(*rows_out),
        grouped(*rejected)
    ));
    let width = |of: fn(&RunCapture) -> String| report.captures.iter().map(|it| of(it).len()).max().unwrap_or(0);
    let dataset_width = width(|capture| capture.dataset.to_string());
    let partition_width = width(|capture| capture.partition.to_string());
    for capture in &report.captures {
        let revision = match capture.revision {
            Some(revision) if capture.unchanged => format!("revision {revision}, unchanged"),
            Some(revision) => format!("revision {revision}"),
            None => "quarantined".to_owned(),
        };
        let (dataset, partition) = (capture.dataset.to_string(), capture.partition.to_string());
        let (rows, hash) = (row_count(capture.rows), capture.content_hash.short());
        text.push_str(&format!(
            "  capture   {dataset:<dataset_width$}  {partition:<partition_width$}  {revision}  {rows}  {hash}\n"
        ));
    }
    for result in report.quality.iter().filter(|result| result.status != CheckStatus::Pass) {
        let (status, check) = (quality::status(result.status), &result.check);
        text.push_str(&format!("  {status}      {check}: {}\n", result.message));
    }
    if *rejected > 0 {
        text.push_str(&format!("  rejects   spine-host rejects --run {run_id}\n"));
    }
    if let Some(result) = &report.result {
        text.push_str(&format!("  result    {result}\n"));
    }
    text.trim_end().to_owned()
}

fn duration(report: &RunReport) -> String {
    report.duration_ms.map(|ms| format!("  {} ms", grouped(ms))).unwrap_or_default()
}

fn captures(report: &RunReport) -> crate::output::Rows {
    let header = ["run_id", "status", "dataset", "partition", "revision", "rows", "content_hash", "unchanged"];
    let mut rows = crate::output::Rows::new(&header, &[4, 5], "");
    for capture in &report.captures {
        rows.rows.push(vec![
            report.run_id.to_string(),
            report.status.name().to_owned(),
            capture.dataset.to_string(),
            capture.partition.to_string(),
            capture.revision.map(|revision| revision.to_string()).unwrap_or_default(),
            capture.rows.to_string(),
            capture.content_hash.to_string(),
            capture.unchanged.to_string(),
        ]);
    }
    rows
}
