//! Reads test files by their declared format, with the reject codes of the host.
//!
//! Delimited text without line ends in quotes, JSON, and JSON Lines. Compression, Parquet and hostile input are the
//! host's business.

mod json;
mod value;

use spine_primitives::DataType;

use super::table::Table;
use crate::column::Storage;
use crate::error::Error;
use crate::host::Reject;
use crate::manifest::{FileColumnSpec, FooterRule, FormatKind, FormatSpec};

/// Parses `text` into a table with the column `_line`.
pub(super) fn parse(spec: &FormatSpec, file_name: &str, text: &str) -> Result<Table, Error> {
    if text.is_empty() {
        return Err(Error::parse("empty_file", format!("`{file_name}` is empty")));
    }
    let table = match &spec.kind {
        FormatKind::Delimited { delimiter, quote, comment } => delimited(spec, text, *delimiter, *quote, *comment)?,
        FormatKind::JsonLines => json::lines(spec, text),
        FormatKind::Json { records } => json::document(spec, text, *records)?,
        FormatKind::Parquet => {
            return Err(Error::internal("unsupported_type", "Parquet is not text: give the test `file_rows`"));
        }
    };
    Ok(table.file(file_name, spec.name, text.len()))
}

/// Collects rows and rejects line by line.
struct Collector<'a> {
    columns: &'a [FileColumnSpec],
    lines: Storage,
    storages: Vec<Storage>,
    rejects: Vec<Reject>,
    data_lines: usize,
}

/// A value that was read: text, or null.
type Cell = Result<Option<value::Value>, String>;

impl<'a> Collector<'a> {
    fn new(columns: &'a [FileColumnSpec]) -> Self {
        let storages = vec![Storage::default(); columns.len()];
        Self { columns, lines: Storage::default(), storages, rejects: Vec::new(), data_lines: 0 }
    }

    fn reject(&mut self, line: usize, code: &str, message: String) {
        self.rejects.push(Reject::line(i64::try_from(line).unwrap_or(i64::MAX), code, message));
    }

    /// Adds a row, or rejects it if a cell does not fit its column.
    fn row(&mut self, line: usize, cells: Vec<Cell>) {
        self.data_lines += 1;
        for (column, cell) in self.columns.iter().zip(&cells) {
            let blank = matches!(cell, Ok(None)) && !column.nullable || matches!(cell, Err(why) if why == value::BLANK);
            match cell {
                _ if column.key && blank => {
                    return self.reject(line, "blank_key", format!("`{}` is blank", column.header));
                }
                Err(why) => return self.reject(line, "bad_field", format!("`{}` is {why}", column.header)),
                Ok(None) if !column.nullable => {
                    return self.reject(line, "bad_field", format!("`{}` is null", column.header));
                }
                Ok(_) => {}
            }
        }
        self.lines.push_fixed(i64::try_from(line).unwrap_or(i64::MAX).to_le_bytes());
        for ((storage, column), cell) in self.storages.iter_mut().zip(self.columns).zip(cells) {
            value::push(storage, column.data_type, cell.ok().flatten());
        }
    }

    fn table(self, footer: Option<&str>, complete: bool) -> Table {
        let rejected = self.rejects.len();
        let mut table = Table::default().with("_line", DataType::Int64, self.lines);
        for (column, storage) in self.columns.iter().zip(self.storages) {
            table = table.with(column.name, column.data_type, storage);
        }
        table.rejects = self.rejects;
        table.lines(self.data_lines, rejected, footer, complete)
    }
}

fn delimited(
    spec: &FormatSpec,
    text: &str,
    delimiter: char,
    quote: Option<char>,
    comment: Option<&str>,
) -> Result<Table, Error> {
    let complete = text.ends_with('\n');
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines: Vec<(usize, &str)> =
        text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate().collect();
    while lines.last().is_some_and(|(_, line)| line.is_empty()) {
        lines.pop();
    }
    let start = lines.iter().position(|(_, line)| comment.is_none_or(|comment| !line.starts_with(comment)));
    let mut lines = lines.split_off(start.unwrap_or(0)).into_iter();
    let (_, header) = lines.next().unwrap_or_default();
    let found = fields(header, delimiter, quote);
    let expected: Vec<&str> = spec.columns.iter().map(|column| column.header).collect();
    if found != expected {
        let message = format!("the header is {found:?}, and format `{}` has {expected:?}", spec.name);
        return Err(Error::parse("header_mismatch", message));
    }
    let mut lines: Vec<(usize, &str)> = lines.collect();
    let footer = lines.last().map(|(_, line)| *line).filter(|line| is_footer(spec.footer.rule, line));
    if footer.is_some() {
        lines.pop();
    }
    let mut rows = Collector::new(&spec.columns);
    for (at, line) in lines {
        let cells = fields(line, delimiter, quote);
        if cells.len() == spec.columns.len() {
            let cells = cells.iter().zip(&spec.columns).map(|(cell, column)| value::parse(column, cell)).collect();
            rows.row(at + 1, cells);
        } else {
            rows.data_lines += 1;
            let message = format!("{} fields, and the header has {}", cells.len(), spec.columns.len());
            rows.reject(at + 1, "field_count", message);
        }
    }
    Ok(rows.table(footer, complete))
}

fn is_footer(rule: FooterRule, line: &str) -> bool {
    match rule {
        FooterRule::None => false,
        FooterRule::RecordCount => !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()),
        FooterRule::FileCreationTime => line.starts_with("File Creation Time:"),
    }
}

fn fields(line: &str, delimiter: char, quote: Option<char>) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        if Some(character) == quote {
            if quoted && characters.peek() == Some(&character) {
                fields[last].push(character);
                characters.next();
            } else {
                quoted = !quoted;
            }
        } else if character == delimiter && !quoted {
            fields.push(String::new());
        } else {
            fields[last].push(character);
        }
    }
    fields
}

#[cfg(test)]
mod tests;
