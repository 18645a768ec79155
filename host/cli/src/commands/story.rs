//! How a run is told: in short after `run`, with everything that is known in `runs show`, and as CSV in both.
//!
//! What a dry run rejected is told here, since nobody can ask for it later.

mod trapped;

use model::quality::{CheckResult, CheckStatus};
use model::reject::Reject;
use model::run::{Conditions, RunCapture, RunCaptureState, RunInput, RunReport};
use model::{Failure, Usage};
use serde::Serialize;

use super::quality;
use crate::output::{Format, Output, Rows, explained, grouped, number, row_count, text};

/// Rejects of a dry run that people are shown.
const REJECTS_SHOWN: usize = 20;

/// Shows a run that has just been carried out. Its error is told on standard error, not here.
pub(super) fn show(report: &RunReport, output: Output) -> Result<(), Failure> {
    match output.format {
        Format::Json => output.json(report),
        Format::Table => {
            output.line(&story(report))?;
            match report.rejects.as_deref() {
                None | Some([]) => Ok(()),
                Some(first) => output.rows(&rejects(first, report.rejected)),
            }
        }
        Format::Csv => output.rows(&rows(report)),
    }
}

/// The first rejects of a dry run, and how many there are.
fn rejects(first: &[Reject], rejected: u64) -> Rows {
    let mut rows = Rows::new([number("line"), text("code"), text("message"), text("raw")], "");
    for Reject { code, message, line, raw } in first.iter().take(REJECTS_SHOWN) {
        rows.push([(*line).into(), code.as_str().into(), message.as_str().into(), raw.clone().into()]);
    }
    let shown = first.len().min(REJECTS_SHOWN);
    if shown as u64 != rejected {
        let json = if first.len() > shown {
            format!("; `-o json` has {}", grouped(first.len() as u64))
        } else {
            String::new()
        };
        rows.footer = Some(format!("{shown} of {} rejected lines{json}", grouped(rejected)));
    }
    rows
}

/// Shows a run of the ledger.
pub(super) fn show_whole(report: &RunReport, inputs: &[RunInput], output: Output) -> Result<(), Failure> {
    match output.format {
        Format::Json => output.json(&Shown { report, inputs }),
        Format::Table => output.line(&whole_story(report, inputs)),
        Format::Csv => output.rows(&rows(report)),
    }
}

/// What `runs show` answers: the keys of `run`, and the files that were read.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    report: &'a RunReport,
    inputs: &'a [RunInput],
}

fn story(report: &RunReport) -> String {
    let mut lines = head(report);
    lines.extend(captures(&report.captures));
    lines.extend(report.quality.iter().filter(|result| result.status != CheckStatus::Pass).map(check));
    lines.extend(foot(report));
    lines.join("\n")
}

fn whole_story(report: &RunReport, inputs: &[RunInput]) -> String {
    let mut lines = head(report);
    // A run of runs makes no calls that are counted: each host that goes on with it is one more.
    lines.push(match report.kind.is_of_runs() {
        true => format!("  attempts  {}", report.attempt),
        false => format!("  attempts  {} of {}", report.attempt, report.attempts_max),
    });
    lines.extend(report.not_before.map(|at| format!("  next      {at}")));
    lines.push(format!("  queue     {} in lane {}", report.routing.priority, report.routing.lane));
    lines.push(format!("  asked by  {}", report.lineage.trigger));
    lines.extend(report.lineage.retry_of.map(|run| format!("  repeats   {run}")));
    lines.extend(report.lineage.parent_run_id.map(|run| format!("  parent    {run}")));
    lines.extend(report.routing.deadline.map(|at| format!("  deadline  {at}")));
    for (word, at) in
        [("created", Some(report.created_at)), ("started", report.started_at), ("finished", report.finished_at)]
    {
        lines.extend(at.map(|at| format!("  {word:8}  {at}")));
    }
    lines.push(format!("  params    {}", report.params));
    lines.extend(inputs.iter().map(|input| format!("  input     {}  {}", input.file_name, input.digest)));
    lines.extend(report.usage.as_ref().map(used));
    lines.extend(report.error.iter().map(error));
    let trap = report.error.as_ref().and_then(|error| error.trap.as_deref());
    lines.extend(trap.map(trapped::lines).unwrap_or_default());
    lines.extend(captures(&report.captures));
    lines.extend(report.quality.iter().map(check));
    lines.extend(foot(report));
    lines.join("\n")
}

fn head(report: &RunReport) -> Vec<String> {
    let RunReport { run_id, name, rows_in, rows_out, rejected, .. } = report;
    let status = if report.unchanged { "completed, unchanged" } else { report.status.name() };
    let duration = report.duration_ms.map(|ms| format!("  {} ms", grouped(ms))).unwrap_or_default();
    let mut lines = vec![format!("{status}  {name}  {run_id}{duration}")];
    let plugin = report.plugin.as_ref();
    lines.extend(plugin.map(|it| format!("  plugin    {} {} ({})", it.name, it.version, it.digest.short())));
    lines.extend(report.conditions.as_ref().map(host));
    let (rows_in, rows_out, rejected) = (grouped(*rows_in), grouped(*rows_out), grouped(*rejected));
    lines.push(format!("  rows      {rows_in} in, {rows_out} out, {rejected} rejected"));
    lines
}

fn foot(report: &RunReport) -> impl Iterator<Item = String> {
    let is_recorded = report.rejects.is_none();
    let rejects =
        (report.rejected > 0 && is_recorded).then(|| format!("  rejects   spine-host rejects --run {}", report.run_id));
    let result = report.result.as_ref().map(|result| format!("  result    {result}"));
    rejects.into_iter().chain(result)
}

fn host(conditions: &Conditions) -> String {
    let Conditions { host_version, wasmtime_version, grants_hash } = conditions;
    format!("  host      {host_version}, wasmtime {wasmtime_version}, grants {}", grants_hash.short())
}

/// What the latest attempt used.
fn used(usage: &Usage) -> String {
    let Usage { cpu_us, memory_bytes_peak, host_calls, bytes_in, bytes_out, .. } = *usage;
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let memory = memory_bytes_peak as f64 / f64::from(1 << 20);
    format!(
        "  used      {} ms of cpu, {memory:.1} MiB, {} host calls, {} bytes in, {} bytes out",
        grouped(cpu_us.div_ceil(1_000)),
        grouped(host_calls),
        grouped(bytes_in),
        grouped(bytes_out)
    )
}

/// A line for each, in columns.
fn captures(captures: &[RunCapture]) -> impl Iterator<Item = String> {
    let width = |of: fn(&RunCapture) -> String| captures.iter().map(|it| of(it).len()).max().unwrap_or(0);
    let dataset_width = width(|capture| capture.dataset.to_string());
    let partition_width = width(|capture| capture.partition.to_string());
    captures.iter().map(move |capture| {
        let (dataset, partition) = (capture.dataset.to_string(), capture.partition.to_string());
        let (fate, rows, hash) = (fate(capture), row_count(capture.rows), capture.content_hash.short());
        format!("  capture   {dataset:<dataset_width$}  {partition:<partition_width$}  {fate}  {rows}  {hash}")
    })
}

fn fate(capture: &RunCapture) -> String {
    let revision = capture.revision.map(|revision| format!("revision {revision}"));
    match capture.state {
        RunCaptureState::Published => revision.unwrap_or_else(|| "published".to_owned()),
        RunCaptureState::Unchanged => format!("{}unchanged", revision.map(|it| it + ", ").unwrap_or_default()),
        RunCaptureState::Quarantined => "quarantined".to_owned(),
        RunCaptureState::Discarded => "discarded".to_owned(),
        RunCaptureState::WouldPublish => "would be published".to_owned(),
        RunCaptureState::WouldQuarantine => "would be quarantined".to_owned(),
    }
}

fn check(result: &CheckResult) -> String {
    let CheckResult { check, dataset, message, .. } = result;
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    format!("  {:8}  {check} ({dataset}){message}", quality::status(result.status))
}

/// The error as `run` told it.
fn error(failure: &Failure) -> String {
    format!("  error     {}", explained(failure).replace('\n', "\n          "))
}

/// One row for each capture; one without a capture for a run that has none, so that its error is there.
fn rows(report: &RunReport) -> Rows {
    let names = [
        "run_id",
        "name",
        "status",
        "unchanged",
        "attempt",
        "rows_in",
        "rows_out",
        "rejected",
        "duration_ms",
        "dataset",
        "partition",
        "capture_id",
        "revision",
        "state",
        "rows",
        "content_hash",
        "error_kind",
        "error_code",
        "error_message",
    ];
    let mut rows = Rows::new(names.map(crate::output::text), "");
    let captures: Vec<Option<&RunCapture>> = match report.captures.as_slice() {
        [] => vec![None],
        captures => captures.iter().map(Some).collect(),
    };
    let error = report.error.as_ref();
    for capture in captures {
        rows.push([
            report.run_id.to_string().into(),
            report.name.clone().into(),
            report.status.name().into(),
            capture.map_or(report.unchanged, |capture| capture.unchanged).to_string().into(),
            u64::from(report.attempt).into(),
            report.rows_in.into(),
            report.rows_out.into(),
            report.rejected.into(),
            report.duration_ms.into(),
            capture.map(|capture| capture.dataset.to_string()).into(),
            capture.map(|capture| &capture.partition).into(),
            capture.map(|capture| capture.capture_id.to_string()).into(),
            capture.and_then(|capture| capture.revision).into(),
            capture.map(|capture| capture.state.name()).into(),
            capture.map(|capture| capture.rows).into(),
            capture.map(|capture| capture.content_hash).into(),
            error.map(|error| error.kind.name()).into(),
            error.map(|error| error.code.clone()).into(),
            error.map(|error| error.message.clone()).into(),
        ]);
    }
    rows
}
