//! JSON of guests and callers: manifests, the part of a table that is asked for, policies, requests for runs.

use std::collections::BTreeMap;

use model::Manifest;
use model::policy::{Policy, PolicySpec};
use model::ports::Lake as _;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use tests::bench;
use tests::component;
use tests::hostile::HostileHost;

use super::fuzz;

/// Words that mean something somewhere, and some that are hard on whoever reads them.
const WORDS: [&str; 20] = [
    "",
    "*",
    "name",
    "type",
    "columns",
    "key",
    "partition_by",
    "misbehave.rows",
    "decimal128(38,38)",
    "decimal128(0,1)",
    "utf8",
    "0.1.0",
    "\u{0}",
    "a\u{301}",
    "\u{10ffff}",
    "../x",
    "2021-13-45",
    "1e400",
    "-0",
    "$ref",
];

/// Any JSON.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        select(vec![0, 1, -1, 7, i64::MIN, i64::MAX]).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(u64::MAX)),
        select(WORDS.to_vec()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(WORDS.to_vec()), inner), 0..4).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
            }),
        ]
    })
}

/// Some real JSON with a few places changed, taken out, or both.
pub(super) fn changed(real: Value) -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), prop::option::of(any_json()));
    vec(change, 0..4).prop_map(move |changes| {
        let mut value = real.clone();
        for (at, with) in changes {
            let mut place = at.index(places(&value));
            change_at(&mut value, &mut place, &with);
        }
        value
    })
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(members) => members.values().map(places).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Changes the place that so many others come before; true once it is done. Without a value it is taken out of what
/// holds it.
fn change_at(value: &mut Value, before: &mut usize, with: &Option<Value>) -> bool {
    if *before == 0 {
        *value = with.clone().unwrap_or(Value::Null);
        return true;
    }
    *before -= 1;
    match value {
        Value::Array(items) => {
            for at in 0..items.len() {
                if *before == 0 && with.is_none() {
                    items.remove(at);
                    return true;
                }
                if change_at(&mut items[at], before, with) {
                    return true;
                }
            }
            false
        }
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                if *before == 0 && with.is_none() {
                    members.remove(&name);
                    return true;
                }
                if members.get_mut(&name).is_some_and(|member| change_at(member, before, with)) {
                    return true;
                }
            }
            false
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Text that is JSON or nearly so: cut somewhere, or with something put in.
fn spoiled(json: impl Strategy<Value = Value>) -> impl Strategy<Value = String> {
    let put = prop::option::weighted(0.2, (any::<prop::sample::Index>(), "[\\[\\]{}\",:0-9\\\\]{0,6}"));
    (json, put, prop::option::weighted(0.1, any::<prop::sample::Index>())).prop_map(|(value, put, cut)| {
        let mut text = value.to_string();
        if let Some((at, more)) = put {
            text.insert_str(text.floor_char_boundary(at.index(text.len() + 1)), &more);
        }
        if let Some(at) = cut {
            text.truncate(text.floor_char_boundary(at.index(text.len() + 1)));
        }
        text
    })
}

fn manifests() -> Vec<Value> {
    let runtime = bench::runtime();
    let of = |name: &str| serde_json::to_value(&*bench::load(&runtime, &component(name)).manifest).unwrap();
    ["finra", "earnings", "misbehave", "hello_rust"].map(of).to_vec()
}

#[test]
fn any_manifest_is_read_or_refused_and_one_without_problems_can_be_used() {
    let real = manifests().into_iter().map(|manifest| changed(manifest).boxed());
    let all = prop_oneof![8 => proptest::strategy::Union::new(real), 1 => any_json().boxed()];
    fuzz(&spoiled(all), |text| {
        let Ok(manifest) = Manifest::parse(&text) else { return };
        if manifest.problems().is_empty() {
            manifest.exports().iter().for_each(|export| assert!(export.is_ascii(), "{export}"));
            for dataset in &manifest.datasets {
                assert!(dataset.key.iter().chain(&dataset.partition_by).all(|name| dataset.column(name).is_some()));
            }
            let again = Manifest::parse(&serde_json::to_string(&manifest).unwrap());
            assert_eq!(again.as_ref(), Ok(&manifest), "it survives the ledger");
        }
    });
}

#[test]
fn any_policy_is_resolved_or_every_problem_of_it_is_named() {
    let real = json!({
        "retry": { "attempts_max": 3, "backoff": { "exponential": { "base_ms": 100, "factor": 2.0, "max_ms": 1000 } } },
        "breaker": { "target": "finra" },
        "rate_limit": { "token_bucket": { "rate": 5, "per_ms": 1000, "burst": 3 } },
        "concurrency": { "slots": 2, "key": "a", "wait_ms": 10 },
        "timeout_ms": 5,
    });
    fuzz(&changed(real), |value| {
        let Ok(spec) = serde_json::from_value::<PolicySpec>(value) else { return };
        let problems = spec.problems("p");
        assert_eq!(Policy::resolve(&[("p", &spec)]).is_err(), !problems.is_empty());
        problems.iter().for_each(|problem| assert!(!problem.to_string().is_empty()));
    });
}

#[test]
fn any_part_of_a_table_that_is_asked_for_is_given_or_refused() {
    let (runtime, folder) = (bench::runtime(), tempfile::tempdir().unwrap());
    let plugin = bench::load(&runtime, &component("misbehave"));
    let lake = lake::LocalLake::open(folder.path()).unwrap();
    let real = json!({ "partition": { "day": "2024-10-04" }, "columns": ["key", "day"], "format": "none" });
    let names = select(vec!["staged:misbehave.rows", "misbehave.rows", "captures:misbehave.rows", "drop/a", "x", ""]);
    let asked = (names, spoiled(prop_oneof![4 => changed(real).boxed(), 1 => any_json().boxed()]));
    fuzz(&asked, |(name, text)| {
        let mut bench = lake.workbench(plugin.order(json!({}), BTreeMap::new())).unwrap();
        if let Ok(mut reader) = bench.input(name, &text) {
            while let Ok(Some(batch)) = reader.next() {
                assert!(batch.rows() > 0);
            }
        }
    });
}

#[test]
fn any_request_for_a_run_is_carried_out_or_refused() {
    let host = HostileHost::start();
    let real = json!({
        "name": "hello_rust.echo",
        "params": { "text": "a", "times": 2 },
        "text": {},
        "inputs": {},
        "key": "k",
        "dry_run": false,
        "routing": { "priority": "normal", "lane": "default" },
        "lineage": { "trigger": "api" },
        "wait": 0,
    });
    fuzz(&spoiled(prop_oneof![6 => changed(real).boxed(), 1 => any_json().boxed()]), |body| {
        let (status, answer) = host.http("POST", "/api/v1/runs", &body);
        assert!((200..500).contains(&status), "{status} {answer}");
    });
    let good = host.run("hello_rust.echo", &json!({ "text": "good" }));
    assert_eq!(good["status"], "completed", "{good}");
}
