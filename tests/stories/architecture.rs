//! Which crate may use which, and who may do what nobody else may. The reasons are in ARCHITECTURE.md.

mod cases;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use sources::{Source, root};

/// What each crate may use of ours.
const OURS: &[(&str, &[&str])] = &[
    ("spine-primitives", &[]),
    ("model", &["spine-primitives"]),
    ("runtime", &["model"]),
    ("storage", &["model"]),
    ("lake", &["model", "spine-primitives"]),
    ("orchestrator", &["model"]),
    ("api", &["model"]),
    ("authors", &["model"]),
    ("cli", &["model", "runtime", "storage", "lake", "orchestrator", "api", "authors"]),
    ("spine-sdk", &["spine-primitives"]),
    ("plugin-finra", &["spine-sdk"]),
    ("plugin-earnings", &["spine-sdk"]),
    ("example-hello-rust", &["spine-sdk"]),
    ("guest-documents", &["spine-sdk"]),
    ("guest-documents-next", &["spine-sdk"]),
    ("guest-documents-wider", &["spine-sdk"]),
    ("guest-confidant", &["spine-sdk"]),
    ("guest-courier", &["spine-sdk"]),
    ("guest-echo", &["spine-sdk"]),
    ("guest-misbehave", &["spine-sdk"]),
    ("guest-wanderer", &["spine-sdk"]),
    // A server for the tests of those that need one.
    ("private-postgres", &[]),
];

/// Every crate of others that we build with, and who alone may use it. `HOST` is any crate of the host.
const NEIGHBOURS: &[(&str, &[&str])] = &[
    // Guests.
    ("notify", &["runtime"]),
    ("wasmtime", &["runtime"]),
    ("wasmtime-wasi", &["runtime"]),
    ("rustc-demangle", &["runtime"]),
    ("wasip2", &["guest-wanderer"]),
    ("wit-bindgen", &["spine-sdk"]),
    // The ledger and the catalog.
    ("rustix", &["runtime", "storage"]),
    ("sqlx", &["storage"]),
    // Files and queries.
    ("arrow", &["lake", "authors"]),
    ("cap-std", &["lake"]),
    ("datafusion", &["lake"]),
    ("flate2", &["lake", "runtime"]),
    ("memchr", &["lake", "runtime"]),
    ("object_store", &["lake"]),
    ("parquet", &["lake", "authors"]),
    ("zstd", &["lake"]),
    // HTTP: one serves, one asks, and one sends what guests ask for.
    ("axum", &["api"]),
    ("base64", &["api", "runtime"]),
    ("http-body-util", &["runtime"]),
    ("httpdate", &["runtime"]),
    ("hyper", &["api", "runtime"]),
    ("hyper-util", &["api", "runtime"]),
    ("rustls-native-certs", &["runtime"]),
    ("tokio-rustls", &["runtime"]),
    ("jsonschema", &["runtime"]),
    ("url", &["runtime"]),
    ("prometheus", &["api"]),
    ("ureq", &["cli"]),
    // The process.
    ("clap", &["cli"]),
    ("comfy-table", &["cli"]),
    ("indicatif", &["cli"]),
    ("mimalloc", &["cli"]),
    ("tempfile", &["cli"]),
    ("toml", &["authors", "cli"]),
    ("csv", &["authors"]),
    ("tracing-subscriber", &["cli"]),
    // Randomness: the system's (cli), and what a guest is given from its seed (runtime).
    ("rand", &["cli", "runtime"]),
    // Ids are of the model; the catalog has some of its own.
    ("uuid", &["model", "storage"]),
    ("thiserror", &["model"]),
    // Small and harmless.
    ("async-trait", HOST),
    ("bytes", HOST),
    ("futures", HOST),
    ("hex", HOST),
    ("serde", HOST),
    ("strsim", HOST),
    ("tokio", HOST),
    ("tokio-util", HOST),
    ("tracing", HOST),
    // Guests link these too.
    ("chrono", &["model", "storage", "lake", "spine-primitives"]),
    ("sha2", &["runtime", "lake", "orchestrator", "cli", "spine-primitives"]),
    ("serde_json", &["model", "runtime", "storage", "lake", "orchestrator", "api", "authors", "cli", "spine-sdk"]),
];

const HOST: &[&str] = &["model", "runtime", "storage", "lake", "orchestrator", "api", "authors", "cli"];

/// What tests of any crate may use besides.
const IN_TESTS: &[&str] = &["proptest", "rcgen", "tempfile", "tower", "wat"];

/// The files that turn a lint off, by how its name begins.
const LINTS_OFF: &[(&str, &[&str])] = &[
    (
        "clippy::print_std",
        &["tests/harness/lib.rs", "tests/kills/src/lib.rs", "tests/kills/tests/matrix.rs", "tests/stories/main.rs"],
    ),
    (
        "clippy::disallowed_methods",
        &[
            "host/authors/build.rs",
            "host/cli/src/system.rs",
            "host/storage/src/tests/machine.rs",
            "plugins/earnings/src/tests.rs",
            "plugins/finra/src/tests/real.rs",
            "tests/harness/lib.rs",
            "tests/kills/src/lib.rs",
            "tests/kills/tests/matrix.rs",
            "tests/kills/tests/swarm.rs",
            "tests/stories/main.rs",
        ],
    ),
    ("unsafe_code", &["host/runtime/src/loading/compile.rs"]),
];

/// The only files of the host that print; the build script does so to cargo.
const PRINTERS: &[&str] = &["host/authors/build.rs", "host/cli/src/output.rs", "host/cli/src/progress.rs"];

/// Members that may look everywhere: they are tests.
const LOOK_EVERYWHERE: &[&str] = &["kills", "tests"];

/// A member of the workspace as cargo knows it.
struct Member {
    name: String,
    folder: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// As the crate's code calls it.
    in_code: String,
    for_tests: bool,
}

/// The members.
fn members() -> Vec<Member> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let root = format!("{}/", metadata["workspace_root"].as_str().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dependency = |value: &Value| Dependency {
        name: text(&value["name"]),
        in_code: value["rename"].as_str().unwrap_or(value["name"].as_str().unwrap()).replace('-', "_"),
        for_tests: value["kind"] == "dev",
    };
    packages
        .iter()
        .map(|package| Member {
            name: text(&package["name"]),
            folder: text(&package["manifest_path"]).trim_start_matches(&root).replace("Cargo.toml", ""),
            dependencies: package["dependencies"].as_array().unwrap().iter().map(dependency).collect(),
        })
        .collect()
}

/// What each member uses outside of its tests, but for those that are tests.
fn used() -> BTreeMap<String, BTreeSet<String>> {
    let shipped = |member: Member| {
        let used = member.dependencies.into_iter().filter(|dependency| !dependency.for_tests);
        (member.name, used.map(|dependency| dependency.name).collect())
    };
    let members = members().into_iter().filter(|member| !LOOK_EVERYWHERE.contains(&member.name.as_str()));
    members.map(shipped).collect()
}

#[test]
fn crates_use_each_other_only_downwards() {
    let used = used();
    let ours: BTreeSet<&str> = OURS.iter().map(|(name, _)| *name).collect();
    assert_eq!(ours, used.keys().map(String::as_str).collect(), "every crate has its line in OURS");
    for (name, allowed) in OURS {
        for used in used[*name].iter().filter(|used| ours.contains(used.as_str())) {
            assert!(allowed.contains(&used.as_str()), "`{name}` may use {allowed:?} but uses `{used}`");
        }
    }
}

#[test]
fn each_neighbour_has_its_owners() {
    let ours: BTreeSet<&str> = OURS.iter().map(|(name, _)| *name).collect();
    let neighbours: BTreeMap<&str, &[&str]> = NEIGHBOURS.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for (krate, used) in used() {
        for dependency in used.iter().filter(|used| !ours.contains(used.as_str())) {
            let owners = neighbours.get(dependency.as_str());
            let owners = owners.unwrap_or_else(|| panic!("`{krate}` uses `{dependency}`: who else may? Add its line"));
            assert!(owners.contains(&krate.as_str()), "only {owners:?} may use `{dependency}`, but `{krate}` does");
            seen.insert(dependency.clone());
        }
    }
    for (name, _) in NEIGHBOURS {
        assert!(seen.contains(*name), "nobody uses `{name}`: its line may go");
    }
    let tests = members().into_iter().filter(|member| !LOOK_EVERYWHERE.contains(&member.name.as_str()));
    for member in tests {
        for dependency in member.dependencies.iter().filter(|dependency| dependency.for_tests) {
            let name = dependency.name.as_str();
            let allowed = IN_TESTS.contains(&name) || ours.contains(name) || neighbours.contains_key(name);
            assert!(allowed, "the tests of `{}` use `{name}`, which IN_TESTS does not have", member.name);
        }
    }
}

#[test]
fn every_dependency_that_is_named_is_used() {
    let sources = sources::all();
    for member in members() {
        let own: Vec<&Source> = sources.iter().filter(|source| source.path.starts_with(&member.folder)).collect();
        assert!(!own.is_empty(), "{}", member.folder);
        for Dependency { name, in_code, .. } in &member.dependencies {
            let is_used = own.iter().any(|source| source.names_crate(in_code));
            assert!(is_used, "`{}Cargo.toml` names `{name}`, but no code of it does", member.folder);
        }
    }
}

#[test]
fn only_named_files_of_the_host_print() {
    let shipped = |source: &&Source| !source.path.starts_with("tests/") && !source.is_test();
    for source in sources::all().iter().filter(shipped) {
        let allowed = PRINTERS.contains(&source.path.as_str());
        if let Some(line) = source.first_print().filter(|_| !allowed) {
            panic!("`{}` prints (`{line}`); only {PRINTERS:?} may", source.path);
        }
    }
}

#[test]
fn lints_are_on_but_where_a_file_is_named_here() {
    for (lint, files) in LINTS_OFF {
        let off = sources::all().into_iter().filter(|source| source.names_lint(lint));
        let found: Vec<String> = off.map(|source| source.path).collect();
        assert_eq!(found, *files, "{lint}");
    }
    let manifest = |folder: &str| std::fs::read_to_string(sources::root().join(folder).join("Cargo.toml")).unwrap();
    for level in ["print_stdout = \"warn\"", "print_stderr = \"warn\"", "unsafe_code = \"deny\""] {
        assert!(manifest("").contains(level), "the workspace says {level}; `make lint` makes warnings errors");
    }
    for member in members() {
        let manifest = manifest(&member.folder);
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "`{}` takes the workspace's lints", member.name);
    }
}

#[test]
fn every_code_of_the_host_is_listed_with_what_it_means() {
    let known: BTreeSet<&str> = model::failure::codes::all().collect();
    let host = sources::all().into_iter().filter(|source| {
        let stands_in = ["/testing", "/stories", "/benches"].iter().any(|part| source.path.contains(part));
        source.path.starts_with("host/") && !source.is_test() && !stands_in
    });
    let mut found = 0;
    for source in host {
        for code in source.codes() {
            found += 1;
            assert!(
                known.contains(code.as_str()),
                "`{code}` in {} is in no list of `model::failure::codes`",
                source.path
            );
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn every_route_of_the_api_is_on_its_page() {
    let routes = std::fs::read_to_string(root().join("host/api/src/routes.rs")).unwrap();
    let page = std::fs::read_to_string(root().join("docs/api.md")).unwrap();
    let mut told = BTreeSet::new();
    for route in routes.split(".route(\"").skip(1) {
        let (path, handlers) = route.split_once('"').unwrap();
        let handlers = handlers.split_once("\n").unwrap().0;
        for (method, handler) in [("GET", "get("), ("POST", "post(")] {
            if path.starts_with("/api/") && handlers.contains(handler) {
                told.insert(format!("`{method} {path}`"));
            }
        }
    }
    let named = page.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').nth(1).unwrap().trim());
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    assert!(told.len() > 20, "{told:?}");
    assert_eq!(told, named);
}
