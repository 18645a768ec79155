//! Iterators over the values of a column, one for each way values lie in memory.

use std::marker::PhantomData;
use std::ops::Range;
use std::slice;

use super::storage::{self, Storage};
use super::types::{ColumnType, Required};

/// A number that is kept as `W` bytes.
#[doc(hidden)]
pub trait LittleEndian<const W: usize>: Copy + std::fmt::Debug {
    fn of(bytes: [u8; W]) -> Self;
}

/// Over values of a fixed width: a walk over their bytes, without a look at bounds for each.
#[derive(Clone, Debug)]
pub struct Fixed<'a, V, const W: usize> {
    bytes: slice::Iter<'a, [u8; W]>,
    value: PhantomData<V>,
}

impl<'a, V, const W: usize> Fixed<'a, V, W> {
    #[inline]
    pub(super) fn new(values: &'a [[u8; W]]) -> Self {
        Self { bytes: values.iter(), value: PhantomData }
    }
}

impl<V: LittleEndian<W>, const W: usize> Iterator for Fixed<'_, V, W> {
    type Item = V;

    #[inline]
    fn next(&mut self) -> Option<V> {
        self.bytes.next().map(|bytes| V::of(*bytes))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.bytes.size_hint()
    }
}

impl<V: LittleEndian<W>, const W: usize> ExactSizeIterator for Fixed<'_, V, W> {}

impl<V: LittleEndian<W>, const W: usize> DoubleEndedIterator for Fixed<'_, V, W> {
    #[inline]
    fn next_back(&mut self) -> Option<V> {
        self.bytes.next_back().map(|bytes| V::of(*bytes))
    }
}

/// Over values that are looked up row by row.
#[derive(Clone, Debug)]
pub struct ByRow<'a, T> {
    storage: &'a Storage,
    rows: Range<usize>,
    column_type: PhantomData<T>,
}

impl<'a, T> ByRow<'a, T> {
    pub(super) fn new(storage: &'a Storage) -> Self {
        Self { storage, rows: 0..storage.rows(), column_type: PhantomData }
    }
}

impl<'a, T: ColumnType> Iterator for ByRow<'a, T> {
    type Item = T::Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next().map(|row| T::get(self.storage, row))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl<T: ColumnType> ExactSizeIterator for ByRow<'_, T> {}

impl<T: ColumnType> DoubleEndedIterator for ByRow<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rows.next_back().map(|row| T::get(self.storage, row))
    }
}

/// Over values that may be null.
#[derive(Debug)]
pub struct Nullable<'a, T: Required> {
    values: T::Values<'a>,
    /// A bitmap; empty if nothing is null.
    validity: &'a [u8],
    /// Of the next value.
    row: usize,
}

impl<'a, T: Required> Nullable<'a, T> {
    #[inline]
    pub(super) fn new(storage: &'a Storage) -> Self {
        Self { values: T::values(storage), validity: storage.validity(), row: 0 }
    }

    #[inline]
    fn valid(&self, row: usize) -> bool {
        self.validity.is_empty() || storage::bit(self.validity, row)
    }
}

// Derived, it would ask for `T: Clone`.
impl<T: Required> Clone for Nullable<'_, T> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), ..*self }
    }
}

impl<'a, T: Required> Iterator for Nullable<'a, T> {
    type Item = Option<T::Value<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let value = self.values.next()?;
        let valid = self.valid(self.row);
        self.row += 1;
        Some(valid.then_some(value))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.values.size_hint()
    }
}

impl<T: Required> ExactSizeIterator for Nullable<'_, T> {}

impl<T: Required> DoubleEndedIterator for Nullable<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let value = self.values.next_back()?;
        Some(self.valid(self.row + self.values.len()).then_some(value))
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn nulls_are_found_from_both_ends() {
        let values = [Some(1), None, Some(3), None, Some(5), Some(6), None, Some(8), None, Some(10)];
        let column: Column<Option<Int64>> = values.into_iter().collect();
        assert!(column.iter().eq(values));
        assert!(column.iter().rev().eq(values.into_iter().rev()));
        let mut middle = column.iter();
        assert_eq!((middle.next(), middle.next_back(), middle.next()), (Some(Some(1)), Some(Some(10)), Some(None)));
        assert_eq!(middle.len(), 7);
        assert!(middle.clone().eq(values[2..9].iter().copied()));
    }

    #[test]
    fn every_type_is_walked_as_it_is_looked_up() {
        fn check<T: ColumnType>(column: &Column<T>) {
            let rows: Vec<_> = (0..column.len()).map(|row| column.get(row)).collect();
            assert!(column.iter().eq(rows.iter().copied()));
            assert!(column.iter().rev().eq(rows.iter().rev().copied()));
        }
        check(&(0..20).map(|row| row % 3 == 0).collect::<Column<Bool>>());
        check(&(0..20).map(|row| (row % 3 > 0).then_some(row % 2 == 0)).collect::<Column<Option<Bool>>>());
        check(&["", "a", "bc"].into_iter().collect::<Column<Utf8>>());
        check(&[Some("a"), None, Some("")].into_iter().collect::<Column<Option<Utf8>>>());
        check(&[i32::MIN, 0, i32::MAX].into_iter().collect::<Column<Date>>());
        check(&[-0.5, f64::INFINITY].into_iter().collect::<Column<Float64>>());
        check(&[Some(-1), None].into_iter().collect::<Column<Option<Decimal<38, 0>>>>());
        check(&Column::<Int64>::new());
    }

    #[test]
    fn a_column_collected_is_a_column_pushed() {
        let values = [None, Some("x"), None, Some(""), Some("yz")];
        let mut pushed = Column::<Option<Utf8>>::new();
        values.iter().for_each(|value| pushed.push(*value));
        assert_eq!(values.into_iter().collect::<Column<Option<Utf8>>>().into_storage(), pushed.into_storage());
        let mut pushed = Column::<Option<Int64>>::new();
        [Some(1), Some(2)].iter().for_each(|value| pushed.push(*value));
        let collected: Column<Option<Int64>> = [Some(1), Some(2)].into_iter().collect();
        assert_eq!(collected.into_storage(), pushed.into_storage(), "without nulls there is no bitmap");
        let none: Column<Option<Utf8>> = [].into_iter().collect();
        assert_eq!(none.into_storage(), Column::<Option<Utf8>>::new().into_storage());
    }
}
