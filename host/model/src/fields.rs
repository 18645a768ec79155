//! The ids of columns in the files of a dataset: a Parquet `field_id` each, which is how readers of the catalog find a
//! column. Given once and never again, so that files of every schema that a dataset had stay readable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spine_primitives::DataType;

use crate::manifest::DatasetSpec;

/// Columns that the host adds to every row, after the plugin's own: which capture it belongs to, which run made it.
pub const HOST_COLUMNS: [&str; 2] = ["_capture_id", "_run_id"];

/// Every column that files of a dataset have or had, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldIds(BTreeMap<String, FieldId>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FieldId {
    id: i64,
    /// The type that it had last.
    #[serde(rename = "type", with = "crate::text")]
    data_type: DataType,
}

impl FieldIds {
    /// Those of a dataset without files: its columns from 1, then the host's.
    pub fn first(spec: &DatasetSpec) -> Self {
        Self::default().with(spec)
    }

    /// These, and the next ones for columns that were never there.
    #[must_use]
    pub fn with(mut self, spec: &DatasetSpec) -> Self {
        let own = spec.columns.iter().map(|column| (column.name.as_str(), column.data_type));
        let host = HOST_COLUMNS.map(|name| (name, DataType::Utf8));
        for (name, data_type) in own.chain(host) {
            let next = self.0.values().map(|field| field.id).max().unwrap_or(0) + 1;
            self.0.entry(name.to_owned()).or_insert(FieldId { id: next, data_type }).data_type = data_type;
        }
        self
    }

    pub fn id(&self, column: &str) -> Option<i64> {
        self.0.get(column).map(|field| field.id)
    }

    /// The type that a column has, or had when it was dropped.
    pub fn data_type(&self, column: &str) -> Option<DataType> {
        self.0.get(column).map(|field| field.data_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(columns: &[&str]) -> DatasetSpec {
        let columns: Vec<_> = columns.iter().map(|name| serde_json::json!({ "name": name, "type": "utf8" })).collect();
        serde_json::from_value(serde_json::json!({
            "name": "a.b", "columns": columns, "key": ["day"], "partition_by": ["day"],
        }))
        .unwrap()
    }

    #[test]
    fn ids_are_given_once() {
        let first = FieldIds::first(&spec(&["day", "price"]));
        let ids = |fields: &FieldIds, names: &[&str]| names.iter().map(|name| fields.id(name)).collect::<Vec<_>>();
        assert_eq!(
            ids(&first, &["day", "price", "_capture_id", "_run_id", "note"]),
            [Some(1), Some(2), Some(3), Some(4), None]
        );
        let second = first.clone().with(&spec(&["day", "note", "price"]));
        assert_eq!(ids(&second, &["day", "price", "_run_id", "note"]), [Some(1), Some(2), Some(4), Some(5)]);
        let third = second.clone().with(&spec(&["day", "other"]));
        assert_eq!(ids(&third, &["price", "note", "other"]), [Some(2), Some(5), Some(6)], "dropped ones are kept");
        assert_eq!(third.clone().with(&spec(&["day", "price"])), third, "and come back as they were");
    }
}
