//! One value of an answer, as JSON and as text.

use std::borrow::Cow;
use std::io::{self, Write};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DecimalType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use chrono::{DateTime, NaiveTime, SecondsFormat};
use model::{Failure, FailureKind};

/// Writes the value at `row` as JSON.
pub(super) fn write_json(out: &mut Vec<u8>, column: &dyn Array, row: usize) -> io::Result<()> {
    match value(column, row)? {
        Value::Null | Value::NotFinite(_) => out.extend_from_slice(b"null"),
        Value::Bool(truth) => write!(out, "{truth}")?,
        Value::Number(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Text(text) => out.extend_from_slice(json_text(&text)?.as_bytes()),
        Value::List(items) => {
            out.push(b'[');
            for at in 0..items.len() {
                separate(out, at);
                write_json(out, &items, at)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (at, (name, member, row)) in members.iter().enumerate() {
                separate(out, at);
                out.extend_from_slice(json_text(name)?.as_bytes());
                out.push(b':');
                write_json(out, member, *row)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// The value at `row` as JSON text.
///
/// # Errors
///
/// `unwritable` for a type that no dataset has.
pub(crate) fn json_text_of(column: &dyn Array, row: usize) -> Result<String, Failure> {
    let mut json = Vec::new();
    let written = write_json(&mut json, column, row).and_then(|()| String::from_utf8(json).map_err(io::Error::other));
    written.map_err(|error| {
        let message = format!("a value cannot be written as JSON: {error}");
        Failure::new(FailureKind::Internal, "unwritable", message).because(&error)
    })
}

/// The value at `row` as people read it; none for null. Lists and structures are JSON.
pub(super) fn text(column: &dyn Array, row: usize) -> io::Result<Option<Cow<'_, str>>> {
    Ok(Some(match value(column, row)? {
        Value::Null => return Ok(None),
        Value::Bool(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
        Value::Number(digits) => Cow::Owned(digits),
        Value::NotFinite(name) => Cow::Borrowed(name),
        Value::Text(text) => text,
        Value::List(_) | Value::Object(_) => {
            let mut json = Vec::new();
            write_json(&mut json, column, row)?;
            Cow::Owned(String::from_utf8(json).map_err(io::Error::other)?)
        }
    }))
}

/// A JSON string, quotes included.
pub(super) fn json_text(text: &str) -> io::Result<String> {
    Ok(serde_json::to_string(text)?)
}

enum Value<'a> {
    Null,
    Bool(bool),
    /// Digits that are also a JSON number.
    Number(String),
    /// A float that JSON cannot write.
    NotFinite(&'static str),
    Text(Cow<'a, str>),
    List(ArrayRef),
    Object(Vec<(String, ArrayRef, usize)>),
}

fn value(column: &dyn Array, row: usize) -> io::Result<Value<'_>> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int8 => integer::<Int8Type>(column, row),
        DataType::Int16 => integer::<Int16Type>(column, row),
        DataType::Int32 => integer::<Int32Type>(column, row),
        DataType::Int64 => integer::<Int64Type>(column, row),
        DataType::UInt8 => integer::<UInt8Type>(column, row),
        DataType::UInt16 => integer::<UInt16Type>(column, row),
        DataType::UInt32 => integer::<UInt32Type>(column, row),
        DataType::UInt64 => integer::<UInt64Type>(column, row),
        DataType::Float16 => single(column.as_primitive::<Float16Type>().value(row).to_f32())?,
        DataType::Float32 => single(column.as_primitive::<Float32Type>().value(row))?,
        DataType::Float64 => double(column.as_primitive::<Float64Type>().value(row))?,
        DataType::Decimal32(precision, scale) => decimal::<Decimal32Type>(column, row, *precision, *scale),
        DataType::Decimal64(precision, scale) => decimal::<Decimal64Type>(column, row, *precision, *scale),
        DataType::Decimal128(precision, scale) => decimal::<Decimal128Type>(column, row, *precision, *scale),
        DataType::Decimal256(precision, scale) => decimal::<Decimal256Type>(column, row, *precision, *scale),
        DataType::Utf8 => Value::Text(Cow::Borrowed(column.as_string::<i32>().value(row))),
        DataType::LargeUtf8 => Value::Text(Cow::Borrowed(column.as_string::<i64>().value(row))),
        DataType::Utf8View => Value::Text(Cow::Borrowed(column.as_string_view().value(row))),
        DataType::Binary => owned(hex::encode(column.as_binary::<i32>().value(row))),
        DataType::LargeBinary => owned(hex::encode(column.as_binary::<i64>().value(row))),
        DataType::BinaryView => owned(hex::encode(column.as_binary_view().value(row))),
        DataType::FixedSizeBinary(_) => owned(hex::encode(column.as_fixed_size_binary().value(row))),
        DataType::Date32 => date(i64::from(column.as_primitive::<Date32Type>().value(row))),
        DataType::Date64 => date(column.as_primitive::<Date64Type>().value(row).div_euclid(86_400_000)),
        DataType::Timestamp(unit, _) => timestamp(column, row, *unit),
        DataType::Time32(_) | DataType::Time64(_) => time(column, row),
        DataType::List(_) => Value::List(column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Value::List(column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Value::List(column.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let members = fields.iter().zip(column.as_struct().columns());
            Value::Object(members.map(|(field, member)| (field.name().clone(), ArrayRef::clone(member), row)).collect())
        }
        DataType::Map(..) => map(column, row)?,
        // Durations, intervals and what else SQL can make but no dataset holds.
        _ => owned(arrow::util::display::array_value_to_string(column, row).map_err(io::Error::other)?),
    })
}

fn integer<T: ArrowPrimitiveType<Native: ToString>>(column: &dyn Array, row: usize) -> Value<'static> {
    Value::Number(column.as_primitive::<T>().value(row).to_string())
}

fn decimal<T: DecimalType>(column: &dyn Array, row: usize, precision: u8, scale: i8) -> Value<'static> {
    Value::Number(T::format_decimal(column.as_primitive::<T>().value(row), precision, scale))
}

fn double(number: f64) -> io::Result<Value<'static>> {
    if number.is_finite() {
        return Ok(Value::Number(serde_json::to_string(&number)?));
    }
    Ok(not_finite(number))
}

/// A single is written with the digits that tell it from other singles, not with those of its value as a double.
fn single(number: f32) -> io::Result<Value<'static>> {
    if number.is_finite() {
        return Ok(Value::Number(serde_json::to_string(&number)?));
    }
    Ok(not_finite(f64::from(number)))
}

fn not_finite(number: f64) -> Value<'static> {
    Value::NotFinite(match number {
        _ if number.is_nan() => "NaN",
        _ if number > 0.0 => "Infinity",
        _ => "-Infinity",
    })
}

fn date(days: i64) -> Value<'static> {
    let seconds = days.saturating_mul(86_400);
    let day = DateTime::from_timestamp(seconds, 0).map(|at| at.date_naive().to_string());
    // Only arithmetic in SQL gets as far as the year 262,143.
    owned(day.unwrap_or_else(|| format!("{days} days since 1970-01-01")))
}

fn timestamp(column: &dyn Array, row: usize, unit: TimeUnit) -> Value<'static> {
    let (ticks, per_second) = match unit {
        TimeUnit::Second => (column.as_primitive::<TimestampSecondType>().value(row), 1),
        TimeUnit::Millisecond => (column.as_primitive::<TimestampMillisecondType>().value(row), 1_000),
        TimeUnit::Microsecond => (column.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000),
        TimeUnit::Nanosecond => (column.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000_000),
    };
    let nanos = ticks.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let at = DateTime::from_timestamp(ticks.div_euclid(per_second), u32::try_from(nanos).unwrap_or_default());
    let text = at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
    owned(text.unwrap_or_else(|| format!("{ticks}/{per_second} seconds since 1970-01-01T00:00:00Z")))
}

fn time(column: &dyn Array, row: usize) -> Value<'static> {
    let nanos = match column.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            i64::from(column.as_primitive::<Time32SecondType>().value(row)) * 1_000_000_000
        }
        DataType::Time32(_) => i64::from(column.as_primitive::<Time32MillisecondType>().value(row)) * 1_000_000,
        DataType::Time64(TimeUnit::Microsecond) => {
            column.as_primitive::<Time64MicrosecondType>().value(row).saturating_mul(1_000)
        }
        _ => column.as_primitive::<Time64NanosecondType>().value(row),
    };
    let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, u32::try_from(rest).unwrap_or_default());
    owned(time.map_or_else(|| format!("{nanos} ns"), |time| time.format("%H:%M:%S%.6f").to_string()))
}

fn map(column: &dyn Array, row: usize) -> io::Result<Value<'_>> {
    let entries = column.as_map().value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    let members = (0..entries.len())
        .map(|at| Ok((text(keys, at)?.unwrap_or_default().into_owned(), ArrayRef::clone(values), at)))
        .collect::<io::Result<_>>()?;
    Ok(Value::Object(members))
}

fn owned(text: String) -> Value<'static> {
    Value::Text(Cow::Owned(text))
}

fn separate(out: &mut Vec<u8>, at: usize) {
    if at > 0 {
        out.push(b',');
    }
}
