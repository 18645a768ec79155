//! JSON documents and JSON Lines. Digits cross as they are written; nothing passes through a float.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use model::manifest::FormatColumn;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::column::{BadValue, JsonValue};
use super::rows::Rows;

/// Finds the values of the declared columns in one object.
#[derive(Debug)]
pub(crate) struct ObjectReader {
    by_key: HashMap<String, usize>,
    columns: usize,
}

impl ObjectReader {
    pub(crate) fn new(columns: &[Arc<FormatColumn>]) -> Self {
        let by_key = columns.iter().enumerate().map(|(at, column)| (column.header.clone(), at)).collect();
        Self { by_key, columns: columns.len() }
    }

    fn read<'de>(&self, text: &'de [u8]) -> Result<Vec<Option<&'de RawValue>>, BadValue> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let read = ObjectSeed(self).deserialize(&mut deserializer).and_then(|values| {
            deserializer.end()?;
            Ok(values)
        });
        read.map_err(|error| BadValue { code: "bad_document", message: format!("not a JSON object: {error}") })
    }

    /// Pushes one object into a row.
    pub(crate) fn push(&self, text: &[u8], rows: &mut Rows) -> Result<(), BadValue> {
        let values = self.read(text)?;
        for (column, value) in rows.columns().iter_mut().zip(values) {
            let Some(value) = value else {
                column.push_null()?;
                continue;
            };
            let raw = value.get();
            let unescaped;
            column.push_json(&match raw.as_bytes().first() {
                Some(b'n') => JsonValue::Null,
                Some(b't') => JsonValue::Bool(true),
                Some(b'f') => JsonValue::Bool(false),
                Some(b'[' | b'{') => JsonValue::Nested,
                Some(b'"') if raw.contains('\\') => {
                    unescaped = unescape(raw)?;
                    JsonValue::Text(&unescaped)
                }
                Some(b'"') => JsonValue::Text(raw.trim_matches('"')),
                _ => JsonValue::Number(raw),
            })?;
        }
        Ok(())
    }

    /// The declared keys that an object has, or none if it is no object.
    pub(crate) fn keys(&self, text: &[u8]) -> Option<Vec<bool>> {
        self.read(text).ok().map(|values| values.iter().map(Option::is_some).collect())
    }
}

fn unescape(raw: &str) -> Result<String, BadValue> {
    let bad = |message: String| BadValue { code: "bad_field", message };
    let text: String = serde_json::from_str(raw).map_err(|error| bad(format!("not a JSON text: {error}")))?;
    if text.contains('\0') { Err(bad("a text holds a NUL character".to_owned())) } else { Ok(text) }
}

/// All keys of an object, for people; empty if the text is no object.
pub(crate) fn all_keys(text: &[u8]) -> Vec<String> {
    let object: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(text);
    object.map(|object| object.keys().cloned().collect()).unwrap_or_default()
}

struct ObjectSeed<'a>(&'a ObjectReader);

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.0.columns];
        while let Some(key) = map.next_key_seed(KeySeed(self.0))? {
            match key.and_then(|at| values.get_mut(at)) {
                Some(slot) => {
                    let value: &'de RawValue = map.next_value()?;
                    if slot.replace(value).is_some() {
                        return Err(serde::de::Error::custom("a key appears twice"));
                    }
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(values)
    }
}

struct KeySeed<'a>(&'a ObjectReader);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.by_key.get(key).copied())
    }
}

/// Where the records of a document stand. The error is a sentence fragment with the place.
pub(crate) fn records(text: &[u8], under: Option<&str>) -> Result<Vec<Range<usize>>, String> {
    let records: Vec<&RawValue> = match under {
        None => serde_json::from_slice(text).map_err(|error| error.to_string())?,
        Some(key) => {
            let mut deserializer = serde_json::Deserializer::from_slice(text);
            let found = RecordsSeed(key).deserialize(&mut deserializer).and_then(|found| {
                deserializer.end()?;
                Ok(found)
            });
            found.map_err(|error| error.to_string())?.ok_or_else(|| format!("it has no key `{key}`"))?
        }
    };
    let base = text.as_ptr() as usize;
    Ok(records
        .into_iter()
        .map(|record| {
            let start = record.get().as_ptr() as usize - base;
            start..start + record.get().len()
        })
        .collect())
}

struct RecordsSeed<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for RecordsSeed<'_> {
    type Value = Option<Vec<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordsSeed<'_> {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with an array under `{}`", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.0 {
                if found.replace(map.next_value()?).is_some() {
                    return Err(serde::de::Error::custom(format!("the key `{}` appears twice", self.0)));
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Goes through the records of a document, or through the lines of JSON Lines.
#[derive(Debug)]
pub(crate) struct JsonRows {
    text: bytes::Bytes,
    objects: ObjectReader,
    from: From,
    last_was_row: bool,
    unterminated: bool,
}

#[derive(Debug)]
enum From {
    /// A record's line is its number, from 1: a document may be one line.
    Records {
        records: Arc<Vec<Range<usize>>>,
        next: usize,
    },
    Lines {
        at: usize,
        line: u64,
    },
}

impl JsonRows {
    pub(crate) fn of_document(
        text: bytes::Bytes,
        records: Arc<Vec<Range<usize>>>,
        columns: &[Arc<FormatColumn>],
    ) -> Self {
        let from = From::Records { records, next: 0 };
        Self { text, objects: ObjectReader::new(columns), from, last_was_row: true, unterminated: false }
    }

    pub(crate) fn of_lines(text: bytes::Bytes, columns: &[Arc<FormatColumn>]) -> Self {
        let unterminated = text.last() != Some(&b'\n');
        let from = From::Lines { at: 0, line: 1 };
        Self { text, objects: ObjectReader::new(columns), from, last_was_row: true, unterminated }
    }

    pub(crate) fn lines_left(&self) -> usize {
        match &self.from {
            From::Records { records, next } => records.len() - next,
            From::Lines { at, .. } => {
                let rest = &self.text[*at..];
                memchr::memchr_iter(b'\n', &rest[..rest.len().min(model::limits::BATCH_BYTES_MAX)]).count() + 1
            }
        }
    }

    /// Fills a batch. Returns whether the file is at its end.
    pub(crate) fn fill(&mut self, rows: &mut Rows) -> bool {
        let text = self.text.clone();
        loop {
            if rows.is_full() {
                return false;
            }
            let Some((line, raw)) = self.next_object() else { return true };
            let raw = &text[raw];
            let pushed = self.objects.push(raw, rows);
            self.last_was_row = pushed.is_ok();
            match pushed {
                Ok(()) => rows.commit(line, raw.len()),
                Err(bad) => rows.reject(line, Some(raw), bad),
            }
        }
    }

    fn next_object(&mut self) -> Option<(u64, Range<usize>)> {
        match &mut self.from {
            From::Records { records, next } => {
                let record = records.get(*next)?.clone();
                *next += 1;
                Some((*next as u64, record))
            }
            From::Lines { at, line } => loop {
                if *at >= self.text.len() {
                    return None;
                }
                let start = *at;
                let stop = memchr::memchr(b'\n', &self.text[start..]).map_or(self.text.len(), |offset| start + offset);
                *at = stop + 1;
                *line += 1;
                let raw = self.text[start..stop].strip_suffix(b"\r").unwrap_or(&self.text[start..stop]);
                if !raw.trim_ascii().is_empty() {
                    return Some((*line - 1, start..start + raw.len()));
                }
            },
        }
    }

    pub(crate) fn last_line_complete(&self) -> bool {
        self.last_was_row || !self.unterminated
    }
}
