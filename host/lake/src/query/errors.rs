//! DataFusion's errors as failures: whose fault it is, where in the SQL, and which limit.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use model::{Failure, FailureKind};

use super::QueryLimits;
use super::statement::bad_sql;

/// The failure of a query that was read, planned or run.
pub(super) fn failure(error: &DataFusionError, limits: &QueryLimits) -> Failure {
    // Of several errors the first is enough: people mend SQL from the left.
    let error = error.iter().next().unwrap_or(error);
    let root = error.find_root();
    match root {
        DataFusionError::SQL(parser, _) => {
            let text = parser.to_string();
            bad_sql(format!("the SQL cannot be read: {}", text.trim_start_matches("sql parser error: ")))
        }
        DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::Substrait(_) => {
            bad_sql(format!("the SQL cannot be carried out{}: {}", place(error), root.message()))
        }
        DataFusionError::ResourcesExhausted(_) => limits.out_of_memory().because(root),
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
            unreadable(root)
        }
        DataFusionError::ArrowError(arrow, _) => match **arrow {
            ArrowError::ParquetError(_) | ArrowError::IoError(..) | ArrowError::ExternalError(_) => unreadable(root),
            _ => bad_sql(format!("the query failed on a value: {}", root.message())),
        },
        DataFusionError::Execution(_) => bad_sql(format!("the query failed on a value: {}", root.message())),
        _ => Failure::new(
            FailureKind::Internal,
            "query_failed",
            format!("the query engine failed, which is a defect: {}", root.message()),
        ),
    }
}

pub(super) fn too_many_rows(limits: &QueryLimits) -> Failure {
    let rows = limits.rows;
    let message =
        format!("the answer has more than {rows} rows: add a LIMIT or a filter, or read the table with DuckDB");
    Failure::new(FailureKind::Validation, "too_many_rows", message)
        .detail("limit", "limits.query_rows")
        .detail("value", rows.to_string())
}

pub(super) fn too_slow(limits: &QueryLimits) -> Failure {
    let millis = limits.wall_clock.as_millis();
    let message = format!("the query took longer than {millis} ms: filter on a partition column, or read less");
    Failure::new(FailureKind::Validation, "query_timeout", message)
        .detail("limit", "limits.query_wall_clock")
        .detail("value", format!("{millis} ms"))
}

fn unreadable(root: &DataFusionError) -> Failure {
    let message = "a published capture cannot be read: restore its file from a backup, nothing else has its rows";
    Failure::new(FailureKind::Storage, "capture_unreadable", message).because(root)
}

fn place(error: &DataFusionError) -> String {
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    span.map(|span| format!(" (line {}, column {})", span.start.line, span.start.column)).unwrap_or_default()
}
