//! From a guest's buffers to Arrow arrays. Nothing is believed: each rule of the layout is checked first.
//!
//! Values under nulls become zeros. Buffers are used where they lie if they are aligned, else copied once.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, PrimitiveArray, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use model::DataType;
use model::ports::{Buffers, DataError};
use spine_primitives::decimal;

use crate::schema::{DAYS, MICROS};

// The layout is little endian, and buffers are used as they are.
const _: () = assert!(cfg!(target_endian = "little"));

/// Checks one column and makes it an array of `rows` rows.
///
/// # Errors
///
/// `invalid_buffer`, naming the column and the rule that it breaks.
pub(crate) fn import(
    name: &str,
    data_type: DataType,
    nullable: bool,
    data: Buffers,
    rows: usize,
) -> Result<ArrayRef, DataError> {
    let what = format!("column `{name}`");
    import_column(data_type, nullable, data, rows)
        .map_err(|why| DataError::new("invalid_buffer", format!("{what}: {why}")))
}

/// Checks a bitmap: its length and its padding.
pub(super) fn check_bitmap(what: &str, bits: &[u8], rows: usize) -> Result<(), DataError> {
    bitmap(what, bits, rows).map_err(|why| DataError::new("invalid_buffer", why))
}

fn import_column(data_type: DataType, nullable: bool, data: Buffers, rows: usize) -> Result<ArrayRef, String> {
    if usize::try_from(data.rows) != Ok(rows) {
        return Err(format!("it has {} rows where {rows} are due", data.rows));
    }
    let due = if data_type == DataType::Utf8 { 3 } else { 2 };
    let found = data.parts.len();
    let mut parts = data.parts.into_iter();
    let (Some(validity), Some(second), third, None) =
        (parts.next(), parts.next(), if due == 3 { parts.next() } else { None }, parts.next())
    else {
        return Err(format!("it has {found} parts where {data_type} has {due}"));
    };
    let nulls = nulls(validity, rows)?;
    if nulls.is_some() && !nullable {
        return Err("it holds nulls, and the column must not".to_owned());
    }
    match (data_type, third) {
        (DataType::Utf8, Some(bytes)) => texts(second, bytes, nulls, rows),
        (DataType::Utf8, None) => Err(format!("it has {found} parts where utf8 has 3")),
        (DataType::Bool, _) => {
            bitmap("its values", &second, rows)?;
            let mut values = BooleanBuffer::new(Buffer::from_vec(second), 0, rows);
            if let Some(nulls) = &nulls {
                values = &values & nulls.inner();
            }
            Ok(Arc::new(BooleanArray::new(values, nulls)))
        }
        (DataType::Int64, _) => Ok(Arc::new(fixed::<Int64Type>(second, nulls, rows)?)),
        (DataType::Float64, _) => Ok(Arc::new(fixed::<Float64Type>(second, nulls, rows)?)),
        (DataType::Date, _) => {
            let days = fixed::<Date32Type>(second, nulls, rows)?;
            let outside = first(days.values(), |day| !DAYS.contains(day));
            outside.map_or(Ok(()), |row| Err(format!("row {row} is a day outside of the years 1 to 9999")))?;
            Ok(Arc::new(days))
        }
        (DataType::Timestamp, _) => {
            let times: TimestampMicrosecondArray = fixed::<TimestampMicrosecondType>(second, nulls, rows)?;
            let outside = first(times.values(), |time| !MICROS.contains(time));
            outside.map_or(Ok(()), |row| Err(format!("row {row} is a time outside of the years 1 to 9999")))?;
            Ok(Arc::new(times.with_timezone("UTC")))
        }
        (DataType::Decimal { precision, scale }, _) => {
            let values: Decimal128Array = fixed::<Decimal128Type>(second, nulls, rows)?;
            let limit = decimal::limit(precision).unsigned_abs();
            let large = first(values.values(), |value| value.unsigned_abs() >= limit);
            large.map_or(Ok(()), |row| Err(format!("row {row} has more than {precision} digits")))?;
            let scale = i8::try_from(scale).map_err(|error| error.to_string())?;
            Ok(Arc::new(values.with_precision_and_scale(precision, scale).map_err(|error| error.to_string())?))
        }
    }
}

/// The first value of which this is true. There hardly ever is one: whether there is, is found out without a way out in
/// the middle, which is vectorised.
fn first<T>(values: &[T], wrong: impl Fn(&T) -> bool) -> Option<usize> {
    let any = values.iter().fold(false, |found, value| found | wrong(value));
    if any { values.iter().position(wrong) } else { None }
}

fn bitmap(what: &str, bits: &[u8], rows: usize) -> Result<(), String> {
    let due = rows.div_ceil(8);
    if bits.len() != due {
        return Err(format!("{what} is a bitmap of {} bytes where {rows} rows need {due}", bits.len()));
    }
    let padding = rows % 8;
    if padding != 0 && bits.last().is_some_and(|last| last >> padding != 0) {
        return Err(format!("{what} has bits set past the last row"));
    }
    Ok(())
}

/// None if nothing is null.
fn nulls(validity: Vec<u8>, rows: usize) -> Result<Option<NullBuffer>, String> {
    if validity.is_empty() {
        return Ok(None);
    }
    bitmap("its validity", &validity, rows)?;
    let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(validity), 0, rows));
    Ok((nulls.null_count() > 0).then_some(nulls))
}

fn fixed<T: ArrowPrimitiveType>(
    bytes: Vec<u8>,
    nulls: Option<NullBuffer>,
    rows: usize,
) -> Result<PrimitiveArray<T>, String> {
    let width = size_of::<T::Native>();
    if rows.checked_mul(width) != Some(bytes.len()) {
        return Err(format!("its values are {} bytes where {rows} rows need {width} each", bytes.len()));
    }
    let mut bytes = bytes;
    if let Some(nulls) = &nulls {
        for row in (0..rows).filter(|&row| nulls.is_null(row)) {
            bytes[row * width..(row + 1) * width].fill(0);
        }
    }
    PrimitiveArray::try_new(aligned::<T::Native>(bytes), nulls).map_err(|error| error.to_string())
}

/// The same bytes where values of this type may lie.
fn aligned<T: ArrowNativeType>(bytes: Vec<u8>) -> ScalarBuffer<T> {
    let buffer = if bytes.as_ptr().align_offset(align_of::<T>()) == 0 {
        Buffer::from_vec(bytes)
    } else {
        // Arrow allocates at 64-byte boundaries.
        Buffer::from_slice_ref(&bytes)
    };
    let rows = buffer.len() / size_of::<T>();
    ScalarBuffer::new(buffer, 0, rows)
}

fn texts(offsets: Vec<u8>, bytes: Vec<u8>, nulls: Option<NullBuffer>, rows: usize) -> Result<ArrayRef, String> {
    if (rows + 1).checked_mul(4) != Some(offsets.len()) {
        return Err(format!("its offsets are {} bytes where {rows} rows need {}", offsets.len(), (rows + 1) * 4));
    }
    let offsets = aligned::<i32>(offsets);
    if offsets.first() != Some(&0) {
        return Err("its offsets do not begin with 0".to_owned());
    }
    // Without a way out in the middle it is vectorised; the row is looked for only if there is one.
    let go_down = |pair: &[i32]| pair[1] < pair[0];
    if offsets.windows(2).fold(false, |found, pair| found | go_down(pair)) {
        let row = offsets.windows(2).position(go_down).unwrap_or(0);
        return Err(format!("its offsets go down at row {row}"));
    }
    if offsets.last().map(|&end| usize::try_from(end)) != Some(Ok(bytes.len())) {
        let end = offsets.last().copied().unwrap_or(0);
        return Err(format!("its offsets end at {end} where its text has {} bytes", bytes.len()));
    }
    if let Some(nulls) = &nulls
        && (0..rows).any(|row| nulls.is_null(row) && offsets[row] != offsets[row + 1])
    {
        let text = checked_text(&offsets, &bytes)?;
        let value = |row: usize| {
            let range = usize::try_from(offsets[row]).ok()?..usize::try_from(offsets[row + 1]).ok()?;
            nulls.is_valid(row).then(|| &text[range])
        };
        return Ok(Arc::new((0..rows).map(value).collect::<StringArray>()));
    }
    // Arrow checks the text and where its values begin; looking for ourselves is only for the message.
    let bytes = Buffer::from_vec(bytes);
    let array = StringArray::try_new(OffsetBuffer::new(offsets.clone()), bytes.clone(), nulls);
    let refused =
        |error: arrow::error::ArrowError| checked_text(&offsets, &bytes).map_or_else(|why| why, |_| error.to_string());
    array.map(|array| Arc::new(array) as ArrayRef).map_err(refused)
}

/// The text, if it is UTF-8 and no offset splits a character.
fn checked_text<'a>(offsets: &[i32], bytes: &'a [u8]) -> Result<&'a str, String> {
    let text =
        str::from_utf8(bytes).map_err(|error| format!("its text is not UTF-8 at byte {}", error.valid_up_to()))?;
    let splits = |offset: &i32| !usize::try_from(*offset).is_ok_and(|offset| text.is_char_boundary(offset));
    match offsets.iter().position(splits) {
        Some(row) => Err(format!("its offset {row} splits a character")),
        None => Ok(text),
    }
}
