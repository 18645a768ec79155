//! Rows that are written as they come: an answer may be larger than memory. Only a table, which is for people and
//! short, is collected first.

use std::io::{BufWriter, Stdout, Write};

use model::Failure;
use serde::Serialize;

use super::rows::csv_line;
use super::{Cell, Format, Output, Rows, answers, ignore_closed_pipe, unwritable};

/// An answer of many rows, begun.
#[derive(Debug)]
pub(crate) struct Listing {
    output: Output,
    out: BufWriter<Stdout>,
    /// The header; of a table the rows too.
    rows: Rows,
    is_begun: bool,
    is_closed: bool,
}

impl Listing {
    /// Rows under this header, none of them written yet.
    pub(crate) fn new(output: Output, rows: Rows) -> Self {
        Self { output, out: answers(), rows, is_begun: false, is_closed: false }
    }

    /// Writes one row: `value` as JSON, `cells` for people and as CSV.
    pub(crate) fn push<Cells: IntoIterator<Item = Cell>>(
        &mut self,
        value: &impl Serialize,
        cells: impl FnOnce() -> Cells,
    ) -> Result<(), Failure> {
        match self.output.format {
            Format::Table => {
                self.rows.push(cells());
                Ok(())
            }
            Format::Json => {
                let element = serde_json::to_string_pretty(value).map_err(|error| unwritable(&error.into()))?;
                let before = if self.is_begun { ",\n  " } else { "[\n  " };
                // A line end within a text is escaped, so these are those of the layout.
                self.write(&format!("{before}{}", element.replace('\n', "\n  ")))
            }
            Format::Csv => {
                self.csv_header()?;
                let line = csv_line(cells().into_iter().map(Cell::for_program));
                self.write(&line)
            }
        }
    }

    /// Whether the reader has seen enough, so that more rows would be for nobody.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Ends the answer; a table gets the footer.
    pub(crate) fn finish(mut self, footer: Option<String>) -> Result<(), Failure> {
        match self.output.format {
            Format::Table => {
                self.rows.footer = footer;
                return self.output.rows(&self.rows);
            }
            Format::Json if self.is_begun => self.write("\n]\n")?,
            Format::Json => self.write("[]\n")?,
            Format::Csv => self.csv_header()?,
        }
        self.out.flush().or_else(ignore_closed_pipe)
    }

    fn csv_header(&mut self) -> Result<(), Failure> {
        if self.is_begun {
            return Ok(());
        }
        let header = self.rows.csv_header();
        self.write(&header)
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.is_begun = true;
        self.out.write_all(text.as_bytes()).or_else(|error| {
            self.is_closed = true;
            ignore_closed_pipe(error)
        })
    }
}
