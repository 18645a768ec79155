//! Hostile inputs for everything that a plugin offers: each run has to end with an answer, and the same a second time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use authors::{Hostile, Shape};
use model::failure::{Failure, Reading};
use model::manifest::{CapabilityKind, FileFormat, FormatKind, ParamSpec, ParamType, PipelineSpec, RowAccounting};
use model::plugin::Finding;
use model::ports::{GivenFile, ParamValue};
use model::run::{RunKind, RunReport, RunStatus};
use model::{DatasetName, Manifest};
use serde_json::{Value, json};

use super::case::params;
use super::place::{Trial, TrialHost};
use super::{Findings, TestOrder, TestedRun, is_wanted, judged, tell};
use crate::output::grouped;

/// A large file that takes longer than this for each row is told: a million rows are a minute and a half.
const SLOW_ROWS_PER_SECOND: u64 = 10_000;

/// The day of ordinary rows, a Friday.
const DAY: &str = "2025-01-03";

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
    for pipeline in manifest.pipelines.iter().filter(|it| is_wanted(order, &it.name)) {
        tell(&format!("hostile files for `{}`", pipeline.name));
        for input in file_params(&pipeline.params) {
            for format in formats(manifest, pipeline, input) {
                let host = trial.host().await?;
                let tried = Tried { host: &host, order, manifest, memory_bytes: trial.memory_bytes(&manifest.name) };
                let done = tried.files_for(pipeline, input, format, found).await;
                host.close().await;
                done?;
            }
        }
        let host = trial.host().await?;
        let tried = Tried { host: &host, order, manifest, memory_bytes: trial.memory_bytes(&manifest.name) };
        let done = tried.params_for(&pipeline.name, pipeline.accounting, found).await;
        host.close().await;
        done?;
    }
    let folders = manifest.capabilities.iter().filter(|it| matches!(it.kind, CapabilityKind::Folder { .. }));
    for folder in folders {
        fill(&trial.granted(&folder.name), manifest, order.seed)?;
    }
    let others = manifest.sources.iter().map(|it| &it.name).chain(manifest.tasks.iter().map(|it| &it.name));
    for name in others.filter(|name| is_wanted(order, name)) {
        tell(&format!("hostile parameters for `{name}`"));
        let host = trial.host().await?;
        let tried = Tried { host: &host, order, manifest, memory_bytes: trial.memory_bytes(&manifest.name) };
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
        let of_format = format.map(|it| format!(" as `{}`", it.name)).unwrap_or_default();
        for file in authors::files(format, &steady, order.seed, order.quick) {
            let Hostile { name: what, shape, bytes } = file;
            let test = format!("`{name}`, {} {of_format}: {what}", input.name).replace("  ", " ");
            let mut files = self.ordinary_files(pipeline);
            files.insert(input.name.clone(), GivenFile { file_name: file_name(input), bytes: Ok(Arc::new(bytes)) });
            let answer = self.host.run(name, ordinary_params(&pipeline.params), files).await;
            found.runs.push(TestedRun::of(&test, name, &answer));
            let report = match answer {
                Ok(report) => report,
                Err(failure) => {
                    found.add(name, not_tried(&test, &failure));
                    continue;
                }
            };
            self.judge(&test, name, pipeline.accounting, shape, &report, found).await?;
        }
        Ok(())
    }

    /// Ordinary parameters, and then each at its ends.
    async fn params_for(&self, name: &str, accounting: RowAccounting, found: &mut Findings) -> Result<(), Failure> {
        let specs = params(self.manifest, name).unwrap_or_default();
        let files = match self.manifest.pipeline(name) {
            Some(pipeline) => self.ordinary_files(pipeline),
            None => BTreeMap::new(),
        };
        let mut tries = vec![(ORDINARY.to_owned(), ordinary_params(specs))];
        for spec in specs.iter().filter(|spec| spec.param_type != ParamType::File) {
            for odd in odd_values(spec) {
                let shown = model::brief(&odd.to_string()).into_owned();
                let mut params = ordinary_params(specs);
                params.insert(spec.name.clone(), ParamValue::Json(odd));
                tries.push((format!("{} = {shown}", spec.name), params));
            }
        }
        for (what, params) in tries {
            let test = format!("`{name}`, {what}");
            let answer = self.host.run(name, params, files.clone()).await;
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
        if report.kind == RunKind::Source {
            return Ok(());
        }
        match self.host.replay(report.run_id).await {
            Ok(replay) if replay.identical => {}
            Ok(replay) => {
                let message = format!("{test}: done again it is not the same: {}", replay.findings.join("; "));
                let hint = "take nothing from the clock, randomness or the order of a hash table into what is written";
                found.add(name, Finding::error("not_repeatable", message, hint));
            }
            // Of what cannot be done again by its nature, such as what had a secret, there is nothing to say.
            Err(failure) if failure.exit_code() == 3 => {}
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

    fn ordinary_files(&self, pipeline: &PipelineSpec) -> BTreeMap<String, GivenFile> {
        let steady = partitions(self.manifest, &pipeline.outputs);
        let file = |param: &ParamSpec| {
            let format = formats(self.manifest, pipeline, param).into_iter().next().flatten();
            let bytes = authors::ordinary(format, &steady, self.order.seed);
            (param.name.clone(), GivenFile { file_name: file_name(param), bytes: Ok(Arc::new(bytes)) })
        };
        file_params(&pipeline.params).filter(|param| param.required).map(file).collect()
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

fn file_params(params: &[ParamSpec]) -> impl Iterator<Item = &ParamSpec> {
    params.iter().filter(|param| param.param_type == ParamType::File)
}

/// The formats that a file may have; one that is none, where its bytes are read as they are.
fn formats<'a>(manifest: &'a Manifest, pipeline: &PipelineSpec, param: &ParamSpec) -> Vec<Option<&'a FileFormat>> {
    let input = pipeline.inputs.iter().find(|input| input.name == param.name);
    let named = input.into_iter().flat_map(|input| &input.formats);
    let found: Vec<_> = named.filter_map(|name| manifest.format(name)).map(Some).collect();
    if found.is_empty() { vec![None] } else { found }
}

/// Columns by which outputs are cut into partitions.
fn partitions(manifest: &Manifest, outputs: &[DatasetName]) -> BTreeSet<String> {
    let outputs = outputs.iter().filter_map(|name| manifest.dataset(name));
    outputs.flat_map(|dataset| dataset.partition_by.iter().cloned()).collect()
}

/// As the author's example has it: a plugin may read much out of a name.
fn file_name(param: &ParamSpec) -> String {
    let example = param.example.as_deref().and_then(|path| Path::new(path).file_name());
    example.map_or_else(
        || format!("{}_{}.txt", param.name, DAY.replace('-', "")),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// What is required, by its example, the first value that is allowed, or one of its type.
fn ordinary_params(specs: &[ParamSpec]) -> BTreeMap<String, ParamValue> {
    let needed = |spec: &&ParamSpec| {
        spec.param_type != ParamType::File && (spec.required || spec.required_unless_dated.is_some())
    };
    let value = |spec: &ParamSpec| match spec.example.as_ref().or(spec.allowed.first()) {
        Some(text) => ParamValue::Text(text.clone()),
        None => ParamValue::Json(match spec.param_type {
            ParamType::String | ParamType::File => json!("text"),
            ParamType::Integer => json!(1),
            ParamType::Number => json!(1.5),
            ParamType::Boolean => json!(true),
            ParamType::Date | ParamType::WeekEnding => json!(DAY),
        }),
    };
    specs.iter().filter(needed).map(|spec| (spec.name.clone(), value(spec))).collect()
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

/// Puts hostile files of every format into a granted folder, under names in order.
fn fill(folder: &Path, manifest: &Manifest, seed: u64) -> Result<(), Failure> {
    let steady = manifest.datasets.iter().flat_map(|it| it.partition_by.iter().cloned()).collect();
    for format in &manifest.formats {
        let ending = match &format.kind {
            FormatKind::Delimited { delimiter: '|', .. } => "psv",
            FormatKind::Delimited { delimiter: ',', .. } => "csv",
            FormatKind::Delimited { delimiter: '\t', .. } => "tsv",
            FormatKind::Delimited { .. } => "txt",
            FormatKind::Json { .. } => "json",
            FormatKind::JsonLines => "jsonl",
            FormatKind::Parquet => "parquet",
        };
        for (number, file) in authors::files(Some(format), &steady, seed, true).enumerate() {
            let path = folder.join(format!("{}_{number:02}.{ending}", format.name));
            std::fs::write(&path, file.bytes)
                .map_err(|error| Failure::io(Reading::Own, "write", &path.display().to_string(), &error))?;
        }
    }
    Ok(())
}
