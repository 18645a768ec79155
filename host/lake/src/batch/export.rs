//! From Arrow arrays to the buffers of the contract: offset 0, zero padding, zeros under nulls.
//!
//! What lies in Arrow's memory as the contract wants it is shared, not copied.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{
    ArrowNativeType, DataType as ArrowType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use bytes::Bytes;
use model::ports::{DataError, SharedBuffers};

/// A column as it crosses the boundary.
pub(super) fn export(array: &ArrayRef) -> Result<SharedBuffers, DataError> {
    let rows =
        u32::try_from(array.len()).map_err(|_| DataError::new("limit_exceeded", "the batch has too many rows"))?;
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let validity = nulls.map(|nulls| bitmap(nulls.inner()).into()).unwrap_or_default();
    let parts = match array.data_type() {
        ArrowType::Boolean => {
            let values = array.as_boolean().values();
            // A value under a null is false, whatever was there.
            let values = nulls.map_or_else(|| values.clone(), |nulls| values & nulls.inner());
            vec![validity, bitmap(&values).into()]
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
    Ok(SharedBuffers { rows, parts })
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

fn fixed<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, nulls: Option<&NullBuffer>) -> Bytes {
    let values = array.values().inner();
    debug_assert_eq!(values.len(), array.len() * T::Native::get_byte_width());
    let Some(nulls) = nulls else { return shared(values.clone()) };
    let mut bytes = values.to_vec();
    let width = size_of::<T::Native>();
    for row in (0..array.len()).filter(|&row| nulls.is_null(row)) {
        bytes[row * width..(row + 1) * width].fill(0);
    }
    bytes.into()
}

/// The bytes where they lie. They stay as long as somebody has them.
fn shared(buffer: Buffer) -> Bytes {
    struct Owner(Buffer);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    Bytes::from_owner(Owner(buffer))
}

fn texts(array: &ArrayRef, nulls: Option<&NullBuffer>) -> (Bytes, Bytes) {
    let texts = array.as_string::<i32>();
    let offsets = texts.value_offsets();
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    let place = |offset: i32| usize::try_from(offset).unwrap_or(0);
    let hidden = |nulls: &NullBuffer| (0..texts.len()).any(|row| nulls.is_null(row) && texts.value_length(row) > 0);
    if !nulls.is_some_and(hidden) {
        // Whole buffers are shared: value by value it is many times slower.
        let from_zero = if first == 0 {
            texts.offsets().inner().inner().clone()
        } else {
            Buffer::from_vec(offsets.iter().map(|offset| offset - first).collect::<Vec<i32>>())
        };
        let text = texts.values().slice_with_length(place(first), place(last) - place(first));
        return (shared(from_zero), shared(text));
    }
    let stretch = |from: i32, to: i32| &texts.value_data()[place(from)..place(to)];
    let mut out: (Vec<u8>, Vec<u8>) = (Vec::with_capacity(4 * offsets.len()), Vec::new());
    out.0.extend_from_slice(&0_i32.to_le_bytes());
    for row in 0..texts.len() {
        if texts.is_valid(row) {
            out.1.extend_from_slice(stretch(offsets[row], offsets[row + 1]));
        }
        // Never longer than the bytes it came from, whose offsets are 32 bits.
        out.0.extend_from_slice(&i32::try_from(out.1.len()).unwrap_or(i32::MAX).to_le_bytes());
    }
    (out.0.into(), out.1.into())
}
