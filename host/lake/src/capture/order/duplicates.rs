//! Rows that share their key: all are counted, and as many are named as an attempt keeps rejects.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::schema::LINE;

/// Most characters of one value of a key.
const VALUE_CHARS_MAX: usize = 60;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// The input line, if the plugin said which.
    pub(crate) line: Option<u64>,
    /// `symbol=A trade_date=2021-01-28`, partition included.
    pub(crate) key: String,
    /// Rows that share the key.
    pub(crate) rows: usize,
}

/// The duplicates of one dataset. Those of one key come one after another, by line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Duplicates {
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) named: Vec<Duplicate>,
    named_max: usize,
    /// Rows of the key that is being found, and where its names begin.
    group: (usize, usize),
}

impl Duplicates {
    /// Names at most `max`, but one in any case: a check tells it.
    pub(super) fn new(max: u64) -> Self {
        let named_max = usize::try_from(max).unwrap_or(usize::MAX).max(1);
        Self { count: 0, named: Vec::new(), named_max, group: (0, 0) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether rows of some key are being added.
    pub(super) fn is_adding(&self) -> bool {
        self.group.0 > 0
    }

    /// Adds a row of the key that is being found.
    pub(super) fn add(&mut self, batch: &RecordBatch, row: usize, keys: &[String]) -> Result<(), ArrowError> {
        self.count += 1;
        self.group.0 += 1;
        if self.named.len() < self.named_max {
            // How many rows share the key is known once all are found.
            self.named.push(Duplicate { line: line(batch, row), key: key_text(batch, row, keys)?, rows: 0 });
        }
        Ok(())
    }

    /// Ends a key: the next row that is added has another.
    pub(super) fn end_key(&mut self) {
        let (rows, from) = self.group;
        self.named[from..].iter_mut().for_each(|duplicate| duplicate.rows = rows);
        self.group = (0, self.named.len());
    }
}

/// What `_line` says about a row.
pub(super) fn raw_line(batch: &RecordBatch, row: usize) -> Option<i64> {
    let lines = batch.column_by_name(LINE).map(|lines| lines.as_primitive::<Int64Type>());
    lines.filter(|lines| lines.is_valid(row)).map(|lines| lines.value(row))
}

fn line(batch: &RecordBatch, row: usize) -> Option<u64> {
    raw_line(batch, row).and_then(|line| u64::try_from(line).ok())
}

fn key_text(batch: &RecordBatch, row: usize, keys: &[String]) -> Result<String, ArrowError> {
    let mut key = Vec::with_capacity(keys.len());
    for name in keys {
        let column = batch.column(batch.schema_ref().index_of(name)?);
        let options = FormatOptions::default();
        let text = ArrayFormatter::try_new(column, &options)?.value(row).try_to_string()?;
        let text: String = text.chars().take(VALUE_CHARS_MAX).collect();
        key.push(format!("{name}={text}"));
    }
    Ok(key.join(" "))
}
