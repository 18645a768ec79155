//! The keys that a written policy may have: told apart before it is read, so that each reader decides what becomes of
//! the others.
//!
//! A manifest may come from a newer SDK, and what this host does not know yet is left out of it; `spine.toml` is written
//! by hand, and each of them is a slip. Words that choose (a strategy, a rule, a kind of limit) are never left out: the
//! policy would mean something else without them.

use serde_json::Value;

use crate::nearest::suggestion;

/// What a value may hold.
enum Shape {
    /// A number, a word, or what is checked where it is read.
    Any,
    /// Keys that may be there.
    Table(&'static [(&'static str, Shape)]),
    /// One of these keys, or one of them as a word.
    Choice(&'static [(&'static str, Shape)]),
}

use Shape::{Any, Choice, Table};

static RETRY: Shape = Table(&[
    ("attempts_max", Any),
    (
        "strategy",
        Choice(&[
            ("exponential", Table(&[("base_ms", Any), ("factor", Any), ("max_ms", Any)])),
            ("linear", Table(&[("base_ms", Any), ("step_ms", Any), ("max_ms", Any)])),
            ("constant", Table(&[("delay_ms", Any)])),
            ("none", Any),
        ]),
    ),
    ("jitter", Any),
]);

static BREAKER: Shape = Table(&[
    (
        "rule",
        Choice(&[
            ("consecutive", Table(&[("failures", Any)])),
            ("rate", Table(&[("percent", Any), ("window_calls", Any), ("window_ms", Any), ("calls_min", Any)])),
            ("none", Any),
        ]),
    ),
    ("recovery_ms", Any),
    ("probes", Any),
    ("successes", Any),
    ("probe_lease_ms", Any),
]);

static RATE_LIMIT: Shape = Choice(&[
    ("token_bucket", Table(&[("per_second", Any), ("capacity", Any)])),
    ("sliding_window", Table(&[("calls", Any), ("window_ms", Any)])),
    ("all", Any),
    ("none", Any),
]);

static CONCURRENCY: Shape = Table(&[("slots", Any), ("key", Any), ("wait_ms", Any)]);

/// A table of a written policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyTable {
    /// The whole: [`super::PolicySpec`].
    Policy,
    /// [`super::RetrySpec`].
    Retry,
    /// [`super::BulkheadSpec`].
    Bulkhead,
}

impl PolicyTable {
    /// The keys of `value` that this table does not have, at every depth, each with the nearest one that it has. `place`
    /// is what they are named by.
    pub fn unknown_keys(self, place: &str, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        match self {
            Self::Policy => table(&policy(), place, value, &mut found),
            Self::Retry => look(&RETRY, place, value, &mut found),
            Self::Bulkhead => table(&[("runs", &Any), ("waiting", &Any)], place, value, &mut found),
        }
        found
    }
}

fn policy() -> [(&'static str, &'static Shape); 5] {
    [
        ("retry", &RETRY),
        ("breaker", &BREAKER),
        ("rate_limit", &RATE_LIMIT),
        ("concurrency", &CONCURRENCY),
        ("timeout_ms", &Any),
    ]
}

/// Leaves out what [`PolicyTable::Policy`] does not have.
pub(super) fn without_unknown(mut value: Value) -> Value {
    keep(&policy(), &mut value);
    value
}

fn look(shape: &'static Shape, place: &str, value: &Value, found: &mut Vec<String>) {
    match shape {
        Any => {}
        Table(keys) | Choice(keys) => table(&by_reference(keys), place, value, found),
    }
}

fn table(keys: &[(&str, &'static Shape)], place: &str, value: &Value, found: &mut Vec<String>) {
    let Value::Object(object) = value else { return };
    for (key, value) in object {
        let here = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        match keys.iter().find(|(known, _)| known == key) {
            Some((_, shape)) => look(shape, &here, value, found),
            None => {
                let known: Vec<&str> = keys.iter().map(|(known, _)| *known).collect();
                found.push(format!("unknown key `{here}`{}", suggestion(key, &known)));
            }
        }
    }
}

fn keep(keys: &[(&str, &'static Shape)], value: &mut Value) {
    let Value::Object(object) = value else { return };
    object.retain(|key, _| keys.iter().any(|(known, _)| known == key));
    for (key, value) in object {
        match keys.iter().find(|(known, _)| known == key) {
            Some((_, Table(keys))) => keep(&by_reference(keys), value),
            Some((_, Choice(choices))) => keep_chosen(choices, value),
            Some((_, Any)) | None => {}
        }
    }
}

/// The choice itself stays, known or not.
fn keep_chosen(choices: &'static [(&'static str, Shape)], value: &mut Value) {
    let Value::Object(object) = value else { return };
    for (key, value) in object {
        if let Some((_, Table(keys))) = choices.iter().find(|(known, _)| known == key) {
            keep(&by_reference(keys), value);
        }
    }
}

fn by_reference(keys: &'static [(&'static str, Shape)]) -> Vec<(&'static str, &'static Shape)> {
    keys.iter().map(|(key, shape)| (*key, shape)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::super::{BulkheadSpec, PolicySpec};
    use super::*;

    fn whole() -> Value {
        json!({
            "retry": { "attempts_max": 1, "jitter": 0, "strategy": { "exponential": { "base_ms": 1, "factor": 1, "max_ms": 1 } } },
            "breaker": {
                "rule": { "rate": { "percent": 1, "window_calls": 1, "window_ms": 1, "calls_min": 1 } },
                "recovery_ms": 1, "probes": 1, "successes": 1, "probe_lease_ms": 1,
            },
            "rate_limit": { "token_bucket": { "per_second": 1, "capacity": 1 } },
            "concurrency": { "slots": 1, "key": { "named": "a" }, "wait_ms": 1 },
            "timeout_ms": 1,
        })
    }

    #[test]
    fn what_is_read_is_known_and_nothing_else() {
        let none: [String; 0] = [];
        assert_eq!(PolicyTable::Policy.unknown_keys("", &whole()), none);
        assert_eq!(without_unknown(whole()), whole());
        assert_eq!(serde_json::to_value(from_value::<PolicySpec>(whole()).unwrap()).unwrap(), whole());
        for others in [
            json!({ "retry": { "strategy": { "linear": { "base_ms": 1, "step_ms": 1, "max_ms": 1 } } } }),
            json!({ "retry": { "strategy": { "constant": { "delay_ms": 1 } } } }),
            json!({ "breaker": { "rule": { "consecutive": { "failures": 1 } } } }),
            json!({ "rate_limit": { "sliding_window": { "calls": 1, "window_ms": 1 } } }),
            json!({ "retry": { "strategy": "none" }, "breaker": { "rule": "none" }, "rate_limit": "none" }),
        ] {
            assert_eq!(PolicyTable::Policy.unknown_keys("", &others), none);
            assert_eq!(without_unknown(others.clone()), others);
            assert!(from_value::<PolicySpec>(others).is_ok());
        }
        let bulkhead = json!({ "runs": 1, "waiting": 1 });
        assert_eq!(PolicyTable::Bulkhead.unknown_keys("", &bulkhead), none);
        assert!(from_value::<BulkheadSpec>(bulkhead).is_ok());
    }

    #[test]
    fn every_unknown_key_is_named_with_the_nearest() {
        let written = json!({
            "retri": {},
            "retry": { "strategy": { "exponental": {}, "linear": { "bas_ms": 1 } } },
            "rate_limit": { "token_buckett": {} },
        });
        let mut found = PolicyTable::Policy.unknown_keys("policy", &written);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                "unknown key `policy.rate_limit.token_buckett`, did you mean `token_bucket`?",
                "unknown key `policy.retri`, did you mean `retry`?",
                "unknown key `policy.retry.strategy.exponental`, did you mean `exponential`?",
                "unknown key `policy.retry.strategy.linear.bas_ms`, did you mean `base_ms`?",
            ]
        );
        let retry = json!({ "attempts": 1 });
        assert_eq!(PolicyTable::Retry.unknown_keys("retry", &retry).len(), 1);
    }

    #[test]
    fn a_choice_that_is_not_known_is_left_for_the_reader_to_refuse() {
        let newer = json!({ "hedge": {}, "retry": { "budget": 1, "strategy": { "constant": { "spread": 1 } } } });
        assert_eq!(without_unknown(newer), json!({ "retry": { "strategy": { "constant": {} } } }));
        let other = json!({ "retry": { "strategy": { "fibonacci": {} } } });
        assert!(from_value::<PolicySpec>(without_unknown(other)).is_err());
    }
}
