//! The only place that prints. Answers go to standard output, everything else to standard error.

mod listing;
mod rows;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use model::Failure;
use serde::Serialize;

pub(crate) use self::listing::Listing;
pub(crate) use self::rows::{Cell, Rows, detail, json, number, text};

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs; the keys are stable.
    Json,
    /// One header line, one line a row.
    Csv,
}

/// Writes answers in one format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
}

impl Output {
    /// Writes `value` as JSON, or `rows` for people or as CSV.
    pub(crate) fn show(self, value: &impl Serialize, rows: impl FnOnce() -> Rows) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(value),
            Format::Table | Format::Csv => self.rows(&rows()),
        }
    }

    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| unwritable(&error.into()))?;
        self.line(&escaped(&text))
    }

    pub(crate) fn rows(self, rows: &Rows) -> Result<(), Failure> {
        match self.format {
            Format::Csv => self.csv(rows),
            Format::Table | Format::Json => self.table(rows),
        }
    }

    /// Writes one line to standard output.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        let text = printable(text);
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).or_else(ignore_closed_pipe)
    }

    /// Lets `write` write to standard output.
    pub(crate) fn write(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let mut out = answers();
        write(&mut out).and_then(|()| out.flush()).or_else(ignore_closed_pipe)
    }

    /// Writes rows that follow those which [`Output::rows`] wrote as CSV: without the header.
    pub(crate) fn more_rows(self, rows: &Rows) -> Result<(), Failure> {
        self.write(|out| rows.write_csv(out))
    }

    fn table(self, rows: &Rows) -> Result<(), Failure> {
        if rows.is_empty() && !rows.empty.is_empty() {
            self.line(&rows.empty)?;
        } else {
            let mut table = Table::new();
            table.load_style(presets::UTF8_FULL_CONDENSED).set_header(rows.titles());
            let arrangement =
                if io::stdout().is_terminal() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
            table.set_content_arrangement(arrangement);
            table.add_rows(rows.texts());
            for column in rows.numeric() {
                if let Some(column) = table.column_mut(column) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
            self.line(&table.to_string())?;
        }
        rows.footer.as_deref().map_or(Ok(()), |footer| self.line(footer))
    }

    fn csv(self, rows: &Rows) -> Result<(), Failure> {
        self.write(|out| {
            out.write_all(rows.csv_header().as_bytes())?;
            rows.write_csv(out)
        })
    }
}

/// Standard output, for an answer of many pieces.
fn answers() -> io::BufWriter<io::Stdout> {
    io::BufWriter::new(io::stdout())
}

/// A reader that has seen enough (`| head`) is no failure.
fn ignore_closed_pipe(error: io::Error) -> Result<(), Failure> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(unwritable(&error)) }
}

fn unwritable(error: &io::Error) -> Failure {
    Failure::io(model::failure::Reading::Own, "write", "standard output", error)
}

/// Says on standard error what went wrong.
pub(crate) fn complain(message: &str) {
    crate::progress::above(&printable(&format!("error: {message}")));
}

/// Says on standard error why a command failed.
pub(crate) fn complain_about(failure: &Failure) {
    crate::progress::above(&printable(&format!("error: {}", explained(failure))));
}

/// Why something failed: the message, then each cause and detail that it leaves out, then kind and code, a line each.
pub(crate) fn explained(failure: &Failure) -> String {
    let is_new = |text: &&str| !failure.message.contains(*text);
    let mut text = failure.message.clone();
    for cause in failure.causes.iter().map(String::as_str).filter(is_new) {
        text.push_str(&format!("\n  because: {cause}"));
    }
    for (name, value) in failure.details.iter().filter(|(_, value)| is_new(&value.as_str())) {
        text.push_str(&format!("\n  {name}: {value}"));
    }
    let again = if failure.retryable { "; trying again may help" } else { "" };
    text.push_str(&format!("\n  ({} / {}{again})", failure.kind, failure.code));
    text
}

/// Says something on standard error that is neither an answer nor a failure.
pub(crate) fn note(message: &str) {
    crate::progress::above(&printable(message));
}

/// The text as it may be shown to people: a publisher's file must not command their terminal. Line ends and tabs stay,
/// other control characters are shown as `\u{1b}`.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let commands = |char: char| char.is_control() && char != '\n' && char != '\t';
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    let shown = |char: char| if commands(char) { char.escape_unicode().to_string() } else { char.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// JSON that commands no terminal either, and stays JSON: its writer leaves `\u{7f}` and the like as they are.
fn escaped(json: &str) -> Cow<'_, str> {
    let commands = |char: char| char.is_control() && char != '\n';
    if !json.contains(commands) {
        return Cow::Borrowed(json);
    }
    let shown = |char: char| match commands(char) {
        true => format!("\\u{:04x}", u32::from(char)),
        false => char.to_string(),
    };
    Cow::Owned(json.chars().map(shown).collect())
}

/// `9311` as `9,311`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `9,311 rows`.
pub(crate) fn row_count(number: u64) -> String {
    let noun = if number == 1 { "row" } else { "rows" };
    format!("{} {noun}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_a_file_commands_no_terminal() {
        assert_eq!(printable("\u{1b}[31mB\r\u{7}\u{9b}2J"), r"\u{1b}[31mB\u{d}\u{7}\u{9b}2J");
        assert!(matches!(printable("a\tb\né"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_with_signs_that_command_a_terminal_is_json_still() {
        let text = serde_json::to_string("a\u{7f}\u{9b}2J\u{1b}é").unwrap();
        assert_eq!(escaped(&text), r#""a\u007f\u009b2J\u001bé""#);
        assert!(matches!(escaped("{}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(3_965_051_656), "3,965,051,656");
        assert_eq!([0, 1, 9_311].map(row_count), ["0 rows", "1 row", "9,311 rows"]);
    }
}
