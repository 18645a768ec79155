//! Exact statistics of one column of one file, in the catalog's text.
//!
//! A reader leaves a file out because of them, so a bound is exact or it is not there. There is none for a float
//! column with a NaN (engines disagree whether NaN is above every number or apart from them), and none for texts that
//! are long or hold a NUL, which do not survive every catalog.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{max, max_boolean, max_string, min, min_boolean, min_string};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Date32Type, Decimal128Type, Float64Type, Int64Type,
    TimestampMicrosecondType,
};
use model::Timestamp;
use model::capture::ColumnStats;
use spine_primitives::decimal;

use super::order::day_text;

/// Longer texts are no bounds. Parquet's own statistics cut texts at 64 bytes, and a cut bound is not exact.
const TEXT_BYTES_MAX: usize = 64;

/// What is known of a column after some of its batches.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    rows: u64,
    nulls: u64,
    nan: Option<bool>,
    bounds: Bounds,
    /// Whether a bound cannot be told exactly.
    vague: bool,
}

#[derive(Debug, Default)]
enum Bounds {
    #[default]
    None,
    Bool(bool, bool),
    Int(i64, i64),
    Float(f64, f64),
    Text(String, String),
    Day(i32, i32),
    Time(i64, i64),
    Decimal(i128, i128, u8),
}

impl Statistics {
    pub(super) fn add(&mut self, array: &ArrayRef) {
        self.rows += array.len() as u64;
        self.nulls += array.null_count() as u64;
        let found = match array.data_type() {
            ArrowType::Boolean => {
                let array = array.as_boolean();
                min_boolean(array).zip(max_boolean(array)).map(|(min, max)| Bounds::Bool(min, max))
            }
            ArrowType::Int64 => bounds::<Int64Type>(array).map(|(min, max)| Bounds::Int(min, max)),
            ArrowType::Date32 => bounds::<Date32Type>(array).map(|(min, max)| Bounds::Day(min, max)),
            ArrowType::Timestamp(..) => {
                bounds::<TimestampMicrosecondType>(array).map(|(min, max)| Bounds::Time(min, max))
            }
            ArrowType::Decimal128(_, scale) => {
                let scale = u8::try_from(*scale).unwrap_or(0);
                bounds::<Decimal128Type>(array).map(|(min, max)| Bounds::Decimal(min, max, scale))
            }
            ArrowType::Float64 => self.floats(array),
            ArrowType::Utf8 => {
                let array = array.as_string::<i32>();
                let exact = |text: &str| text.len() <= TEXT_BYTES_MAX && !text.contains('\0');
                self.vague |= array.iter().flatten().any(|text| !exact(text));
                min_string(array).zip(max_string(array)).map(|(min, max)| Bounds::Text(min.to_owned(), max.to_owned()))
            }
            _ => None,
        };
        if let Some(found) = found {
            self.bounds = std::mem::take(&mut self.bounds).widened(found);
        }
    }

    fn floats(&mut self, array: &ArrayRef) -> Option<Bounds> {
        let values = array.as_primitive::<Float64Type>();
        let has_nan = values.iter().flatten().any(f64::is_nan);
        self.nan = Some(self.nan.unwrap_or(false) || has_nan);
        self.vague |= has_nan;
        values.iter().flatten().fold(None, |bounds, value| match bounds {
            Some(Bounds::Float(min, max)) => Some(Bounds::Float(min.min(value), max.max(value))),
            _ => Some(Bounds::Float(value, value)),
        })
    }

    /// Whether Parquet may keep bounds of this column: where these are not exact, neither are its.
    pub(super) fn is_exact(&self) -> bool {
        !self.vague
    }

    pub(super) fn finish(self, column: &str, is_float: bool, bytes: u64) -> ColumnStats {
        let (min, max) = if self.vague { (None, None) } else { self.bounds.texts() };
        ColumnStats {
            column: column.to_owned(),
            bytes,
            values: self.rows - self.nulls,
            nulls: self.nulls,
            contains_nan: is_float.then(|| self.nan.unwrap_or(false)),
            min,
            max,
        }
    }
}

fn bounds<T: ArrowPrimitiveType>(array: &ArrayRef) -> Option<(T::Native, T::Native)>
where
    T::Native: arrow::datatypes::ArrowNativeTypeOp,
{
    let array = array.as_primitive::<T>();
    min(array).zip(max(array))
}

impl Bounds {
    fn widened(self, other: Self) -> Self {
        match (self, other) {
            (Self::Bool(a, b), Self::Bool(c, d)) => Self::Bool(a & c, b | d),
            (Self::Int(a, b), Self::Int(c, d)) => Self::Int(a.min(c), b.max(d)),
            (Self::Float(a, b), Self::Float(c, d)) => Self::Float(a.min(c), b.max(d)),
            (Self::Text(a, b), Self::Text(c, d)) => Self::Text(a.min(c), b.max(d)),
            (Self::Day(a, b), Self::Day(c, d)) => Self::Day(a.min(c), b.max(d)),
            (Self::Time(a, b), Self::Time(c, d)) => Self::Time(a.min(c), b.max(d)),
            (Self::Decimal(a, b, scale), Self::Decimal(c, d, _)) => Self::Decimal(a.min(c), b.max(d), scale),
            // Only nothing has another shape: a column has one type.
            (_, other) => other,
        }
    }

    fn texts(self) -> (Option<String>, Option<String>) {
        let (min, max) = match self {
            Self::None => return (None, None),
            Self::Bool(min, max) => (u8::from(min).to_string(), u8::from(max).to_string()),
            Self::Int(min, max) => (min.to_string(), max.to_string()),
            Self::Float(min, max) => (float_text(min), float_text(max)),
            Self::Text(min, max) => (min, max),
            Self::Day(min, max) => (day_text(min), day_text(max)),
            Self::Time(min, max) => {
                (Timestamp::from_micros(min).catalog_text(), Timestamp::from_micros(max).catalog_text())
            }
            Self::Decimal(min, max, scale) => (decimal::format(min, scale), decimal::format(max, scale)),
        };
        (Some(min), Some(max))
    }
}

/// The shortest text that reads back as the same number.
fn float_text(value: f64) -> String {
    if value == 0.0 { "0.0".to_owned() } else { format!("{value:?}") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, Float64Array, StringArray, TimestampMicrosecondArray,
    };

    use super::*;

    fn stats(arrays: Vec<ArrayRef>) -> (u64, u64, Option<bool>, Option<String>, Option<String>) {
        let is_float = arrays[0].data_type() == &ArrowType::Float64;
        let mut statistics = Statistics::default();
        arrays.iter().for_each(|array| statistics.add(array));
        let found = statistics.finish("c", is_float, 0);
        (found.values, found.nulls, found.contains_nan, found.min, found.max)
    }

    fn both(min: &str, max: &str) -> (Option<String>, Option<String>) {
        (Some(min.to_owned()), Some(max.to_owned()))
    }

    #[test]
    fn bounds_are_in_the_text_of_the_catalog() {
        let of = |array: ArrayRef| {
            let found = stats(vec![array]);
            (found.3, found.4)
        };
        assert_eq!(of(Arc::new(Date32Array::from(vec![18_655, 18_654]))), both("2021-01-27", "2021-01-28"));
        assert_eq!(of(Arc::new(BooleanArray::from(vec![true, false]))), both("0", "1"));
        let decimals = Decimal128Array::from(vec![-1, 3_000_000]).with_precision_and_scale(18, 6).unwrap();
        assert_eq!(of(Arc::new(decimals)), both("-0.000001", "3.000000"));
        let times = TimestampMicrosecondArray::from(vec![1, 0]).with_timezone("UTC");
        assert_eq!(of(Arc::new(times)), both("1970-01-01 00:00:00.000000+00:00", "1970-01-01 00:00:00.000001+00:00"));
        assert_eq!(of(Arc::new(Float64Array::from(vec![-0.0, 1e300]))), both("0.0", "1e300"));
        assert_eq!(of(Arc::new(StringArray::from(vec!["TpC", "TPC", ""]))), both("", "TpC"));
    }

    #[test]
    fn batches_are_taken_together_and_nulls_counted() {
        let one: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.5), None]));
        let two: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.25), Some(f64::INFINITY)]));
        let none: ArrayRef = Arc::new(Float64Array::from(vec![None::<f64>]));
        let (min, max) = both("0.25", "inf");
        assert_eq!(stats(vec![one, none, two]), (3, 2, Some(false), min, max));
    }

    #[test]
    fn what_cannot_be_exact_is_left_out() {
        let nan: ArrayRef = Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(1.0)]));
        assert_eq!(stats(vec![nan]), (2, 0, Some(true), None, None));
        let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(65), "a".to_owned()]));
        assert_eq!(stats(vec![long]), (2, 0, None, None, None));
        let nul: ArrayRef = Arc::new(StringArray::from(vec!["a\0b"]));
        assert_eq!(stats(vec![nul]), (1, 0, None, None, None));
        let empty: ArrayRef = Arc::new(Float64Array::from(vec![None::<f64>]));
        assert_eq!(stats(vec![empty]), (0, 1, Some(false), None, None));
    }
}
