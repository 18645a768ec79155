//! The rows of one batch being read, and the lines that did not become rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use model::limits::{BATCH_BYTES_MAX, BATCH_ROWS_MAX};
use model::manifest::FormatColumn;
use model::reject::Reject;

use super::column::{BadValue, ColumnBuilder};
use crate::schema::fixed_width;

/// Most bytes of a line that a reject keeps; a longer one ends in `…`.
pub(crate) const RAW_BYTES_MAX: usize = 8 * 1024;

#[derive(Debug)]
pub(crate) struct Rows {
    columns: Vec<ColumnBuilder>,
    lines: Vec<i64>,
    row_bytes: usize,
    /// Bytes of the lines that became rows: at least those of their texts.
    line_bytes: usize,
    pub(crate) tally: Tally,
    /// Bytes of the lines that did not, as they are kept.
    rejected_bytes: usize,
}

/// What became of the lines of a stretch of an input.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) data_lines: u64,
    pub(crate) rejects: Vec<Reject>,
}

impl Tally {
    pub(crate) fn rejected(&self) -> u64 {
        self.rejects.len() as u64
    }
}

impl Rows {
    /// For about `rows` rows, of which at most one batch is taken.
    pub(crate) fn new(columns: &[Arc<FormatColumn>], rows: usize) -> Self {
        let rows = rows.min(BATCH_ROWS_MAX);
        Self {
            columns: columns.iter().map(|column| ColumnBuilder::new(Arc::clone(column), rows)).collect(),
            lines: Vec::with_capacity(rows),
            row_bytes: 8 + columns.iter().map(|column| fixed_width(column.data_type)).sum::<usize>(),
            line_bytes: 0,
            tally: Tally::default(),
            rejected_bytes: 0,
        }
    }

    /// Whether the batch, or what was rejected meanwhile, is as large as it may be. Depends on the content alone: every
    /// reader of a file makes the same batches.
    pub(crate) fn is_full(&self) -> bool {
        let rows = self.lines.len();
        rows >= BATCH_ROWS_MAX
            || rows * self.row_bytes + self.line_bytes >= BATCH_BYTES_MAX
            || self.tally.rejects.len() >= BATCH_ROWS_MAX
            || self.rejected_bytes >= BATCH_BYTES_MAX
    }

    pub(crate) fn columns(&mut self) -> &mut [ColumnBuilder] {
        &mut self.columns
    }

    /// Ends a row whose values were all pushed, from `bytes` of the file.
    pub(crate) fn commit(&mut self, line: u64, bytes: usize) {
        self.line_bytes += bytes;
        self.lines.push(i64::try_from(line).unwrap_or(i64::MAX));
        self.tally.data_lines += 1;
    }

    /// Forgets what was pushed since the last commit.
    pub(crate) fn take_back(&mut self) {
        let rows = self.lines.len();
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
    }

    /// Takes back what was pushed of a line and records why.
    pub(crate) fn reject(&mut self, line: u64, raw: Option<&[u8]>, bad: BadValue) {
        self.take_back();
        self.tally.data_lines += 1;
        let raw = raw.map(shown);
        self.rejected_bytes += raw.as_ref().map_or(0, String::len);
        let BadValue { code, message } = bad;
        self.tally.rejects.push(Reject { code: code.to_owned(), message, line: Some(line), raw });
    }

    pub(crate) fn finish(self, schema: &SchemaRef) -> Result<(RecordBatch, Tally), ArrowError> {
        let mut arrays = self.columns.into_iter().map(ColumnBuilder::finish).collect::<Result<Vec<ArrayRef>, _>>()?;
        arrays.push(Arc::new(Int64Array::from(self.lines)));
        Ok((RecordBatch::try_new(Arc::clone(schema), arrays)?, self.tally))
    }
}

/// A line as a reject keeps it.
pub(crate) fn shown(raw: &[u8]) -> String {
    if raw.len() <= RAW_BYTES_MAX {
        return String::from_utf8_lossy(raw).into_owned();
    }
    let mut text = String::from_utf8_lossy(&raw[..RAW_BYTES_MAX]).into_owned();
    text.push('…');
    text
}
