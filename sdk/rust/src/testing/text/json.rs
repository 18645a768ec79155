//! JSON test files: rows are objects, found by the headers of the format.

use serde_json::{Map, Value as Json};

use super::{Cell, Collector, value};
use crate::error::Error;
use crate::manifest::{FileColumnSpec, FormatSpec};
use crate::testing::table::Table;

/// One object a line; `_line` is the line.
pub(super) fn lines(spec: &FormatSpec, text: &str) -> Table {
    let mut rows = Collector::new(&spec.columns);
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Json::Object(object)) => rows.row(at + 1, cells(spec, &object)),
            Ok(_) | Err(_) => {
                rows.data_lines += 1;
                rows.reject(at + 1, "bad_document", "the line is not a JSON object".to_owned());
            }
        }
    }
    rows.table(None, text.ends_with('\n'))
}

/// An array of objects; `_line` counts them from 1.
pub(super) fn document(spec: &FormatSpec, text: &str, records: Option<&str>) -> Result<Table, Error> {
    let wrong = |why: &str| Error::parse("bad_document", why.to_owned());
    let document: Json = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    let found = records.map_or(Some(&document), |name| document.get(name));
    let objects = found.and_then(Json::as_array).ok_or_else(|| wrong("there is no array of records"))?;
    let mut rows = Collector::new(&spec.columns);
    for (at, object) in objects.iter().enumerate() {
        match object.as_object() {
            Some(object) => rows.row(at + 1, cells(spec, object)),
            None => {
                rows.data_lines += 1;
                rows.reject(at + 1, "bad_document", "the record is not an object".to_owned());
            }
        }
    }
    Ok(rows.table(None, true))
}

fn cells(spec: &FormatSpec, object: &Map<String, Json>) -> Vec<Cell> {
    spec.columns.iter().map(|column| cell(column, object.get(column.header))).collect()
}

fn cell(column: &FileColumnSpec, found: Option<&Json>) -> Cell {
    match found {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => value::parse(column, text),
        Some(other) => value::parse(column, &other.to_string()),
    }
}
