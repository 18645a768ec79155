//! Typed columns: what a plugin reads and writes.
//!
//! A column owns its bytes in the layout of the boundary. Reading a value allocates nothing; handing a column that was
//! read on to a writer moves its buffers.

pub(crate) mod storage;
mod types;
mod values;

pub use storage::{Buffers, Storage};
pub use types::{Bool, ColumnType, Date, Decimal, Float64, Int64, Required, Timestamp, Utf8};
pub use values::{ByRow, Fixed, LittleEndian, Nullable};

use std::fmt;
use std::marker::PhantomData;

use spine_primitives::date::{self, NaiveDate};

use crate::error::Error;

/// The values of one column, of one type.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// let volumes: Column<Int64> = [40, 0, 60].into_iter().collect();
/// let total: i64 = volumes.iter().sum();
/// let shares: Column<Option<Float64>> = volumes.iter().map(|it| (it > 0).then(|| it as f64 / total as f64)).collect();
/// assert_eq!(shares.iter().collect::<Vec<_>>(), [Some(0.4), None, Some(0.6)]);
///
/// let mut symbols = Column::<Utf8>::new();
/// symbols.push("GME");
/// symbols.push("NAN");
/// assert_eq!(symbols.get(1), "NAN");
/// assert!(symbols.iter().eq(["GME", "NAN"]));
/// ```
pub struct Column<T: ColumnType> {
    storage: Storage,
    column_type: PhantomData<T>,
}

impl<T: ColumnType> Column<T> {
    pub fn new() -> Self {
        Self::from_storage(Storage::default())
    }

    pub fn with_capacity(rows: usize) -> Self {
        let mut storage = Storage::default();
        storage.reserve(T::DATA_TYPE, rows);
        Self::from_storage(storage)
    }

    pub fn len(&self) -> usize {
        self.storage.rows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn null_count(&self) -> usize {
        self.storage.null_count()
    }

    /// The value of a row, counted from 0. Panics past the end, as slices do.
    #[inline]
    pub fn get(&self, row: usize) -> T::Value<'_> {
        T::get(&self.storage, row)
    }

    #[inline]
    pub fn iter(&self) -> T::Values<'_> {
        T::values(&self.storage)
    }

    #[inline]
    pub fn push(&mut self, value: T::Value<'_>) {
        T::push(&mut self.storage, value);
    }

    /// A column that holds the same value in each of `rows` rows.
    pub fn repeat(value: T::Value<'_>, rows: usize) -> Self {
        std::iter::repeat_n(value, rows).collect()
    }

    /// Adds the rows of another column.
    pub fn append(&mut self, other: &Self) {
        self.storage.append(T::DATA_TYPE, &other.storage);
    }

    /// `rows` rows from `start`; fewer at the end.
    #[must_use]
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        let start = start.min(self.len());
        let end = start.saturating_add(rows).min(self.len());
        Self::from_storage(self.storage.gather(T::DATA_TYPE, start..end))
    }

    /// The rows for which `keep` says so; it is called with each row's number.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(usize) -> bool) -> Self {
        Self::from_storage(self.storage.gather(T::DATA_TYPE, (0..self.len()).filter(|&row| keep(row))))
    }

    /// The rows at these positions, in this order. Panics past the end, as slices do.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        Self::from_storage(self.storage.gather(T::DATA_TYPE, rows.iter().map(|&row| row as usize)))
    }

    pub(crate) fn from_storage(storage: Storage) -> Self {
        Self { storage, column_type: PhantomData }
    }

    /// Takes over the values of the column `name`, which were checked to be of this type, nulls aside.
    #[doc(hidden)]
    pub fn checked(name: &str, storage: Storage) -> Result<Self, Error> {
        if !T::NULLABLE {
            refuse_nulls(name, &storage)?;
        }
        Ok(Self::from_storage(storage))
    }

    #[doc(hidden)]
    pub fn into_storage(self) -> Storage {
        self.storage
    }
}

/// Not generic, so that a component holds it once.
#[inline(never)]
fn refuse_nulls(name: &str, storage: &Storage) -> Result<(), Error> {
    match storage.first_null() {
        Some(row) => {
            let message = format!("column `{name}` is null in row {row} of its batch: read it as `Option<...>`");
            Err(Error::pipeline("unexpected_null", message))
        }
        None => Ok(()),
    }
}

impl<T: Required> Column<T> {
    /// The same values as a column that could hold nulls. Moves, copies nothing.
    pub fn into_nullable(self) -> Column<Option<T>> {
        Column::from_storage(self.storage)
    }
}

impl<T: Required> Column<Option<T>> {
    /// The same values as a column without nulls. Moves, copies nothing; the error names the first null row.
    pub fn into_required(self) -> Result<Column<T>, Error> {
        match self.storage.first_null() {
            Some(row) => Err(Error::pipeline("unexpected_null", format!("row {row} of the column is null"))),
            None => Ok(Column::from_storage(self.storage)),
        }
    }
}

impl Column<Utf8> {
    /// The rows whose text holds anything but printable ASCII, or begins or ends with a space: a control character, a
    /// space of no width, a letter that only looks like a Latin one. Where texts identify something, two that look alike
    /// must be alike ([`Reject::bad_key`](crate::host::Reject::bad_key)).
    ///
    /// Costs one walk over the bytes where no text holds a space or worse.
    ///
    /// ```
    /// use spine_sdk::prelude::*;
    ///
    /// let symbols: Column<Utf8> = ["BRK.B", "GM\u{a0}E", "AB C", "Q "].into_iter().collect();
    /// assert_eq!(symbols.unprintable(), [1, 3]);
    /// ```
    pub fn unprintable(&self) -> Vec<usize> {
        if all_within(self.storage.text(), b'!') {
            return Vec::new();
        }
        let is_clear = |text: &str| all_within(text, b' ') && !text.starts_with(' ') && !text.ends_with(' ');
        self.iter().enumerate().filter(|(_, text)| !is_clear(text)).map(|(row, _)| row).collect()
    }
}

/// Whether every byte is from `first` to `~`. Without a way out in the middle, which would keep the compiler from
/// looking at many bytes at once.
fn all_within(text: &str, first: u8) -> bool {
    text.bytes().fold(true, |within, byte| within & (first..=b'~').contains(&byte))
}

impl Column<Date> {
    pub fn dates(&self) -> impl ExactSizeIterator<Item = NaiveDate> + '_ {
        self.iter().map(date::from_days)
    }
}

impl Column<Option<Date>> {
    pub fn dates(&self) -> impl ExactSizeIterator<Item = Option<NaiveDate>> + '_ {
        self.iter().map(|days| days.map(date::from_days))
    }
}

impl<'a, T: ColumnType> IntoIterator for &'a Column<T> {
    type Item = T::Value<'a>;
    type IntoIter = T::Values<'a>;

    fn into_iter(self) -> T::Values<'a> {
        self.iter()
    }
}

impl<'a, T: ColumnType> FromIterator<T::Value<'a>> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T::Value<'a>>>(values: I) -> Self {
        Self::from_storage(T::collect(values.into_iter()))
    }
}

impl<'a, T: ColumnType> Extend<T::Value<'a>> for Column<T> {
    fn extend<I: IntoIterator<Item = T::Value<'a>>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl<T: ColumnType> Default for Column<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ColumnType> Clone for Column<T> {
    fn clone(&self) -> Self {
        Self::from_storage(self.storage.clone())
    }
}

impl<T: ColumnType> PartialEq for Column<T> {
    /// Value by value, so NaN differs from itself.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<T: ColumnType> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_told_from_zeros_and_empty_texts() {
        let numbers: Column<Option<Decimal<18, 6>>> = [Some(0), None, Some(-1)].into_iter().collect();
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [Some(0), None, Some(-1)]);
        let texts: Column<Option<Utf8>> = [Some(""), None].into_iter().collect();
        assert_eq!((texts.get(0), texts.get(1)), (Some(""), None));
        assert_eq!(texts.into_required().unwrap_err().code, "unexpected_null");
    }

    #[test]
    fn taking_filtering_and_slicing_keep_values_and_nulls() {
        let flags: Column<Option<Bool>> = (0..20).map(|row| (row % 3 > 0).then_some(row % 2 == 0)).collect();
        assert_eq!(flags.take(&[3, 4, 4]).iter().collect::<Vec<_>>(), [None, Some(true), Some(true)]);
        assert_eq!(flags.slice(18, 9).len(), 2);
        assert_eq!(flags.slice(99, 1).len(), 0);
        assert!(flags.filter(|row| row % 3 == 0).iter().all(|flag| flag.is_none()));
    }

    #[test]
    fn only_printable_ascii_is_what_it_looks_like() {
        let texts: Column<Utf8> =
            ["A", "", "! ~", "A\tB", "\u{7f}", "GM\u{200b}E", "\u{410}", "Z", " Z", "Z "].into_iter().collect();
        assert_eq!(texts.unprintable(), [3, 4, 5, 6, 8, 9]);
        assert_eq!(texts.slice(0, 3).unprintable(), [0; 0]);
        assert_eq!(Column::<Utf8>::new().unprintable(), [0; 0]);
    }

    #[test]
    fn dates_are_days_of_the_calendar() {
        let days: Column<Date> = [0, 18_654].into_iter().collect();
        assert_eq!(days.dates().map(|day| day.to_string()).collect::<Vec<_>>(), ["1970-01-01", "2021-01-27"]);
    }
}
