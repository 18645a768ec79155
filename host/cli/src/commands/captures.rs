//! `captures`: the revisions of a dataset.

use clap::Args;
use model::{CaptureRecord, DatasetName, Failure, FailureKind};

use super::{dataset_name, key_value, known_dataset, ledger, partition};
use crate::args::Global;
use crate::output::{Output, Rows, grouped};

/// List the revisions of a dataset, newest first
///
/// A capture is what one run delivered for one partition. A published capture has a revision number; a quarantined
/// one waits for `quarantine release` or `quarantine discard`.
#[derive(Debug, Args)]
pub(crate) struct CapturesCommand {
    /// Dataset, `domain.dataset`
    #[arg(value_parser = dataset_name)]
    dataset: DatasetName,

    /// Only this partition; may be repeated, once for each partition column
    #[arg(long = "partition", value_name = "COLUMN=VALUE", value_parser = key_value)]
    partition: Vec<(String, String)>,
}

impl CapturesCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        let spec = known_dataset(&ledger, &self.dataset).await?;
        if let Some((column, _)) = self.partition.iter().find(|(column, _)| !spec.partition_by.contains(column)) {
            let known = spec.partition_by.join("`, `");
            let message = format!("`{}` has no partition column `{column}`; it has `{known}`", self.dataset);
            return Err(Failure::new(FailureKind::Validation, "unknown_name", message));
        }
        let captures = ledger.captures(&self.dataset, &partition(&self.partition)).await?;
        output.show(&captures, || rows(&captures))?;
        Ok(0)
    }
}

/// Captures for people.
pub(super) fn rows(captures: &[CaptureRecord]) -> Rows {
    let header = ["dataset", "partition", "revision", "state", "captured at", "rows", "content", "capture"];
    let mut rows = Rows::new(&header, &[2, 5], "no captures");
    for capture in captures {
        rows.rows.push(vec![
            capture.dataset.to_string(),
            capture.partition.to_string(),
            capture.revision.map(|revision| revision.to_string()).unwrap_or_default(),
            capture.state.name().to_owned(),
            capture.captured_at.map(|at| at.to_string()).unwrap_or_default(),
            grouped(capture.rows),
            capture.content_hash.short(),
            capture.capture_id.to_string(),
        ]);
    }
    rows
}
