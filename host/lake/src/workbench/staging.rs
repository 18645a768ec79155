//! What a run writes to one dataset, kept until it is finished.
//!
//! All datasets of an attempt share the memory it may use; the one that finds no room goes to a file, whole, and stays
//! there. A dry run has no file to go to: it writes nothing to the data folder, and `limits.output_bytes` alone bounds
//! it.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use model::limits::Limits;
use model::manifest::DatasetSpec;
use model::ports::{Buffers, DataError, SharedBuffers, TableBatch, TableWriter};
use model::{DataType, Failure, Partition};

use crate::batch::{ArrowBatch, import};
use crate::capture::normal_floats;
use crate::read::date;
use crate::schema::{LINE, arrow_type, batch_bytes, staging_schema};
use crate::spill::SpillFolder;
use crate::staged::{StagedRows, StagedWriter};

/// The rows of one dataset, shared by its writers.
#[derive(Clone, Debug, Default)]
pub(super) struct Staged(Arc<Mutex<Staging>>);

#[derive(Debug, Default)]
pub(super) struct Staging {
    /// The columns of the dataset and `_line`.
    rows: StagedWriter,
    pub(super) declared: BTreeSet<Partition>,
    count: u64,
    /// Of what is in memory.
    bytes: u64,
    /// Why rows were lost. Nothing of the dataset is delivered then.
    broken: Option<Failure>,
}

impl Staged {
    pub(super) fn lock(&self) -> MutexGuard<'_, Staging> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Staging {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.declared.is_empty()
    }

    /// Rows and declared partitions so far.
    pub(super) fn size(&self) -> (u64, usize) {
        (self.count, self.declared.len())
    }

    /// What was written so far.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, `no_space` among others, if it did not fit in memory and could not be spilled.
    pub(super) fn rows(&mut self) -> Result<StagedRows, Failure> {
        self.check_whole()?;
        self.rows.rows()
    }

    /// Whether no row was lost.
    pub(super) fn check_whole(&self) -> Result<(), Failure> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn add(&mut self, batch: RecordBatch, memory: &Memory) -> Result<(), Failure> {
        self.check_whole()?;
        self.count += batch.num_rows() as u64;
        let added = self.place(batch, memory);
        if let Err(failure) = &added {
            // What is there is of no use any more: others may need the room.
            memory.give_back(std::mem::take(&mut self.bytes));
            self.rows = StagedWriter::default();
            self.broken = Some(failure.clone());
        }
        added
    }

    fn place(&mut self, batch: RecordBatch, memory: &Memory) -> Result<(), Failure> {
        if !self.rows.is_spilled() {
            let bytes = batch_bytes(&batch);
            match &memory.spill {
                Some(folder) if !memory.take(bytes) => {
                    self.rows.spill(folder, &batch.schema())?;
                    memory.give_back(std::mem::take(&mut self.bytes));
                }
                Some(_) => self.bytes += bytes,
                None => {}
            }
        }
        self.rows.add(batch)
    }
}

/// The memory that an attempt may use for what it writes, over all datasets.
#[derive(Debug)]
pub(super) struct Memory {
    used: AtomicU64,
    max: u64,
    /// Where rows go when there is no room; none if they may go nowhere.
    spill: Option<SpillFolder>,
}

impl Memory {
    pub(super) fn new(limits: &Limits, spill: Option<SpillFolder>) -> Self {
        Self { used: AtomicU64::new(0), max: limits.staging_memory_bytes, spill }
    }

    /// Takes the bytes, if there is room for them.
    fn take(&self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|&used| used <= self.max);
        self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What one attempt may still write over all datasets.
#[derive(Debug)]
pub(super) struct Budget {
    plugin: String,
    rows: AtomicU64,
    rows_max: u64,
    bytes: AtomicU64,
    bytes_max: u64,
}

impl Budget {
    pub(super) fn new(plugin: &str, limits: &Limits) -> Self {
        let (plugin, zero) = (plugin.to_owned(), || AtomicU64::new(0));
        Self { plugin, rows: zero(), rows_max: limits.output_rows, bytes: zero(), bytes_max: limits.output_bytes }
    }

    /// What was written, and what was refused because it was too much.
    pub(super) fn bytes_spent(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn spend(&self, rows: u64, bytes: u64) -> Result<(), DataError> {
        for (key, spent, more, max) in
            [("output_rows", &self.rows, rows, self.rows_max), ("output_bytes", &self.bytes, bytes, self.bytes_max)]
        {
            if spent.fetch_add(more, Ordering::Relaxed).saturating_add(more) > max {
                let plugin = &self.plugin;
                let message = format!(
                    "plugin `{plugin}` writes more than {max} {} in one attempt; raise `limits.{key}` (for all plugins, \
                     or under [plugins.{plugin}.limits]) or give it less to do",
                    if key == "output_rows" { "rows" } else { "bytes" }
                );
                return Err(DataError::new(&format!("{key}_limit"), message));
            }
        }
        Ok(())
    }
}

/// Writes rows of one dataset.
#[derive(Debug)]
pub(super) struct StagingWriter {
    spec: Arc<DatasetSpec>,
    schema: SchemaRef,
    staged: Staged,
    budget: Arc<Budget>,
    memory: Arc<Memory>,
    /// Missing line numbers, as many as one batch has needed so far: batches share them.
    no_lines: ArrayRef,
}

impl StagingWriter {
    pub(super) fn new(spec: Arc<DatasetSpec>, staged: Staged, budget: Arc<Budget>, memory: Arc<Memory>) -> Self {
        let no_lines = Arc::new(Int64Array::new_null(0));
        Self { schema: staging_schema(&spec), spec, staged, budget, memory, no_lines }
    }

    fn no_lines(&mut self, rows: usize) -> ArrayRef {
        if self.no_lines.len() < rows {
            self.no_lines = Arc::new(Int64Array::new_null(rows));
        }
        self.no_lines.slice(0, rows)
    }

    fn stage(&self, arrays: Vec<ArrayRef>) -> Result<u64, DataError> {
        let arrays = arrays.iter().map(normal_floats).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| DataError::new("invalid_buffer", format!("rows of `{}`: {error}", self.spec.name)))?;
        let rows = batch.num_rows() as u64;
        self.budget.spend(rows, batch_bytes(&batch))?;
        let mut staged = self.staged.lock();
        if rows > 0 {
            staged.add(batch, &self.memory).map_err(|failure| DataError::new("storage", failure.message))?;
        }
        Ok(staged.count)
    }

    fn types(&self) -> impl Iterator<Item = (&str, DataType, bool)> {
        self.spec.columns.iter().map(|column| (column.name.as_str(), column.data_type, column.nullable))
    }

    /// Checks that every column of the dataset is there once, and nothing else.
    fn check_names<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<(), DataError> {
        let mut seen: Vec<&str> = Vec::new();
        for name in names {
            if seen.contains(&name) {
                return Err(DataError::new("duplicate_column", format!("column `{name}` is written twice")));
            }
            if name != LINE && self.spec.column(name).is_none() {
                let message = format!("`{}` has no column `{name}`", self.spec.name);
                return Err(DataError::new("unknown_column", message));
            }
            seen.push(name);
        }
        let missing: Vec<&str> =
            self.spec.columns.iter().map(|column| column.name.as_str()).filter(|name| !seen.contains(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("rows of `{}` lack the columns {}", self.spec.name, missing.join(", "));
        Err(DataError::new("missing_column", message))
    }
}

impl TableWriter for StagingWriter {
    fn write(&mut self, columns: Vec<(String, Buffers)>) -> Result<u64, DataError> {
        self.check_names(columns.iter().map(|(name, _)| name.as_str()))?;
        let rows = columns.first().map_or(0, |(_, data)| data.rows) as usize;
        let mut by_name: HashMap<String, Buffers> = columns.into_iter().collect();
        let lines = by_name.remove(LINE).map(|lines| import(LINE, DataType::Int64, true, lines, rows)).transpose()?;
        let array = |(name, data_type, nullable): (&str, DataType, bool)| {
            import(name, data_type, nullable, by_name.remove(name).unwrap_or_default(), rows)
        };
        let mut arrays = self.types().map(array).collect::<Result<Vec<_>, _>>()?;
        arrays.push(lines.unwrap_or_else(|| self.no_lines(rows)));
        self.stage(arrays)
    }

    fn write_batch(&mut self, rows: &dyn TableBatch) -> Result<u64, DataError> {
        let schema = rows.schema();
        self.check_names(schema.iter().map(|field| field.name.as_str()))?;
        let Some(batch) = rows.as_any().downcast_ref::<ArrowBatch>() else {
            let names: Vec<String> = schema.into_iter().map(|field| field.name).collect();
            let columns = rows.columns(&names)?;
            let columns = columns.iter().map(SharedBuffers::to_owned_buffers);
            return self.write(names.into_iter().zip(columns).collect());
        };
        let batch = batch.record_batch();
        let typed = |array: &ArrayRef, (name, data_type, nullable): (&str, DataType, bool)| {
            if array.data_type() != &arrow_type(data_type) {
                let found = crate::schema::contract_type(array.data_type());
                let found = found.map_or_else(|| array.data_type().to_string(), |found| found.to_string());
                let message = format!("column `{name}` is {found}, and `{}` declares {data_type}", self.spec.name);
                return Err(DataError::new("type_mismatch", message));
            }
            if !nullable && array.null_count() > 0 {
                let message = format!("column `{name}`: it holds nulls, and the column must not");
                return Err(DataError::new("invalid_buffer", message));
            }
            Ok(Arc::clone(array))
        };
        let column = |wanted: (&str, DataType, bool)| batch.column_by_name(wanted.0).map(|array| typed(array, wanted));
        // None is missing, as was checked, but perhaps the line numbers.
        let mut arrays = self.types().filter_map(column).collect::<Result<Vec<_>, _>>()?;
        let lines = column((LINE, DataType::Int64, true)).transpose()?;
        arrays.push(lines.unwrap_or_else(|| self.no_lines(batch.num_rows())));
        self.stage(arrays)
    }

    fn declare(&mut self, partition: &[(String, String)]) -> Result<(), DataError> {
        let bad = |message: String| DataError::new("bad_partition", message);
        let columns = &self.spec.partition_by;
        let given: Vec<&str> = partition.iter().map(|(name, _)| name.as_str()).collect();
        if given.len() != columns.len() || !columns.iter().all(|column| given.contains(&column.as_str())) {
            let message =
                format!("`{}` is partitioned by {}, not by {}", self.spec.name, columns.join(", "), given.join(", "));
            return Err(bad(message));
        }
        for (name, value) in partition {
            let is_date = self.spec.column(name).is_some_and(|column| column.data_type == DataType::Date);
            if is_date && date(value).is_none() {
                return Err(bad(format!("`{value}` is not a date of the form YYYY-MM-DD, as `{name}` has them")));
            }
        }
        self.budget.spend(1, partition.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum())?;
        self.staged.lock().declared.insert(partition.iter().cloned().collect());
        Ok(())
    }
}
