//! Tables in memory, and their batches.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

use spine_primitives::DataType;

use crate::backend::{BatchBackend, ReaderBackend};
use crate::column::storage::{Storage, bit};
use crate::column::{Buffers, Column, Date, Int64, Utf8};
use crate::columns::ColumnInfo;
use crate::error::Error;
use crate::host::{Reject, Select};
use crate::table::Field;

/// Most rows of one batch, as in the host.
const BATCH_ROWS_MAX: usize = 65_536;

/// Rows of a dataset that grow.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    columns: &'static [ColumnInfo],
    pub(super) storages: Vec<Storage>,
    /// The line of each row, null where it has none.
    pub(super) lines: Storage,
    pub(super) declared: Vec<Vec<(String, String)>>,
    pub(super) partition_by: Vec<&'static str>,
}

impl Rows {
    pub(super) fn new(columns: &'static [ColumnInfo]) -> Self {
        let storages = vec![Storage::default(); columns.len()];
        Self { columns, storages, lines: Storage::default(), declared: Vec::new(), partition_by: Vec::new() }
    }

    pub(super) fn append(&mut self, storages: Vec<Storage>, lines: Option<Storage>) {
        let rows = storages.first().map_or(0, Storage::rows);
        for ((all, more), info) in self.storages.iter_mut().zip(&storages).zip(self.columns) {
            all.append(info.data_type, more);
        }
        match lines {
            Some(lines) => self.lines.append(DataType::Int64, &lines),
            None => (0..rows).for_each(|_| self.lines.push_null(DataType::Int64)),
        }
    }

    pub(super) fn table(&self) -> Table {
        let table = Table::new(self.columns, self.storages.clone());
        if self.lines.null_count() == self.lines.rows() {
            return table;
        }
        table.with("_line", DataType::Int64, self.lines.clone())
    }

    /// One row for each partition, in order of first appearance.
    pub(super) fn captures(&self) -> Table {
        let rows = self.storages.first().map_or(0, Storage::rows);
        let mut found: Vec<(Vec<String>, i64)> = Vec::new();
        for row in 0..rows {
            let key: Vec<String> = self.partition_by.iter().map(|name| self.text(name, row)).collect();
            match found.iter_mut().find(|(known, _)| *known == key) {
                Some((_, count)) => *count += 1,
                None => found.push((key, 1)),
            }
        }
        let mut table = Table::default();
        for (at, name) in self.partition_by.iter().enumerate() {
            let values: Column<Utf8> = found.iter().map(|(key, _)| key[at].as_str()).collect();
            table = table.with(name, DataType::Utf8, values.into_storage());
        }
        let counts: Column<Int64> = found.iter().map(|(_, count)| *count).collect();
        let revisions = Column::<Int64>::repeat(1, found.len());
        table.with("rows", DataType::Int64, counts.into_storage()).with(
            "revision",
            DataType::Int64,
            revisions.into_storage(),
        )
    }

    fn text(&self, column: &str, row: usize) -> String {
        let at = self.columns.iter().position(|info| info.name == column);
        at.map(|at| text_of(self.columns[at].data_type, &self.storages[at], row)).unwrap_or_default()
    }
}

fn text_of(data_type: DataType, storage: &Storage, row: usize) -> String {
    match data_type {
        DataType::Utf8 => storage.str(row).to_owned(),
        DataType::Date => Column::<Date>::from_storage(storage.clone())
            .dates()
            .nth(row)
            .map(|day| day.to_string())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// A table that can be read any number of times.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    fields: Vec<(Field, DataType)>,
    storages: Vec<Storage>,
    info: Vec<(String, String)>,
    /// Known at the end only.
    late_info: Vec<(String, String)>,
    pub(super) rejects: Vec<Reject>,
}

impl Table {
    pub(super) fn new(columns: &[ColumnInfo], storages: Vec<Storage>) -> Self {
        let field = |info: &ColumnInfo| (Field::new(info.name, info.data_type, info.nullable), info.data_type);
        Self { fields: columns.iter().map(field).collect(), storages, ..Self::default() }
    }

    pub(super) fn with(mut self, name: &str, data_type: DataType, storage: Storage) -> Self {
        self.fields.push((Field::new(name, data_type, storage.null_count() > 0), data_type));
        self.storages.push(storage);
        self
    }

    pub(super) fn file(mut self, file_name: &str, format: &str, bytes: usize) -> Self {
        let pairs = [("file_name", file_name.to_owned()), ("format", format.to_owned()), ("bytes", bytes.to_string())];
        self.info = pairs.map(|(name, value)| (name.to_owned(), value)).into();
        self
    }

    pub(super) fn lines(mut self, data: usize, rejected: usize, footer: Option<&str>, complete: bool) -> Self {
        let pairs = [("data_lines", data.to_string()), ("rejected", rejected.to_string())];
        self.late_info = pairs.map(|(name, value)| (name.to_owned(), value)).into();
        self.late_info.push(("last_line_complete".to_owned(), complete.to_string()));
        self.late_info.extend(footer.map(|text| ("footer".to_owned(), text.to_owned())));
        self
    }

    /// The part that was asked for.
    pub(super) fn select(mut self, select: &Select) -> Result<Self, Error> {
        for (column, value) in &select.partition {
            let at = self.position(column)?;
            let (data_type, storage) = (self.fields[at].1, &self.storages[at]);
            let kept: Vec<usize> =
                (0..storage.rows()).filter(|&row| text_of(data_type, storage, row) == *value).collect();
            let fields = self.fields.iter().zip(&self.storages);
            self.storages = fields.map(|((_, data_type), all)| all.gather(*data_type, kept.iter().copied())).collect();
        }
        if !select.columns.is_empty() {
            let kept = select.columns.iter().map(|name| self.position(name)).collect::<Result<Vec<_>, _>>()?;
            self.storages = kept.iter().map(|&at| self.storages[at].clone()).collect();
            self.fields = kept.iter().map(|&at| self.fields[at].clone()).collect();
        }
        Ok(self)
    }

    fn position(&self, column: &str) -> Result<usize, Error> {
        let unknown = || Error::pipeline("unknown_column", format!("the table has no column `{column}`"));
        self.fields.iter().position(|(field, _)| field.name == column).ok_or_else(unknown)
    }

    pub(super) fn reader(self) -> MemoryReader {
        MemoryReader { table: self, start: 0, last: None, at_end: false }
    }
}

#[derive(Debug)]
pub(super) struct MemoryReader {
    table: Table,
    start: usize,
    last: Option<Rc<Cell<Life>>>,
    at_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Until the next batch.
    Lent,
    Kept,
    Released,
}

impl ReaderBackend for MemoryReader {
    fn schema(&self) -> Vec<Field> {
        self.table.fields.iter().map(|(field, _)| field.clone()).collect()
    }

    fn info(&self) -> Vec<(String, String)> {
        let late = self.table.late_info.iter().filter(|_| self.at_end);
        self.table.info.iter().chain(late).cloned().collect()
    }

    fn next(&mut self) -> Result<Option<Box<dyn BatchBackend>>, Error> {
        if let Some(life) = self.last.take().filter(|life| life.get() == Life::Lent) {
            life.set(Life::Released);
        }
        let rows = self.table.storages.first().map_or(0, Storage::rows);
        if self.start >= rows {
            self.at_end = true;
            return Ok(None);
        }
        let range = self.start..rows.min(self.start + BATCH_ROWS_MAX);
        self.start = range.end;
        let whole = range.len() == rows;
        let fields = self.table.fields.iter().zip(&self.table.storages);
        let storages =
            fields.map(|((_, data_type), all)| if whole { all.clone() } else { all.gather(*data_type, range.clone()) });
        let batch = MemoryBatch::new(self.table.fields.clone(), storages.collect());
        self.last = Some(Rc::clone(&batch.life));
        Ok(Some(Box::new(batch)))
    }
}

#[derive(Debug)]
pub(super) struct MemoryBatch {
    fields: Vec<(Field, DataType)>,
    storages: Vec<Storage>,
    life: Rc<Cell<Life>>,
}

impl MemoryBatch {
    fn new(fields: Vec<(Field, DataType)>, storages: Vec<Storage>) -> Self {
        Self { fields, storages, life: Rc::new(Cell::new(Life::Lent)) }
    }

    fn alive(&self) -> Result<(), Error> {
        if self.life.get() == Life::Released {
            let message = "the batch was released: read its columns before the next batch, or keep it";
            return Err(Error::pipeline("released", message));
        }
        Ok(())
    }

    fn position(&self, name: &str) -> Result<usize, Error> {
        let unknown = || Error::pipeline("unknown_column", format!("the batch has no column `{name}`"));
        self.fields.iter().position(|(field, _)| field.name == name).ok_or_else(unknown)
    }

    /// The column `name`, if it is of this type.
    pub(super) fn storage(&self, name: &str, data_type: DataType) -> Result<Storage, Error> {
        self.alive()?;
        let at = self.position(name)?;
        if self.fields[at].1 == data_type {
            return Ok(self.storages[at].clone());
        }
        let message = format!("column `{name}` is {}, and the dataset wants {data_type}", self.fields[at].1);
        Err(Error::pipeline("type_mismatch", message))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(field, _)| field.name.as_str())
    }

    fn gathered(&self, rows: &[usize]) -> Result<Box<dyn BatchBackend>, Error> {
        self.alive()?;
        if let Some(past) = rows.iter().find(|&&row| row >= self.rows() as usize) {
            let message = format!("row {past} of a batch of {} rows", self.rows());
            return Err(Error::pipeline("invalid_buffer", message));
        }
        let columns = self.fields.iter().zip(&self.storages);
        let storages = columns.map(|((_, data_type), all)| all.gather(*data_type, rows.iter().copied())).collect();
        Ok(Box::new(Self::new(self.fields.clone(), storages)))
    }
}

impl BatchBackend for MemoryBatch {
    fn schema(&self) -> Vec<Field> {
        self.fields.iter().map(|(field, _)| field.clone()).collect()
    }

    fn rows(&self) -> u32 {
        self.storages.first().map_or(0, |storage| u32::try_from(storage.rows()).unwrap_or(u32::MAX))
    }

    fn columns(&self, names: &[&str]) -> Result<Vec<Buffers>, Error> {
        self.alive()?;
        let column = |name: &&str| {
            let at = self.position(name)?;
            self.storages[at].clone().into_buffers(self.fields[at].1)
        };
        names.iter().map(column).collect()
    }

    fn select(&self, names: &[&str]) -> Result<Box<dyn BatchBackend>, Error> {
        self.alive()?;
        let at = names.iter().map(|name| self.position(name)).collect::<Result<Vec<_>, _>>()?;
        let fields = at.iter().map(|&at| self.fields[at].clone()).collect();
        Ok(Box::new(Self::new(fields, at.iter().map(|&at| self.storages[at].clone()).collect())))
    }

    fn filter(&self, keep: &[u8]) -> Result<Box<dyn BatchBackend>, Error> {
        let rows = self.rows() as usize;
        if keep.len() != rows.div_ceil(8) {
            return Err(Error::pipeline("invalid_buffer", format!("the mask does not fit a batch of {rows} rows")));
        }
        self.gathered(&(0..rows).filter(|&row| bit(keep, row)).collect::<Vec<_>>())
    }

    fn take(&self, rows: &[u8]) -> Result<Box<dyn BatchBackend>, Error> {
        self.gathered(&rows.as_chunks::<4>().0.iter().map(|row| u32::from_le_bytes(*row) as usize).collect::<Vec<_>>())
    }

    fn with_column(&self, field: &Field, data: Buffers) -> Result<Box<dyn BatchBackend>, Error> {
        self.alive()?;
        let unknown = |_| Error::pipeline("unsupported_type", format!("unknown type `{}`", field.dtype));
        let data_type: DataType = field.dtype.parse().map_err(unknown)?;
        if !self.storages.is_empty() && data.rows != self.rows() {
            let message = format!("column `{}` has {} rows, the batch {}", field.name, data.rows, self.rows());
            return Err(Error::pipeline("invalid_buffer", message));
        }
        let (mut fields, mut storages) = (self.fields.clone(), self.storages.clone());
        let storage = Storage::from_buffers(data_type, data)?;
        match self.position(&field.name) {
            Ok(at) => (fields[at], storages[at]) = ((field.clone(), data_type), storage),
            Err(_) => {
                fields.push((field.clone(), data_type));
                storages.push(storage);
            }
        }
        Ok(Box::new(Self::new(fields, storages)))
    }

    fn keep(&self) -> Result<(), Error> {
        self.alive()?;
        self.life.set(Life::Kept);
        Ok(())
    }

    fn release(&self) {
        self.life.set(Life::Released);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
