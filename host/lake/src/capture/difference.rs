//! How two captures of one partition differ: both are in the order of the natural key, so they are read side by side, a
//! batch of each at a time.
//!
//! Values are compared as the content hash compares them: one NaN, one zero. A column that only one side has counts as
//! null on the other.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use model::catalog::CatalogFile;
use model::difference::{DIFFERENT_ROWS_MAX, Difference, ExactJson, RowChange, RowDifference};
use model::limits::BATCH_ROWS_MAX;
use model::manifest::DatasetSpec;
use model::{Failure, FailureKind};

use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::order::{normal_floats, sort_columns};
use super::store::CaptureStore;
use crate::query::json_text_of;
use crate::schema::{arrow_type, captured_column};

/// Compares rows, each side in the order of the natural key.
pub(crate) fn difference(
    spec: &DatasetSpec,
    before: impl Iterator<Item = Result<RecordBatch, Failure>>,
    after: impl Iterator<Item = Result<RecordBatch, Failure>>,
) -> Result<Difference, Failure> {
    let failed = |error: ArrowError| {
        let message = format!("could not compare two captures of `{}`: {error}", spec.name);
        Failure::new(FailureKind::Internal, "compare", message).because(&error)
    };
    let shape = Arc::new(Shape::new(spec).map_err(failed)?);
    let (mut before, mut after) = (Side::new(Arc::clone(&shape), before), Side::new(Arc::clone(&shape), after));
    let mut found = Difference::default();
    loop {
        let order = match (before.has_row()?, after.has_row()?) {
            (false, false) => return Ok(found),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) => before.key().cmp(after.key()),
        };
        match order {
            Ordering::Less => {
                found.removed += 1;
                shape.tell(&mut found, RowChange::Removed, Some(before.row()), None)?;
                before.advance();
            }
            Ordering::Greater => {
                found.added += 1;
                shape.tell(&mut found, RowChange::Added, None, Some(after.row()))?;
                after.advance();
            }
            Ordering::Equal => {
                if before.whole() == after.whole() {
                    found.unchanged += 1;
                } else {
                    found.changed += 1;
                    shape.tell(&mut found, RowChange::Changed, Some(before.row()), Some(after.row()))?;
                }
                before.advance();
                after.advance();
            }
        }
    }
}

/// The rows of a capture that was published.
///
/// # Errors
///
/// `capture_unreadable` from here on.
pub(crate) fn rows_of(
    store: &CaptureStore,
    file: &CatalogFile,
) -> Result<impl Iterator<Item = Result<RecordBatch, Failure>>, Failure> {
    let path = file.path.clone();
    let failed = move |why: String| {
        let message = format!("could not read the capture `captures/{path}`: {why}");
        Failure::new(FailureKind::Storage, "capture_unreadable", message)
    };
    let open = store.dir.open(&file.path).map_err(|error| failed(error.to_string()))?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(open.into_std(), options)
        .and_then(|builder| builder.with_batch_size(BATCH_ROWS_MAX).build())
        .map_err(|error| failed(error.to_string()))?;
    Ok(reader.map(move |batch| batch.map_err(|error| failed(error.to_string()))))
}

/// The columns, and how rows become bytes that can be compared.
#[derive(Debug)]
struct Shape {
    names: Vec<String>,
    types: Vec<arrow::datatypes::DataType>,
    key: Vec<String>,
    keys: RowConverter,
    wholes: RowConverter,
}

type Row<'a> = (&'a [ArrayRef], usize);

impl Shape {
    fn new(spec: &DatasetSpec) -> Result<Self, ArrowError> {
        let names: Vec<String> = spec.columns.iter().map(|column| column.name.clone()).collect();
        let types: Vec<_> = spec.columns.iter().map(|column| arrow_type(column.data_type)).collect();
        let key = sort_columns(spec);
        let fields = |wanted: &dyn Fn(&String) -> bool| -> Vec<SortField> {
            let chosen = names.iter().zip(&types).filter(|(name, _)| wanted(name));
            chosen.map(|(_, data_type)| SortField::new(data_type.clone())).collect()
        };
        let wholes = RowConverter::new(fields(&|_| true))?;
        let of_key = key.iter().filter_map(|name| names.iter().position(|it| it == name)).map(|at| types[at].clone());
        let keys = RowConverter::new(of_key.map(SortField::new).collect())?;
        Ok(Self { names, types, key, keys, wholes })
    }

    /// The columns of a batch in the order of the dataset; nulls where it has none of the name.
    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
        let columns = self.names.iter().zip(&self.types);
        columns.map(|(name, data_type)| Ok(normal_floats(&captured_column(batch, name, data_type)?))).collect()
    }

    fn tell(
        &self,
        found: &mut Difference,
        change: RowChange,
        before: Option<Row<'_>>,
        after: Option<Row<'_>>,
    ) -> Result<(), Failure> {
        let has_room = found.rows.len() < DIFFERENT_ROWS_MAX;
        let (mut key, mut was, mut is) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (at, name) in self.names.iter().enumerate() {
            let value = |(columns, row): Row<'_>| json_text_of(&*columns[at], row).map(ExactJson);
            let (old, new) = (before.map(value).transpose()?, after.map(value).transpose()?);
            if self.key.contains(name) {
                key.extend(new.or(old).map(|value| (name.clone(), value)));
                continue;
            }
            if change == RowChange::Changed {
                if old == new {
                    continue;
                }
                *found.columns.entry(name.clone()).or_default() += 1;
            }
            was.extend(old.map(|value| (name.clone(), value)));
            is.extend(new.map(|value| (name.clone(), value)));
        }
        if has_room {
            found.rows.push(RowDifference { change, key, before: was, after: is });
        }
        Ok(())
    }
}

/// One of the two, at one of its rows.
struct Side<I> {
    shape: Arc<Shape>,
    batches: I,
    now: Option<Batch>,
    row: usize,
}

struct Batch {
    columns: Vec<ArrayRef>,
    keys: Rows,
    wholes: Rows,
}

impl<I: Iterator<Item = Result<RecordBatch, Failure>>> Side<I> {
    fn new(shape: Arc<Shape>, batches: I) -> Self {
        Self { shape, batches, now: None, row: 0 }
    }

    /// Whether there is a row, after reading on if need be.
    fn has_row(&mut self) -> Result<bool, Failure> {
        while self.now.as_ref().is_none_or(|batch| self.row >= batch.keys.num_rows()) {
            let Some(batch) = self.batches.next().transpose()? else {
                self.now = None;
                return Ok(false);
            };
            let converted = |error: ArrowError| {
                Failure::new(FailureKind::Internal, "compare", format!("rows cannot be compared: {error}"))
            };
            let columns = self.shape.columns(&batch).map_err(converted)?;
            let position = |name: &String| self.shape.names.iter().position(|it| it == name);
            let key: Vec<ArrayRef> =
                self.shape.key.iter().filter_map(|name| Some(Arc::clone(&columns[position(name)?]))).collect();
            let keys = self.shape.keys.convert_columns(&key).map_err(converted)?;
            let wholes = self.shape.wholes.convert_columns(&columns).map_err(converted)?;
            (self.now, self.row) = (Some(Batch { columns, keys, wholes }), 0);
        }
        Ok(true)
    }

    fn advance(&mut self) {
        self.row += 1;
    }

    fn row(&self) -> Row<'_> {
        (self.now.as_ref().map_or(&[], |batch| batch.columns.as_slice()), self.row)
    }

    /// The bytes by which the row is ordered.
    fn key(&self) -> &[u8] {
        self.now.as_ref().map_or(&[], |batch| batch.keys.row(self.row).data())
    }

    /// The bytes of the whole row.
    fn whole(&self) -> &[u8] {
        self.now.as_ref().map_or(&[], |batch| batch.wholes.row(self.row).data())
    }
}
