//! One hash over a few typed values, such as the key of a record. Pure: the same values give the same 64 digits in
//! every language and version.
//!
//! [`hash_values`] is SHA-256 over the bytes below, in this order; all integers are little endian. The type names and
//! the bytes of a value are those of the content hash of a capture (`docs/content-hash.md`), which names the types once
//! for all rows; here each value has its own in front.
//!
//! 1. `spine values 1` and a line feed, 15 bytes. Another encoding would have another first line.
//! 2. The number of values (u32).
//! 3. For each value the length (u32) and the bytes of its type's name, and then
//!
//! | value | type | bytes |
//! |---|---|---|
//! | [`Value::Null`] | `null` | `00` |
//! | [`Value::Bool`] | `bool` | `01`, then `00` or `01` |
//! | [`Value::Int`] | `int64` | `01`, then 8 bytes |
//! | [`Value::Float`] | `float64` | `01`, then the 8 bytes of its bits; every NaN is `7ff8000000000000`, and -0.0 is 0.0 |
//! | [`Value::Text`] | `utf8` | `01`, then the length (u32) and the UTF-8 bytes |
//! | [`Value::Bytes`] | `binary` | `01`, then the length (u32) and the bytes |
//! | [`Value::Date`] | `date32` | `01`, then the days since 1970-01-01 as 4 bytes |
//! | [`Value::Timestamp`] | `timestamp[us,UTC]` | `01`, then the microseconds since 1970-01-01T00:00:00Z as 8 bytes |
//! | [`Value::Decimal`] | `decimal128(38,S)` | `01`, then the unscaled integer as 16 bytes, two's complement |
//!
//! Lengths stand before what they measure and types before values, so no two lists of values have the same bytes: 1 is
//! not `"1"`, 1.0 or a decimal, a date is not its text, and 1.0 and 1.00 differ as decimals because their scales do.
//! Texts and bytes may be up to 4 GiB long.

mod parity;
mod value;

use sha2::{Digest, Sha256};

pub use parity::{parity_hash, record_hash};
pub use value::Value;

/// Names the encoding; another encoding has another name, and so other hashes.
const MAGIC: &[u8] = b"spine values 1\n";

/// The hash of `values`, in order: 64 hex digits.
///
/// ```
/// use spine_primitives::hash::{Value, hash_values};
///
/// let key = hash_values(&[Value::Date(20_448), Value::Text("AAPL"), Value::Int(1_000)]);
/// assert_eq!(key, "51ec1e168e4131e04345d5ada4e58d5a5710003e38ba7559b76302c5ed0f14d8");
/// ```
pub fn hash_values(values: &[Value<'_>]) -> String {
    hex(&Sha256::digest(encode(values)).into())
}

fn encode(values: &[Value<'_>]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&value::length(values.len()));
    for value in values {
        value.encode_type(&mut out);
        value.encode(&mut out);
    }
    out
}

fn hex(digest: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    nibbles.map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pins the encoding: a hash that somebody has kept must still be made by the next version.
    #[test]
    fn the_encoding_is_the_documented_one() {
        let mut expected = b"spine values 1\n\x09\0\0\0".to_vec();
        expected.extend_from_slice(b"\x04\0\0\0null\0");
        expected.extend_from_slice(b"\x04\0\0\0bool\x01\x01");
        expected.extend_from_slice(b"\x05\0\0\0int64\x01\xfe\xff\xff\xff\xff\xff\xff\xff");
        expected.extend_from_slice(b"\x07\0\0\0float64\x01\0\0\0\0\0\0\xf0\x3f");
        expected.extend_from_slice(b"\x04\0\0\0utf8\x01\x02\0\0\0\xc3\xa4");
        expected.extend_from_slice(b"\x06\0\0\0binary\x01\x01\0\0\0\xff");
        expected.extend_from_slice(b"\x06\0\0\0date32\x01\xe0\x4f\0\0");
        expected.extend_from_slice(b"\x11\0\0\0timestamp[us,UTC]\x01\x40\x42\x0f\0\0\0\0\0");
        expected.extend_from_slice(b"\x10\0\0\0decimal128(38,6)\x01");
        expected.extend_from_slice(&[0xff; 16]);
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(-2),
            Value::Float(1.0),
            Value::Text("ä"),
            Value::Bytes(&[0xff]),
            Value::Date(20_448),
            Value::Timestamp(1_000_000),
            Value::Decimal { unscaled: -1, scale: 6 },
        ];
        assert_eq!(encode(&values), expected);
        let digest: [u8; 32] = Sha256::digest(&expected).into();
        assert_eq!(hash_values(&values), hex(&digest));
    }

    #[test]
    fn case_h6_texts_cannot_flow_into_each_other() {
        let texts =
            |texts: &[&'static str]| hash_values(&texts.iter().map(|text| Value::Text(text)).collect::<Vec<_>>());
        let all = [texts(&["a|b", "c"]), texts(&["a", "b|c"]), texts(&["a", "b", "c"]), texts(&["a|b|c"]), texts(&[])];
        for (at, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 64);
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn what_looks_alike_but_is_of_another_type_differs() {
        let alike = [
            Value::Null,
            Value::Text(""),
            Value::Bytes(b""),
            Value::Text("None"),
            Value::Int(1),
            Value::Bool(true),
            Value::Float(1.0),
            Value::Text("1"),
            Value::Bytes(b"1"),
            Value::Date(1),
            Value::Timestamp(1),
            Value::Decimal { unscaled: 1, scale: 0 },
            Value::Decimal { unscaled: 10, scale: 1 },
            Value::Date(20_448),
            Value::Text("2025-12-26"),
        ];
        let hashes: std::collections::BTreeSet<String> = alike.iter().map(|value| hash_values(&[*value])).collect();
        assert_eq!(hashes.len(), alike.len());
    }

    #[test]
    fn nan_has_one_form_and_zero_one_sign() {
        let of = |value| hash_values(&[Value::Float(value)]);
        assert_eq!(of(-0.0), of(0.0));
        assert_eq!(of(f64::NAN), of(f64::from_bits(0xfff8_0000_0000_0001)));
        assert_ne!(of(f64::NAN), of(f64::INFINITY));
    }

    /// A value that owns what it holds.
    #[derive(Clone, Debug, PartialEq)]
    enum Owned {
        Null,
        Bool(bool),
        Int(i64),
        Text(String),
        Bytes(Vec<u8>),
        Decimal(i128, u8),
    }

    impl Owned {
        fn value(&self) -> Value<'_> {
            match self {
                Self::Null => Value::Null,
                Self::Bool(value) => Value::Bool(*value),
                Self::Int(value) => Value::Int(*value),
                Self::Text(text) => Value::Text(text),
                Self::Bytes(bytes) => Value::Bytes(bytes),
                Self::Decimal(unscaled, scale) => Value::Decimal { unscaled: *unscaled, scale: *scale },
            }
        }
    }

    fn any_value() -> impl Strategy<Value = Owned> {
        prop_oneof![
            Just(Owned::Null),
            any::<bool>().prop_map(Owned::Bool),
            (-2..3_i64).prop_map(Owned::Int),
            "[a|\u{0}\u{1}\u{4}]{0,3}".prop_map(Owned::Text),
            proptest::collection::vec(0..5_u8, 0..3).prop_map(Owned::Bytes),
            (-2..3_i128, 0..3_u8).prop_map(|(unscaled, scale)| Owned::Decimal(unscaled, scale)),
        ]
    }

    proptest! {
        #[test]
        fn lists_share_an_encoding_only_if_they_are_the_same(
            one in proptest::collection::vec(any_value(), 0..4),
            other in proptest::collection::vec(any_value(), 0..4),
        ) {
            let bytes = |list: &[Owned]| encode(&list.iter().map(Owned::value).collect::<Vec<_>>());
            prop_assert_eq!(one == other, bytes(&one) == bytes(&other));
        }
    }
}
