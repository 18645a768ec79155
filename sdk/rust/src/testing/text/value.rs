//! One cell of a test file.

use spine_primitives::date::{self, NaiveDate};
use spine_primitives::{DataType, TEXT_CHARS_MAX, decimal, is_longer};

use crate::column::Storage;
use crate::manifest::FileColumnSpec;

/// A value that fits its column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Int64(i64),
    Float64(f64),
    Text(String),
    Date(i32),
    Decimal(i128),
}

/// Why a cell is no value: it is empty.
pub(super) const BLANK: &str = "blank";

pub(super) fn parse(column: &FileColumnSpec, cell: &str) -> Result<Option<Value>, String> {
    let cell = if column.trim { cell.trim() } else { cell };
    if column.nulls.contains(&cell) {
        return Ok(None);
    }
    if cell.trim().is_empty() && (column.key || column.data_type != DataType::Utf8) {
        return Err(BLANK.to_owned());
    }
    let number = column.thousands.map_or_else(|| cell.to_owned(), |separator| cell.replace(separator, ""));
    let wrong = || format!("`{cell}`, not {}", column.data_type);
    let value = match column.data_type {
        DataType::Bool => cell.parse().map(Value::Bool).map_err(|_| wrong())?,
        DataType::Int64 | DataType::Timestamp => number.parse().map(Value::Int64).map_err(|_| wrong())?,
        DataType::Float64 => number.parse().map(Value::Float64).map_err(|_| wrong())?,
        DataType::Utf8 => {
            let chars = column.max_chars.unwrap_or(TEXT_CHARS_MAX);
            if is_longer(cell.as_bytes(), chars) {
                return Err(format!("longer than {chars} characters"));
            }
            Value::Text(cell.to_owned())
        }
        DataType::Date => {
            let pattern = column.date_format.unwrap_or("%Y-%m-%d");
            let day = NaiveDate::parse_from_str(cell, pattern).map_err(|_| wrong())?;
            Value::Date(date::to_days(day))
        }
        DataType::Decimal { precision, scale } => {
            decimal::parse(&number, precision, scale).map(Value::Decimal).map_err(|why| format!("`{cell}`: {why}"))?
        }
    };
    Ok(Some(value))
}

pub(super) fn push(storage: &mut Storage, data_type: DataType, value: Option<Value>) {
    match value {
        None => storage.push_null(data_type),
        Some(Value::Bool(value)) => storage.push_bool(value),
        Some(Value::Int64(value)) => storage.push_fixed(value.to_le_bytes()),
        Some(Value::Float64(value)) => storage.push_fixed(value.to_le_bytes()),
        Some(Value::Text(value)) => storage.push_str(&value),
        Some(Value::Date(value)) => storage.push_fixed(value.to_le_bytes()),
        Some(Value::Decimal(value)) => storage.push_fixed(value.to_le_bytes()),
    }
}
