//! How the schema of a dataset may change once captures of it exist.
//!
//! Captures are immutable, so what they hold must stay readable and keep its meaning under the new schema: columns that
//! may be null come at any time, what a migration declares may go or change, and the rest is refused with every reason
//! at once. A version that was active before may come back without a word: it declares what is known already.

use serde::{Deserialize, Serialize};
use spine_primitives::DataType;

use crate::fields::FieldIds;
use crate::manifest::{ColumnSpec, DatasetSpec};

/// Changes of a dataset that its author means, by the columns that they are about. It stays in the manifest: another
/// change of the kind must be declared anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// Columns that are not there any more. Captures of before keep them, and queries as of before show them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<String>,
    /// Columns of a wider type than before: every value that was there is one of the new type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retypes: Vec<String>,
    /// Columns of another unit than before. Captures of before keep their numbers, so they are to be delivered again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// The natural key is another one. Captures of before were unique by the old one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
}

/// Who asks for a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    New,
    /// A version that was active before: columns that came since may go with it, and those that went come back.
    Returning,
}

/// Why captures of the old schema cannot stay as they are under the new one: every reason, each with what to do.
pub fn obstacles(old: &DatasetSpec, new: &DatasetSpec, fields: &FieldIds, asker: Asker) -> Vec<String> {
    let declared = new.migration.clone().unwrap_or_default();
    let mut found = Vec::new();
    if old.partition_by != new.partition_by {
        let (old, new) = (old.partition_by.join(", "), new.partition_by.join(", "));
        found.push(format!(
            "it was partitioned by ({old}), now by ({new}): captures are replaced by partition, so give the dataset \
             another name"
        ));
    }
    if old.key != new.key && !declared.key && asker == Asker::New {
        let (old, new) = (old.key.join(", "), new.key.join(", "));
        found.push(format!("its key was ({old}), now ({new}): keep it, or declare `key` in its migration"));
    }
    for before in &old.columns {
        let name = &before.name;
        match new.column(name) {
            Some(now) => found.extend(changed(before, now, &declared, asker)),
            None if declared.drops.contains(name) || asker == Asker::Returning => {}
            None => found.push(format!("column `{name}` is gone: keep it, or declare it in `drops` of its migration")),
        }
    }
    for now in new.columns.iter().filter(|column| old.column(&column.name).is_none()) {
        found.extend(added(now, fields, asker));
    }
    found
}

fn changed(before: &ColumnSpec, now: &ColumnSpec, declared: &Migration, asker: Asker) -> Vec<String> {
    let name = &now.name;
    let mut found = Vec::new();
    if before.data_type != now.data_type {
        let what = format!("column `{name}` was {}, now {}", before.data_type, now.data_type);
        if !widens(before.data_type, now.data_type) {
            found.push(format!("{what}: values that are there may not fit, so add a column of another name"));
        } else if !declared.retypes.contains(name) {
            found.push(format!("{what}: keep its type, or declare it in `retypes` of its migration"));
        }
    }
    if before.nullable && !now.nullable {
        found.push(format!("column `{name}` may not be null any more, but captures may hold nulls: leave it nullable"));
    }
    if before.unit != now.unit && !declared.units.contains(name) && asker == Asker::New {
        let unit = |column: &ColumnSpec| column.unit.clone().unwrap_or_else(|| "none".to_owned());
        found.push(format!(
            "the unit of column `{name}` was {}, now {}: keep it, or declare it in `units` of its migration",
            unit(before),
            unit(now)
        ));
    }
    found
}

fn added(now: &ColumnSpec, fields: &FieldIds, asker: Asker) -> Option<String> {
    let name = &now.name;
    match fields.data_type(name) {
        Some(then) if then != now.data_type => {
            return Some(format!(
                "column `{name}` was dropped as {then} and comes as {}: files hold the old one, so name it otherwise",
                now.data_type
            ));
        }
        Some(_) if asker == Asker::Returning => return None,
        Some(_) | None => {}
    }
    (!now.nullable).then(|| {
        format!("column `{name}` is new and may not be null, but captures have no value for it: make it nullable")
    })
}

/// Whether every value of a type is one of the other, digit by digit.
pub fn widens(from: DataType, to: DataType) -> bool {
    match (from, to) {
        (DataType::Int64, DataType::Decimal { precision, scale }) => precision.saturating_sub(scale) >= 19,
        (
            DataType::Decimal { precision: old, scale: old_scale },
            DataType::Decimal { precision: new, scale: new_scale },
        ) => new_scale >= old_scale && new.saturating_sub(new_scale) >= old.saturating_sub(old_scale),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn column(name: &str, data_type: &str) -> Value {
        json!({ "name": name, "type": data_type })
    }

    fn spec(columns: &[Value], migration: &Value) -> DatasetSpec {
        serde_json::from_value(json!({
            "name": "shop.sales", "columns": columns, "key": ["day"], "partition_by": ["day"], "migration": migration,
        }))
        .unwrap()
    }

    fn old() -> DatasetSpec {
        let amount = json!({ "name": "amount", "type": "decimal128(18,6)", "unit": "USD" });
        let note = json!({ "name": "note", "type": "utf8", "nullable": true });
        spec(&[column("day", "date32"), amount, column("count", "int64"), note], &Value::Null)
    }

    fn reasons(new: &DatasetSpec, asker: Asker) -> Vec<String> {
        obstacles(&old(), new, &FieldIds::first(&old()), asker)
    }

    fn altered(change: impl FnOnce(&mut DatasetSpec), migration: Value) -> DatasetSpec {
        let mut spec = old();
        spec.migration = serde_json::from_value(migration).unwrap();
        change(&mut spec);
        spec
    }

    fn must_be_declared(change: impl Fn(&mut DatasetSpec), migration: Value, words: &str) {
        let found = reasons(&altered(&change, Value::Null), Asker::New);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(words), "{found:?}");
        assert_eq!(reasons(&altered(&change, migration), Asker::New), Vec::<String>::new());
    }

    fn is_refused(change: impl Fn(&mut DatasetSpec), words: &str) {
        let all = json!({ "drops": ["note"], "retypes": ["count", "amount"], "units": ["amount"], "key": true });
        for asker in [Asker::New, Asker::Returning] {
            let found = reasons(&altered(&change, all.clone()), asker);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(words), "{found:?}");
        }
    }

    #[test]
    fn columns_that_may_be_null_come_anywhere_and_words_change_freely() {
        let mut new = old();
        new.columns
            .insert(1, serde_json::from_value(json!({ "name": "x", "type": "bool", "nullable": true })).unwrap());
        new.description = "Sales".to_owned();
        new.columns[0].description = "The session".to_owned();
        assert_eq!(reasons(&new, Asker::New), Vec::<String>::new());
    }

    #[test]
    fn what_changes_the_meaning_of_captures_must_be_declared() {
        must_be_declared(|it| drop(it.columns.pop()), json!({ "drops": ["note"] }), "`note` is gone");
        must_be_declared(
            |it| it.columns[2].data_type = DataType::Decimal { precision: 19, scale: 0 },
            json!({ "retypes": ["count"] }),
            "was int64, now decimal128(19,0)",
        );
        must_be_declared(
            |it| it.columns[1].data_type = DataType::Decimal { precision: 20, scale: 8 },
            json!({ "retypes": ["amount"] }),
            "now decimal128(20,8)",
        );
        must_be_declared(
            |it| it.columns[1].unit = Some("EUR".to_owned()),
            json!({ "units": ["amount"] }),
            "was USD, now EUR",
        );
        must_be_declared(
            |it| it.key.push("count".to_owned()),
            json!({ "key": true }),
            "key was (day), now (day, count)",
        );
    }

    #[test]
    fn what_captures_cannot_follow_is_refused_whatever_is_declared() {
        is_refused(|it| it.partition_by.push("count".to_owned()), "partitioned by (day), now by (day, count)");
        is_refused(|it| it.columns[2].data_type = DataType::Float64, "was int64, now float64");
        is_refused(
            |it| it.columns[1].data_type = DataType::Decimal { precision: 18, scale: 7 },
            "was decimal128(18,6), now decimal128(18,7)",
        );
        is_refused(|it| it.columns[3].nullable = false, "may not be null any more");
        is_refused(
            |it| it.columns.push(serde_json::from_value(column("x", "bool")).unwrap()),
            "is new and may not be null",
        );
    }

    #[test]
    fn all_reasons_come_at_once() {
        let new = altered(
            |it| {
                it.columns.pop();
                it.columns[1].unit = None;
                it.key.push("count".to_owned());
            },
            Value::Null,
        );
        assert_eq!(reasons(&new, Asker::New).len(), 3);
    }

    #[test]
    fn a_version_of_before_comes_back_without_what_came_since_and_with_what_went() {
        let mut later = old();
        later.columns.remove(2);
        later.columns.push(serde_json::from_value(json!({ "name": "x", "type": "bool", "nullable": true })).unwrap());
        let fields = FieldIds::first(&old()).with(&later);
        assert_eq!(obstacles(&later, &old(), &fields, Asker::Returning), Vec::<String>::new());
        let found = obstacles(&later, &old(), &fields, Asker::New);
        assert_eq!(found.len(), 2, "{found:?}");
        let mut other = old();
        other.columns[2].data_type = DataType::Utf8;
        let found = obstacles(&later, &other, &fields, Asker::Returning);
        assert!(found[0].contains("was dropped as int64 and comes as utf8"), "{found:?}");
    }
}
