//! PSV, CSV and TSV: a header line, one row a line, perhaps a footer.
//!
//! Lines end in LF, CRLF, or CR alone if the header does; the last one may lack its end. Without a declared quote
//! character every quote is an ordinary character. With one, a field that starts with it ends at the next that stands
//! alone; a field that never ends costs its own line, not the rest of the file.

use std::ops::Range;

use memchr::memchr;
use model::manifest::FooterRule;

use super::column::BadValue;
use super::rows::Rows;
use crate::decode::Text;

/// How lines and fields are told apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syntax {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    /// LF, or CR where the file has no other line ends.
    pub(crate) terminator: u8,
}

/// Where the parts of a delimited file are.
#[derive(Clone, Debug)]
pub(crate) struct Delimited {
    pub(crate) syntax: Syntax,
    pub(crate) text: Text,
    /// Where rows begin and end: without the footer and the blank lines at the end.
    pub(crate) rows: Range<usize>,
    /// The number of the first line of rows.
    pub(crate) first_line: u64,
    pub(crate) footer: Option<String>,
    /// Whether something with a meaning stands at the very end without a line end.
    pub(crate) unterminated: bool,
}

/// A field of a record: where it stands, and whether doubled quotes in it stand for one.
type Field = (Range<usize>, bool);

/// One record, up to and with its line end.
struct Record {
    /// The record without its line end.
    raw: Range<usize>,
    next: usize,
    broken: Option<&'static str>,
}

impl Syntax {
    pub(crate) fn new(text: &Text, delimiter: char, quote: Option<char>) -> Self {
        let ascii = |char: char| u8::try_from(u32::from(char)).unwrap_or(b'|');
        let end = memchr::memchr2(b'\n', b'\r', &text.bytes);
        let cr_alone = end.is_some_and(|at| text.bytes[at] == b'\r' && text.bytes.get(at + 1) != Some(&b'\n'));
        let terminator = if cr_alone && memchr(b'\n', &text.bytes).is_none() { b'\r' } else { b'\n' };
        Self { delimiter: ascii(delimiter), quote: quote.map(ascii), terminator }
    }

    /// The line at `at` without its line end, and where the next begins.
    pub(crate) fn line(self, bytes: &[u8], at: usize, end: usize) -> (Range<usize>, usize) {
        let (stop, next) = match memchr(self.terminator, &bytes[at..end]) {
            Some(offset) => (at + offset, at + offset + 1),
            None => (end, end),
        };
        let stop = if stop > at && bytes[stop - 1] == b'\r' { stop - 1 } else { stop };
        (at..stop, next)
    }

    /// Splits the record at `at` into `fields`.
    fn record(self, bytes: &[u8], at: usize, end: usize, fields: &mut Vec<Field>) -> Record {
        fields.clear();
        let (line, next) = self.line(bytes, at, end);
        let Some(quote) = self.quote.filter(|&quote| memchr(quote, &bytes[line.clone()]).is_some()) else {
            self.plain_fields(bytes, line.clone(), fields);
            return Record { raw: line, next, broken: None };
        };
        match self.quoted_fields(bytes, at, end, quote, fields) {
            Ok((stop, next)) => Record { raw: at..stop, next, broken: None },
            Err(broken) => Record { raw: line, next, broken: Some(broken) },
        }
    }

    fn plain_fields(self, bytes: &[u8], line: Range<usize>, fields: &mut Vec<Field>) {
        let mut start = line.start;
        while let Some(offset) = memchr(self.delimiter, &bytes[start..line.end]) {
            fields.push((start..start + offset, false));
            start += offset + 1;
        }
        fields.push((start..line.end, false));
    }

    /// Returns where the record ends and where the next begins.
    fn quoted_fields(
        self,
        bytes: &[u8],
        at: usize,
        end: usize,
        quote: u8,
        fields: &mut Vec<Field>,
    ) -> Result<(usize, usize), &'static str> {
        let mut start = at;
        loop {
            let stop;
            if bytes.get(start) == Some(&quote) && start < end {
                let mut doubled = false;
                let mut from = start + 1;
                let close = loop {
                    let Some(offset) = memchr(quote, &bytes[from..end]) else {
                        return Err("a quoted field has no closing quote");
                    };
                    if from + offset + 1 < end && bytes[from + offset + 1] == quote {
                        doubled = true;
                        from += offset + 2;
                    } else {
                        break from + offset;
                    }
                };
                fields.push((start + 1..close, doubled));
                stop = close + 1;
            } else {
                let rest = &bytes[start..end];
                stop = start + memchr::memchr2(self.delimiter, self.terminator, rest).unwrap_or(rest.len());
                let crlf = stop > start && bytes[stop - 1] == b'\r' && bytes.get(stop) != Some(&self.delimiter);
                fields.push((start..if crlf { stop - 1 } else { stop }, false));
            }
            if stop >= end {
                return Ok((if bytes[stop - 1] == b'\r' { stop - 1 } else { stop }, end));
            }
            match bytes[stop] {
                byte if byte == self.delimiter => start = stop + 1,
                byte if byte == self.terminator => {
                    let raw_end = if stop > at && bytes[stop - 1] == b'\r' { stop - 1 } else { stop };
                    return Ok((raw_end, stop + 1));
                }
                b'\r' if stop + 1 >= end => return Ok((stop, end)),
                b'\r' if bytes[stop + 1] == self.terminator => return Ok((stop, stop + 2)),
                _ => return Err("text stands after a closing quote"),
            }
        }
    }

    /// The fields of a header line, trimmed.
    pub(crate) fn header(self, bytes: &[u8], at: usize) -> (Vec<String>, usize) {
        let mut fields = Vec::new();
        let record = self.record(bytes, at, bytes.len(), &mut fields);
        let text = |(range, doubled): &Field| {
            let text = String::from_utf8_lossy(&bytes[range.clone()]);
            let text = match self.quote {
                Some(quote) if *doubled => undouble(text.as_bytes(), quote, &mut Vec::new()).to_owned(),
                _ => text.into_owned().into_bytes(),
            };
            String::from_utf8_lossy(&text).trim().to_owned()
        };
        (fields.iter().map(text).collect(), record.next)
    }
}

/// Makes one quote of each two.
fn undouble<'a>(field: &[u8], quote: u8, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    scratch.clear();
    let mut rest = field;
    while let Some(at) = memchr(quote, rest) {
        scratch.extend_from_slice(&rest[..=at]);
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    scratch.extend_from_slice(rest);
    scratch
}

/// Finds the end of the rows, the footer after them, and whether the file ends in the middle of a line.
pub(crate) fn ending(
    bytes: &[u8],
    rows_start: usize,
    syntax: Syntax,
    rule: FooterRule,
) -> (usize, Option<String>, bool) {
    let blank = |byte: &u8| byte.is_ascii_whitespace() && *byte != syntax.delimiter;
    let trailing = bytes[rows_start..].iter().rev().take_while(|byte| blank(byte)).count();
    let end = bytes.len() - trailing;
    if end == rows_start {
        return (rows_start, None, false);
    }
    let unterminated = memchr(syntax.terminator, &bytes[end..]).is_none();
    let last = memchr::memrchr(syntax.terminator, &bytes[rows_start..end]).map_or(rows_start, |at| rows_start + at + 1);
    // With the line end of the last row, which is not blank; without the lines after it, which are.
    let rows_end = memchr(syntax.terminator, &bytes[end..]).map_or(bytes.len(), |at| end + at + 1);
    match footer(&bytes[last..end], syntax.delimiter, rule) {
        Some(footer) => (last, Some(footer), false),
        None => (rows_end, None, unterminated),
    }
}

fn footer(line: &[u8], delimiter: u8, rule: FooterRule) -> Option<String> {
    const CREATED: &[u8] = b"File Creation Time:";
    let line = line.trim_ascii();
    let value = match rule {
        FooterRule::None => return None,
        FooterRule::RecordCount => line,
        FooterRule::FileCreationTime => {
            let value = line.strip_prefix(CREATED)?;
            &value[..memchr(delimiter, value).unwrap_or(value.len())]
        }
    };
    let value = value.trim_ascii();
    let fits = rule == FooterRule::FileCreationTime || value.iter().all(u8::is_ascii_digit);
    (fits && !value.is_empty() && value.len() <= 64).then(|| String::from_utf8_lossy(value).into_owned())
}

/// Goes through the rows of a delimited file.
#[derive(Debug)]
pub(crate) struct DelimitedRows {
    file: Delimited,
    at: usize,
    line: u64,
    fields: Vec<Field>,
    scratch: Vec<u8>,
    /// Whether the line read last became a row.
    last_was_row: bool,
}

impl DelimitedRows {
    pub(crate) fn new(file: Delimited) -> Self {
        let (at, line) = (file.rows.start, file.first_line);
        Self { file, at, line, fields: Vec::new(), scratch: Vec::new(), last_was_row: true }
    }

    /// Lines that may be left, to make room for them at once.
    pub(crate) fn lines_left(&self) -> usize {
        let stretch = &self.file.text.bytes[self.at..self.file.rows.end];
        // Counting further than one batch can reach would be wasted.
        let stretch = &stretch[..stretch.len().min(model::limits::BATCH_BYTES_MAX)];
        memchr::memchr_iter(self.file.syntax.terminator, stretch).count() + 1
    }

    /// Fills a batch. Returns whether the file is at its end.
    pub(crate) fn fill(&mut self, rows: &mut Rows) -> bool {
        let bytes = self.file.text.bytes.clone();
        let end = self.file.rows.end;
        while self.at < end {
            if rows.is_full() {
                return false;
            }
            let line = self.line;
            if let Some(next) = self.push_plain(&bytes, end, rows) {
                rows.commit(line, next - self.at);
                self.last_was_row = true;
                self.line += 1;
                self.at = next;
                continue;
            }
            rows.take_back();
            let record = self.file.syntax.record(&bytes, self.at, end, &mut self.fields);
            let result = self.push(&bytes, &record, rows);
            self.last_was_row = result.is_ok();
            match result {
                Ok(()) => rows.commit(line, record.next - self.at),
                Err(bad) => rows.reject(line, Some(&bytes[record.raw.clone()]), bad),
            }
            self.line += 1;
            if self.file.syntax.quote.is_some() {
                self.line += memchr::memchr_iter(self.file.syntax.terminator, &bytes[record.raw]).count() as u64;
            }
            self.at = record.next;
        }
        true
    }

    /// Whether the file ends with a whole line. Known at the end of the rows.
    ///
    /// A line without its end may be whole all the same, if it is a row and something stands in its last field: a cut
    /// just before that field leaves a row too.
    pub(crate) fn last_line_complete(&self) -> bool {
        !self.file.unterminated || (self.last_was_row && !self.ends_with_delimiter())
    }

    fn ends_with_delimiter(&self) -> bool {
        let delimiter = self.file.syntax.delimiter;
        let rows = &self.file.text.bytes[self.file.rows.clone()];
        let last = rows.iter().rev().find(|byte| **byte == delimiter || !byte.is_ascii_whitespace());
        last == Some(&delimiter)
    }

    /// The way almost every line goes: no quotes in it, every field fits. Returns where the next line begins, or none
    /// if this line needs a closer look; what was pushed has to be taken back then.
    fn push_plain(&self, bytes: &[u8], end: usize, rows: &mut Rows) -> Option<usize> {
        if !self.file.text.clean {
            return None;
        }
        let syntax = self.file.syntax;
        let (line, next) = syntax.line(bytes, self.at, end);
        let mut rest = &bytes[line];
        if syntax.quote.is_some_and(|quote| memchr(quote, rest).is_some()) {
            return None;
        }
        let (last, columns) = rows.columns().split_last_mut()?;
        for column in columns {
            // Fields are a few bytes long: too short for anything cleverer than looking at each.
            let stop = rest.iter().position(|&byte| byte == syntax.delimiter)?;
            column.push_text(&rest[..stop]).ok()?;
            rest = &rest[stop + 1..];
        }
        if rest.contains(&syntax.delimiter) {
            return None;
        }
        last.push_text(rest).ok().map(|()| next)
    }

    fn push(&mut self, bytes: &[u8], record: &Record, rows: &mut Rows) -> Result<(), BadValue> {
        let bad = |code, message: String| BadValue { code, message };
        if let Some(why) = record.broken {
            return Err(bad("bad_field", why.to_owned()));
        }
        let expected = rows.columns().len();
        if self.fields.len() != expected {
            let found = self.fields.len();
            return Err(bad("field_count", format!("the line has {found} fields, the header {expected}")));
        }
        if !self.file.text.clean {
            let raw = &bytes[record.raw.clone()];
            if str::from_utf8(raw).is_err() {
                return Err(bad("bad_field", "the line is not UTF-8".to_owned()));
            }
            if memchr(0, raw).is_some() {
                return Err(bad("bad_field", "the line holds a NUL character".to_owned()));
            }
        }
        for (column, (range, doubled)) in rows.columns().iter_mut().zip(&self.fields) {
            let field = &bytes[range.clone()];
            match self.file.syntax.quote {
                Some(quote) if *doubled => column.push_text(undouble(field, quote, &mut self.scratch))?,
                _ => column.push_text(field)?,
            }
        }
        Ok(())
    }
}

impl Delimited {
    /// The record that begins at this offset, without its line end.
    pub(crate) fn raw_at(&self, at: usize) -> Range<usize> {
        self.syntax.record(&self.text.bytes, at, self.text.bytes.len(), &mut Vec::new()).raw
    }
}
