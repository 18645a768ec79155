//! Tables that are not files of a publisher: what is published, what is staged, lists.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Schema, SchemaRef};
use model::catalog::{CatalogCapture, CatalogFile};
use model::limits::BATCH_ROWS_MAX;
use model::manifest::DatasetSpec;
use model::ports::{Blob, DataError, Field, TableBatch, TableReader};
use model::{Failure, FailureKind};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::batch::{ArrowBatch, positions};
use crate::capture::CaptureStore;
use crate::schema::{boundary_fields, captured_column, dataset_schema};
use crate::staged::{StagedReader, StagedRows};

/// Rows that the host holds already, batch by batch.
#[derive(Debug)]
pub(super) struct BatchReader {
    schema: SchemaRef,
    columns: Vec<usize>,
    batches: StagedReader,
    /// Of a batch that is larger than one may be across the boundary.
    rest: Option<RecordBatch>,
}

impl BatchReader {
    pub(super) fn new(schema: &Schema, rows: &StagedRows, select: Option<&[String]>) -> Result<Self, Failure> {
        let columns = positions(schema, select, None)?;
        Ok(Self { schema: projected(schema, &columns)?, columns, batches: rows.read()?, rest: None })
    }
}

fn projected(schema: &Schema, columns: &[usize]) -> Result<SchemaRef, Failure> {
    let schema = schema.project(columns);
    Ok(Arc::new(schema.map_err(|error| Failure::new(FailureKind::Internal, "schema", error.to_string()))?))
}

impl TableReader for BatchReader {
    fn schema(&self) -> Vec<Field> {
        boundary_fields(&self.schema)
    }

    fn info(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn next(&mut self) -> Result<Option<Box<dyn TableBatch>>, DataError> {
        while let Some(batch) = self.rest.take().map(Ok).or_else(|| self.batches.next()) {
            let batch = batch.map_err(|failure| DataError::new("storage", failure.message))?;
            if batch.num_rows() == 0 {
                continue;
            }
            let rows = batch.num_rows().min(BATCH_ROWS_MAX);
            if rows < batch.num_rows() {
                self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
            }
            let part = batch.slice(0, rows).project(&self.columns);
            let part = part.map_err(|error| DataError::new("internal", error.to_string()))?;
            return Ok(Some(Box::new(ArrowBatch::new(part))));
        }
        Ok(None)
    }
}

/// The published rows of one dataset, file by file.
pub(super) struct CaptureReader {
    store: Arc<CaptureStore>,
    schema: SchemaRef,
    /// In reverse: the next is the last.
    files: Vec<CatalogFile>,
    open: Option<(String, ParquetRecordBatchReader)>,
}

impl fmt::Debug for CaptureReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureReader").field("files", &self.files).finish_non_exhaustive()
    }
}

impl CaptureReader {
    pub(super) fn new(
        store: Arc<CaptureStore>,
        spec: &DatasetSpec,
        mut files: Vec<CatalogFile>,
        select: Option<&[String]>,
    ) -> Result<Self, Failure> {
        let schema = dataset_schema(spec);
        let columns = positions(&schema, select, None)?;
        files.reverse();
        Ok(Self { store, schema: projected(&schema, &columns)?, files, open: None })
    }

    fn reader(&self, file: &CatalogFile) -> Result<ParquetRecordBatchReader, String> {
        let open = self.store.dir.open(&file.path).map_err(|error| error.to_string())?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(open.into_std(), options)
            .map_err(|error| error.to_string())?;
        let names = self.schema.fields().iter().map(|field| field.name().as_str());
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        builder.with_projection(mask).with_batch_size(BATCH_ROWS_MAX).build().map_err(|error| error.to_string())
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>, (String, String)> {
        loop {
            if let Some((path, reader)) = &mut self.open {
                match reader.next() {
                    Some(Ok(batch)) if batch.num_rows() == 0 => continue,
                    Some(Ok(batch)) => {
                        let fields = self.schema.fields().iter();
                        let arrays = fields.map(|field| captured_column(&batch, field.name(), field.data_type()));
                        let batch = arrays
                            .collect::<Result<Vec<_>, _>>()
                            .and_then(|arrays| RecordBatch::try_new(Arc::clone(&self.schema), arrays));
                        return batch.map(Some).map_err(|error| (path.clone(), error.to_string()));
                    }
                    Some(Err(error)) => return Err((path.clone(), error.to_string())),
                    None => self.open = None,
                }
            }
            let Some(file) = self.files.pop() else { return Ok(None) };
            let reader = self.reader(&file).map_err(|why| (file.path.clone(), why))?;
            self.open = Some((file.path, reader));
        }
    }
}

impl TableReader for CaptureReader {
    fn schema(&self) -> Vec<Field> {
        boundary_fields(&self.schema)
    }

    fn info(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn next(&mut self) -> Result<Option<Box<dyn TableBatch>>, DataError> {
        let batch = self.advance().map_err(|(path, why)| {
            let message = format!(
                "the capture `captures/{path}` cannot be read: {why}; restore its file from a backup, nothing else has \
                 its rows"
            );
            DataError::new("storage", message)
        })?;
        Ok(batch.map(|batch| Box::new(ArrowBatch::new(batch)) as Box<dyn TableBatch>))
    }
}

/// One row per capture: its partition, rows and revision.
pub(super) fn list_captures(partition_by: &[String], captures: &[&CatalogCapture]) -> Result<RecordBatch, Failure> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let mut fields: Vec<ArrowField> =
        partition_by.iter().map(|name| ArrowField::new(name, ArrowType::Utf8, false)).collect();
    let mut arrays: Vec<ArrayRef> = partition_by
        .iter()
        .map(|name| {
            let values = captures.iter().map(|capture| capture.partition.get(name).unwrap_or_default());
            Arc::new(StringArray::from_iter_values(values)) as ArrayRef
        })
        .collect();
    for (name, of) in [("rows", (|it| it.rows) as fn(&CatalogCapture) -> u64), ("revision", |it| it.revision)] {
        fields.push(ArrowField::new(name, ArrowType::Int64, false));
        arrays.push(Arc::new(Int64Array::from_iter_values(captures.iter().map(|capture| number(of(capture))))));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|error| Failure::new(FailureKind::Internal, "schema", error.to_string()))
}

/// The bytes of an input as they came.
#[derive(Debug)]
pub(super) struct Bytes(pub(super) Arc<Vec<u8>>);

impl Blob for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, DataError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(self.0.len());
        Ok(self.0[start..end].to_vec())
    }
}
