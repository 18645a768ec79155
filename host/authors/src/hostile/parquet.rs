//! Rows as a Parquet file, and the first row of one.
//!
//! A text that the type of its column has no value for is null: what such a file cannot hold no plugin can be sent.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use model::DataType;
use model::manifest::FormatColumn;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::rows::Row;

/// Rows that are made before they are written.
const BATCH_ROWS: usize = 64 * 1024;

/// A file with these columns; empty if there can be none, because two have one name.
pub(super) fn file(columns: &[FormatColumn], rows: impl Iterator<Item = Row>) -> Vec<u8> {
    written(columns, rows).unwrap_or_default()
}

fn written(columns: &[FormatColumn], rows: impl Iterator<Item = Row>) -> Result<Vec<u8>, ParquetError> {
    // Null may be anywhere: where it may not, the host has to say so.
    let fields = columns.iter().map(|column| Field::new(&column.header, arrow_type(column.data_type), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), None)?;
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let batch: Vec<Row> = rows.by_ref().take(BATCH_ROWS).collect();
        writer.write(&typed(&schema, &batch)?)?;
    }
    writer.into_inner()
}

fn typed(schema: &SchemaRef, rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let column = |(at, field): (usize, &Arc<Field>)| -> Result<ArrayRef, ArrowError> {
        let texts: StringArray = rows.iter().map(|row| row[at].as_deref()).collect();
        cast_with_options(&texts, field.data_type(), &options)
    };
    let columns = schema.fields().iter().enumerate().map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn arrow_type(data_type: DataType) -> ArrowType {
    match data_type {
        DataType::Utf8 => ArrowType::Utf8,
        DataType::Int64 => ArrowType::Int64,
        DataType::Float64 => ArrowType::Float64,
        DataType::Bool => ArrowType::Boolean,
        DataType::Date => ArrowType::Date32,
        DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Decimal { precision, scale } => {
            ArrowType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
        }
    }
}

/// The values of the first row by header; none if the file is not Parquet, or has no row.
pub(super) fn first_row(bytes: &[u8]) -> Option<Vec<(String, Option<String>)>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(bytes)).ok()?;
    let batch = builder.with_batch_size(1).build().ok()?.next()?.ok()?;
    let options = FormatOptions::default();
    let value = |array: &ArrayRef| {
        let shown = ArrayFormatter::try_new(array, &options).ok()?.value(0).try_to_string().ok()?;
        (!array.is_null(0)).then_some(shown)
    };
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    Some(names.zip(batch.columns().iter().map(value)).collect())
}
