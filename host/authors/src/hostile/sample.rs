//! What values mean to a plugin beyond their types, taken from a file that it is known to take.

use std::collections::BTreeMap;

use model::manifest::{FileFormat, FormatColumn, FormatKind};
use serde_json::Value;

use super::parquet;

/// The texts of one row by the name of its column; nothing of columns that are null there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample(BTreeMap<String, String>);

impl Sample {
    /// The first row of a file; none if the file is not of this format, or has no row.
    pub fn of(format: &FileFormat, bytes: &[u8]) -> Option<Self> {
        let columns = &format.columns;
        match &format.kind {
            FormatKind::Delimited { delimiter, quote, comment } => {
                let ascii = |sign: char| u8::try_from(sign).ok();
                let mut reader = csv::ReaderBuilder::new();
                reader.delimiter(ascii(*delimiter)?).quoting(quote.is_some()).flexible(true).has_headers(false);
                reader.quote(quote.map_or(Some(b'"'), ascii)?);
                let mut records = reader.from_reader(without_mark(bytes)).into_records().map_while(Result::ok);
                let is_comment = |record: &csv::StringRecord| {
                    comment.as_deref().is_some_and(|comment| record.get(0).is_some_and(|it| it.starts_with(comment)))
                };
                let header = records.find(|record| !is_comment(record))?;
                let is_header = header.iter().eq(columns.iter().map(|column| column.header.as_str()));
                let row = records.next().filter(|row| is_header && row.len() == columns.len())?;
                Some(Self::with(columns.iter().zip(row.iter().map(str::to_owned))))
            }
            FormatKind::Json { records } => {
                let document: Value = serde_json::from_slice(bytes).ok()?;
                let rows = records.as_ref().map_or(Some(&document), |records| document.get(records));
                Self::of_object(columns, rows?.as_array()?.first()?)
            }
            FormatKind::JsonLines => {
                let line = bytes.split(|byte| *byte == b'\n').next()?;
                Self::of_object(columns, &serde_json::from_slice(line).ok()?)
            }
            FormatKind::Parquet => {
                let row = parquet::first_row(bytes)?;
                let value = |column: &FormatColumn| row.iter().find(|(header, _)| header == &column.header)?.1.clone();
                Some(Self::with(columns.iter().filter_map(|column| Some((column, value(column)?)))))
            }
        }
    }

    pub(super) fn get(&self, column: &FormatColumn) -> Option<&str> {
        self.0.get(&column.name).map(String::as_str)
    }

    fn of_object(columns: &[FormatColumn], row: &Value) -> Option<Self> {
        let row = row.as_object()?;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let there = columns.iter().filter_map(|column| Some((column, row.get(&column.header)?)));
        Some(Self::with(there.filter(|(_, value)| !value.is_null()).map(|(column, value)| (column, text(value)))))
    }

    fn with<'a>(values: impl Iterator<Item = (&'a FormatColumn, String)>) -> Self {
        let values = values.filter(|(column, value)| !value.is_empty() && !column.nulls.contains(value));
        Self(values.map(|(column, value)| (column.name.clone(), value)).collect())
    }
}

/// Without the byte order mark.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}
