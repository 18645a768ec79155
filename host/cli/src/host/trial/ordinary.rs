//! What ordinary work is given: as a case has it that goes well, or else made up from what the manifest declares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use authors::{Case, Making, Sample};
use model::manifest::{FileFormat, ParamSpec, ParamType, PipelineSpec};
use model::ports::{GivenFile, ParamValue};
use model::{DatasetName, Manifest};
use serde_json::json;

use super::case::{given, params};

/// The day of ordinary rows, a Friday.
pub(super) const DAY: &str = "2025-01-03";

/// Parameters and files with which work goes well, as far as anybody knows.
#[derive(Clone, Debug)]
pub(super) struct Ordinary {
    pub(super) params: BTreeMap<String, ParamValue>,
    pub(super) files: BTreeMap<String, GivenFile>,
    /// The first row of the file that was asked for.
    pub(super) sample: Sample,
}

impl Ordinary {
    /// For a pipeline, source or task.
    pub(super) fn of(manifest: &Manifest, name: &str, cases: &[Case], seed: u64) -> Self {
        let by_case = going_well(cases, name).find_map(|case| given(case, manifest).ok());
        match by_case {
            Some((params, files)) => Self { params, files, sample: Sample::default() },
            None => Self::made_up(manifest, name, seed),
        }
    }

    /// For a file of a pipeline that has this format, or none.
    pub(super) fn of_file(
        manifest: &Manifest,
        pipeline: &PipelineSpec,
        (input, format): (&ParamSpec, Option<&FileFormat>),
        cases: &[Case],
        seed: u64,
    ) -> Self {
        let by_case = going_well(cases, &pipeline.name).find_map(|case| {
            let (params, files) = given(case, manifest).ok()?;
            let bytes = files.get(&input.name)?.bytes.as_ref().ok()?;
            let sample = format.map_or_else(|| Some(Sample::default()), |format| Sample::of(format, bytes))?;
            Some(Self { params, files, sample })
        });
        by_case.unwrap_or_else(|| Self::made_up(manifest, &pipeline.name, seed))
    }

    fn made_up(manifest: &Manifest, name: &str, seed: u64) -> Self {
        let specs = params(manifest, name).unwrap_or_default();
        let sample = Sample::default();
        let files = manifest.pipeline(name).map_or_else(BTreeMap::new, |pipeline| {
            let steady = partitions(manifest, &pipeline.outputs);
            let file = |param: &ParamSpec| {
                let format = formats(manifest, pipeline, param).into_iter().next().flatten();
                let bytes = authors::ordinary(format, Making { steady: &steady, sample: &sample, seed });
                (param.name.clone(), GivenFile { file_name: example_name(param), bytes: Ok(Arc::new(bytes)) })
            };
            file_params(&pipeline.params).filter(|param| param.required).map(file).collect()
        });
        Self { params: needed(specs), files, sample }
    }

    /// How a file is called for this parameter: a plugin may read much out of a name.
    pub(super) fn file_name(&self, param: &ParamSpec) -> String {
        self.files.get(&param.name).map_or_else(|| example_name(param), |file| file.file_name.clone())
    }
}

/// Cases of this work that are to complete.
fn going_well<'a>(cases: &'a [Case], name: &'a str) -> impl Iterator<Item = &'a Case> {
    let completes = move |case: &&Case| {
        let status = case.expected.as_ref().and_then(|expected| expected.status.as_deref());
        case.run == name && status.is_none_or(|status| status == "completed")
    };
    cases.iter().filter(completes)
}

pub(super) fn file_params(params: &[ParamSpec]) -> impl Iterator<Item = &ParamSpec> {
    params.iter().filter(|param| param.param_type == ParamType::File)
}

/// The formats that a file may have; one that is none, where its bytes are read as they are.
pub(super) fn formats<'a>(
    manifest: &'a Manifest,
    pipeline: &PipelineSpec,
    param: &ParamSpec,
) -> Vec<Option<&'a FileFormat>> {
    let input = pipeline.inputs.iter().find(|input| input.name == param.name);
    let named = input.into_iter().flat_map(|input| &input.formats);
    let found: Vec<_> = named.filter_map(|name| manifest.format(name)).map(Some).collect();
    if found.is_empty() { vec![None] } else { found }
}

/// Columns by which outputs are cut into partitions.
pub(super) fn partitions(manifest: &Manifest, outputs: &[DatasetName]) -> BTreeSet<String> {
    let outputs = outputs.iter().filter_map(|name| manifest.dataset(name));
    outputs.flat_map(|dataset| dataset.partition_by.iter().cloned()).collect()
}

/// As the author's example has it.
fn example_name(param: &ParamSpec) -> String {
    let example = param.example.as_deref().and_then(|path| Path::new(path).file_name());
    example.map_or_else(
        || format!("{}_{}.txt", param.name, DAY.replace('-', "")),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// What is required, by its example, the first value that is allowed, or one of its type.
fn needed(specs: &[ParamSpec]) -> BTreeMap<String, ParamValue> {
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
