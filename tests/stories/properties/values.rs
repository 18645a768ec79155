//! Values of every type: as a guest hands them over, as SQL writes them, and in the order that all readers promise.

use std::cmp::Ordering;

use chrono::NaiveDate;
use model::ports::Buffers;
use model::{DataType, Timestamp, decimal};

/// One value; none is null.
pub(super) type Cell = Option<Value>;

#[derive(Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Float(f64),
    /// Unscaled, with its type.
    Decimal(i128, u8, u8),
    /// Days since 1970.
    Day(i32),
    /// Microseconds since 1970.
    Time(i64),
    Bool(bool),
}

/// Which SQL a literal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Ours,
    Duck,
}

/// Long texts would drown the rest of a failing case.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) if text.len() > 80 => {
                let end: String = text.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
                write!(f, "{} bytes ending in {end:?}", text.len())
            }
            Self::Text(text) => write!(f, "{text:?}"),
            other => f.write_str(&other.text()),
        }
    }
}

impl Value {
    /// The order that SQL has in DuckDB and with us: texts by their bytes; NaN is equal to itself and above every other
    /// number; a zero has no sign.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Float(one), Self::Float(two)) => {
                one.partial_cmp(two).unwrap_or_else(|| one.is_nan().cmp(&two.is_nan()))
            }
            (Self::Whole(one), Self::Whole(two)) | (Self::Time(one), Self::Time(two)) => one.cmp(two),
            (Self::Decimal(one, ..), Self::Decimal(two, ..)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Day(one), Self::Day(two)) => one.cmp(two),
            (Self::Bool(one), Self::Bool(two)) => one.cmp(two),
            other => panic!("different types: {other:?}"),
        }
    }

    pub(super) fn is_nan(&self) -> bool {
        matches!(self, Self::Float(value) if value.is_nan())
    }

    /// The next value below or above, where there is one: what a bound that is off by one lets through.
    pub(super) fn beside(&self, step: i8) -> Self {
        match (self, step) {
            (_, 0) => self.clone(),
            (Self::Text(text), 1..) => Self::Text(format!("{text}\u{1}")),
            (Self::Text(text), _) => {
                let mut shorter = text.clone();
                shorter.pop();
                Self::Text(shorter)
            }
            (Self::Whole(value), _) => Self::Whole(value.saturating_add(step.into())),
            (Self::Float(value), 1..) => Self::Float(value.next_up()),
            (Self::Float(value), _) => Self::Float(value.next_down()),
            (Self::Decimal(value, precision, scale), _) => {
                let most = 10_i128.pow((*precision).into()) - 1;
                Self::Decimal((value + i128::from(step)).clamp(-most, most), *precision, *scale)
            }
            (Self::Day(day), _) => Self::Day((day + i32::from(step)).clamp(FIRST_DAY, LAST_DAY)),
            (Self::Time(time), _) => Self::Time((time + i64::from(step)).clamp(FIRST_TIME, LAST_TIME)),
            (Self::Bool(value), _) => Self::Bool(!value),
        }
    }

    /// One text for one value, whoever read it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Whole(value) => value.to_string(),
            Self::Float(value) => float_text(*value),
            Self::Decimal(value, _, scale) => decimal::format(*value, *scale),
            Self::Day(day) => day_text(*day),
            Self::Time(time) => Timestamp::from_micros(*time).to_string(),
            Self::Bool(value) => value.to_string(),
        }
    }

    /// As people write it: numbers in digits.
    pub(super) fn plain_sql(&self, dialect: Dialect) -> String {
        match (self, dialect) {
            (Self::Whole(_) | Self::Decimal(..), _) => self.text(),
            // Without an exponent it is a decimal for DuckDB, which then rounds twice on the way to the nearest float.
            (Self::Float(value), Dialect::Duck) if value.is_finite() => format!("{value:e}"),
            (Self::Float(value), Dialect::Ours) if value.is_finite() => self.text(),
            (Self::Text(_) | Self::Float(_) | Self::Day(_) | Self::Time(_) | Self::Bool(_), _) => self.sql(dialect),
        }
    }

    /// With the type of its column.
    pub(super) fn sql(&self, dialect: Dialect) -> String {
        match (self, dialect) {
            (Self::Text(text), _) => format!("'{}'", text.replace('\'', "''")),
            (Self::Whole(value), _) => format!("CAST('{value}' AS BIGINT)"),
            // Captures hold no zero with a sign. As a literal it is 0 in DuckDB and below 0 with us: not asked.
            (Self::Float(_), _) => format!("CAST('{}' AS DOUBLE)", self.text()),
            (Self::Decimal(_, precision, scale), _) => {
                format!("CAST('{}' AS DECIMAL({precision},{scale}))", self.text())
            }
            (Self::Day(_), _) => format!("CAST('{}' AS DATE)", self.text()),
            // The SQL type of a time has nanoseconds with us, and reaches from 1677 to 2262 only.
            (Self::Time(_), Dialect::Ours) => {
                format!("arrow_cast('{}', 'Timestamp(Microsecond, Some(\"UTC\"))')", self.text())
            }
            (Self::Time(_), Dialect::Duck) => format!("CAST('{}' AS TIMESTAMPTZ)", self.text()),
            (Self::Bool(value), _) => value.to_string(),
        }
    }

    /// The bytes of a value of fixed width, as Arrow has them.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Whole(value) | Self::Time(value) => value.to_le_bytes().to_vec(),
            Self::Float(value) => value.to_le_bytes().to_vec(),
            Self::Decimal(value, ..) => value.to_le_bytes().to_vec(),
            Self::Day(value) => value.to_le_bytes().to_vec(),
            Self::Text(_) | Self::Bool(_) => panic!("{self:?} has no fixed width in bytes"),
        }
    }
}

/// 0001-01-01 and 9999-12-31.
pub(super) const FIRST_DAY: i32 = -719_162;
pub(super) const LAST_DAY: i32 = 2_932_896;
pub(super) const FIRST_TIME: i64 = -62_135_596_800_000_000;
pub(super) const LAST_TIME: i64 = 253_402_300_799_999_999;

/// There is one NaN, and a zero has no sign.
pub(super) fn float_text(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        0.0 => "0.0".to_owned(),
        value => format!("{value:?}"),
    }
}

pub(super) fn day_text(day: i32) -> String {
    NaiveDate::from_epoch_days(day).unwrap().to_string()
}

/// A column as a guest hands it over.
pub(super) fn buffers(data_type: DataType, cells: &[Cell]) -> Buffers {
    let validity = match cells.iter().all(Option::is_some) {
        true => Vec::new(),
        false => bitmap(cells.iter().map(Option::is_some)),
    };
    let mut parts = vec![validity];
    match data_type {
        DataType::Utf8 => {
            let (mut offsets, mut bytes) = (vec![0; 4], Vec::new());
            for cell in cells {
                if let Some(Value::Text(text)) = cell {
                    bytes.extend_from_slice(text.as_bytes());
                }
                offsets.extend_from_slice(&i32::try_from(bytes.len()).unwrap().to_le_bytes());
            }
            parts.extend([offsets, bytes]);
        }
        DataType::Bool => parts.push(bitmap(cells.iter().map(|cell| cell == &Some(Value::Bool(true))))),
        DataType::Int64 | DataType::Float64 | DataType::Timestamp => parts.push(fixed(cells, 8)),
        DataType::Date => parts.push(fixed(cells, 4)),
        DataType::Decimal { .. } => parts.push(fixed(cells, 16)),
    }
    Buffers { rows: u32::try_from(cells.len()).unwrap(), parts }
}

fn fixed(cells: &[Cell], width: usize) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.as_ref().map_or_else(|| vec![0; width], Value::bytes)).collect()
}

fn bitmap(bits: impl ExactSizeIterator<Item = bool>) -> Vec<u8> {
    let mut bytes = vec![0; bits.len().div_ceil(8)];
    for (at, bit) in bits.enumerate() {
        bytes[at / 8] |= u8::from(bit) << (at % 8);
    }
    bytes
}
