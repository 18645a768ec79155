//! The types a column may have, and the Rust value of each.

use std::fmt::Debug;

use spine_primitives::DataType;
use spine_primitives::decimal::{self, DecimalError};

use super::storage::{Storage, Validity};
use super::values::{ByRow, Fixed, LittleEndian, Nullable};

/// The type of a column: a marker such as [`Utf8`], or `Option` of one for a column with nulls.
pub trait ColumnType: Sized + Debug + 'static {
    /// One value. Text is borrowed from its column.
    type Value<'a>: Copy + Debug + PartialEq;
    /// Iterates over the values of a column.
    type Values<'a>: ExactSizeIterator<Item = Self::Value<'a>> + DoubleEndedIterator + Clone + Debug;
    const DATA_TYPE: DataType;
    const NULLABLE: bool;

    #[doc(hidden)]
    fn get(storage: &Storage, row: usize) -> Self::Value<'_>;
    #[doc(hidden)]
    fn values(storage: &Storage) -> Self::Values<'_>;
    #[doc(hidden)]
    fn push(storage: &mut Storage, value: Self::Value<'_>);

    /// A column of its own for these values.
    #[doc(hidden)]
    fn collect<'a>(values: impl Iterator<Item = Self::Value<'a>>) -> Storage {
        let mut storage = Storage::default();
        storage.reserve(Self::DATA_TYPE, values.size_hint().0);
        values.for_each(|value| Self::push(&mut storage, value));
        storage
    }
}

/// A column type without nulls.
pub trait Required: ColumnType {
    /// What stands where a null is.
    #[doc(hidden)]
    fn nothing<'a>() -> Self::Value<'a>;
}

/// `bool`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bool;
/// `i64`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int64;
/// `f64`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Float64;
/// `&str`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utf8;
/// `i32`: days since 1970-01-01; see [`crate::date`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date;
/// `i64`: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp;
/// `i128`: an unscaled integer of at most `P` digits, `S` of them after the point. Exact, never rounded.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// type Shares = Decimal<18, 6>;
/// let volume = Shares::parse("1.5").unwrap();
/// assert_eq!(volume, 1_500_000);
/// assert_eq!(Shares::format(volume), "1.500000");
/// assert_eq!(Shares::to_f64(volume), 1.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal<const P: u8, const S: u8>;

impl<const P: u8, const S: u8> Decimal<P, S> {
    pub const PRECISION: u8 = P;
    pub const SCALE: u8 = S;

    /// Parses a decimal; nothing is ever rounded.
    pub fn parse(text: &str) -> Result<i128, DecimalError> {
        decimal::parse(text, P, S)
    }

    /// Writes a value with exactly `S` digits after the point.
    pub fn format(value: i128) -> String {
        decimal::format(value, S)
    }

    /// The nearest float.
    pub fn to_f64(value: i128) -> f64 {
        value as f64 / 10_i128.pow(u32::from(S)) as f64
    }
}

macro_rules! little_endian {
    ($($value:ty)*) => {
        $(impl LittleEndian<{ size_of::<$value>() }> for $value {
            #[inline]
            fn of(bytes: [u8; size_of::<$value>()]) -> Self {
                Self::from_le_bytes(bytes)
            }
        })*
    };
}

little_endian!(i32 i64 i128 f64);

macro_rules! fixed_width {
    ($({$($generics:tt)*})? $marker:ty, $value:ty, $data_type:expr) => {
        impl $(<$($generics)*>)? ColumnType for $marker {
            type Value<'a> = $value;
            type Values<'a> = Fixed<'a, $value, { size_of::<$value>() }>;
            const DATA_TYPE: DataType = $data_type;
            const NULLABLE: bool = false;

            #[inline]
            fn get(storage: &Storage, row: usize) -> $value {
                <$value>::from_le_bytes(storage.fixed(row))
            }

            #[inline]
            fn values(storage: &Storage) -> Self::Values<'_> {
                Fixed::new(storage.all_fixed())
            }

            #[inline]
            fn push(storage: &mut Storage, value: $value) {
                storage.push_fixed(value.to_le_bytes());
            }

            #[inline]
            fn collect<'a>(values: impl Iterator<Item = Self::Value<'a>>) -> Storage {
                Storage::of_fixed(values.map(<$value>::to_le_bytes).collect())
            }
        }

        impl $(<$($generics)*>)? Required for $marker {
            #[inline]
            fn nothing<'a>() -> Self::Value<'a> {
                <$value>::default()
            }
        }
    };
}

fixed_width!(Int64, i64, DataType::Int64);
fixed_width!(Float64, f64, DataType::Float64);
fixed_width!(Date, i32, DataType::Date);
fixed_width!(Timestamp, i64, DataType::Timestamp);
fixed_width!({const P: u8, const S: u8} Decimal<P, S>, i128, {
    assert!(P >= 1 && P <= 38 && S <= P, "a decimal has 1 to 38 digits and not more of them after the point");
    DataType::Decimal { precision: P, scale: S }
});

impl ColumnType for Bool {
    type Value<'a> = bool;
    type Values<'a> = ByRow<'a, Self>;
    const DATA_TYPE: DataType = DataType::Bool;
    const NULLABLE: bool = false;

    fn get(storage: &Storage, row: usize) -> bool {
        storage.boolean(row)
    }

    fn values(storage: &Storage) -> ByRow<'_, Self> {
        ByRow::new(storage)
    }

    fn push(storage: &mut Storage, value: bool) {
        storage.push_bool(value);
    }
}

impl Required for Bool {
    fn nothing<'a>() -> Self::Value<'a> {
        false
    }
}

impl ColumnType for Utf8 {
    type Value<'a> = &'a str;
    type Values<'a> = ByRow<'a, Self>;
    const DATA_TYPE: DataType = DataType::Utf8;
    const NULLABLE: bool = false;

    fn get(storage: &Storage, row: usize) -> &str {
        storage.str(row)
    }

    fn values(storage: &Storage) -> ByRow<'_, Self> {
        ByRow::new(storage)
    }

    fn push(storage: &mut Storage, value: &str) {
        storage.push_str(value);
    }
}

impl Required for Utf8 {
    fn nothing<'a>() -> Self::Value<'a> {
        ""
    }
}

impl<T: Required> ColumnType for Option<T> {
    type Value<'a> = Option<T::Value<'a>>;
    type Values<'a> = Nullable<'a, T>;
    const DATA_TYPE: DataType = T::DATA_TYPE;
    const NULLABLE: bool = true;

    #[inline]
    fn get(storage: &Storage, row: usize) -> Option<T::Value<'_>> {
        assert!(row < storage.rows(), "row {row} of a column of {} rows", storage.rows());
        storage.is_valid(row).then(|| T::get(storage, row))
    }

    #[inline]
    fn values(storage: &Storage) -> Nullable<'_, T> {
        Nullable::new(storage)
    }

    #[inline]
    fn push(storage: &mut Storage, value: Option<T::Value<'_>>) {
        match value {
            Some(value) => T::push(storage, value),
            None => storage.push_null(T::DATA_TYPE),
        }
    }

    #[inline]
    fn collect<'a>(values: impl Iterator<Item = Self::Value<'a>>) -> Storage {
        let mut validity = Validity::default();
        let storage = T::collect(values.map(|value| {
            validity.push(value.is_some());
            value.unwrap_or_else(T::nothing)
        }));
        storage.with_validity(validity)
    }
}
