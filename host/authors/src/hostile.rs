//! Hostile inputs, made from the declared formats of a plugin.
//!
//! For the same format and seed they are the same to the byte. Every row is one that the format allows or one that the
//! host has to reject; what a plugin makes of either has to be an answer, never a trap. What values mean to a plugin beyond
//! their types is not known here, but for a row that it is known to take.

mod parquet;
mod random;
mod rows;
mod sample;
mod value;

use std::collections::BTreeSet;

use model::manifest::{FileFormat, FormatKind};

use rows::Rows;
pub use sample::Sample;

/// Rows of the large file.
const MANY: u64 = 1_000_000;

/// Rows of an ordinary file.
const FEW: u64 = 10;

/// What a file is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As the publisher would write it.
    Ordinary,
    /// Nothing that the host or the plugin may accept as a whole.
    Broken,
    /// Values at the ends of what their types hold.
    Odd,
    /// As many rows as a busy day has.
    Large,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Hostile {
    pub name: &'static str,
    pub shape: Shape,
    pub bytes: Vec<u8>,
}

/// How a file is made of the rows of a format.
type Make = fn(&mut Rows<'_>) -> Vec<u8>;

/// Of every format that has rows.
const TABLES: &[(&str, Shape, Make)] = &[
    ("ordinary rows", Shape::Ordinary, |rows| rows.ordinary(FEW)),
    ("an empty file", Shape::Broken, |_| Vec::new()),
    ("a header alone", Shape::Odd, |rows| rows.ordinary(0)),
    ("one row", Shape::Odd, |rows| rows.ordinary(1)),
    ("every null", Shape::Odd, |rows| rows.nulls()),
    ("blanks where values are due", Shape::Odd, |rows| rows.blanks()),
    ("extremes of every type", Shape::Odd, |rows| rows.extremes()),
    ("odd texts", Shape::Odd, |rows| rows.odd_texts()),
    ("a text of a megabyte", Shape::Odd, |rows| rows.long_text()),
    ("a key twice", Shape::Odd, |rows| rows.repeated_key()),
    ("values at random", Shape::Odd, |rows| rows.at_random()),
];

/// Of formats that are text.
const TEXTS: &[(&str, Shape, Make)] = &[
    ("line ends of Windows", Shape::Odd, |rows| replace(&rows.ordinary(FEW), b"\n", b"\r\n")),
    ("a byte order mark", Shape::Odd, |rows| [&b"\xef\xbb\xbf"[..], &rows.ordinary(FEW)].concat()),
    ("a last line that is cut", Shape::Odd, |rows| cut(&rows.ordinary(FEW))),
    ("another header", Shape::Broken, |rows| [&b"x"[..], &rows.ordinary(FEW)].concat()),
    ("zero bytes", Shape::Odd, |rows| spoiled(&rows.ordinary(FEW), 0)),
    ("text that is not UTF-8", Shape::Odd, |rows| spoiled(&rows.ordinary(FEW), 0xff)),
];

/// Of Parquet.
const PARQUETS: &[(&str, Shape, Make)] = &[
    ("half a Parquet file", Shape::Broken, |rows| {
        let whole = rows.ordinary(FEW);
        whole[..whole.len() / 2].to_vec()
    }),
    ("spoiled bytes", Shape::Odd, |rows| {
        let mut whole = rows.ordinary(FEW);
        let ends = whole.len().saturating_sub(4);
        whole[ends / 3..ends / 3 + 8].fill(0xff);
        whole
    }),
    ("every column a text", Shape::Odd, |rows| rows.as_texts()),
];

const LARGE: (&str, Shape, Make) = ("a million rows", Shape::Large, |rows| rows.ordinary(MANY));

type OfBytes = (&'static str, Shape, fn() -> Vec<u8>);

const OF_BYTES: &[OfBytes] = &[
    ("an empty file", Shape::Broken, Vec::new),
    ("one zero byte", Shape::Broken, || vec![0]),
    ("a line of text", Shape::Odd, || b"text\n".to_vec()),
    ("text that is not UTF-8", Shape::Broken, || b"\xff\xfe\xc3(\n".to_vec()),
    ("a line of a megabyte", Shape::Odd, || vec![b'a'; 1 << 20]),
    ("half a Parquet file", Shape::Broken, || b"PAR1\x15\x04".to_vec()),
    ("half a JSON document", Shape::Broken, || b"[{\"a\": [1, ".to_vec()),
];

/// What the rows of a format are made with.
#[derive(Clone, Copy, Debug)]
pub struct Making<'a> {
    /// Columns that have one value in all ordinary rows: partitions, of which a file has few.
    pub steady: &'a BTreeSet<String>,
    /// A row that the plugin takes; ordinary rows are like it but for their keys.
    pub sample: &'a Sample,
    pub seed: u64,
}

/// The hostile files of a format, made one after the other as they are asked for; without one those that are hostile as
/// bytes. `quick` leaves the large file out.
pub fn files<'a>(
    format: Option<&'a FileFormat>,
    making: Making<'a>,
    quick: bool,
) -> Box<dyn Iterator<Item = Hostile> + Send + 'a> {
    match format {
        Some(format) => {
            let more = if matches!(format.kind, FormatKind::Parquet) { PARQUETS } else { TEXTS };
            let large = std::iter::once(&LARGE).filter(move |_| !quick);
            Box::new(TABLES.iter().chain(more).chain(large).map(move |(name, shape, make)| {
                let format = with_its_dates(format);
                let bytes = make(&mut Rows::new(&format, making));
                Hostile { name, shape: *shape, bytes }
            }))
        }
        None => Box::new(OF_BYTES.iter().map(|(name, shape, make)| Hostile { name, shape: *shape, bytes: make() })),
    }
}

/// A format as its files have it: dates of Parquet are no texts.
fn with_its_dates(format: &FileFormat) -> FileFormat {
    let mut format = format.clone();
    if matches!(format.kind, FormatKind::Parquet) {
        format.columns.iter_mut().for_each(|column| column.date_format = None);
    }
    format
}

/// A file as the publisher would write it.
pub fn ordinary(format: Option<&FileFormat>, making: Making<'_>) -> Vec<u8> {
    files(format, making, true).next().map(|file| file.bytes).unwrap_or_default()
}

/// Texts that programs are wrong about.
pub fn texts() -> impl Iterator<Item = &'static str> {
    value::TEXTS.iter().copied()
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    bytes.split(|byte| from == [*byte]).collect::<Vec<_>>().join(to)
}

/// Without the second half of the last line and its end.
fn cut(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    end[..line + (end.len() - line) / 2].to_vec()
}

/// With a byte put into the middle of the third line.
fn spoiled(bytes: &[u8], byte: u8) -> Vec<u8> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let at = ends.nth(2).unwrap_or(bytes.len()).saturating_sub(1).min(bytes.len());
    [&bytes[..at], &[byte], &bytes[at..]].concat()
}

#[cfg(test)]
mod tests;
