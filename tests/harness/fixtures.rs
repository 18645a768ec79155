//! Generated look-alikes of the publishers' files: any number of rows, always the same for the same seed.
//!
//! The layouts are the publishers'; symbols, names and numbers are invented. Stories use a few rows, benches whole
//! days, and `make demo` a folder of them (`bin/sample_files.rs`). [`files`](crate::files) is for files whose every
//! row a story writes itself.

pub mod earnings;
pub mod otc;
pub mod regsho;
mod symbols;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// One file: its name as published, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixture {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Fixture {
    fn new(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), bytes: text.into_bytes() }
    }

    /// The content as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Writes the file into `folder`, which must exist, and returns its path.
    pub fn write_to(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join(&self.name);
        std::fs::write(&path, &self.bytes)?;
        Ok(path)
    }

    /// The same file under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    fn map_text(mut self, change: impl FnOnce(String) -> String) -> Self {
        self.bytes = change(self.text()).into_bytes();
        self
    }

    /// Changes the lines, header first; whether the last line ended is kept.
    fn map_lines(self, change: impl FnOnce(&mut Vec<String>)) -> Self {
        self.map_text(|text| {
            let ended = text.ends_with('\n');
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            change(&mut lines);
            let mut text = lines.join("\n");
            if ended && !lines.is_empty() {
                text.push('\n');
            }
            text
        })
    }
}

/// The same content in another wrapping: none of these changes what is published.
impl Fixture {
    /// Lines end in CR LF.
    #[must_use]
    pub fn crlf(self) -> Self {
        self.map_text(|text| text.replace('\n', "\r\n"))
    }

    /// A byte order mark comes first.
    #[must_use]
    pub fn bom(self) -> Self {
        self.map_text(|text| format!("\u{feff}{text}"))
    }

    /// The last line has no line end.
    #[must_use]
    pub fn without_last_line_end(self) -> Self {
        self.map_text(|text| text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// Compressed with gzip; the name gets the suffix `.gz`.
    pub fn gz(mut self) -> io::Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.bytes)?;
        self.bytes = encoder.finish()?;
        self.name.push_str(".gz");
        Ok(self)
    }
}

/// Damage. Lines count from 1, the header.
impl Fixture {
    /// Only the first `bytes` bytes arrived.
    #[must_use]
    pub fn cut_to(mut self, bytes: usize) -> Self {
        self.bytes.truncate(bytes);
        self
    }

    /// The transfer broke off in the middle of the line `line`.
    #[must_use]
    pub fn cut_in_line(self, line: usize) -> Self {
        self.map_text(|text| {
            let lines: Vec<&str> = text.lines().take(line).collect();
            let Some((last, whole)) = lines.split_last() else { return String::new() };
            let half: String = last.chars().take(last.chars().count() / 2).collect();
            let mut text = whole.join("\n");
            if !whole.is_empty() {
                text.push('\n');
            }
            text + &half
        })
    }

    /// Only the header arrived.
    #[must_use]
    pub fn header_only(self) -> Self {
        self.map_lines(|lines| lines.truncate(1))
    }

    /// The last line, the count of a six-column file, says `count` instead.
    #[must_use]
    pub fn with_trailer(self, count: usize) -> Self {
        self.map_lines(|lines| {
            lines.pop();
            lines.push(count.to_string());
        })
    }

    /// The last line, the count of a six-column file, is missing.
    #[must_use]
    pub fn without_trailer(self) -> Self {
        self.map_lines(|lines| {
            lines.pop();
        })
    }

    /// The line `line` comes twice.
    #[must_use]
    pub fn with_duplicate_of(self, line: usize) -> Self {
        self.map_lines(|lines| {
            if let Some(text) = lines.get(line.wrapping_sub(1)).cloned() {
                lines.insert(line, text);
            }
        })
    }

    /// One line is gone: what a corrected file retracts.
    #[must_use]
    pub fn without_line(self, line: usize) -> Self {
        self.map_lines(|lines| {
            if line >= 1 && line <= lines.len() {
                lines.remove(line - 1);
            }
        })
    }

    /// The field `field` (0 is the first) of the line `line` holds `value` instead. Fields end at `delimiter`, also
    /// within quotes.
    #[must_use]
    pub fn with_field(self, line: usize, field: usize, delimiter: char, value: &str) -> Self {
        self.map_lines(|lines| {
            let Some(text) = lines.get_mut(line.wrapping_sub(1)) else { return };
            let mut fields: Vec<&str> = text.split(delimiter).collect();
            if let Some(place) = fields.get_mut(field) {
                *place = value;
            }
            let joined = fields.join(&delimiter.to_string());
            *text = joined;
        })
    }

    /// One text stands in the whole file instead of another: another date in the rows, another header.
    #[must_use]
    pub fn replacing(self, from: &str, to: &str) -> Self {
        self.map_text(|text| text.replace(from, to))
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2021, 1, 28).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_file_and_another_seed_another() {
        assert_eq!(regsho::consolidated(day(), 50, 1), regsho::consolidated(day(), 50, 1));
        assert_ne!(regsho::consolidated(day(), 50, 1), regsho::consolidated(day(), 50, 2));
    }

    #[test]
    fn a_consolidated_file_ends_in_the_count_of_its_rows() {
        let text = regsho::consolidated(day(), 50, 1).text();
        assert_eq!(text.lines().count(), 52);
        assert_eq!(text.lines().last(), Some("50"));
        let mut symbols: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split('|').nth(1)).collect();
        assert!(symbols.is_sorted(), "in order of the symbol");
        symbols.dedup();
        assert_eq!(symbols.len(), 50, "no key twice");
    }

    #[test]
    fn volumes_hold_what_the_checks_demand() {
        for line in regsho::consolidated(day(), 2_000, 3).text().lines().skip(1).take(2_000) {
            let fields: Vec<&str> = line.split('|').collect();
            let number = |at: usize| fields[at].parse::<f64>().unwrap();
            assert!(number(3) <= number(2) && number(2) <= number(4) && number(3) >= 0.0, "{line}");
        }
    }

    #[test]
    fn damage_hits_the_line_that_is_named() {
        let file = regsho::consolidated(day(), 3, 1);
        assert_eq!(file.clone().with_trailer(9).text().lines().last(), Some("9"));
        assert_eq!(file.clone().without_trailer().text().lines().count(), 4);
        assert_eq!(file.clone().header_only().text().lines().count(), 1);
        assert_eq!(file.clone().with_duplicate_of(2).text().lines().count(), 6);
        assert_eq!(file.clone().without_line(2).text().lines().count(), 4);
        let blank = file.clone().with_field(3, 1, '|', "").text();
        assert_eq!(blank.lines().nth(2).unwrap().split('|').nth(1), Some(""));
        let cut = file.clone().cut_in_line(3).text();
        assert!(cut.lines().count() == 3 && !cut.ends_with('\n'));
        assert!(file.clone().gz().unwrap().bytes.starts_with(&[0x1f, 0x8b]));
        assert!(file.crlf().text().ends_with("\r\n"));
    }
}
