//! Rows of a format, written as the format says.

use model::DataType;
use model::manifest::{FileFormat, FooterRule, FormatColumn, FormatKind};

use super::random::Random;
use super::{Making, parquet, value};

/// Rows of the file of values at random.
const RANDOM_ROWS: usize = 500;

/// Bytes of the long text.
const LONG: usize = 1 << 20;

/// What makes the rows of one file.
pub(super) struct Rows<'a> {
    format: &'a FileFormat,
    making: Making<'a>,
    random: Random,
}

/// One row: the text of each column, none for null.
pub(super) type Row = Vec<Option<String>>;

impl<'a> Rows<'a> {
    pub(super) fn new(format: &'a FileFormat, making: Making<'a>) -> Self {
        Self { format, making, random: Random::new(making.seed) }
    }

    fn columns(&self) -> &'a [FormatColumn] {
        &self.format.columns
    }

    fn row(&self, number: u64) -> Row {
        let value = |column: &FormatColumn| {
            let is_steady = self.making.steady.contains(&column.name);
            let is_counted = column.key && !is_steady && matches!(column.data_type, DataType::Utf8 | DataType::Int64);
            match self.making.sample.get(column) {
                Some(text) if !is_counted || number == 0 => text.to_owned(),
                Some(_) | None => value::ordinary(column, number, is_steady),
            }
        };
        self.columns().iter().map(|column| Some(value(column))).collect()
    }

    /// A row with another value in one column.
    fn with(&self, number: usize, at: usize, value: Option<String>) -> Row {
        let mut row = self.row(number as u64);
        row[at] = value;
        row
    }

    pub(super) fn ordinary(&self, rows: u64) -> Vec<u8> {
        self.file((0..rows).map(|number| self.row(number)))
    }

    /// Ordinary rows as a Parquet file whose columns are all texts.
    pub(super) fn as_texts(&self) -> Vec<u8> {
        let text = |column: &FormatColumn| FormatColumn { data_type: DataType::Utf8, ..column.clone() };
        let columns: Vec<FormatColumn> = self.columns().iter().map(text).collect();
        parquet::file(&columns, (0..2).map(|number| self.row(number)))
    }

    /// Each nullable column null, and then all of them.
    pub(super) fn nulls(&self) -> Vec<u8> {
        let nullable: Vec<usize> = (0..self.columns().len()).filter(|at| self.columns()[*at].nullable).collect();
        let mut rows: Vec<Row> = nullable.iter().enumerate().map(|(number, at)| self.with(number, *at, None)).collect();
        let mut all = self.row(rows.len() as u64);
        nullable.iter().for_each(|at| all[*at] = None);
        rows.push(all);
        self.written(&rows)
    }

    /// Each column that needs a value without one, and a row of the right kind at the end.
    pub(super) fn blanks(&self) -> Vec<u8> {
        let due = (0..self.columns().len()).filter(|at| !self.columns()[*at].nullable);
        let mut rows: Vec<Row> =
            due.enumerate().map(|(number, at)| self.with(number, at, Some(String::new()))).collect();
        rows.push(self.row(rows.len() as u64));
        self.written(&rows)
    }

    /// Each column in turn at its ends, the others as they are.
    pub(super) fn extremes(&self) -> Vec<u8> {
        let mut rows: Vec<Row> = Vec::new();
        for (at, column) in self.columns().iter().enumerate() {
            for extreme in value::extremes(column) {
                rows.push(self.with(rows.len(), at, Some(extreme)));
            }
        }
        self.written(&rows)
    }

    pub(super) fn odd_texts(&self) -> Vec<u8> {
        let mut rows: Vec<Row> = vec![self.row(0)];
        for at in self.texts() {
            for text in value::TEXTS {
                rows.push(self.with(rows.len(), at, Some((*text).to_owned())));
            }
        }
        self.written(&rows)
    }

    pub(super) fn long_text(&self) -> Vec<u8> {
        let mut rows: Vec<Row> = vec![self.row(0)];
        for at in self.texts() {
            rows.push(self.with(rows.len(), at, Some("x".repeat(LONG))));
        }
        self.written(&rows)
    }

    pub(super) fn repeated_key(&self) -> Vec<u8> {
        self.written(&[self.row(0), self.row(1), self.row(0)])
    }

    /// Ordinary and extreme values in any order.
    pub(super) fn at_random(&mut self) -> Vec<u8> {
        let mut rows: Vec<Row> = Vec::new();
        for number in 0..RANDOM_ROWS {
            let mut row = self.row(number as u64);
            for (at, column) in self.columns().iter().enumerate().filter(|(_, column)| !column.key) {
                if self.random.next().is_multiple_of(4) {
                    row[at] = self.random.pick(&value::extremes(column));
                }
            }
            rows.push(row);
        }
        self.written(&rows)
    }

    fn texts(&self) -> impl Iterator<Item = usize> {
        let columns = self.columns().iter().enumerate();
        columns.filter(|(_, column)| column.data_type == DataType::Utf8).map(|(at, _)| at)
    }

    fn written(&self, rows: &[Row]) -> Vec<u8> {
        self.file(rows.iter().cloned())
    }

    fn file(&self, rows: impl Iterator<Item = Row>) -> Vec<u8> {
        if matches!(self.format.kind, FormatKind::Parquet) {
            return parquet::file(self.columns(), rows);
        }
        let (mut out, mut count) = (self.begun(), 0);
        for row in rows {
            self.push(&mut out, count == 0, &row);
            count += 1;
        }
        self.ended(out, count)
    }

    fn begun(&self) -> Vec<u8> {
        match &self.format.kind {
            FormatKind::Delimited { .. } => {
                let headers: Row = self.columns().iter().map(|column| Some(column.header.clone())).collect();
                let mut out = Vec::new();
                self.push(&mut out, true, &headers);
                out
            }
            FormatKind::Json { records: Some(records) } => format!("{{{}: [", json(records)).into_bytes(),
            FormatKind::Json { records: None } => b"[".to_vec(),
            FormatKind::JsonLines | FormatKind::Parquet => Vec::new(),
        }
    }

    fn push(&self, out: &mut Vec<u8>, is_first: bool, row: &Row) {
        match &self.format.kind {
            FormatKind::Delimited { delimiter, quote, .. } => {
                let fields =
                    row.iter().zip(self.columns()).map(|(value, column)| field(value, column, *delimiter, *quote));
                let line = fields.collect::<Vec<_>>().join(&delimiter.to_string());
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            }
            FormatKind::Json { .. } | FormatKind::JsonLines | FormatKind::Parquet => {
                let is_document = matches!(self.format.kind, FormatKind::Json { .. });
                if is_document && !is_first {
                    out.push(b',');
                }
                let fields = row.iter().zip(self.columns()).map(|(value, column)| {
                    let value = value.as_deref().map_or_else(|| "null".to_owned(), |value| json_value(value, column));
                    format!("{}: {value}", json(&column.header))
                });
                out.extend_from_slice(format!("{{{}}}\n", fields.collect::<Vec<_>>().join(", ")).as_bytes());
            }
        }
    }

    fn ended(&self, mut out: Vec<u8>, rows: u64) -> Vec<u8> {
        match (&self.format.kind, self.format.footer.rule) {
            (FormatKind::Json { records: Some(_) }, _) => out.extend_from_slice(b"]}"),
            (FormatKind::Json { records: None }, _) => out.extend_from_slice(b"]"),
            (FormatKind::Delimited { .. }, FooterRule::RecordCount) => {
                out.extend_from_slice(format!("{rows}\n").as_bytes());
            }
            (FormatKind::Delimited { delimiter, .. }, FooterRule::FileCreationTime) => {
                let padding = delimiter.to_string().repeat(self.columns().len().saturating_sub(1));
                out.extend_from_slice(format!("File Creation Time: 0103202518:00{padding}\n").as_bytes());
            }
            (FormatKind::Delimited { .. } | FormatKind::JsonLines | FormatKind::Parquet, _) => {}
        }
        out
    }
}

/// As the format writes it: null by its word, texts in quotes where it has some and they are needed. Without quotes a
/// delimiter in a text is one too many.
fn field(value: &Option<String>, column: &FormatColumn, delimiter: char, quote: Option<char>) -> String {
    let Some(value) = value else { return column.nulls.first().cloned().unwrap_or_default() };
    match quote {
        Some(quote) if value.contains([delimiter, quote, '\n', '\r']) => {
            format!("{quote}{}{quote}", value.replace(quote, &format!("{quote}{quote}")))
        }
        Some(_) | None => value.clone(),
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A number as one where it is one for JSON.
fn json_value(value: &str, column: &FormatColumn) -> String {
    let is_plain = match column.data_type {
        DataType::Utf8 | DataType::Date | DataType::Timestamp => false,
        DataType::Bool | DataType::Int64 | DataType::Float64 | DataType::Decimal { .. } => {
            serde_json::from_str::<serde_json::Value>(value).is_ok()
        }
    };
    if is_plain { value.to_owned() } else { json(value) }
}
