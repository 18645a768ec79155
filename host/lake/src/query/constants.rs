//! What the catalog says about every row of a capture: the partition's values, both ids, revision and time.
//!
//! These values are the same in all rows of one file, so a filter on them alone is decided here, once per capture and
//! exactly, and no file is opened that cannot have an answer.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, Result, ScalarValue, Statistics};
use datafusion::logical_expr::Expr;
use model::DataType as ColumnType;
use model::catalog::CatalogCapture;
use model::manifest::DatasetSpec;

/// The columns that only the catalog knows: the commit decides them, after the file was written.
pub(super) const CATALOG_COLUMNS: [&str; 2] = ["_revision", "_captured_at"];

/// One row for each capture, one column for each value that is constant in its file.
#[derive(Debug)]
pub(super) struct Constants {
    rows: RecordBatch,
    names: HashSet<String>,
}

impl Constants {
    pub(super) fn new(spec: &DatasetSpec, captures: &[CatalogCapture]) -> Result<Self> {
        let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
        for name in &spec.partition_by {
            let data_type = spec.column(name).map(|column| column.data_type);
            // A partition value that the catalog does not have, or not in canonical form, is no reason to lose rows:
            // the column is then read from the files like any other.
            if let Some(values) = data_type.and_then(|data_type| partition_values(name, data_type, captures)) {
                columns.push((Field::new(name, values.data_type().clone(), false), values));
            }
        }
        let text = |values: Vec<String>| Arc::new(StringArray::from(values)) as ArrayRef;
        let capture_ids = text(captures.iter().map(|capture| capture.capture_id.to_string()).collect());
        let run_ids = text(captures.iter().map(|capture| capture.run_id.to_string()).collect());
        let revisions: Int64Array = captures.iter().map(|it| i64::try_from(it.revision).unwrap_or(i64::MAX)).collect();
        let times: TimestampMicrosecondArray = captures.iter().map(|it| Some(it.captured_at.as_micros())).collect();
        columns.push((Field::new("_capture_id", DataType::Utf8, false), capture_ids));
        columns.push((Field::new("_run_id", DataType::Utf8, false), run_ids));
        columns.push((Field::new("_revision", DataType::Int64, false), Arc::new(revisions)));
        columns.push((Field::new("_captured_at", utc(), false), Arc::new(times.with_timezone("UTC"))));

        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
        let names = fields.iter().map(|field| field.name().clone()).collect();
        Ok(Self { rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?, names })
    }

    /// Whether `filter` can be decided for a whole capture.
    pub(super) fn decide(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        !columns.is_empty()
            && !filter.is_volatile()
            && columns.iter().all(|column| self.names.contains(column.name.as_str()))
    }

    /// The positions of the captures that all of `filters` let through, in order.
    pub(super) fn select(&self, session: &dyn Session, filters: &[&Expr]) -> Result<Vec<usize>> {
        let mut chosen: Vec<usize> = (0..self.rows.num_rows()).collect();
        if filters.is_empty() || chosen.is_empty() {
            return Ok(chosen);
        }
        let schema = DFSchema::try_from(self.rows.schema())?;
        for filter in filters {
            let filter = session.create_physical_expr((*filter).clone(), &schema)?;
            let keep = filter.evaluate(&self.rows)?.into_array(self.rows.num_rows())?;
            let keep = datafusion::common::cast::as_boolean_array(&keep)?.clone();
            chosen.retain(|&row| keep.is_valid(row) && keep.value(row));
        }
        Ok(chosen)
    }

    /// The values of [`CATALOG_COLUMNS`] for one capture.
    pub(super) fn catalog_values(&self, row: usize) -> Result<Vec<ScalarValue>> {
        CATALOG_COLUMNS.iter().map(|name| self.value(name, row)).collect()
    }

    /// Exact statistics of one capture's file for a table of `schema`: what is constant, and how many rows there are.
    ///
    /// Nothing is said about other columns, so nothing can be wrong about them.
    pub(super) fn statistics(&self, schema: &Schema, row: usize, capture_rows: usize) -> Result<Statistics> {
        let column_statistics = schema
            .fields()
            .iter()
            .map(|field| {
                if !self.names.contains(field.name()) {
                    return Ok(ColumnStatistics::new_unknown());
                }
                let value = self.value(field.name(), row)?;
                Ok(ColumnStatistics {
                    null_count: Precision::Exact(0),
                    min_value: Precision::Exact(value.clone()),
                    max_value: Precision::Exact(value),
                    ..ColumnStatistics::new_unknown()
                })
            })
            .collect::<Result<_>>()?;
        Ok(Statistics {
            num_rows: Precision::Exact(capture_rows),
            total_byte_size: Precision::Absent,
            column_statistics,
        })
    }

    fn value(&self, name: &str, row: usize) -> Result<ScalarValue> {
        let column = self.rows.schema_ref().index_of(name)?;
        ScalarValue::try_from_array(self.rows.column(column), row)
    }
}

/// The type of times: microseconds, UTC.
pub(super) fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn partition_values(name: &str, data_type: ColumnType, captures: &[CatalogCapture]) -> Option<ArrayRef> {
    let mut texts = captures.iter().map(|capture| capture.partition.get(name));
    match data_type {
        ColumnType::Utf8 => Some(Arc::new(StringArray::from(texts.collect::<Option<Vec<_>>>()?))),
        ColumnType::Date => {
            let days = texts.try_fold(Vec::with_capacity(captures.len()), |mut days, text| {
                days.push(days_since_1970(text?)?);
                Some(days)
            })?;
            Some(Arc::new(Date32Array::from(days)))
        }
        ColumnType::Bool
        | ColumnType::Int64
        | ColumnType::Float64
        | ColumnType::Timestamp
        | ColumnType::Decimal { .. } => None,
    }
}

fn days_since_1970(text: &str) -> Option<i32> {
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from(day.signed_duration_since(chrono::NaiveDate::default()).num_days()).ok()
}
