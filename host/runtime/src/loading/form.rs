//! The form of a manifest, held against the published schema: everything that is wrong with it, each with its place.
//!
//! The deserialiser decides what is a manifest; this tells an author more than its first complaint.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use model::plugin::Finding;
use model::{brief, nearest};
use serde_json::Value;

const TEXT: &str = include_str!("../../../../wit/manifest.schema.json");

/// Longest manifest that is looked at so, in bytes: an author's has some tens of thousands.
const LOOKED_AT_MAX: usize = 512 << 10;

/// Most findings that are told of one manifest.
const FINDINGS_MAX: usize = 50;

/// The schema; none if it cannot be used, which the tests exclude.
static SCHEMA: LazyLock<Option<Value>> = LazyLock::new(|| serde_json::from_str(TEXT).ok());

static VALIDATOR: LazyLock<Option<Validator>> = LazyLock::new(|| {
    let mut schema = SCHEMA.clone()?;
    seal(&mut schema);
    schema.get_mut("$defs")?.as_object_mut()?.values_mut().for_each(seal);
    jsonschema::validator_for(&schema).ok()
});

/// Lets no key be that an object does not know: the published schema allows them, since a newer one may have more.
fn seal(schema: &mut Value) {
    let is_open = |schema: &serde_json::Map<String, Value>| {
        schema.contains_key("properties") && !schema.contains_key("additionalProperties")
    };
    if let Some(object) = schema.as_object_mut().filter(|object| is_open(object)) {
        object.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
}

/// What a document has that no manifest may have, and keys that this host does not know.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) wrong: Vec<String>,
    pub(super) unknown_keys: Vec<Finding>,
}

/// Looks at a document that is JSON; finds nothing in what is none, or too long.
pub(super) fn look_at(json: &str) -> Form {
    let mut form = Form::default();
    let document = (json.len() <= LOOKED_AT_MAX).then(|| serde_json::from_str::<Value>(json).ok()).flatten();
    let (Some(document), Some(validator)) = (document, VALIDATOR.as_ref()) else { return form };
    for error in validator.iter_errors(&document).take(FINDINGS_MAX) {
        match error.kind() {
            ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                form.unknown_keys.extend(unexpected.iter().map(|key| unknown_key(&error, key)));
            }
            _ => form.wrong.push(format!("at `{}`: {}", place(&error), brief(&error.masked_with("this").to_string()))),
        }
    }
    form
}

/// The place in the document, as a JSON Pointer.
fn place(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    if path.is_empty() { "/".to_owned() } else { path }
}

fn unknown_key(error: &ValidationError<'_>, key: &str) -> Finding {
    let known = SCHEMA.as_ref().map(keys).unwrap_or_default();
    let hint = match nearest(key, known.iter().map(String::as_str)) {
        Some(known) => format!("did you mean `{known}`? A key that is not known is ignored"),
        None => {
            "a key that is not known is ignored: it is misspelt, at the wrong place, or of a newer contract".to_owned()
        }
    };
    Finding::warning("unknown_key", format!("at `{}`: no key is called `{}` here", place(error), brief(key)), hint)
}

/// Every key that the schema knows, wherever.
fn keys(schema: &Value) -> BTreeSet<String> {
    let own = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|it| it.keys().cloned());
    let below: Vec<&Value> = match schema {
        Value::Object(object) => object.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    own.chain(below.into_iter().flat_map(keys)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place() {
        let form = look_at(
            r#"{"contract": "0.1.1", "name": "p", "version": "1", "pipeline": [],
                "datasets": [{"name": "p.d", "key": ["k"], "partition_by": [], "colums": [],
                    "columns": [{"name": "k", "type": "int"}, {"name": "v", "type": "utf8", "nullable": "yes"}]}],
                "tasks": [{}]}"#,
        );
        let wrong = form.wrong.join("\n");
        for part in
            ["at `/datasets/0/columns/0/type`", "at `/datasets/0/columns/1/nullable`", "at `/tasks/0`: \"name\""]
        {
            assert!(wrong.contains(part), "{part}: {wrong}");
        }
        let told = |finding: &Finding| format!("{} {}", finding.message, finding.hint);
        let unknown = form.unknown_keys.iter().map(told).collect::<Vec<_>>().join("\n");
        for part in [
            "at `/`: no key is called `pipeline` here did you mean `pipelines`?",
            "at `/datasets/0`: no key is called `colums` here did you mean `columns`?",
        ] {
            assert!(unknown.contains(part), "{part}: {unknown}");
        }
    }

    #[test]
    fn nothing_is_told_of_what_is_no_json_or_too_long() {
        for json in ["", "{", &" ".repeat(LOOKED_AT_MAX + 1)] {
            let form = look_at(json);
            assert_eq!((form.wrong.len(), form.unknown_keys.len()), (0, 0));
        }
    }

    #[test]
    fn no_manifest_has_more_findings_than_anybody_reads() {
        let columns = vec![r#"{"nome": 1}"#; 1_000].join(", ");
        let form = look_at(&format!(r#"{{"datasets": [{{"columns": [{columns}]}}]}}"#));
        assert!((1..=FINDINGS_MAX).contains(&(form.wrong.len() + form.unknown_keys.len())));
    }
}
