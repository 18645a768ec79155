//! A typed value and its bytes.

use crate::DataType;

/// The bits of the only NaN there is in the encoding.
const NAN_BITS: u64 = 0x7ff8_0000_0000_0000;

/// The precision that stands in the type name of a decimal on its own: the most there is.
const PRECISION: u8 = 38;

/// One value of a type of the contract, or bytes, or nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// `unscaled / 10^scale`.
    Decimal {
        unscaled: i128,
        scale: u8,
    },
}

impl Value<'_> {
    /// Adds the bytes of the value without its type, as a column of its type has them in the content hash.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Null => out.push(0),
            Self::Bool(value) => out.extend_from_slice(&[1, u8::from(value)]),
            Self::Int(value) | Self::Timestamp(value) => present(out, value.to_le_bytes()),
            Self::Float(value) => present(out, bits(value).to_le_bytes()),
            Self::Text(text) => sized(out, text.as_bytes()),
            Self::Bytes(bytes) => sized(out, bytes),
            Self::Date(days) => present(out, days.to_le_bytes()),
            Self::Decimal { unscaled, .. } => present(out, unscaled.to_le_bytes()),
        }
    }

    /// Adds the length and the name of the type.
    pub(super) fn encode_type(&self, out: &mut Vec<u8>) {
        let name = match *self {
            Self::Null => "null".to_owned(),
            Self::Bytes(_) => "binary".to_owned(),
            Self::Bool(_) => DataType::Bool.to_string(),
            Self::Int(_) => DataType::Int64.to_string(),
            Self::Float(_) => DataType::Float64.to_string(),
            Self::Text(_) => DataType::Utf8.to_string(),
            Self::Date(_) => DataType::Date.to_string(),
            Self::Timestamp(_) => DataType::Timestamp.to_string(),
            Self::Decimal { scale, .. } => DataType::Decimal { precision: PRECISION, scale }.to_string(),
        };
        out.extend_from_slice(&length(name.len()));
        out.extend_from_slice(name.as_bytes());
    }
}

fn bits(value: f64) -> u64 {
    if value.is_nan() {
        NAN_BITS
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

fn present<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.push(1);
    out.extend_from_slice(&bytes);
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    present(out, length(bytes.len()));
    out.extend_from_slice(bytes);
}

pub(super) fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}
