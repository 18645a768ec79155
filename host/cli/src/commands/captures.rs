//! `captures`: the revisions of a dataset.

use clap::Args;
use model::manifest::DatasetSpec;
use model::stage::CaptureStages;
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

    /// How far the latest revision of one partition has come: each stage that its pipeline declares, each time it was
    /// reached
    #[arg(long, requires = "partition")]
    stages: bool,

    /// With --stages: of this revision
    #[arg(long, requires = "stages", value_name = "NUMBER", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    revision: Option<u64>,
}

impl CapturesCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        let spec = known_dataset(&ledger, &self.dataset).await?;
        if self.stages {
            let partition = whole_partition(&spec, partition(&spec, &self.partition)?)?;
            let stages = ledger.stages(&spec.name, &partition, self.revision).await?;
            output.show(&stages, || stage_rows(&stages))?;
            return Ok(0);
        }
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

/// A partition with a value for each of its columns.
fn whole_partition(spec: &DatasetSpec, partition: Partition) -> Result<Partition, Failure> {
    let missing: Vec<&str> =
        spec.partition_by.iter().map(String::as_str).filter(|column| partition.get(column).is_none()).collect();
    if missing.is_empty() {
        return Ok(partition);
    }
    let message = format!("`--stages` is about one partition of `{}`: give `{}` too", spec.name, missing.join("`, `"));
    Err(Failure::new(FailureKind::Validation, "bad_params", message))
}

fn stage_rows(stages: &CaptureStages) -> Rows {
    let columns = [
        text("stage"),
        number("rank"),
        number("number"),
        number("rows"),
        text("metrics"),
        text("at"),
        text("run_id"),
        number("attempt"),
    ];
    let mut rows = Rows::new(columns, "no stages: its pipeline declares none, or there is no such revision");
    for reached in &stages.0 {
        rows.push([
            reached.stage.clone().into(),
            u64::from(reached.rank).into(),
            reached.number.into(),
            Cell::count(reached.rows),
            reached.metrics.to_string().into(),
            reached.at.into(),
            reached.run_id.to_string().into(),
            u64::from(reached.attempt).into(),
        ]);
    }
    rows
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
