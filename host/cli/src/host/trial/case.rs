//! The plugin's own cases, each in a host of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use authors::Case;
use model::failure::{Failure, FailureKind, Reading};
use model::manifest::{ParamSpec, ParamType, RowAccounting};
use model::plugin::Finding;
use model::ports::{GivenFile, ParamValue};
use model::{Manifest, suggestion};

use super::place::{Trial, TrialHost};
use super::{Findings, TestOrder, TestedRun, expect, is_wanted, judged, tell, work};

/// Runs every case that is wanted.
///
/// # Errors
///
/// `bad_case` if one cannot be read; those of the place.
pub(super) async fn all(
    trial: &mut Trial,
    order: &TestOrder,
    manifest: &Manifest,
    found: &mut Findings,
) -> Result<(), Failure> {
    let cases = authors::cases(&order.cases)?;
    if cases.is_empty() {
        let message = format!("there is no case in `{}`", order.cases.display());
        let hint = "write one: a folder with `case.toml` and its input files; `--update` writes what comes of it";
        found.add("cases", Finding::warning("no_cases", message, hint));
    }
    let wanted: Vec<Case> = cases.into_iter().filter(|case| is_wanted(order, &case.name)).collect();
    if !wanted.is_empty() {
        tell(&format!("{} cases", wanted.len()));
    }
    for case in wanted {
        let host = trial.host().await?;
        let done = one(&host, &case, order, manifest, found).await;
        host.close().await;
        done?;
    }
    Ok(())
}

async fn one(
    host: &TrialHost,
    case: &Case,
    order: &TestOrder,
    manifest: &Manifest,
    found: &mut Findings,
) -> Result<(), Failure> {
    let test = format!("case `{}`", case.name);
    let (params, files) = given(case, manifest)?;
    let answer = host.run(&case.run, params, files).await;
    found.runs.push(TestedRun::of(&test, &case.run, &answer));
    if let Ok(report) = &answer {
        let accounting = manifest.pipeline(&case.run).map_or(RowAccounting::Aggregate, |it| it.accounting);
        judged::findings(&test, accounting, report).into_iter().for_each(|finding| found.add(&test, finding));
    }
    let came = expect::Came::of(host, manifest, &answer).await?;
    if order.update {
        return came.write(case);
    }
    for difference in came.differences(case) {
        let hint = "mend the plugin; if this is what has to come now, `--update` writes it down";
        found.add(&test, Finding::error("case_differs", format!("{test}: {difference}"), hint));
    }
    Ok(())
}

/// Parameters, and the files that some of them name.
pub(super) type Given = (BTreeMap<String, ParamValue>, BTreeMap<String, GivenFile>);

/// The parameters of a case, with the files that it names.
pub(super) fn given(case: &Case, manifest: &Manifest) -> Result<Given, Failure> {
    let Some(specs) = params(manifest, &case.run) else {
        let known: Vec<&str> = work(manifest).collect();
        let message = format!(
            "case `{}` runs `{}`, which nothing is called{}",
            case.name,
            case.run,
            suggestion(&case.run, &known)
        );
        return Err(Failure::new(FailureKind::Config, "bad_case", message));
    };
    let (mut params, mut files) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in &case.params {
        let is_file = specs.iter().any(|spec| &spec.name == name && spec.param_type == ParamType::File);
        match value.as_str().filter(|_| is_file) {
            Some(file_name) => {
                let path = case.folder.join(file_name);
                let bytes = std::fs::read(&path).map(Arc::new);
                let bytes =
                    bytes.map_err(|error| Failure::io(Reading::Input, "read", &path.display().to_string(), &error));
                files.insert(name.clone(), GivenFile { file_name: file_name.to_owned(), bytes });
            }
            None => {
                params.insert(name.clone(), param(value));
            }
        }
    }
    Ok((params, files))
}

fn param(value: &toml::Value) -> ParamValue {
    match value {
        // TOML has dates of its own; parameters have texts.
        toml::Value::Datetime(date) => ParamValue::Text(date.to_string()),
        other => ParamValue::Json(expect::json(other)),
    }
}

/// The parameters that a pipeline, source or task takes.
pub(super) fn params<'a>(manifest: &'a Manifest, name: &str) -> Option<&'a [ParamSpec]> {
    let pipeline = manifest.pipeline(name).map(|it| it.params.as_slice());
    let source = || manifest.source(name).map(|it| it.params.as_slice());
    pipeline.or_else(source).or_else(|| manifest.task(name).map(|it| it.params.as_slice()))
}
