//! Reading: a reader hands out batches, a batch hands out columns.

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::rc::Rc;

use spine_primitives::DataType;

use super::Field;
use crate::backend::{BatchBackend, ReaderBackend};
use crate::column::{Buffers, Column, ColumnType, Storage, storage};
use crate::columns::{ColumnInfo, Columns};
use crate::error::Error;

/// Pulls batches of a table, so memory stays bounded.
#[derive(Debug)]
pub struct Reader {
    backend: Box<dyn ReaderBackend>,
    fields: OnceCell<Rc<[Field]>>,
}

impl Reader {
    pub(crate) fn new(backend: Box<dyn ReaderBackend>) -> Self {
        Self { backend, fields: OnceCell::new() }
    }

    /// The next rows, or None at the end. The batch before is released in the host, unless it was kept.
    #[expect(clippy::should_implement_trait, reason = "fallible, and a batch is valid only until the next call")]
    pub fn next(&mut self) -> Result<Option<Batch>, Error> {
        let fields = self.fields.get_or_init(|| self.backend.schema().into());
        let fields = OnceCell::from(Rc::clone(fields));
        Ok(self.backend.next()?.map(|backend| Batch { backend, fields }))
    }

    /// What the host knows of this input.
    pub fn info(&self) -> ReaderInfo {
        ReaderInfo(self.backend.info())
    }

    pub fn fields(&self) -> Vec<Field> {
        self.fields.get_or_init(|| self.backend.schema().into()).to_vec()
    }

    /// Reads all rows that are left into one struct of columns. The guest's memory holds them: for small tables.
    pub fn read_all<C: Columns>(&mut self) -> Result<C, Error> {
        let mut all = vec![Storage::default(); C::COLUMNS.len()];
        while let Some(batch) = self.next()? {
            let storages = batch.storages(C::COLUMNS)?;
            for ((all, more), info) in all.iter_mut().zip(storages).zip(C::COLUMNS) {
                // The first batch, for most files the only one, is taken over as it is.
                if all.rows() == 0 { *all = more } else { all.append(info.data_type, &more) }
            }
        }
        C::from_storages(all)
    }
}

/// What the host knows of an input. Data lines and what follows from them are known once the last batch was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderInfo(pub(crate) Vec<(String, String)>);

impl ReaderInfo {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Without its folder.
    pub fn file_name(&self) -> Option<&str> {
        self.get("file_name")
    }

    /// The name of the format that fits.
    pub fn format(&self) -> Option<&str> {
        self.get("format")
    }

    pub fn input_hash(&self) -> Option<&str> {
        self.get("input_hash")
    }

    pub fn bytes(&self) -> Option<u64> {
        self.number("bytes")
    }

    /// Lines after the header that are not the footer, rejected ones included.
    pub fn data_lines(&self) -> Option<u64> {
        self.number("data_lines")
    }

    /// Lines that the host's reader rejected.
    pub fn rejected(&self) -> Option<u64> {
        self.number("rejected")
    }

    pub fn last_line_complete(&self) -> Option<bool> {
        self.get("last_line_complete").and_then(|text| text.parse().ok())
    }

    /// The text of the footer; None where the file has none.
    pub fn footer(&self) -> Option<&str> {
        self.get("footer")
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(|text| text.parse().ok())
    }
}

/// Some rows of a table, in the host until columns are read. Valid until the next [`Reader::next`] unless kept; what
/// was read is the plugin's own.
#[derive(Debug)]
pub struct Batch {
    pub(crate) backend: Box<dyn BatchBackend>,
    fields: OnceCell<Rc<[Field]>>,
}

impl Batch {
    fn derived(backend: Box<dyn BatchBackend>) -> Self {
        Self { backend, fields: OnceCell::new() }
    }

    fn fields(&self) -> &[Field] {
        self.fields.get_or_init(|| self.backend.schema().into())
    }

    pub fn rows(&self) -> usize {
        self.backend.rows() as usize
    }

    /// Returns whether the table has a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.fields().iter().any(|field| field.name == column)
    }

    /// Reads a struct of columns; only these cross the boundary.
    ///
    /// The error says which column is absent, has another type, or holds nulls though the struct wants none.
    pub fn read<C: Columns>(&self) -> Result<C, Error> {
        C::from_storages(self.storages(C::COLUMNS)?)
    }

    /// Reads one column.
    pub fn column<T: ColumnType>(&self, name: &str) -> Result<Column<T>, Error> {
        self.expect_type(name, T::DATA_TYPE)?;
        let buffers = self.backend.columns(&[name])?.pop().unwrap_or_default();
        Column::checked(name, self.storage(name, T::DATA_TYPE, buffers)?)
    }

    /// A batch of these columns alone. Stays in the host.
    pub fn select(&self, names: &[&str]) -> Result<Batch, Error> {
        self.backend.select(names).map(Self::derived)
    }

    /// The rows whose flag is set. Stays in the host.
    pub fn filter(&self, keep: &[bool]) -> Result<Batch, Error> {
        self.backend.filter(&storage::bitmap(keep)).map(Self::derived)
    }

    /// The rows at these positions; repeats are allowed. Stays in the host.
    pub fn take(&self, rows: &[u32]) -> Result<Batch, Error> {
        let bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
        self.backend.take(&bytes).map(Self::derived)
    }

    /// This batch with one more column, or with the column of that name replaced. The rest stays in the host.
    pub fn with_column<T: ColumnType>(&self, name: &str, column: Column<T>) -> Result<Batch, Error> {
        let field = Field::new(name, T::DATA_TYPE, T::NULLABLE);
        let data = column.into_storage().into_buffers(T::DATA_TYPE)?;
        self.backend.with_column(&field, data).map(Self::derived)
    }

    /// Keeps the batch in the host until it is released.
    pub fn keep(&self) -> Result<(), Error> {
        self.backend.keep()
    }

    /// Frees the batch in the host now. Dropping it does not.
    pub fn release(&self) {
        self.backend.release();
    }

    fn storages(&self, columns: &[ColumnInfo]) -> Result<Vec<Storage>, Error> {
        for column in columns {
            self.expect_type(column.name, column.data_type)?;
        }
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let buffers = self.backend.columns(&names)?;
        columns.iter().zip(buffers).map(|(info, buffers)| self.storage(info.name, info.data_type, buffers)).collect()
    }

    fn storage(&self, name: &str, data_type: DataType, buffers: Buffers) -> Result<Storage, Error> {
        let (rows, expected) = (buffers.rows as usize, self.rows());
        if rows != expected {
            let message = format!("the host sent {rows} rows of column `{name}` in a batch of {expected}");
            return Err(Error::internal("invalid_buffer", message));
        }
        Storage::from_buffers(data_type, buffers)
    }

    fn expect_type(&self, name: &str, wanted: DataType) -> Result<(), Error> {
        let Some(field) = self.fields().iter().find(|field| field.name == name) else {
            let mut message = format!("the table has no column `{name}`; it has");
            for field in self.fields() {
                let _ = write!(message, " `{}`", field.name);
            }
            return Err(Error::pipeline("unknown_column", message));
        };
        if field.dtype.parse() == Ok(wanted) {
            return Ok(());
        }
        let message = format!("column `{name}` is {}, and the plugin reads it as {wanted}", field.dtype);
        Err(Error::pipeline("type_mismatch", message))
    }
}
