//! `quality`: what the checks found.

use clap::Args;
use model::quality::{CheckCategory, CheckStatus, Severity};
use model::{Failure, RunId};
use storage::RunQuality;

use super::{known_dataset, known_run, ledger};
use crate::args::Global;
use crate::output::{Output, Rows, detail, text};

/// List the results of quality checks, newest run first
#[derive(Debug, Args)]
pub(crate) struct QualityCommand {
    /// Only those of this dataset
    #[arg(long, value_name = "DATASET")]
    dataset: Option<String>,

    /// Only those of this run
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,
}

impl QualityCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        let dataset = match &self.dataset {
            Some(dataset) => Some(known_dataset(&ledger, dataset).await?.name),
            None => None,
        };
        if let Some(run) = self.run {
            known_run(&ledger, run).await?;
        }
        let results = ledger.quality(dataset.as_ref(), self.run).await?;
        output.show(&results, || rows(&results))?;
        Ok(0)
    }
}

fn rows(results: &[RunQuality]) -> Rows {
    let columns = [
        text("run_id"),
        text("dataset"),
        text("check"),
        detail("category"),
        text("severity"),
        text("status"),
        text("message"),
        detail("actual"),
        detail("expected"),
    ];
    let mut rows = Rows::new(columns, "no results");
    for RunQuality { run_id, result } in results {
        rows.push([
            run_id.to_string().into(),
            result.dataset.to_string().into(),
            result.check.clone().into(),
            category(result.category).into(),
            severity(result.severity).into(),
            status(result.status).into(),
            result.message.clone().into(),
            result.actual.clone().into(),
            result.expected.clone().into(),
        ]);
    }
    rows
}

fn category(category: CheckCategory) -> &'static str {
    match category {
        CheckCategory::Integrity => "INTEGRITY",
        CheckCategory::Completeness => "COMPLETENESS",
        CheckCategory::BusinessRule => "BUSINESS_RULE",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Block => "block",
        Severity::Warn => "warn",
    }
}

pub(super) fn status(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Pass => "PASS",
        CheckStatus::Warn => "WARN",
        CheckStatus::Fail => "FAIL",
    }
}
