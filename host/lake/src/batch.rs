//! Batches of rows: Arrow inside, raw buffers at the boundary.

mod export;
mod import;

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Schema};
use model::limits::BATCH_ROWS_MAX;
use model::ports::{Buffers, DataError, Field, SharedBuffers, TableBatch};
use model::{DataType, Failure, FailureKind};

pub(crate) use self::import::import;
use crate::schema::{arrow_type, batch_bytes, boundary_fields};

/// Some rows, as the boundary handles them.
#[derive(Clone, Debug)]
pub(crate) struct ArrowBatch {
    batch: RecordBatch,
}

impl ArrowBatch {
    pub(crate) fn new(batch: RecordBatch) -> Self {
        Self { batch }
    }

    pub(crate) fn record_batch(&self) -> &RecordBatch {
        &self.batch
    }

    fn boxed(batch: RecordBatch) -> Box<dyn TableBatch> {
        Box::new(Self { batch })
    }

    fn positions(&self, names: &[String]) -> Result<Vec<usize>, DataError> {
        let mut seen = HashSet::new();
        if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(DataError::new("duplicate_column", format!("column `{name}` is asked for twice")));
        }
        let position = |name: &String| {
            self.batch.schema_ref().index_of(name).map_err(|_| {
                let known: Vec<_> =
                    self.batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
                let message = format!("this batch has no column `{name}`; it has {}", known.join(", "));
                DataError::new("unknown_column", message)
            })
        };
        names.iter().map(position).collect()
    }
}

fn internal(error: impl std::fmt::Display) -> DataError {
    DataError::new("internal", error.to_string())
}

impl TableBatch for ArrowBatch {
    fn schema(&self) -> Vec<Field> {
        boundary_fields(self.batch.schema_ref())
    }

    fn rows(&self) -> u32 {
        u32::try_from(self.batch.num_rows()).unwrap_or(u32::MAX)
    }

    fn bytes(&self) -> u64 {
        batch_bytes(&self.batch)
    }

    fn columns(&self, names: &[String]) -> Result<Vec<SharedBuffers>, DataError> {
        let positions = self.positions(names)?;
        positions.into_iter().map(|at| export::export(self.batch.column(at))).collect()
    }

    fn columns_bytes(&self, names: &[String]) -> Result<u64, DataError> {
        let positions = self.positions(names)?;
        Ok(positions.into_iter().map(|at| export::bytes(self.batch.column(at))).sum())
    }

    fn select(&self, names: &[String]) -> Result<Box<dyn TableBatch>, DataError> {
        let positions = self.positions(names)?;
        Ok(Self::boxed(self.batch.project(&positions).map_err(internal)?))
    }

    fn filter(&self, keep: &[u8]) -> Result<Box<dyn TableBatch>, DataError> {
        let rows = self.batch.num_rows();
        import::check_bitmap("the filter", keep, rows)?;
        let mask = BooleanArray::new(BooleanBuffer::new(keep.into(), 0, rows), None);
        Ok(Self::boxed(filter_record_batch(&self.batch, &mask).map_err(internal)?))
    }

    fn take(&self, rows: &[u8], bytes_max: u64) -> Result<Box<dyn TableBatch>, DataError> {
        let (positions, rest) = rows.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(DataError::new("invalid_buffer", "the rows to take are not a multiple of 4 bytes"));
        }
        if positions.len() > BATCH_ROWS_MAX {
            let message = format!("{} rows to take are more than the {BATCH_ROWS_MAX} of one batch", positions.len());
            return Err(DataError::new("limit_exceeded", message));
        }
        let positions: Vec<u32> = positions.iter().map(|row| u32::from_le_bytes(*row)).collect();
        let all = self.rows();
        if let Some(row) = positions.iter().find(|&&row| row >= all) {
            return Err(DataError::new("invalid_buffer", format!("row {row} to take is not one of the {all} rows")));
        }
        // One long value taken many times can be gigabytes: it is counted before it is made.
        let bytes: u64 = self.batch.columns().iter().map(|column| taken_bytes(column, &positions)).sum();
        if bytes > bytes_max {
            let message = format!(
                "the rows to take would be {bytes} bytes, and {bytes_max} are left to this attempt: take fewer, release \
                 batches, or raise `limits.held_bytes`"
            );
            return Err(DataError::new("held_limit", message));
        }
        Ok(Self::boxed(take_record_batch(&self.batch, &UInt32Array::from(positions)).map_err(internal)?))
    }

    fn with_column(&self, column: &Field, data: Buffers) -> Result<Box<dyn TableBatch>, DataError> {
        let data_type: DataType = column
            .dtype
            .parse()
            .map_err(|error| DataError::new("unsupported_type", format!("column `{}`: {error}", column.name)))?;
        if column.name.is_empty() || column.name.len() > 255 {
            return Err(DataError::new("invalid_buffer", "a column needs a name of at most 255 bytes"));
        }
        let array = import(&column.name, data_type, column.nullable, data, self.batch.num_rows())?;
        let details = column.details.iter().cloned().collect();
        let field = ArrowField::new(&column.name, arrow_type(data_type), column.nullable).with_metadata(details);
        let mut fields: Vec<Arc<ArrowField>> = self.batch.schema_ref().fields().iter().cloned().collect();
        let mut arrays: Vec<ArrayRef> = self.batch.columns().to_vec();
        match self.batch.schema_ref().index_of(&column.name) {
            Ok(at) => (fields[at], arrays[at]) = (Arc::new(field), array),
            Err(_) => {
                fields.push(Arc::new(field));
                arrays.push(array);
            }
        }
        Ok(Self::boxed(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(internal)?))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn taken_bytes(column: &ArrayRef, rows: &[u32]) -> u64 {
    let count = rows.len() as u64;
    match column.data_type() {
        ArrowType::Utf8 => {
            let texts = column.as_string::<i32>();
            let length = |row: &u32| texts.value_length(*row as usize) as u64;
            rows.iter().map(length).sum::<u64>() + 4 * (count + 1)
        }
        ArrowType::Boolean => count.div_ceil(8),
        other => other.primitive_width().unwrap_or(16) as u64 * count,
    }
}

/// Positions of the selected columns, `always` last whether it is named or not; all columns if none are named.
///
/// # Errors
///
/// `bad_select` for a column that is not there or is named twice.
pub(crate) fn positions(
    schema: &Schema,
    select: Option<&[String]>,
    always: Option<&str>,
) -> Result<Vec<usize>, Failure> {
    let Some(select) = select else { return Ok((0..schema.fields().len()).collect()) };
    let bad = |message| Failure::new(FailureKind::Pipeline, "bad_select", message);
    let mut seen = HashSet::new();
    let mut found = Vec::with_capacity(select.len() + 1);
    for name in select.iter().map(String::as_str).filter(|name| Some(*name) != always).chain(always) {
        if !seen.insert(name) {
            return Err(bad(format!("`columns` names `{name}` twice")));
        }
        let known = || schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
        found.push(schema.index_of(name).map_err(|_| bad(format!("there is no column `{name}`, only {}", known())))?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
