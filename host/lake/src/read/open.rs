//! An input opened by the first of its declared formats that fits.
//!
//! JSON Lines has no header: its first line says what the file is, and where that line is broken, the first one that is
//! an object does. Such a file is looked at again only after no format fitted, so that it takes no file from another.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow::datatypes::{Field, Schema, SchemaRef};
use bytes::Bytes;
use model::manifest::{FileFormat, FormatColumn, FormatKind};
use model::ports::KeptInput;
use model::{Digest, Failure, FailureKind};

use super::delimited::{Delimited, Syntax, ending};
use super::json::{ObjectReader, all_keys, records};
use super::parquet::{Unfit, check, is_parquet};
use super::rows::shown;
use crate::decode::{NotText, Text, decompress, empty, text};
use crate::rejects::{Collector, Place};
use crate::schema::{arrow_type, line_field};

/// How far apart the remembered lines of a file are. Between them, lines are counted.
const LINE_STRIDE: usize = 64;

#[derive(Debug)]
pub(crate) struct OpenInput {
    pub(crate) file_name: String,
    pub(crate) digest: Digest,
    /// As they came, still compressed if they came so.
    pub(crate) bytes: u64,
    pub(crate) format: FileFormat,
    pub(crate) columns: Vec<Arc<FormatColumn>>,
    /// The format's columns and `_line`.
    pub(crate) schema: SchemaRef,
    pub(crate) layout: Layout,
    /// Where lines that are no rows go, and the input's place there.
    pub(crate) rejects: Arc<Collector>,
    pub(crate) place: Place,
    /// Whether it was read since somebody asked.
    touched: AtomicBool,
    account: Mutex<Account>,
    line_starts: OnceLock<Vec<usize>>,
}

/// Where the rows are.
#[derive(Debug)]
pub(crate) enum Layout {
    Delimited(Delimited),
    Json { text: Bytes, records: Arc<Vec<Range<usize>>> },
    JsonLines(Bytes),
    Parquet(Bytes),
}

/// What became of the lines of an input, each counted once however often it is read.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Batches that are counted already.
    pub(crate) batches: u64,
    pub(crate) data_lines: u64,
    pub(crate) ended: bool,
    pub(crate) last_line_complete: bool,
    /// Why the input cannot be read to its end.
    pub(crate) broken: Option<Failure>,
}

/// Why an input is not of one format.
enum Misfit {
    NotText(&'static str),
    Blank,
    /// A document of this kind, but broken.
    Document(String),
    TooLarge,
    /// What the format expects, and what is there.
    Header(String, String),
}

impl OpenInput {
    /// Opens an input by the first format that fits.
    ///
    /// # Errors
    ///
    /// Of kind `parse`: `empty_file`, `not_text`, `header_mismatch`, `bad_document`, `too_large`.
    pub(crate) fn open(
        kept: &KeptInput,
        formats: &[&FileFormat],
        bytes_max: u64,
        rejects: &Arc<Collector>,
        place: Place,
    ) -> Result<Self, Failure> {
        let content = decompress(&kept.file_name, &kept.bytes, bytes_max)?;
        let mut misfits = Vec::new();
        for &format in formats {
            let columns: Vec<_> = format.columns.iter().cloned().map(Arc::new).collect();
            match fit(&content, format, &columns, bytes_max) {
                Ok(layout) => return Ok(Self::new(kept, format, columns, layout, rejects, place)),
                Err(misfit) => misfits.push((format.name.as_str(), misfit)),
            }
        }
        // A broken document may well hold lines that are objects.
        if !misfits.iter().any(|(_, misfit)| matches!(misfit, Misfit::Document(_))) {
            for &format in formats.iter().filter(|format| matches!(format.kind, FormatKind::JsonLines)) {
                let columns: Vec<_> = format.columns.iter().cloned().map(Arc::new).collect();
                if let Some(layout) = fit_broken_lines(&content, &columns) {
                    return Ok(Self::new(kept, format, columns, layout, rejects, place));
                }
            }
        }
        Err(unfit(&kept.file_name, &misfits))
    }

    fn new(
        kept: &KeptInput,
        format: &FileFormat,
        columns: Vec<Arc<FormatColumn>>,
        layout: Layout,
        rejects: &Arc<Collector>,
        place: Place,
    ) -> Self {
        Self {
            file_name: kept.file_name.clone(),
            digest: kept.digest,
            bytes: kept.bytes.len() as u64,
            format: format.clone(),
            schema: schema(format),
            columns,
            layout,
            rejects: Arc::clone(rejects),
            place,
            touched: AtomicBool::new(false),
            account: Mutex::default(),
            line_starts: OnceLock::new(),
        }
    }

    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that it is being read.
    pub(super) fn touch(&self) {
        self.touched.store(true, Ordering::Relaxed);
    }

    /// Whether it was read since this was last asked.
    pub(crate) fn was_touched(&self) -> bool {
        self.touched.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn footer(&self) -> Option<&str> {
        match &self.layout {
            Layout::Delimited(file) => file.footer.as_deref(),
            Layout::Json { .. } | Layout::JsonLines(_) | Layout::Parquet(_) => None,
        }
    }

    /// The text of a line, as a reject keeps it; none past the end, and none for Parquet.
    pub(crate) fn raw(&self, line: u64) -> Option<String> {
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        match &self.layout {
            Layout::Delimited(file) => {
                let start = self.line_start(&file.text.bytes, file.syntax.terminator, at)?;
                Some(shown(&file.text.bytes[file.raw_at(start)]))
            }
            Layout::JsonLines(text) => {
                let start = self.line_start(text, b'\n', at)?;
                let line = text[start..].split(|&byte| byte == b'\n').next()?;
                Some(shown(line.strip_suffix(b"\r").unwrap_or(line)))
            }
            Layout::Json { text, records } => records.get(at).map(|record| shown(&text[record.clone()])),
            Layout::Parquet(_) => None,
        }
    }

    fn line_start(&self, text: &[u8], terminator: u8, line: usize) -> Option<usize> {
        let starts = self.line_starts.get_or_init(|| {
            let ends = memchr::memchr_iter(terminator, text).map(|end| end + 1);
            std::iter::once(0).chain(ends).step_by(LINE_STRIDE).collect()
        });
        let mut start = *starts.get(line / LINE_STRIDE)?;
        for _ in 0..line % LINE_STRIDE {
            start += memchr::memchr(terminator, &text[start..])? + 1;
        }
        (start < text.len()).then_some(start)
    }
}

fn schema(format: &FileFormat) -> SchemaRef {
    let field = |column: &FormatColumn| Field::new(&column.name, arrow_type(column.data_type), column.nullable);
    Arc::new(Schema::new(format.columns.iter().map(field).chain([line_field(false)]).collect::<Vec<_>>()))
}

fn fit(content: &Bytes, format: &FileFormat, columns: &[Arc<FormatColumn>], bytes_max: u64) -> Result<Layout, Misfit> {
    if let FormatKind::Parquet = format.kind {
        if !is_parquet(content) {
            return Err(Misfit::Header("a Parquet file".to_owned(), first_line(content)));
        }
        let expected = || columns.iter().map(|column| format!("{} {}", column.header, column.data_type));
        return match check(content, columns, bytes_max) {
            Ok(()) => Ok(Layout::Parquet(content.clone())),
            Err(Unfit::Damaged(why)) => Err(Misfit::Document(why)),
            Err(Unfit::TooLarge) => Err(Misfit::TooLarge),
            Err(Unfit::Columns(actual)) => Err(Misfit::Header(expected().collect::<Vec<_>>().join(", "), actual)),
        };
    }
    let text = text(content).map_err(|not| match not {
        NotText::Blank => Misfit::Blank,
        NotText::Binary(what) => Misfit::NotText(what),
    })?;
    match &format.kind {
        FormatKind::Delimited { delimiter, quote, comment } => {
            let syntax = Syntax::new(&text, *delimiter, *quote);
            fit_delimited(text, format, syntax, comment.as_deref().filter(|comment| !comment.is_empty()))
        }
        FormatKind::Json { records: under } => fit_document(&text, columns, under.as_deref()),
        FormatKind::JsonLines => fit_lines(&text, columns),
        FormatKind::Parquet => Err(Misfit::NotText("text")),
    }
}

fn fit_delimited(text: Text, format: &FileFormat, syntax: Syntax, comment: Option<&str>) -> Result<Layout, Misfit> {
    let (mut at, mut line) = (0, 1);
    let bytes = &text.bytes;
    loop {
        let (range, next) = syntax.line(bytes, at, bytes.len());
        let content = &bytes[range];
        let is_comment = comment.is_some_and(|comment| content.starts_with(comment.as_bytes()));
        if next >= bytes.len() || !(is_comment || content.trim_ascii().is_empty()) {
            break;
        }
        (at, line) = (next, line + 1);
    }
    let (actual, next) = syntax.header(bytes, at);
    if !actual.iter().map(String::as_str).eq(format.columns.iter().map(|column| column.header.trim())) {
        let headers: Vec<&str> = format.columns.iter().map(|column| column.header.as_str()).collect();
        let delimiter = char::from(syntax.delimiter).to_string();
        return Err(Misfit::Header(headers.join(&delimiter), first_line(&bytes[at..])));
    }
    let header_lines = memchr::memchr_iter(syntax.terminator, &bytes[at..next]).count() as u64;
    let (end, footer, unterminated) = ending(bytes, next, syntax, format.footer.rule);
    let rows = next..end.max(next);
    let first_line = line + header_lines;
    Ok(Layout::Delimited(Delimited { syntax, rows, first_line, footer, unterminated, text }))
}

fn fit_document(text: &Text, columns: &[Arc<FormatColumn>], under: Option<&str>) -> Result<Layout, Misfit> {
    let what = match under {
        None => "a JSON array of objects".to_owned(),
        Some(key) => format!("a JSON object with an array of objects under `{key}`"),
    };
    if !matches!(text.bytes.trim_ascii_start().first(), Some(b'[' | b'{')) {
        return Err(Misfit::Header(what, first_line(&text.bytes)));
    }
    let records = records(&text.bytes, under).map_err(|why| Misfit::Document(format!("it is not {what}: {why}")))?;
    let objects = ObjectReader::new(columns);
    let first = records.iter().map(|record| &text.bytes[record.clone()]).find(|record| objects.keys(record).is_some());
    check_keys(&objects, columns, first)?;
    Ok(Layout::Json { text: text.bytes.clone(), records: Arc::new(records) })
}

fn fit_lines(text: &Text, columns: &[Arc<FormatColumn>]) -> Result<Layout, Misfit> {
    if text.bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Misfit::Header("a JSON object in each line".to_owned(), first_line(&text.bytes)));
    }
    let objects = ObjectReader::new(columns);
    check_keys(&objects, columns, first_object(text, &objects))?;
    Ok(Layout::JsonLines(text.bytes.clone()))
}

/// JSON Lines whose first line is broken: a later one is an object with the due keys.
fn fit_broken_lines(content: &Bytes, columns: &[Arc<FormatColumn>]) -> Option<Layout> {
    let text = text(content).ok()?;
    let objects = ObjectReader::new(columns);
    let first = first_object(&text, &objects)?;
    check_keys(&objects, columns, Some(first)).ok()?;
    Some(Layout::JsonLines(text.bytes.clone()))
}

/// The first line that is an object.
fn first_object<'a>(text: &'a Text, objects: &ObjectReader) -> Option<&'a [u8]> {
    let mut lines = text.bytes.split(|&byte| byte == b'\n');
    lines.find(|line| line.trim_ascii_start().starts_with(b"{") && objects.keys(line).is_some())
}

/// The first object stands for the header: it has every column that every row must have.
fn check_keys(objects: &ObjectReader, columns: &[Arc<FormatColumn>], first: Option<&[u8]>) -> Result<(), Misfit> {
    let Some(first) = first else { return Ok(()) };
    let present = objects.keys(first).unwrap_or_default();
    let due = columns.iter().zip(present).all(|(column, present)| present || column.nullable);
    if due {
        return Ok(());
    }
    let expected: Vec<&str> = columns.iter().map(|column| column.header.as_str()).collect();
    Err(Misfit::Header(format!("objects with the keys {}", expected.join(", ")), all_keys(first).join(", ")))
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|&byte| byte == b'\n' || byte == b'\r').next().unwrap_or_default();
    let text: String = String::from_utf8_lossy(&line[..line.len().min(1000)]).chars().take(200).collect();
    if line.len() > text.len() { format!("{text}…") } else { text }
}

fn unfit(file: &str, misfits: &[(&str, Misfit)]) -> Failure {
    let failure = |code: &str, message: String| Failure::new(FailureKind::Parse, code, message);
    for (_, misfit) in misfits {
        match misfit {
            Misfit::Blank => return empty(file),
            Misfit::TooLarge => {
                let message = format!("`{file}` unpacks to more than an input may have: raise `limits.input_bytes`");
                return failure("too_large", message);
            }
            Misfit::NotText(_) | Misfit::Document(_) | Misfit::Header(..) => {}
        }
    }
    if let Some((name, why)) = misfits.iter().find_map(|(name, misfit)| match misfit {
        Misfit::Document(why) => Some((name, why)),
        _ => None,
    }) {
        let message = format!("`{file}` is broken as format `{name}`: {why}; fetch it again");
        return failure("bad_document", message);
    }
    if let Some(what) = misfits.iter().find_map(|(_, misfit)| match misfit {
        Misfit::NotText(what) => Some(what),
        _ => None,
    }) {
        return failure("not_text", format!("`{file}` is not text but {what}"));
    }
    let mut expected = Vec::new();
    let mut actual = String::new();
    for (name, misfit) in misfits {
        if let Misfit::Header(wanted, found) = misfit {
            expected.push(format!("`{wanted}` (format `{name}`)"));
            actual.clone_from(found);
        }
    }
    let expected = expected.join(" or ");
    let message =
        format!("the header of `{file}` is not one this input may have: expected {expected}, found `{actual}`");
    failure("header_mismatch", message).detail("actual", actual)
}
