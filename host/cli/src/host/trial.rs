//! Trying a plugin out: its own cases, and inputs that are hostile. In a scratch place that is removed in the end.
//!
//! Each run is an ordinary one of an ordinary host: what happens here happens there too. What differs is that nothing is
//! tried again and no plugin is quarantined, so that each run tells of itself alone, and that folders and secrets are
//! granted as they are asked for. Addresses are granted by `spine.toml` only: a test sends no request that nobody allowed.

mod case;
mod expect;
mod grants;
mod hostile;
mod judged;
mod ordinary;
mod place;

use std::path::{Path, PathBuf};

use model::plugin::{Finding, FindingSeverity};
use model::run::RunReport;
use model::{Failure, Manifest};
use serde::Serialize;

use crate::args::Global;
use crate::output;
use crate::shutdown::Stop;

use place::Trial;

/// What is to be tested.
#[derive(Clone, Debug)]
pub(crate) struct TestOrder {
    pub(crate) component: PathBuf,
    pub(crate) cases: PathBuf,
    /// Only cases and work whose names hold this.
    pub(crate) only: Option<String>,
    /// Whether what comes of the cases is written down as what has to come.
    pub(crate) update: bool,
    /// Whether hostile inputs are left out.
    pub(crate) cases_only: bool,
    /// Whether large files are left out.
    pub(crate) quick: bool,
    pub(crate) seed: u64,
}

/// What came of a test.
#[derive(Debug, Serialize)]
pub(crate) struct Tested {
    pub(crate) ok: bool,
    pub(crate) findings: Vec<Finding>,
    /// Makes the same hostile inputs again.
    pub(crate) seed: u64,
    pub(crate) runs: Vec<TestedRun>,
}

/// One run of a test.
#[derive(Debug, Serialize)]
pub(crate) struct TestedRun {
    pub(crate) test: String,
    pub(crate) name: String,
    /// `completed`, `failed`, ...; `refused` where no run was made.
    pub(crate) status: String,
    /// Of the error.
    pub(crate) code: Option<String>,
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) rejected: u64,
    pub(crate) duration_ms: u64,
    pub(crate) memory_bytes: u64,
}

impl TestedRun {
    fn of(test: &str, name: &str, answer: &Result<RunReport, Failure>) -> Self {
        let (test, name) = (test.to_owned(), name.to_owned());
        match answer {
            Ok(report) => Self {
                test,
                name,
                status: report.status.name().to_owned(),
                code: report.error.as_ref().map(|error| error.code.clone()),
                rows_in: report.rows_in,
                rows_out: report.rows_out,
                rejected: report.rejected,
                duration_ms: report.duration_ms.unwrap_or_default(),
                memory_bytes: report.usage.as_ref().map_or(0, |usage| usage.memory_bytes_peak),
            },
            Err(failure) => Self {
                test,
                name,
                status: "refused".to_owned(),
                code: Some(failure.code.clone()),
                rows_in: 0,
                rows_out: 0,
                rejected: 0,
                duration_ms: 0,
                memory_bytes: 0,
            },
        }
    }
}

/// Findings of one kind about the same work that are told in full; of the others only how many there are.
const TOLD_MAX: usize = 5;

/// What is found while a test goes on.
#[derive(Debug, Default)]
struct Findings {
    found: Vec<(Finding, String, u64)>,
    runs: Vec<TestedRun>,
}

impl Findings {
    /// `about` is what was run: a case, or the name of some work.
    fn add(&mut self, about: &str, finding: Finding) {
        let same = |it: &&mut (Finding, String, u64)| it.0.code == finding.code && it.1 == about;
        if self.found.iter_mut().filter(same).count() < TOLD_MAX {
            self.found.push((finding, about.to_owned(), 1));
        } else if let Some((_, _, times)) = self.found.iter_mut().rfind(same) {
            *times += 1;
        }
    }

    fn into_findings(self) -> (Vec<Finding>, Vec<TestedRun>) {
        let told = self.found.into_iter().map(|(finding, _, times)| match times {
            1 => finding,
            _ => Finding { message: format!("{} (and {} more)", finding.message, times - 1), ..finding },
        });
        (told.collect(), self.runs)
    }
}

/// Tests a plugin.
///
/// # Errors
///
/// `bad_case` if a case cannot be read; `cancelled` if a signal comes first; of kind `storage` if there is no place for it.
pub(crate) async fn test(global: &Global, order: TestOrder) -> Result<Tested, Failure> {
    let mut stop = Stop::listen()?;
    super::orders::unless_stopped(&mut stop, tested(global, &order)).await
}

/// As [`test`], for who listens to signals already.
pub(super) async fn tested(global: &Global, order: &TestOrder) -> Result<Tested, Failure> {
    let seed = order.seed;
    let loaded = super::check_component(global, &order.component).await?;
    let is_error = |finding: &Finding| finding.severity == FindingSeverity::Error;
    let manifest = match &loaded.manifest {
        Some(manifest) if loaded.is_usable() => manifest.clone(),
        Some(_) | None => return Ok(Tested { ok: false, findings: loaded.findings, seed, runs: Vec::new() }),
    };
    let mut found = Findings::default();
    loaded.findings.into_iter().for_each(|finding| found.add("", finding));
    let mut trial = Trial::prepare(global, &order.component, &manifest).await?;
    match trial.refusal().await? {
        Some(reasons) => {
            let hint = "grant what it asks for in a `spine.toml`, and name that by --config";
            found.add("", Finding::error("plugin_refused", format!("the plugin is refused: {reasons}"), hint));
        }
        None => {
            case::all(&mut trial, order, &manifest, &mut found).await?;
            if !order.cases_only {
                hostile::all(&mut trial, order, &manifest, &mut found).await?;
            }
        }
    }
    let (findings, runs) = found.into_findings();
    Ok(Tested { ok: !findings.iter().any(is_error), findings, seed, runs })
}

/// Whether somebody wants to see the test of this name.
fn is_wanted(order: &TestOrder, name: &str) -> bool {
    order.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
}

/// Says on standard error what is being done.
fn tell(what: &str) {
    output::note(what);
}

/// Every pipeline, source and task of a manifest.
fn work(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let pipelines = manifest.pipelines.iter().map(|it| it.name.as_str());
    let sources = manifest.sources.iter().map(|it| it.name.as_str());
    pipelines.chain(sources).chain(manifest.tasks.iter().map(|it| it.name.as_str()))
}

/// The cases of a component: beside it, where the command does not say where.
pub(crate) fn cases_beside(component: &Path) -> PathBuf {
    component.parent().map_or_else(|| PathBuf::from("cases"), |folder| folder.join("cases"))
}
