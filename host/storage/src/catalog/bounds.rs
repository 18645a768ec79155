//! The order of values that the catalog holds as text.
//!
//! A bound that cannot be read here, or that would mislead a reader, is no bound: a file without bounds is read, a
//! file with a wrong one vanishes under a filter.

use std::cmp::Ordering;

use chrono::{DateTime, Datelike, NaiveDate};
use model::{DataType, decimal};

/// Longer texts are no bounds: readers compare them for every file, and gain nothing.
const TEXT_BYTES_MAX: usize = 2_048;

/// Two bounds of one column, both inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) min: String,
    pub(crate) max: String,
}

impl Bounds {
    /// Bounds that readers may trust; none if one is absent, not of the type, or they are the wrong way round.
    pub(crate) fn new(data_type: DataType, min: Option<&str>, max: Option<&str>) -> Option<Self> {
        let (min, max) = (min?, max?);
        match compare(data_type, min, max)? {
            Ordering::Less | Ordering::Equal => Some(Self { min: min.to_owned(), max: max.to_owned() }),
            Ordering::Greater => None,
        }
    }

    /// The bounds of everything that either holds.
    pub(crate) fn widened(self, data_type: DataType, other: &Self) -> Option<Self> {
        let min = match compare(data_type, &self.min, &other.min)? {
            Ordering::Less | Ordering::Equal => self.min,
            Ordering::Greater => other.min.clone(),
        };
        let max = match compare(data_type, &self.max, &other.max)? {
            Ordering::Greater | Ordering::Equal => self.max,
            Ordering::Less => other.max.clone(),
        };
        Some(Self { min, max })
    }
}

/// Compares two values as DuckDB orders them; none if one is not a value of the type.
fn compare(data_type: DataType, a: &str, b: &str) -> Option<Ordering> {
    match data_type {
        DataType::Bool => Some(boolean(a)?.cmp(&boolean(b)?)),
        DataType::Int64 => Some(a.parse::<i64>().ok()?.cmp(&b.parse().ok()?)),
        DataType::Float64 => number(a)?.partial_cmp(&number(b)?),
        DataType::Utf8 => Some(text(a)?.cmp(text(b)?)),
        DataType::Date => Some(date(a)?.cmp(&date(b)?)),
        DataType::Timestamp => Some(instant(a)?.cmp(&instant(b)?)),
        DataType::Decimal { precision, scale } => {
            let value = |text| decimal::parse(text, precision, scale).ok();
            Some(value(a)?.cmp(&value(b)?))
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// NaN has no place in an order of bounds.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| !number.is_nan())
}

/// DuckDB orders texts by their bytes, as Rust does. A zero byte ends a text for some readers.
fn text(text: &str) -> Option<&str> {
    (text.len() <= TEXT_BYTES_MAX && !text.contains('\0')).then_some(text)
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| has_plain_year(text, date.year()))
}

fn instant(text: &str) -> Option<i64> {
    let at = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok()?;
    has_plain_year(text, at.year()).then(|| at.timestamp_micros())
}

/// Years of four digits: others are written differently by different readers.
fn has_plain_year(text: &str, year: i32) -> bool {
    (1..=9999).contains(&year) && text.as_bytes().get(4) == Some(&b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMOUNT: DataType = DataType::Decimal { precision: 18, scale: 6 };

    fn new(data_type: DataType, min: &str, max: &str) -> Option<Bounds> {
        Bounds::new(data_type, Some(min), Some(max))
    }

    #[test]
    fn values_are_ordered_by_their_type_and_not_by_their_text() {
        for (data_type, min, max) in [
            (DataType::Int64, "-7", "5"),
            (DataType::Int64, "9", "10"),
            (AMOUNT, "-2.000001", "-1.500000"),
            (AMOUNT, "9.000000", "10.000000"),
            (DataType::Float64, "-1e+300", "inf"),
            (DataType::Float64, "2.0", "1e3"),
            (DataType::Bool, "0", "1"),
            (DataType::Utf8, "Z", "a"),
            (DataType::Utf8, "", "é"),
            (DataType::Date, "2021-01-28", "2021-01-29"),
            (DataType::Timestamp, "2021-01-28 10:00:00+00", "2021-01-28 10:00:00.5+00"),
            (DataType::Timestamp, "1921-01-28 10:00:00+00", "2021-01-28 10:00:00+00"),
        ] {
            assert!(new(data_type, min, max).is_some(), "{data_type} {min} {max}");
            assert!(new(data_type, max, min).is_none(), "{data_type} {max} {min}");
        }
    }

    #[test]
    fn what_is_not_a_value_of_the_type_is_no_bound() {
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        for (data_type, text) in [
            (DataType::Int64, "1.0"),
            (AMOUNT, "1e3"),
            (DataType::Float64, "nan"),
            (DataType::Float64, "NaN"),
            (DataType::Bool, "true"),
            (DataType::Utf8, "a\0b"),
            (DataType::Utf8, long.as_str()),
            (DataType::Date, "0000-01-01"),
            (DataType::Date, "+12021-01-01"),
            (DataType::Timestamp, "2021-01-28"),
        ] {
            assert!(new(data_type, text, text).is_none(), "{data_type} {text}");
        }
    }

    #[test]
    fn widening_keeps_the_outer_bounds() {
        let wide = new(AMOUNT, "2.000000", "10.000000")
            .zip(new(AMOUNT, "-1.000000", "9.000000"))
            .and_then(|(a, b)| a.widened(AMOUNT, &b));
        assert_eq!(wide, new(AMOUNT, "-1.000000", "10.000000"));
    }
}
