//! Parquet inputs: columns by name, converted only where nothing is lost.
//!
//! A row's line is its number, from 1. A value that does not survive the conversion, or a null where none may be,
//! rejects its row; a column of another kind rejects the file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use model::DataType;
use model::limits::{BATCH_BYTES_MAX, BATCH_ROWS_MAX};
use model::manifest::FormatColumn;
use model::reject::Reject;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::rows::Tally;
use crate::schema::arrow_type;

/// Whether the bytes claim to be Parquet.
pub(crate) fn is_parquet(content: &[u8]) -> bool {
    content.len() >= 12 && content.starts_with(b"PAR1") && content.ends_with(b"PAR1")
}

type Builder = ParquetRecordBatchReaderBuilder<Bytes>;

fn builder(content: &Bytes) -> Result<Builder, String> {
    // What Arrow wrote beside the Parquet schema is not needed, and one thing less to trust.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    guarded(|| Builder::try_new_with_options(content.clone(), options).map_err(|error| error.to_string()))
}

/// The decoder was not written for hostile files: a panic in it is a damaged file, not the end of the host.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("its encoding makes no sense".to_owned()))
}

/// Why a Parquet file is not of a format.
#[derive(Debug)]
pub(crate) enum Unfit {
    Damaged(String),
    TooLarge,
    /// What the file has instead of the declared columns.
    Columns(String),
}

/// Checks that every declared column is there and may be converted.
pub(crate) fn check(content: &Bytes, columns: &[Arc<FormatColumn>], bytes_max: u64) -> Result<(), Unfit> {
    let builder = builder(content).map_err(Unfit::Damaged)?;
    let claimed: i64 = builder.metadata().row_groups().iter().map(|group| group.total_byte_size().max(0)).sum();
    if u64::try_from(claimed).unwrap_or(u64::MAX) > bytes_max {
        return Err(Unfit::TooLarge);
    }
    let found = |column: &Arc<FormatColumn>| {
        let field = builder.schema().field_with_name(&column.header).ok();
        match field {
            Some(field) => may_convert(field.data_type(), column.data_type),
            None => column.nullable,
        }
    };
    if columns.iter().all(found) {
        return Ok(());
    }
    let fields = builder.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
    Err(Unfit::Columns(fields.collect::<Vec<_>>().join(", ")))
}

fn may_convert(from: &ArrowType, to: DataType) -> bool {
    use ArrowType as A;
    if from == &arrow_type(to) {
        return true;
    }
    let whole = matches!(from, A::Int8 | A::Int16 | A::Int32 | A::Int64 | A::UInt8 | A::UInt16 | A::UInt32 | A::UInt64);
    match to {
        DataType::Int64 => whole,
        DataType::Float64 => matches!(from, A::Float16 | A::Float32 | A::Int8 | A::Int16 | A::Int32 | A::UInt8),
        DataType::Decimal { .. } => whole || matches!(from, A::Decimal32(..) | A::Decimal64(..) | A::Decimal128(..)),
        DataType::Utf8 => matches!(from, A::LargeUtf8 | A::Utf8View),
        DataType::Timestamp => matches!(from, A::Timestamp(..)),
        DataType::Date => matches!(from, A::Date64),
        DataType::Bool => false,
    }
}

/// Goes through the rows of a Parquet file.
pub(crate) struct ParquetRows {
    reader: ParquetRecordBatchReader,
    columns: Vec<Arc<FormatColumn>>,
    schema: SchemaRef,
    row: i64,
}

impl std::fmt::Debug for ParquetRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetRows").field("row", &self.row).finish_non_exhaustive()
    }
}

impl ParquetRows {
    pub(crate) fn new(content: &Bytes, columns: &[Arc<FormatColumn>], schema: &SchemaRef) -> Result<Self, String> {
        let builder = builder(content)?;
        let wanted = |name: &String| columns.iter().any(|column| &column.header == name);
        let roots = builder.schema().fields().iter().enumerate();
        let roots: Vec<usize> = roots.filter(|(_, field)| wanted(field.name())).map(|(at, _)| at).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0).max(1);
        let claimed: i64 = builder.metadata().row_groups().iter().map(|group| group.total_byte_size().max(0)).sum();
        let row_bytes = usize::try_from(claimed).unwrap_or(usize::MAX) / rows;
        let batch_rows = (BATCH_BYTES_MAX / row_bytes.max(1)).clamp(1, BATCH_ROWS_MAX);
        let builder = builder.with_projection(mask).with_batch_size(batch_rows);
        let reader = guarded(|| builder.build().map_err(|error| error.to_string()))?;
        Ok(Self { reader, columns: columns.to_vec(), schema: Arc::clone(schema), row: 0 })
    }

    /// The next rows, or none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(RecordBatch, Tally)>, String> {
        let Some(batch) = guarded(|| self.reader.next().transpose().map_err(|error| error.to_string()))? else {
            return Ok(None);
        };
        guarded(|| self.convert(&batch).map_err(|error| error.to_string())).map(Some)
    }

    fn convert(&mut self, batch: &RecordBatch) -> Result<(RecordBatch, Tally), ArrowError> {
        let rows = batch.num_rows();
        let mut why: Vec<Option<(&'static str, String)>> = vec![None; rows];
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len() + 1);
        for column in &self.columns {
            let target = arrow_type(column.data_type);
            let array = match batch.column_by_name(&column.header) {
                Some(source) => converted(source, &target, column, &mut why)?,
                None => arrow::array::new_null_array(&target, rows),
            };
            judge_blanks(&array, column, &mut why);
            judge_lengths(&array, column, &mut why);
            arrays.push(array);
        }
        let first = self.row + 1;
        self.row += i64::try_from(rows).unwrap_or(i64::MAX);
        arrays.push(Arc::new(Int64Array::from_iter_values(first..=self.row)));
        let keep = BooleanArray::from(why.iter().map(Option::is_none).collect::<Vec<_>>());
        let mut tally = Tally { data_lines: rows as u64, ..Tally::default() };
        for (at, reason) in why.into_iter().enumerate() {
            let Some((code, message)) = reason else { continue };
            let line = u64::try_from(first).unwrap_or_default() + at as u64;
            tally.rejects.push(Reject { code: code.to_owned(), message, line: Some(line), raw: None });
        }
        // Nulls of rejected rows would not fit the schema; they go before it is applied.
        let loose: Vec<_> =
            self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let all = RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(loose)), arrays)?;
        let kept = if tally.rejects.is_empty() { all } else { filter_record_batch(&all, &keep)? };
        Ok((RecordBatch::try_new(Arc::clone(&self.schema), kept.columns().to_vec())?, tally))
    }
}

type Reasons = [Option<(&'static str, String)>];

fn converted(
    source: &ArrayRef,
    target: &ArrowType,
    column: &FormatColumn,
    why: &mut Reasons,
) -> Result<ArrayRef, ArrowError> {
    let array = if source.data_type() == target {
        Arc::clone(source)
    } else {
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let array = cast_with_options(source, target, &options)?;
        let back = cast_with_options(&array, source.data_type(), &options)?;
        let same = arrow::compute::kernels::cmp::not_distinct(&back, source)?;
        for row in (0..same.len()).filter(|&row| !same.value(row)) {
            let message = format!("column `{}`: the value does not fit {}", column.header, column.data_type);
            why[row].get_or_insert(("bad_field", message));
        }
        array
    };
    if target != &ArrowType::Utf8 || (!column.trim && column.nulls.is_empty()) {
        return Ok(array);
    }
    let word = |text: Option<&str>| {
        let text = text.map(|text| if column.trim { text.trim() } else { text }.to_owned());
        text.filter(|text| !column.nulls.contains(text))
    };
    Ok(Arc::new(array.as_string::<i32>().iter().map(word).collect::<StringArray>()))
}

fn judge_lengths(array: &ArrayRef, column: &FormatColumn, why: &mut Reasons) {
    let Some(texts) = array.as_string_opt::<i32>() else { return };
    for (text, reason) in texts.iter().zip(why) {
        if let Some(long) = text.and_then(|text| column.too_long(text.as_bytes())) {
            reason.get_or_insert_with(|| ("bad_field", format!("column `{}`: {long}", column.header)));
        }
    }
}

fn judge_blanks(array: &ArrayRef, column: &FormatColumn, why: &mut Reasons) {
    if column.nullable && !column.key {
        return;
    }
    let texts = array.as_string_opt::<i32>().filter(|_| column.key);
    for (row, reason) in why.iter_mut().enumerate() {
        let blank = texts.is_some_and(|texts| texts.is_valid(row) && texts.value(row).trim().is_empty());
        if !blank && array.is_valid(row) {
            continue;
        }
        reason.get_or_insert_with(|| match column.key {
            true => ("blank_key", format!("column `{}` is blank, and it is part of the key", column.header)),
            false => ("bad_field", format!("column `{}`: is missing, and every row must have it", column.header)),
        });
    }
}
