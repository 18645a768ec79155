//! Which crate may use which. The reasons are in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate may use of ours.
const OURS: &[(&str, &[&str])] = &[
    ("spine-primitives", &[]),
    ("model", &["spine-primitives"]),
    ("runtime", &["model"]),
    ("storage", &["model"]),
    ("lake", &["model", "spine-primitives"]),
    ("orchestrator", &["model"]),
    ("api", &["model"]),
    ("cli", &["model", "runtime", "storage", "lake", "orchestrator", "api"]),
    ("spine-sdk", &["spine-primitives"]),
    ("plugin-finra", &["spine-sdk"]),
    ("plugin-earnings", &["spine-sdk"]),
    ("example-hello-rust", &["spine-sdk"]),
    ("guest-confidant", &["spine-sdk"]),
    ("guest-echo", &["spine-sdk"]),
];

/// Heavy dependencies that one crate alone may know.
const EXCLUSIVE: &[(&str, &[&str])] = &[
    ("wasmtime", &["runtime"]),
    ("wasmtime-wasi", &["runtime"]),
    ("sqlx", &["storage"]),
    ("arrow", &["lake"]),
    ("parquet", &["lake"]),
    ("datafusion", &["lake"]),
    ("axum", &["api"]),
    ("clap", &["cli"]),
    ("wit-bindgen", &["spine-sdk"]),
];

/// The direct dependencies of every member but `tests`, which may look anywhere.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    packages
        .iter()
        .filter(|package| package["name"] != "tests")
        .map(|package| {
            let used = package["dependencies"].as_array().unwrap().iter().filter(|it| it["kind"] != "dev");
            (name(package), used.map(name).collect())
        })
        .collect()
}

#[test]
fn crates_use_each_other_only_downwards() {
    let dependencies = dependencies();
    let members: BTreeSet<&str> = OURS.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, dependencies.keys().map(String::as_str).collect(), "every crate has its line in OURS");
    for (name, allowed) in OURS {
        for used in dependencies[*name].iter().filter(|used| members.contains(used.as_str())) {
            assert!(allowed.contains(&used.as_str()), "`{name}` may use {allowed:?} but uses `{used}`");
        }
    }
}

#[test]
fn heavy_dependencies_have_one_owner() {
    for (krate, used) in dependencies() {
        for (dependency, owners) in EXCLUSIVE {
            let allowed = owners.contains(&krate.as_str()) || !used.contains(*dependency);
            assert!(allowed, "only {owners:?} may use `{dependency}`, but `{krate}` does");
        }
    }
}
