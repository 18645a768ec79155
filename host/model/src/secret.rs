//! Values that nobody may see but who needs them: those of parameters that a manifest declares `secret`, and those of
//! secrets that an operator grants.
//!
//! The ledger, events and reports hold [`PLACEHOLDER`] in their place. What a guest says is searched for them too, since
//! a plugin may print its parameters or quote one in an error. Limits: only the value as it was given is found, not what
//! a guest makes of it; values of fewer than four bytes are not looked for, they would be found everywhere.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Stands where the value of a secret would.
pub const PLACEHOLDER: &str = "(secret)";

/// Shorter values are not looked for in texts.
const TEXT_BYTES_MIN: usize = 4;

/// The value of one secret. Its debug text does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for who sends it on or may see it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACEHOLDER)
    }
}

/// The secrets of one run.
#[derive(Clone, Default)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    pub fn new<'a>(values: impl IntoIterator<Item = &'a Value>) -> Self {
        Self::of(values.into_iter().flat_map(forms).collect())
    }

    /// These, and others that come to them.
    #[must_use]
    pub fn and<'a>(&self, values: impl IntoIterator<Item = &'a SecretValue>) -> Self {
        let more = values.into_iter().flat_map(|value| forms(&Value::String(value.0.clone())));
        Self::of(self.0.iter().cloned().chain(more).collect())
    }

    fn of(mut texts: Vec<String>) -> Self {
        texts.retain(|text| text.len() >= TEXT_BYTES_MIN);
        // One that holds another goes first, or its rest would stay.
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        Self(texts.into())
    }

    /// The text, with the placeholder where a secret stood.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hidden = Cow::Borrowed(text);
        for secret in self.0.iter().filter(|secret| text.contains(secret.as_str())) {
            hidden = Cow::Owned(hidden.replace(secret, PLACEHOLDER));
        }
        hidden
    }

    /// Hides the secrets in a text that is kept.
    pub fn hide_in(&self, text: &mut String) {
        if let Cow::Owned(hidden) = self.hide(text) {
            *text = hidden;
        }
    }

    /// Hides the secrets in every text of a JSON value, names included.
    pub fn hide_in_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.hide_in(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_in_json(item)),
            Value::Object(members) => {
                for (name, mut member) in std::mem::take(members) {
                    self.hide_in_json(&mut member);
                    members.insert(self.hide(&name).into_owned(), member);
                }
            }
            Value::Number(number) => {
                let text = number.to_string();
                if let Cow::Owned(hidden) = self.hide(&text) {
                    *value = Value::String(hidden);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Every text that is looked for, for who has to find them in bytes; longer ones before those that they hold.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A value as it stands in a text, and as it stands in JSON; each of its lines too, since what a guest prints comes line by
/// line. What can only be yes or no is not looked for.
fn forms(value: &Value) -> Vec<String> {
    let json = value.to_string();
    match value {
        Value::String(text) => {
            let escaped = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(str::to_owned);
            let lines = text.lines().filter(|line| line.len() < text.len()).map(|line| line.trim().to_owned());
            [Some(text.clone()), escaped].into_iter().flatten().chain(lines).collect()
        }
        Value::Number(_) | Value::Array(_) | Value::Object(_) => vec![json],
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_hidden_in_texts_and_in_json_also_where_it_is_escaped() {
        let secrets = Secrets::new([&json!("hunter2"), &json!("hunter22"), &json!("a\"b\\c"), &json!(12345)]);
        assert_eq!(secrets.hide("key hunter22, hunter2 and 12345"), "key (secret), (secret) and (secret)");
        assert_eq!(secrets.hide(r#"{"key": "a\"b\\c"}"#), r#"{"key": "(secret)"}"#);
        assert!(matches!(secrets.hide("nothing here"), Cow::Borrowed(_)));
        let mut value = json!({"params": {"key hunter2": "hunter2"}, "list": ["x hunter2", 12345, 1, null]});
        secrets.hide_in_json(&mut value);
        assert_eq!(value, json!({"params": {"key (secret)": "(secret)"}, "list": ["x (secret)", "(secret)", 1, null]}));
        assert_eq!(format!("{secrets:?}"), "Secrets(5)");
    }

    #[test]
    fn secrets_that_come_later_are_hidden_as_well_and_a_value_does_not_show_itself() {
        let value = SecretValue::new("hunter22");
        let secrets = Secrets::new([&json!("hunter2")]).and([&value]);
        assert_eq!(secrets.hide("hunter2 and hunter22"), "(secret) and (secret)");
        assert_eq!((format!("{value:?}").as_str(), value.expose()), ("(secret)", "hunter22"));
    }

    #[test]
    fn each_line_of_a_value_is_hidden_too() {
        let secrets = Secrets::new([&json!("-----BEGIN-----\nMIIEvQ\r\n  YWJj\n}\n")]);
        for (said, shown) in [("key MIIEvQ", "key (secret)"), ("YWJj", "(secret)"), ("a }", "a }")] {
            assert_eq!(secrets.hide(said), shown);
        }
        assert_eq!(secrets.hide("x -----BEGIN-----\nMIIEvQ\r\n  YWJj\n}\n y"), "x (secret) y");
    }

    #[test]
    fn a_value_that_would_be_found_everywhere_is_not_looked_for() {
        let secrets = Secrets::new([&json!(""), &json!("abc"), &json!(true), &json!(7)]);
        assert_eq!(secrets.hide("abc is true 7 times"), "abc is true 7 times");
    }
}
