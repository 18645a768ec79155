//! The content hash: whether two captures hold the same data, whoever wrote them and in whatever order.
//!
//! SHA-256 over the encoding of `docs/content-hash.md`: a fingerprint of the schema, then the rows in the order of the
//! natural key. Lengths are written before what they measure and null has its own tag, so that no two contents share an
//! encoding. Columns whose names start with `_` are left out.

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use model::manifest::DatasetSpec;
use model::{DataType, Digest, Failure, FailureKind};
use sha2::{Digest as _, Sha256};

use crate::staged::StagedRows;

/// Names the encoding; another encoding has another name, and so other hashes.
const MAGIC: &[u8] = b"spine content 1\n";

/// Encoded bytes that are hashed at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// One NaN, and a zero without a sign.
pub(super) fn normal(value: f64) -> f64 {
    if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    }
}

/// The bits of the only NaN there is in the encoding.
const NAN_BITS: u64 = 0x7ff8_0000_0000_0000;

/// Hashes the rows of one capture, which are in the order of the natural key. Holds one batch at a time.
pub(crate) fn content_hash(spec: &DatasetSpec, rows: &StagedRows) -> Result<Digest, Failure> {
    let mut hasher = Sha256::new();
    let mut out = Vec::with_capacity(CHUNK_BYTES * 2);
    out.extend_from_slice(MAGIC);
    let columns: Vec<_> = spec.columns.iter().filter(|column| !column.name.starts_with('_')).collect();
    out.extend_from_slice(&length(columns.len()));
    for column in &columns {
        text(&mut out, &column.name);
        text(&mut out, &column.data_type.to_string());
    }
    out.extend_from_slice(&rows.count().to_le_bytes());
    for batch in rows.read()? {
        let batch = batch?;
        let encoders = columns
            .iter()
            .map(|column| Encoder::new(&batch, &column.name, column.data_type))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                let message = format!("the rows of `{}` are not of its schema", spec.name);
                Failure::new(FailureKind::Internal, "schema", message)
            })?;
        for row in 0..batch.num_rows() {
            encoders.iter().for_each(|encoder| encoder.encode(row, &mut out));
            if out.len() >= CHUNK_BYTES {
                hasher.update(&out);
                out.clear();
            }
        }
    }
    hasher.update(&out);
    Ok(Digest::new(hasher.finalize().into()))
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&length(text.len()));
    out.extend_from_slice(text.as_bytes());
}

enum Encoder<'a> {
    Bool(&'a BooleanArray),
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Utf8(&'a StringArray),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
    Decimal(&'a Decimal128Array),
}

impl<'a> Encoder<'a> {
    fn new(batch: &'a RecordBatch, name: &str, data_type: DataType) -> Option<Self> {
        let array = batch.column_by_name(name)?;
        if array.data_type() != &crate::schema::arrow_type(data_type) {
            return None;
        }
        Some(match data_type {
            DataType::Bool => Self::Bool(array.as_boolean()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>()),
            DataType::Utf8 => Self::Utf8(array.as_string()),
            DataType::Date => Self::Date(array.as_primitive::<Date32Type>()),
            DataType::Timestamp => Self::Timestamp(array.as_primitive::<TimestampMicrosecondType>()),
            DataType::Decimal { .. } => Self::Decimal(array.as_primitive::<Decimal128Type>()),
        })
    }

    fn encode(&self, row: usize, out: &mut Vec<u8>) {
        let array: &dyn Array = match self {
            Self::Bool(array) => *array,
            Self::Int64(array) => *array,
            Self::Float64(array) => *array,
            Self::Utf8(array) => *array,
            Self::Date(array) => *array,
            Self::Timestamp(array) => *array,
            Self::Decimal(array) => *array,
        };
        if array.is_null(row) {
            return out.push(0);
        }
        match self {
            Self::Bool(array) => out.extend_from_slice(&[1, u8::from(array.value(row))]),
            Self::Int64(array) => value(out, array.value(row).to_le_bytes()),
            Self::Float64(array) => {
                let normal = normal(array.value(row));
                let bits = if normal.is_nan() { NAN_BITS } else { normal.to_bits() };
                value(out, bits.to_le_bytes());
            }
            Self::Utf8(array) => {
                out.push(1);
                text(out, array.value(row));
            }
            Self::Date(array) => value(out, array.value(row).to_le_bytes()),
            Self::Timestamp(array) => value(out, array.value(row).to_le_bytes()),
            Self::Decimal(array) => value(out, array.value(row).to_le_bytes()),
        }
    }
}

fn value<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.push(1);
    out.extend_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ArrayRef;
    use arrow::buffer::NullBuffer;
    use model::manifest::ColumnSpec;

    use super::*;
    use crate::schema::dataset_schema;

    fn spec(columns: &[(&str, &str)]) -> DatasetSpec {
        let column = |(name, data_type): &(&str, &str)| ColumnSpec {
            name: (*name).to_owned(),
            data_type: data_type.parse().unwrap(),
            nullable: true,
            unit: None,
            description: String::new(),
        };
        DatasetSpec {
            name: "finra.test".parse().unwrap(),
            description: String::new(),
            columns: columns.iter().map(column).collect(),
            key: Vec::new(),
            partition_by: Vec::new(),
            checks: Vec::new(),
            migration: None,
        }
    }

    fn hash(columns: &[(&str, &str)], arrays: Vec<ArrayRef>) -> String {
        let spec = spec(columns);
        let batch = RecordBatch::try_new(dataset_schema(&spec), arrays).unwrap();
        content_hash(&spec, &StagedRows::Memory(vec![batch])).unwrap().to_string()
    }

    fn strings(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    /// Pins the encoding: a hash that is in somebody's ledger must still be made by the next version.
    #[test]
    fn the_encoding_is_the_documented_one() {
        let spec = spec(&[("a", "utf8"), ("b", "decimal128(18,6)"), ("_note", "utf8")]);
        let arrays: Vec<ArrayRef> = vec![
            strings(&[Some("GME"), None]),
            Arc::new(Decimal128Array::from(vec![Some(-1), Some(2)]).with_precision_and_scale(18, 6).unwrap()),
            strings(&[Some("ignored"), None]),
        ];
        let batch = RecordBatch::try_new(dataset_schema(&spec), arrays).unwrap();
        let mut expected = Vec::new();
        expected.extend_from_slice(b"spine content 1\n\x02\0\0\0");
        expected.extend_from_slice(b"\x01\0\0\0a\x04\0\0\0utf8\x01\0\0\0b\x10\0\0\0decimal128(18,6)");
        expected.extend_from_slice(b"\x02\0\0\0\0\0\0\0");
        expected.extend_from_slice(b"\x01\x03\0\0\0GME\x01");
        expected.extend_from_slice(&[0xff; 16]);
        expected.extend_from_slice(b"\0\x01\x02");
        expected.extend_from_slice(&[0; 15]);
        let expected = Digest::new(Sha256::digest(&expected).into());
        assert_eq!(content_hash(&spec, &StagedRows::Memory(vec![batch])).unwrap(), expected);
    }

    #[test]
    fn batches_do_not_count_but_rows_and_types_do() {
        let spec = spec(&[("a", "utf8")]);
        let batch =
            |values: &[Option<&str>]| RecordBatch::try_new(dataset_schema(&spec), vec![strings(values)]).unwrap();
        let hash_of = |batches: Vec<RecordBatch>| content_hash(&spec, &StagedRows::Memory(batches)).unwrap();
        let whole = hash_of(vec![batch(&[Some("x"), Some("y")])]);
        assert_eq!(hash_of(vec![batch(&[Some("x")]), batch(&[]), batch(&[Some("y")])]), whole);
        assert_ne!(hash_of(vec![batch(&[Some("x")])]), whole);
        assert_ne!(hash_of(Vec::new()), hash_of(vec![batch(&[None])]));
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"));
        assert_ne!(hash(&[("a", "int64")], vec![ints]), hash(&[("a", "timestamp[us,UTC]")], vec![times]));
    }

    #[test]
    fn texts_cannot_flow_into_each_other_and_null_is_not_empty() {
        let of = |a: Option<&str>, b: Option<&str>| {
            hash(&[("a", "utf8"), ("b", "utf8")], vec![strings(&[a]), strings(&[b])])
        };
        assert_ne!(of(Some("ab"), Some("")), of(Some("a"), Some("b")));
        assert_ne!(of(None, Some("")), of(Some(""), None));
    }

    #[test]
    fn nan_has_one_form_zero_one_sign_and_nulls_hide_their_value() {
        let floats =
            |values: Vec<f64>| hash(&[("a", "float64")], vec![Arc::new(Float64Array::from(values)) as ArrayRef]);
        assert_eq!(floats(vec![-0.0]), floats(vec![0.0]));
        assert_eq!(floats(vec![f64::NAN]), floats(vec![f64::from_bits(0xfff8_0000_0000_0001)]));
        assert_ne!(floats(vec![f64::NAN]), floats(vec![f64::INFINITY]));
        let hidden = |value: i64| {
            let array = Int64Array::new(vec![value].into(), Some(NullBuffer::from(vec![false])));
            hash(&[("a", "int64")], vec![Arc::new(array) as ArrayRef])
        };
        assert_eq!(hidden(1), hidden(2));
    }
}
