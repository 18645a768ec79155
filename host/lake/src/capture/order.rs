//! Splits what a run wrote to one dataset into partitions and sorts each by natural key.
//!
//! Texts are ordered by their bytes, everything else by value; nothing of a key is null. Rows that are in memory are
//! sorted there, those in a file from file to file; the captures are the same.

mod duplicates;
mod engine;
mod external;
mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType as ArrowType, Date32Type, Float64Type, Schema};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use chrono::NaiveDate;
use model::limits::Limits;
use model::manifest::DatasetSpec;
use model::{Failure, FailureKind, Partition};

pub(crate) use self::duplicates::{Duplicate, Duplicates};
use self::engine::SortMemory;
use crate::schema::LINE;
use crate::staged::StagedRows;

/// What was written to one dataset, in order.
#[derive(Debug)]
pub(crate) struct Ordered {
    /// By partition; some rows may be missing where there are duplicates.
    pub(crate) parts: Vec<Part>,
    /// Every row whose key another row of its partition has too.
    pub(crate) duplicates: Duplicates,
}

#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) partition: Partition,
    /// Without `_line`; none where a partition was only declared.
    pub(crate) rows: StagedRows,
}

/// Splits and sorts. `declared` partitions are there even without rows.
///
/// # Errors
///
/// If the rows are in a file: of kind `storage`, `no_space` among others; `staging_memory` if rows are too wide.
pub(crate) fn order(
    spec: &DatasetSpec,
    rows: StagedRows,
    declared: &BTreeSet<Partition>,
    limits: &Limits,
) -> Result<Ordered, Failure> {
    let duplicates = Duplicates::new(limits.rejects);
    match rows {
        StagedRows::Memory(batches) => {
            memory::order(spec, &batches, declared, duplicates).map_err(|error| unsorted(spec, &error))
        }
        StagedRows::Spilled(rows) => {
            external::order(spec, rows, declared, duplicates, SortMemory::of(limits.staging_memory_bytes))
        }
    }
}

fn unsorted(spec: &DatasetSpec, error: &dyn std::error::Error) -> Failure {
    let message = format!("could not sort the rows of `{}`: {error}", spec.name);
    Failure::new(FailureKind::Internal, "sort", message).because(error)
}

fn listed(parts: BTreeMap<Partition, StagedRows>) -> Vec<Part> {
    parts.into_iter().map(|(partition, rows)| Part { partition, rows }).collect()
}

fn only_declared(declared: &BTreeSet<Partition>) -> BTreeMap<Partition, StagedRows> {
    declared.iter().map(|partition| (partition.clone(), StagedRows::Memory(Vec::new()))).collect()
}

/// The partition columns, then the rest of the key: one order for the split and the sort.
pub(super) fn sort_columns(spec: &DatasetSpec) -> Vec<String> {
    let rest = spec.key.iter().filter(|column| !spec.partition_by.contains(column));
    spec.partition_by.iter().chain(rest).cloned().collect()
}

/// Positions of all columns but `_line`.
fn data_columns(schema: &Schema) -> Vec<usize> {
    (0..schema.fields().len()).filter(|&at| schema.field(at).name() != LINE).collect()
}

/// The columns in Arrow's row format, in which rows are compared as bytes: keys of many columns cost no more than keys
/// of one.
fn comparable(batch: &RecordBatch, columns: &[String]) -> Result<Rows, ArrowError> {
    let columns = columns
        .iter()
        .map(|name| Ok(normal_floats(batch.column(batch.schema_ref().index_of(name)?))))
        .collect::<Result<Vec<_>, ArrowError>>()?;
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    RowConverter::new(fields)?.convert_columns(&columns)
}

/// Zero has one sign and NaN one form, as in the content hash.
///
/// Captures are kept this way too: the query engine orders floats by their bits, so that a NaN with a sign would be
/// below every number and -0.0 would not be 0, where DuckDB says otherwise about the same file.
pub(crate) fn normal_floats(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        ArrowType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            // Without a way out in the middle it is vectorised; almost always all are looked at anyway.
            let odd = |value: &f64| value.to_bits() != super::hash::normal(*value).to_bits();
            if !values.values().iter().fold(false, |found, value| found | odd(value)) {
                return Arc::clone(array);
            }
            Arc::new(values.unary::<_, Float64Type>(super::hash::normal) as Float64Array)
        }
        _ => Arc::clone(array),
    }
}

fn partition_of(batch: &RecordBatch, row: usize, columns: &[String]) -> Result<Partition, ArrowError> {
    let value = |name: &String| -> Result<(String, String), ArrowError> {
        let column = batch.column(batch.schema_ref().index_of(name)?);
        let text = match column.data_type() {
            ArrowType::Date32 => day_text(column.as_primitive::<Date32Type>().value(row)),
            _ => column.as_string::<i32>().value(row).to_owned(),
        };
        Ok((name.clone(), text))
    };
    columns.iter().map(value).collect::<Result<BTreeMap<_, _>, _>>().map(Partition)
}

/// A day as `YYYY-MM-DD`.
pub(crate) fn day_text(days: i32) -> String {
    NaiveDate::from_epoch_days(days).map(|day| day.format("%Y-%m-%d").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
