//! The column types of the contract and their names.

use std::fmt;
use std::str::FromStr;

/// The type of one column, written as the grammar of `wit/README.md` says.
///
/// ```
/// use spine_primitives::DataType;
///
/// let volume: DataType = "decimal128(18,6)".parse().unwrap();
/// assert_eq!(volume, DataType::Decimal { precision: 18, scale: 6 });
/// assert_eq!(volume.to_string(), "decimal128(18,6)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataType {
    Bool,
    Int64,
    Float64,
    Utf8,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// An unscaled 128-bit integer: at most `precision` digits (1 to 38), `scale` of them after the point.
    Decimal {
        precision: u8,
        scale: u8,
    },
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int64 => f.write_str("int64"),
            Self::Float64 => f.write_str("float64"),
            Self::Utf8 => f.write_str("utf8"),
            Self::Date => f.write_str("date32"),
            Self::Timestamp => f.write_str("timestamp[us,UTC]"),
            Self::Decimal { precision, scale } => write!(f, "decimal128({precision},{scale})"),
        }
    }
}

/// A type name that the contract does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDataType(pub String);

impl fmt::Display for UnknownDataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown type `{}`: use bool, int64, float64, utf8, date32, timestamp[us,UTC] or decimal128(P,S)",
            self.0
        )
    }
}

impl std::error::Error for UnknownDataType {}

impl FromStr for DataType {
    type Err = UnknownDataType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "bool" => Self::Bool,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "utf8" => Self::Utf8,
            "date32" => Self::Date,
            "timestamp[us,UTC]" => Self::Timestamp,
            _ => return decimal(text).ok_or_else(|| UnknownDataType(text.to_owned())),
        })
    }
}

fn decimal(text: &str) -> Option<DataType> {
    let (precision, scale) = text.strip_prefix("decimal128(")?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
    ((1..=38).contains(&precision) && scale <= precision).then_some(DataType::Decimal { precision, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round_trip_and_nonsense_is_refused() {
        for name in ["bool", "int64", "float64", "utf8", "date32", "timestamp[us,UTC]", "decimal128(38,0)"] {
            assert_eq!(name.parse::<DataType>().unwrap().to_string(), name);
        }
        for name in ["", "int32", "decimal128(39,0)", "decimal128(2,3)", "decimal128(0,0)", "decimal128(18, 6)"] {
            assert!(name.parse::<DataType>().is_err(), "{name}");
        }
    }
}
