//! `quality`: what the checks found.

use clap::Args;
use model::quality::{CheckStatus, Severity};
use model::{DatasetName, Failure, RunId};

use super::{dataset_name, known_dataset, ledger};
use crate::args::Global;
use crate::output::{Output, Rows};

/// List the results of quality checks, newest run first
#[derive(Debug, Args)]
pub(crate) struct QualityCommand {
    /// Only those of this dataset
    #[arg(long, value_name = "DATASET", value_parser = dataset_name)]
    dataset: Option<DatasetName>,

    /// Only those of this run
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,
}

impl QualityCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        if let Some(dataset) = &self.dataset {
            known_dataset(&ledger, dataset).await?;
        }
        let results = ledger.quality(self.dataset.as_ref(), self.run).await?;
        output.show(&results, || {
            let header = ["run", "dataset", "check", "severity", "status", "message"];
            let mut rows = Rows::new(&header, &[], "no results");
            for row in &results {
                let result = &row.result;
                rows.rows.push(vec![
                    row.run_id.to_string(),
                    result.dataset.to_string(),
                    result.check.clone(),
                    severity(result.severity).to_owned(),
                    status(result.status).to_owned(),
                    result.message.clone(),
                ]);
            }
            rows
        })?;
        Ok(0)
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
