//! Statistics of the columns of one file: exact, or absent.

use model::capture::ColumnStats;
use model::failure::Failure;
use model::manifest::DatasetSpec;
use model::{DataType, FieldIds, HOST_COLUMNS};
use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::tables::{self, Column};
use crate::failure::internal;

/// One column of one file, as the catalog holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileColumn {
    pub(crate) id: i64,
    pub(crate) data_type: DataType,
    pub(crate) bytes: u64,
    /// Values that are not null.
    pub(crate) values: u64,
    pub(crate) nulls: u64,
    /// None for what is no float.
    pub(crate) contains_nan: Option<bool>,
    pub(crate) bounds: Option<Bounds>,
}

/// Makes of what a file says about itself what readers may rely on. A column that it lacks is null in all its rows: an
/// attempt ends on the version that it began with, whatever its dataset has become meanwhile.
///
/// # Errors
///
/// If a column of the key or of the host is missing, or one counts more nulls than the file has rows: such a file is not what it says it is.
pub(crate) fn file_columns(
    spec: &DatasetSpec,
    fields: &FieldIds,
    rows: u64,
    found: &[ColumnStats],
) -> Result<Vec<FileColumn>, Failure> {
    let columns = tables::columns(spec, fields).into_iter().map(|column| {
        let stats = found.iter().find(|stats| stats.column == column.name);
        let Some(stats) = stats else { return absent(spec, &column, rows) };
        let values = rows.checked_sub(stats.nulls).ok_or_else(|| bad(spec, column.name, "has more nulls than rows"))?;
        let data_type = column.data_type;
        Ok(FileColumn {
            id: column.id,
            data_type,
            bytes: stats.bytes,
            values,
            nulls: stats.nulls,
            contains_nan: contains_nan(data_type, values, stats.contains_nan),
            bounds: bounds(data_type, stats),
        })
    });
    columns.collect()
}

fn absent(spec: &DatasetSpec, column: &Column<'_>, rows: u64) -> Result<FileColumn, Failure> {
    let is_owned = |names: &[String]| names.iter().any(|name| name == column.name);
    if is_owned(&spec.key) || is_owned(&spec.partition_by) || HOST_COLUMNS.contains(&column.name) {
        return Err(bad(spec, column.name, "has no statistics"));
    }
    let contains_nan = contains_nan(column.data_type, 0, None);
    Ok(FileColumn {
        id: column.id,
        data_type: column.data_type,
        bytes: 0,
        values: 0,
        nulls: rows,
        contains_nan,
        bounds: None,
    })
}

fn bad(spec: &DatasetSpec, column: &str, why: &str) -> Failure {
    let message = format!("the file of a capture of `{}` is not publishable: its column `{column}` {why}", spec.name);
    internal("bad_file", message)
}

/// Floats have no bounds in the catalog. DuckDB reads them there as decimal text and is off by one unit in the last
/// place for some: a file of `1.0` vanishes under `x > 0.9999999999999999`, also from a catalog that DuckDB wrote. And it
/// leaves a file out under `x <> 0.1` if both its bounds are 0.1, even if it says that it holds NaN. The footer of the
/// file, which is binary, still rules row groups out.
fn bounds(data_type: DataType, stats: &ColumnStats) -> Option<Bounds> {
    match data_type {
        DataType::Float64 => None,
        DataType::Bool
        | DataType::Int64
        | DataType::Utf8
        | DataType::Date
        | DataType::Timestamp
        | DataType::Decimal { .. } => Bounds::new(data_type, stats.min.as_deref(), stats.max.as_deref()),
    }
}

fn contains_nan(data_type: DataType, values: u64, found: Option<bool>) -> Option<bool> {
    match data_type {
        DataType::Float64 if values == 0 => Some(false),
        DataType::Float64 => found,
        DataType::Bool
        | DataType::Int64
        | DataType::Utf8
        | DataType::Date
        | DataType::Timestamp
        | DataType::Decimal { .. } => None,
    }
}

/// The statistics of a file that is kept back, as JSON in the ledger.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stats(Vec<Stat>);

#[derive(Debug, Serialize, Deserialize)]
struct Stat {
    column: String,
    bytes: u64,
    values: u64,
    nulls: u64,
    contains_nan: Option<bool>,
    min: Option<String>,
    max: Option<String>,
}

impl Stats {
    pub(crate) fn of(columns: &[ColumnStats]) -> Self {
        let stats = columns.iter().cloned().map(|stats| {
            let ColumnStats { column, bytes, values, nulls, contains_nan, min, max } = stats;
            Stat { column, bytes, values, nulls, contains_nan, min, max }
        });
        Self(stats.collect())
    }

    pub(crate) fn into_columns(self) -> Vec<ColumnStats> {
        let columns = self.0.into_iter().map(|stat| {
            let Stat { column, bytes, values, nulls, contains_nan, min, max } = stat;
            ColumnStats { column, bytes, values, nulls, contains_nan, min, max }
        });
        columns.collect()
    }
}
