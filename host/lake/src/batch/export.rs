//! From Arrow arrays to the buffers of the contract: offset 0, zero padding, zeros under nulls.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{
    ArrowNativeType, DataType as ArrowType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use model::ports::{Buffers, DataError};

/// Copies a column out.
pub(super) fn export(array: &ArrayRef) -> Result<Buffers, DataError> {
    let rows =
        u32::try_from(array.len()).map_err(|_| DataError::new("limit_exceeded", "the batch has too many rows"))?;
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let validity = nulls.map(|nulls| bitmap(nulls.inner())).unwrap_or_default();
    let parts = match array.data_type() {
        ArrowType::Boolean => {
            let values = array.as_boolean().values();
            // A value under a null is false, whatever was there.
            let values = nulls.map_or_else(|| values.clone(), |nulls| values & nulls.inner());
            vec![validity, bitmap(&values)]
        }
        ArrowType::Int64 => vec![validity, fixed(array.as_primitive::<Int64Type>(), nulls)],
        ArrowType::Float64 => vec![validity, fixed(array.as_primitive::<Float64Type>(), nulls)],
        ArrowType::Date32 => vec![validity, fixed(array.as_primitive::<Date32Type>(), nulls)],
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            vec![validity, fixed(array.as_primitive::<TimestampMicrosecondType>(), nulls)]
        }
        ArrowType::Decimal128(..) => vec![validity, fixed(array.as_primitive::<Decimal128Type>(), nulls)],
        ArrowType::Utf8 => {
            let (offsets, bytes) = texts(array, nulls);
            vec![validity, offsets, bytes]
        }
        other => return Err(DataError::new("unsupported_type", format!("{other} does not cross the boundary"))),
    };
    Ok(Buffers { rows, parts })
}

/// Bytes that [`export`] would make.
pub(super) fn bytes(array: &ArrayRef) -> u64 {
    let rows = array.len() as u64;
    let validity = if array.null_count() > 0 { rows.div_ceil(8) } else { 0 };
    let values = match array.data_type() {
        ArrowType::Boolean => rows.div_ceil(8),
        ArrowType::Utf8 => {
            let offsets = array.as_string::<i32>().value_offsets();
            let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
            4 * (rows + 1) + u64::from((last - first).unsigned_abs())
        }
        other => other.primitive_width().unwrap_or(16) as u64 * rows,
    };
    validity + values
}

fn bitmap(bits: &BooleanBuffer) -> Vec<u8> {
    let mut bytes = vec![0; bits.len().div_ceil(8)];
    if bits.offset() == 0 {
        bytes.copy_from_slice(&bits.values()[..bits.len().div_ceil(8)]);
        if !bits.len().is_multiple_of(8)
            && let Some(last) = bytes.last_mut()
        {
            *last &= (1 << (bits.len() % 8)) - 1;
        }
    } else {
        bits.set_indices().for_each(|at| bytes[at / 8] |= 1 << (at % 8));
    }
    bytes
}

fn fixed<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, nulls: Option<&NullBuffer>) -> Vec<u8> {
    let mut bytes = array.values().inner().as_slice()[..].to_vec();
    if let Some(nulls) = nulls {
        let width = size_of::<T::Native>();
        for row in (0..array.len()).filter(|&row| nulls.is_null(row)) {
            bytes[row * width..(row + 1) * width].fill(0);
        }
    }
    debug_assert_eq!(bytes.len(), array.len() * T::Native::get_byte_width());
    bytes
}

fn texts(array: &ArrayRef, nulls: Option<&NullBuffer>) -> (Vec<u8>, Vec<u8>) {
    let texts = array.as_string::<i32>();
    let offsets = texts.value_offsets();
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    let stretch =
        |from: i32, to: i32| &texts.value_data()[usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0)];
    let hidden = |nulls: &NullBuffer| (0..texts.len()).any(|row| nulls.is_null(row) && texts.value_length(row) > 0);
    if !nulls.is_some_and(hidden) {
        // Whole buffers are copied: value by value it is several times slower.
        let bytes = if first == 0 {
            texts.offsets().inner().inner().clone()
        } else {
            Buffer::from_vec(offsets.iter().map(|offset| offset - first).collect::<Vec<i32>>())
        };
        return (bytes.as_slice().to_vec(), stretch(first, last).to_vec());
    }
    let mut out = (Vec::with_capacity(4 * offsets.len()), Vec::new());
    out.0.extend_from_slice(&0_i32.to_le_bytes());
    for row in 0..texts.len() {
        if texts.is_valid(row) {
            out.1.extend_from_slice(stretch(offsets[row], offsets[row + 1]));
        }
        // Never longer than the bytes it came from, whose offsets are 32 bits.
        out.0.extend_from_slice(&i32::try_from(out.1.len()).unwrap_or(i32::MAX).to_le_bytes());
    }
    out
}
