//! How the rows of two captures of one partition differ, by natural key.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Differing rows that are told whole; the rest is counted.
pub const DIFFERENT_ROWS_MAX: usize = 100;

/// What became of the rows of one capture in another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    pub unchanged: u64,
    /// In how many rows each column has another value; columns without any are left out.
    pub columns: BTreeMap<String, u64>,
    /// The first [`DIFFERENT_ROWS_MAX`] that differ, in order of their keys.
    pub rows: Vec<RowDifference>,
}

/// One row that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowDifference {
    pub change: RowChange,
    /// The columns of the natural key.
    pub key: BTreeMap<String, ExactJson>,
    /// The columns that differ as they were; all of them for a removed row, none for an added one.
    pub before: BTreeMap<String, ExactJson>,
    pub after: BTreeMap<String, ExactJson>,
}

/// A value as JSON text: decimals and 64-bit integers keep all their digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactJson(pub String);

impl Serialize for ExactJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ExactJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.get().to_owned()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowChange {
    Added,
    Removed,
    Changed,
}

impl RowChange {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl Difference {
    /// Whether both have the same rows.
    pub fn is_none(&self) -> bool {
        self.added == 0 && self.removed == 0 && self.changed == 0
    }

    /// Takes another partition's differences in, as far as there is room.
    pub fn add(&mut self, other: Self) {
        self.added += other.added;
        self.removed += other.removed;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        for (column, rows) in other.columns {
            *self.columns.entry(column).or_default() += rows;
        }
        let room = DIFFERENT_ROWS_MAX.saturating_sub(self.rows.len());
        self.rows.extend(other.rows.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_survive_json() {
        let row = RowDifference {
            change: RowChange::Changed,
            key: BTreeMap::from([("symbol".to_owned(), ExactJson("\"A\"".to_owned()))]),
            before: BTreeMap::from([("shares".to_owned(), ExactJson("50.500000".to_owned()))]),
            after: BTreeMap::from([("shares".to_owned(), ExactJson("9007199254740993".to_owned()))]),
        };
        let text = serde_json::to_string(&row).unwrap();
        let expected = r#"{"change":"changed","key":{"symbol":"A"},"before":{"shares":50.500000},"after":{"shares":9007199254740993}}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<RowDifference>(&text).unwrap(), row);
    }

    #[test]
    fn differences_of_partitions_add_up_and_rows_are_told_while_there_is_room() {
        let row = || RowDifference {
            change: RowChange::Added,
            key: BTreeMap::new(),
            before: BTreeMap::new(),
            after: BTreeMap::new(),
        };
        let part = || Difference { added: 60, rows: (0..60).map(|_| row()).collect(), ..Difference::default() };
        let mut whole = part();
        whole.add(part());
        assert_eq!((whole.added, whole.rows.len()), (120, DIFFERENT_ROWS_MAX));
        assert!(!whole.is_none() && Difference::default().is_none());
    }
}
