//! Hostile inputs for everything that a plugin offers: each run has to end with an answer, and the same a second time.

use std::path::Path;
use std::sync::Arc;

use authors::{Case, Hostile, Making, Sample, Shape};
use model::Manifest;
use model::failure::{Failure, Reading};
use model::manifest::{CapabilityKind, FileFormat, FormatKind, ParamSpec, ParamType, PipelineSpec, RowAccounting};
use model::plugin::Finding;
use model::ports::{GivenFile, ParamValue};
use model::run::{RunReport, RunStatus};
use serde_json::{Value, json};

use super::case::{given, params};
use super::ordinary::{DAY, Ordinary, file_params, formats, partitions};
use super::place::{Trial, TrialHost};
use super::{Findings, TestOrder, TestedRun, is_wanted, judged, tell};
use crate::output::grouped;

/// A large file that takes longer than this for each row is told: a million rows are a minute and a half.
const SLOW_ROWS_PER_SECOND: u64 = 10_000;

/// How the try with nothing odd is called.
const ORDINARY: &str = "ordinary parameters";

/// Characters of the longest text among parameters.
const LONG: usize = 100_000;

/// Tries out everything that is wanted.
///
/// # Errors
///
/// Those of the place.
pub(super) async fn all(
    trial: &mut Trial,
    order: &TestOrder,
    manifest: &Manifest,
    found: &mut Findings,
) -> Result<(), Failure> {
    let cases = authors::cases(&order.cases)?;
    for pipeline in manifest.pipelines.iter().filter(|it| is_wanted(order, &it.name)) {
        tell(&format!("hostile files for `{}`", pipeline.name));
        for input in file_params(&pipeline.params) {
            for format in formats(manifest, pipeline, input) {
                let host = trial.host().await?;
                let tried = Tried {
                    host: &host,
                    order,
                    manifest,
                    cases: &cases,
                    memory_bytes: trial.memory_bytes(&manifest.name),
                };
                let done = tried.files_for(pipeline, input, format, found).await;
                host.close().await;
                done?;
            }
        }
        let host = trial.host().await?;
        let tried =
            Tried { host: &host, order, manifest, cases: &cases, memory_bytes: trial.memory_bytes(&manifest.name) };
        let done = tried.params_for(&pipeline.name, pipeline.accounting, found).await;
        host.close().await;
        done?;
    }
    let folders = manifest.capabilities.iter().filter(|it| matches!(it.kind, CapabilityKind::Folder { .. }));
    for folder in folders {
        fill(&trial.granted(&folder.name), manifest, &cases, order.seed)?;
    }
    let others = manifest.sources.iter().map(|it| &it.name).chain(manifest.tasks.iter().map(|it| &it.name));
    for name in others.filter(|name| is_wanted(order, name)) {
        tell(&format!("hostile parameters for `{name}`"));
        let host = trial.host().await?;
        let tried =
            Tried { host: &host, order, manifest, cases: &cases, memory_bytes: trial.memory_bytes(&manifest.name) };
        let done = tried.params_for(name, RowAccounting::Aggregate, found).await;
        host.close().await;
        done?;
    }
    Ok(())
}

/// What hostile runs are made with.
struct Tried<'a> {
    host: &'a TrialHost,
    order: &'a TestOrder,
    manifest: &'a Manifest,
    cases: &'a [Case],
    memory_bytes: u64,
}

impl Tried<'_> {
    /// Every hostile file of one format for one parameter; the other files are ordinary.
    async fn files_for(
        &self,
        pipeline: &PipelineSpec,
        input: &ParamSpec,
        format: Option<&FileFormat>,
        found: &mut Findings,
    ) -> Result<(), Failure> {
        let steady = partitions(self.manifest, &pipeline.outputs);
        let (order, name) = (self.order, &pipeline.name);
        let ordinary = Ordinary::of_file(self.manifest, pipeline, (input, format), self.cases, order.seed);
        let making = Making { steady: &steady, sample: &ordinary.sample, seed: order.seed };
        let of_format = format.map(|it| format!(" as `{}`", it.name)).unwrap_or_default();
        for file in authors::files(format, making, order.quick) {
            let Hostile { name: what, shape, bytes } = file;
            let test = format!("`{name}`, {} {of_format}: {what}", input.name).replace("  ", " ");
            let mut files = ordinary.files.clone();
            let file_name = ordinary.file_name(input);
            files.insert(input.name.clone(), GivenFile { file_name, bytes: Ok(Arc::new(bytes)) });
            let answer = self.host.run(name, ordinary.params.clone(), files).await;
            found.runs.push(TestedRun::of(&test, name, &answer));
            let report = match answer {
                Ok(report) => report,
                Err(failure) => {
                    found.add(name, not_tried(&test, &failure));
                    continue;
                }
            };
            self.judge(&test, name, pipeline.accounting, shape, &report, found).await?;
            if report.status == RunStatus::Completed && !report.captures.is_empty() {
                self.read_by_others(&test, shape, found).await?;
            }
        }
        Ok(())
    }

    /// What needs no file may read what was published just now: it runs on that, whatever it is.
    async fn read_by_others(&self, published: &str, shape: Shape, found: &mut Findings) -> Result<(), Failure> {
        // Rows that are ordinary where they come from need not be so for who reads them.
        let shape = if shape == Shape::Large { shape } else { Shape::Odd };
        for pipeline in self.manifest.pipelines.iter().filter(|it| !file_params(&it.params).any(|file| file.required)) {
            let test = format!("`{}` after {published}", pipeline.name);
            let name = &pipeline.name;
            let Ordinary { params, files, .. } = Ordinary::of(self.manifest, name, self.cases, self.order.seed);
            let answer = self.host.run(name, params, files).await;
            found.runs.push(TestedRun::of(&test, name, &answer));
            match answer {
                Ok(report) => self.judge(&test, name, pipeline.accounting, shape, &report, found).await?,
                Err(failure) => found.add(name, not_tried(&test, &failure)),
            }
        }
        Ok(())
    }

    /// Ordinary parameters, and then each at its ends.
    async fn params_for(&self, name: &str, accounting: RowAccounting, found: &mut Findings) -> Result<(), Failure> {
        let specs = params(self.manifest, name).unwrap_or_default();
        let ordinary = Ordinary::of(self.manifest, name, self.cases, self.order.seed);
        let mut tries = vec![(ORDINARY.to_owned(), ordinary.params.clone())];
        for spec in specs.iter().filter(|spec| spec.param_type != ParamType::File) {
            for odd in odd_values(spec) {
                let shown = model::brief(&odd.to_string()).into_owned();
                let mut params = ordinary.params.clone();
                params.insert(spec.name.clone(), ParamValue::Json(odd));
                tries.push((format!("{} = {shown}", spec.name), params));
            }
        }
        for (what, params) in tries {
            let test = format!("`{name}`, {what}");
            let answer = self.host.run(name, params, ordinary.files.clone()).await;
            found.runs.push(TestedRun::of(&test, name, &answer));
            let report = match answer {
                Ok(report) => report,
                // By the declared types; what is refused so never reaches the plugin.
                Err(failure) if failure.code == "bad_params" && what != ORDINARY => continue,
                Err(failure) => {
                    found.add(name, not_tried(&test, &failure));
                    continue;
                }
            };
            self.judge(&test, name, accounting, Shape::Odd, &report, found).await?;
        }
        Ok(())
    }

    /// Judges one run, and carries it out again.
    async fn judge(
        &self,
        test: &str,
        name: &str,
        accounting: RowAccounting,
        shape: Shape,
        report: &RunReport,
        found: &mut Findings,
    ) -> Result<(), Failure> {
        judged::findings(test, accounting, report).into_iter().for_each(|finding| found.add(name, finding));
        match shape {
            Shape::Ordinary if report.status != RunStatus::Completed => {
                let why = report.error.as_ref().map(ToString::to_string).unwrap_or_default();
                let message = format!("{test}: ordinary rows of the format do not pass: {why}");
                let hint = "the values mean more to the plugin than their types say: a case shows what passes";
                found.add(name, Finding::warning("ordinary_rows", message, hint));
            }
            Shape::Large => {
                self.cost(test, report).into_iter().for_each(|finding| found.add(name, finding));
                // What differs the second time does so with few rows too.
                return Ok(());
            }
            Shape::Ordinary | Shape::Broken | Shape::Odd => {}
        }
        match self.host.replay(report.run_id).await {
            Ok(replay) if replay.identical => {}
            Ok(replay) => {
                let message = format!("{test}: done again it is not the same: {}", replay.findings.join("; "));
                let hint = "take nothing from the clock, randomness or the order of a hash table into what is written";
                found.add(name, Finding::error("not_repeatable", message, hint));
            }
            // Of what cannot be done again by its nature, such as what had a secret, there is nothing to say.
            Err(failure) if ["not_replayable", "secret_lost"].contains(&failure.code.as_str()) => {}
            Err(failure) if failure.exit_code() == 3 => {
                let message = format!("{test}: it could not be done again: {failure}");
                found.add(name, Finding::warning("not_repeated", message, "the message says what is missing"));
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// What a large file costs beyond what it may be expected to.
    fn cost(&self, test: &str, report: &RunReport) -> Vec<Finding> {
        let mut found = Vec::new();
        let rate = report.rows_in.saturating_mul(1000) / report.duration_ms.unwrap_or_default().max(1);
        if report.rows_in > 0 && rate < SLOW_ROWS_PER_SECOND {
            let message = format!("{test}: {} rows a second", grouped(rate));
            found.push(Finding::warning("slow", message, "work on whole columns, and pull only those that are needed"));
        }
        let peak = report.usage.as_ref().map_or(0, |usage| usage.memory_bytes_peak);
        if peak > self.memory_bytes / 2 {
            let limit = self.memory_bytes >> 20;
            let message =
                format!("{test}: {} MiB of memory, more than half of the {limit} that it may have", peak >> 20);
            found.push(Finding::warning("memory", message, "let go of each batch before the next one is pulled"));
        }
        found
    }
}

/// That no run was made: for want of parameters that work, or because the host does not take the work at all.
fn not_tried(test: &str, failure: &Failure) -> Finding {
    let message = format!("{test}: no run was made: {failure}");
    match failure.code.as_str() {
        "bad_params" => {
            let hint = "give its parameters an `example` or a `default` that works, so that it can be tried out";
            Finding::warning("not_tried", message, hint)
        }
        _ => Finding::error("refused", message, "a host would refuse it too: the message says why"),
    }
}

/// The ends of a parameter's type.
fn odd_values(spec: &ParamSpec) -> Vec<Value> {
    if !spec.allowed.is_empty() {
        return spec.allowed.iter().map(|allowed| json!(allowed)).collect();
    }
    match spec.param_type {
        ParamType::String => authors::texts().map(Value::from).chain([Value::from("x".repeat(LONG))]).collect(),
        ParamType::Integer => [i64::MIN, i64::MAX, 0, -1].map(Value::from).to_vec(),
        ParamType::Number => [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 0.0, -0.0].map(Value::from).to_vec(),
        ParamType::Boolean => vec![json!(true), json!(false)],
        ParamType::Date => ["0001-01-01", "1969-12-31", "2024-02-29", "9999-12-31"].map(Value::from).to_vec(),
        ParamType::WeekEnding => ["1970-01-02", DAY, "9999-12-31"].map(Value::from).to_vec(),
        ParamType::File => Vec::new(),
    }
}

/// Puts hostile files of every format into a granted folder, under names in order, and beside them what cases that go well
/// are given, under the names that it has there.
fn fill(folder: &Path, manifest: &Manifest, cases: &[Case], seed: u64) -> Result<(), Failure> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes)
            .map_err(|error| Failure::io(Reading::Own, "write", &path.display().to_string(), &error))
    };
    for pipeline in &manifest.pipelines {
        for GivenFile { file_name, bytes } in Ordinary::of(manifest, &pipeline.name, cases, seed).files.values() {
            bytes.as_ref().map_or(Ok(()), |bytes| put(file_name, bytes))?;
        }
    }
    let steady = manifest.datasets.iter().flat_map(|it| it.partition_by.iter().cloned()).collect();
    for format in &manifest.formats {
        let sample = cases_sample(manifest, format, cases).unwrap_or_default();
        let making = Making { steady: &steady, sample: &sample, seed };
        let ending = match &format.kind {
            FormatKind::Delimited { delimiter: '|', .. } => "psv",
            FormatKind::Delimited { delimiter: ',', .. } => "csv",
            FormatKind::Delimited { delimiter: '\t', .. } => "tsv",
            FormatKind::Delimited { .. } => "txt",
            FormatKind::Json { .. } => "json",
            FormatKind::JsonLines => "jsonl",
            FormatKind::Parquet => "parquet",
        };
        for (number, file) in authors::files(Some(format), making, true).enumerate() {
            put(&format!("{}_{number:02}.{ending}", format.name), &file.bytes)?;
        }
    }
    Ok(())
}

/// The first row of a case's file that has this format.
fn cases_sample(manifest: &Manifest, format: &FileFormat, cases: &[Case]) -> Option<Sample> {
    let given = cases.iter().filter_map(|case| given(case, manifest).ok()).flat_map(|(_, files)| files.into_values());
    given.filter_map(|file| file.bytes.ok()).find_map(|bytes| Sample::of(format, &bytes))
}
