//! Lists, for people and for programs from one description.
//!
//! A column has the name of its key in JSON. In a table the name is in words, numbers are grouped, digests and times
//! of no interest are cut or left out; CSV has every column, values whole, partitions and lists as JSON.

use std::borrow::Cow;
use std::io::{self, Write};

use model::{Digest, Partition, Timestamp};
use serde::Serialize;

use super::printable;

/// Characters of one value that a table shows; JSON and CSV have it whole.
const CELL_CHARS_MAX: usize = 500;

/// Rows of an answer.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// Printed instead of a table without rows.
    pub(crate) empty: Cow<'static, str>,
    /// A last line under the table.
    pub(crate) footer: Option<String>,
}

/// One column: its name, as in JSON, and how it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    name: String,
    /// The head of the column in a table.
    title: String,
    /// Whether values line up on the right.
    numeric: bool,
    /// Whether only programs are shown it.
    detail: bool,
}

/// A column of words.
pub(crate) fn text(name: &str) -> Column {
    Column { name: name.to_owned(), title: name.replace('_', " "), numeric: false, detail: false }
}

/// A column of numbers.
pub(crate) fn number(name: &str) -> Column {
    Column { numeric: true, ..text(name) }
}

/// A column that a table leaves out.
pub(crate) fn detail(name: &str) -> Column {
    Column { detail: true, ..text(name) }
}

/// One value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// In CSV.
    program: String,
    /// In a table, where that is another text.
    people: Option<String>,
}

impl Cell {
    /// A value that people and programs are shown in two ways.
    pub(crate) fn two(people: impl Into<String>, program: impl Into<String>) -> Self {
        Self { program: program.into(), people: Some(people.into()) }
    }

    /// A number of things, grouped by thousands for people.
    pub(crate) fn count(count: u64) -> Self {
        Self::two(super::grouped(count), count.to_string())
    }

    /// A fact that a table names only where it holds.
    pub(crate) fn flag(holds: bool, word: &str) -> Self {
        Self::two(if holds { word } else { "" }, holds.to_string())
    }

    /// Several words: a line each for people, a JSON array for programs.
    pub(crate) fn list(words: &[String]) -> Self {
        Self::two(words.join("\n"), json(&words))
    }

    pub(super) fn for_program(self) -> String {
        self.program
    }

    fn for_people(&self) -> &str {
        self.people.as_deref().unwrap_or(&self.program)
    }
}

impl From<String> for Cell {
    fn from(program: String) -> Self {
        Self { program, people: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Digest> for Cell {
    fn from(digest: Digest) -> Self {
        Self::two(digest.short(), digest.to_string())
    }
}

impl From<&Partition> for Cell {
    fn from(partition: &Partition) -> Self {
        Self::two(partition.to_string(), partition.key())
    }
}

impl From<Timestamp> for Cell {
    fn from(at: Timestamp) -> Self {
        at.to_string().into()
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        number.to_string().into()
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    /// Nothing is an empty field.
    fn from(value: Option<T>) -> Self {
        value.map(Into::into).unwrap_or_default()
    }
}

/// A value as JSON, for a field of CSV.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Rows {
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>, empty: impl Into<Cow<'static, str>>) -> Self {
        Self { columns: columns.into_iter().collect(), empty: empty.into(), ..Self::default() }
    }

    /// Rows whose columns somebody else named; their names are shown as they are.
    pub(crate) fn named(header: Vec<String>, numeric: &[usize]) -> Self {
        let column =
            |(at, name): (usize, String)| Column { title: name.clone(), numeric: numeric.contains(&at), ..text(&name) };
        Self { columns: header.into_iter().enumerate().map(column).collect(), ..Self::default() }
    }

    /// Adds a row, a cell for each column.
    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        self.rows.push(row.into_iter().collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn shown(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().enumerate().filter(|(_, column)| !column.detail)
    }

    pub(super) fn titles(&self) -> Vec<&str> {
        self.shown().map(|(_, column)| column.title.as_str()).collect()
    }

    /// The places of the numeric columns among those that a table shows.
    pub(super) fn numeric(&self) -> Vec<usize> {
        let shown = self.shown().enumerate();
        shown.filter(|(_, (_, column))| column.numeric).map(|(place, _)| place).collect()
    }

    pub(super) fn texts(&self) -> Vec<Vec<Cow<'_, str>>> {
        self.rows.iter().map(|row| self.shown().map(|(at, _)| cut(printable(shown_text(row, at)))).collect()).collect()
    }

    pub(super) fn csv_header(&self) -> String {
        csv_line(self.columns.iter().map(|column| column.name.as_str()))
    }

    pub(super) fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines = self.rows.iter().map(|row| csv_line(row.iter().map(|cell| cell.program.as_str())));
        lines.try_for_each(|line| out.write_all(line.as_bytes()))
    }
}

/// A table is for people; nobody reads a long value in one, and laying it out takes ever longer.
fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    // The bytes tell at once of nearly every text that it is short.
    if text.len() <= CELL_CHARS_MAX {
        return text;
    }
    match text.char_indices().nth(CELL_CHARS_MAX) {
        None => text,
        Some((end, _)) => {
            let chars = text.chars().count();
            Cow::Owned(format!("{}... ({} characters)", &text[..end], super::grouped(chars as u64)))
        }
    }
}

fn shown_text(row: &[Cell], at: usize) -> &str {
    row.get(at).map_or("", Cell::for_people)
}

/// With its line end.
pub(super) fn csv_line(fields: impl Iterator<Item = impl AsRef<str>>) -> String {
    let fields: Vec<String> = fields.map(|field| csv_field(field.as_ref())).collect();
    format!("{}\n", fields.join(","))
}

fn csv_field(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let mut rows = Rows::new([text("dataset"), text("partition"), number("rows"), detail("run_id")], "none");
        let partition: Partition = [("day", "2021-01-28"), ("feed", "Q")].into_iter().collect();
        rows.push(["a.b".into(), (&partition).into(), Cell::count(12_345), "run_1".into()]);
        rows.push(["a.c".into(), (&Partition::default()).into(), None::<u64>.into(), "run_2".into()]);
        rows
    }

    #[test]
    fn programs_get_every_column_with_whole_values() {
        let mut csv = Vec::new();
        csv.write_all(rows().csv_header().as_bytes()).unwrap();
        rows().write_csv(&mut csv).unwrap();
        let expected = concat!(
            "dataset,partition,rows,run_id\n",
            r#"a.b,"{""day"":""2021-01-28"",""feed"":""Q""}",12345,run_1"#,
            "\na.c,{},,run_2\n"
        );
        assert_eq!(String::from_utf8(csv).unwrap(), expected);
    }

    #[test]
    fn people_get_words_and_no_details() {
        let rows = rows();
        assert_eq!(rows.titles(), ["dataset", "partition", "rows"]);
        assert_eq!(rows.texts()[0], ["a.b", "day=2021-01-28 feed=Q", "12,345"]);
        assert_eq!(rows.numeric(), [2]);
        assert_eq!(Cell::from(Digest::new([0xab; 32])).for_people(), "abababababab");
    }

    #[test]
    fn a_table_shows_the_beginning_of_a_long_value() {
        let mut rows = Rows::new([text("raw")], "none");
        rows.push(["é".repeat(CELL_CHARS_MAX).into()]);
        rows.push(["é".repeat(2_000).into()]);
        let texts = rows.texts();
        assert_eq!(texts[0][0].chars().count(), CELL_CHARS_MAX);
        assert!(texts[1][0].ends_with("éé... (2,000 characters)"), "{}", texts[1][0]);
        let mut csv = Vec::new();
        rows.write_csv(&mut csv).unwrap();
        assert!(csv.len() > 4_000, "programs get it whole");
    }

    #[test]
    fn csv_fields_are_quoted_only_where_they_must_be() {
        assert_eq!(csv_field("plain"), "plain");
        assert_eq!(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
