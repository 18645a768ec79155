//! `captures`: the revisions of a dataset.

use clap::Args;
use model::manifest::DatasetSpec;
use model::{CaptureRecord, DataType, Failure, FailureKind, Partition, Timestamp};

use super::{key_value, known_dataset, ledger, unknown_name};
use crate::args::Global;
use crate::output::{Cell, Output, Rows, detail, number, text};

/// List the revisions of a dataset, newest first
///
/// A capture is what one run delivered for one partition. A published capture has a revision number; a quarantined
/// one waits for `quarantine release` or `quarantine discard`.
#[derive(Debug, Args)]
pub(crate) struct CapturesCommand {
    /// Dataset, such as `finra.regsho_daily`; `datasets list` shows all
    dataset: String,

    /// Only this partition, such as `trade_date=2021-01-28`; may be repeated, once for each partition column
    #[arg(long = "partition", value_name = "COLUMN=VALUE", value_parser = key_value)]
    partition: Vec<(String, String)>,
}

impl CapturesCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        let spec = known_dataset(&ledger, &self.dataset).await?;
        let captures = ledger.captures(&spec.name, &partition(&spec, &self.partition)?).await?;
        output.show(&captures, || rows(&captures))?;
        Ok(0)
    }
}

/// The partition that somebody asks for.
fn partition(spec: &DatasetSpec, asked: &[(String, String)]) -> Result<Partition, Failure> {
    let values: Result<Vec<(String, String)>, Failure> = asked
        .iter()
        .map(|(column, value)| {
            let found = spec.columns.iter().find(|it| &it.name == column && spec.partition_by.contains(column));
            let Some(found) = found else {
                let otherwise = format!("`{}` is partitioned by `{}`", spec.name, spec.partition_by.join("`, `"));
                return Err(unknown_name("partition column", column, &spec.partition_by, &otherwise));
            };
            if found.data_type == DataType::Date && !is_date(value) {
                let value = model::brief(value);
                let message = format!("`{column}={value}`: `{value}` is not a date; write {column}=2026-01-31");
                return Err(Failure::new(FailureKind::Validation, "bad_params", message));
            }
            Ok((column.clone(), value.clone()))
        })
        .collect();
    Ok(values?.into_iter().collect())
}

/// Whether this is a date as partitions write it. The other columns of partitions hold text.
fn is_date(value: &str) -> bool {
    // Of ten characters, no other time is understood.
    value.len() == 10 && Timestamp::parse(value).is_some()
}

/// Captures as rows.
pub(super) fn rows(captures: &[CaptureRecord]) -> Rows {
    let columns = [
        text("dataset"),
        text("partition"),
        number("revision"),
        text("state"),
        text("captured_at"),
        number("rows"),
        text("content_hash"),
        text("capture_id"),
        detail("run_id"),
        detail("plugin_digest"),
    ];
    let mut rows = Rows::new(columns, "no captures");
    for capture in captures {
        rows.push([
            capture.dataset.to_string().into(),
            (&capture.partition).into(),
            capture.revision.into(),
            capture.state.name().into(),
            capture.captured_at.into(),
            Cell::count(capture.rows),
            capture.content_hash.into(),
            capture.capture_id.to_string().into(),
            capture.run_id.to_string().into(),
            capture.plugin_digest.into(),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_in_one_way() {
        assert!(is_date("2021-01-28"));
        for other in ["soon", "2021-1-28", "2021-02-30", "20210128", "2021-01-28T00:00:00Z", ""] {
            assert!(!is_date(other), "{other}");
        }
    }
}
