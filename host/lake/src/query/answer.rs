//! The rows of an answer, and how they are written: JSON, CSV, or text for tables.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Fields, Schema};
use model::catalog::Snapshot;
use model::{Failure, FailureKind};

use super::value;

/// Null in CSV of one column.
const LONE_NULL: &str = "NULL";

/// What a query gave, and the snapshot it read.
#[derive(Debug)]
pub struct QueryAnswer {
    /// Names and types, in the order of the SELECT. Names are distinct: a second `symbol` is `symbol_1`.
    pub columns: Vec<(String, DataType)>,
    /// The rows, with these columns.
    pub batches: Vec<RecordBatch>,
    pub snapshot: Snapshot,
}

impl QueryAnswer {
    /// `names` are those of `fields` as the SQL means them, and may repeat.
    pub(super) fn new(
        fields: &Fields,
        names: &[String],
        batches: Vec<RecordBatch>,
        snapshot: Snapshot,
    ) -> Result<Self, Failure> {
        let names = distinct(names.iter().map(String::as_str));
        let fields: Vec<_> = fields
            .iter()
            .zip(&names)
            .map(|(field, name)| {
                let field = field.as_ref().clone().with_name(name).with_nullable(true);
                let plain = plain_type(field.data_type());
                field.with_data_type(plain)
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let batches =
            batches.iter().map(|batch| renamed(batch, &schema)).collect::<Result<_, _>>().map_err(|error| {
                let message = format!("the query engine failed: its rows do not fit its columns: {error}");
                Failure::new(FailureKind::Internal, "query_failed", message)
            })?;
        let columns = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
        Ok(Self { columns, batches, snapshot })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The positions of the columns that hold numbers, which line up on the right.
    pub fn numeric_columns(&self) -> Vec<usize> {
        let columns = self.columns.iter().enumerate();
        columns.filter(|(_, (_, data_type))| data_type.is_numeric()).map(|(at, _)| at).collect()
    }

    /// Writes an array of objects, one row a line, keys in column order.
    ///
    /// Dates are `YYYY-MM-DD`, times RFC 3339 in UTC with microseconds, binary is hexadecimal. Integers and decimals
    /// are exact numbers, decimals with all digits of their scale; NaN and the infinities are null.
    ///
    /// # Errors
    ///
    /// Only those of `out`.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let keys: Vec<String> =
            self.columns.iter().map(|(name, _)| value::json_text(name)).collect::<io::Result<Vec<_>>>()?;
        let mut between = "";
        let mut line = Vec::new();
        out.write_all(b"[")?;
        for (batch, row) in self.each_row() {
            line.clear();
            write!(line, "{between}\n{{")?;
            for (at, key) in keys.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                write!(line, "{comma}{key}:")?;
                value::write_json(&mut line, batch.column(at), row)?;
            }
            line.push(b'}');
            out.write_all(&line)?;
            between = ",";
        }
        out.write_all(if between.is_empty() { b"]\n" } else { b"\n]\n" })
    }

    /// Writes a header line and one line a row, as RFC 4180 says but with `\n`.
    ///
    /// Null is an empty field, or the word `NULL` where there is one column only; an empty text is `""`, and in one
    /// column a text `NULL` is `"NULL"`. So null and text can be told apart, and no line is empty. NaN is `NaN`.
    ///
    /// # Errors
    ///
    /// Only those of `out`.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        // A lone null would be an empty line, which readers skip.
        let null = if self.columns.len() == 1 { LONE_NULL } else { "" };
        let mut line = String::new();
        for (at, (name, _)) in self.columns.iter().enumerate() {
            push_text(&mut line, at, name, null);
        }
        end_line(&mut line, out)?;
        for (batch, row) in self.each_row() {
            for at in 0..self.columns.len() {
                match value::text(batch.column(at), row)? {
                    Some(text) => push_text(&mut line, at, &text, null),
                    None => push_field(&mut line, at, null),
                }
            }
            end_line(&mut line, out)?;
        }
        Ok(())
    }

    /// The header and all rows as text, null as an empty text. For tables that people read.
    pub fn rows_as_text(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let cell = |column: &ArrayRef, row| value::text(column, row).ok().flatten().unwrap_or_default().into_owned();
        let header = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let rows = self.each_row().map(|(batch, row)| batch.columns().iter().map(|it| cell(it, row)).collect());
        (header, rows.collect())
    }

    fn each_row(&self) -> impl Iterator<Item = (&RecordBatch, usize)> {
        self.batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)))
    }
}

/// The names with `_1`, `_2`... where they would repeat: two keys of one JSON object would lose a value.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<&str> = names.collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut distinct = Vec::with_capacity(names.len());
    for (at, &name) in names.iter().enumerate() {
        let mut candidate = name.to_owned();
        let mut count = 0;
        while taken.contains(&candidate) || (count > 0 && names[at + 1..].contains(&candidate.as_str())) {
            count += 1;
            candidate = format!("{name}_{count}");
        }
        taken.insert(candidate.clone());
        distinct.push(candidate);
    }
    distinct
}

/// Encodings of the engine's own choice are not for readers.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        other => other.clone(),
    }
}

fn renamed(batch: &RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match column.data_type() {
        same if same == field.data_type() => Ok(Arc::clone(column)),
        _ => cast(column, field.data_type()),
    });
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &options)
}

/// Adds a text that is a value, in quotes where it would be read as something else: as two fields, or as a null.
fn push_text(line: &mut String, at: usize, text: &str, null: &str) {
    if text.is_empty() || text == null || text.contains([',', '"', '\n', '\r']) {
        push_field(line, at, &format!("\"{}\"", text.replace('"', "\"\"")));
    } else {
        push_field(line, at, text);
    }
}

fn push_field(line: &mut String, at: usize, field: &str) {
    if at > 0 {
        line.push(',');
    }
    line.push_str(field);
}

fn end_line(line: &mut String, out: &mut dyn Write) -> io::Result<()> {
    line.push('\n');
    out.write_all(line.as_bytes())?;
    line.clear();
    Ok(())
}
