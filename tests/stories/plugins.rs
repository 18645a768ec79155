//! A component that does not load is listed with every reason, and the others work.

use serde_json::{Value, json};
use tests::files::{THREE_ROWS, regsho};
use tests::{TestHost, component, relabelled};

fn listed(host: &TestHost) -> Vec<Value> {
    host.ask(&["plugins", "list"]).exits(0).json().as_array().unwrap().clone()
}

fn of_file<'a>(plugins: &'a [Value], file: &str) -> &'a Value {
    plugins.iter().find(|plugin| plugin["file"].as_str().unwrap().ends_with(file)).unwrap()
}

fn codes(findings: &Value) -> Vec<&str> {
    findings["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn the_plugins_of_this_project_are_active() {
    let host = TestHost::new();
    let plugins = listed(&host);
    for name in ["earnings", "finra"] {
        let plugin = plugins.iter().find(|plugin| plugin["name"] == name).unwrap();
        assert_eq!((&plugin["state"], &plugin["reasons"]), (&json!("active"), &json!([])));
        assert!(plugin["digest"].as_str().unwrap().starts_with("sha256:"));
        let file = component(name);
        let checked = host.ask(&["plugin", "check", file.to_str().unwrap()]).exits(0).json();
        assert_eq!(checked, json!({"ok": true, "findings": []}));
    }
    let finra = host.ask(&["plugins", "show", "finra"]).exits(0).json();
    let exports = finra[0]["exports"].as_array().unwrap();
    assert!(exports.contains(&json!("pipeline finra.regsho_daily")), "{exports:?}");
    assert_eq!(host.ask(&["plugins", "show", "fimra"]).exits(2).error_code(), "unknown_name");
}

#[test]
fn what_is_not_a_component_is_refused_with_its_reason_and_the_others_work() {
    let host = TestHost::new();
    let wrong_version = wat::parse_str(
        r#"(component
            (import "spine:plugin/host@0.9.0" (instance (export "run-id" (func (result string))))))"#,
    )
    .unwrap();
    let strange_import = wat::parse_str(r#"(component (import "acme:rockets/launch@1.0.0" (instance)))"#).unwrap();
    let bad: [(&str, Vec<u8>, &str); 5] = [
        ("text.wasm", b"#!/bin/sh\necho no\n".to_vec(), "not_a_component"),
        ("empty.wasm", Vec::new(), "not_a_component"),
        ("core.wasm", wat::parse_str("(module)").unwrap(), "core_module"),
        ("future.wasm", wrong_version, "contract_version"),
        ("strange.wasm", strange_import, "unknown_import"),
    ];
    for (name, bytes, _) in &bad {
        std::fs::write(host.plugins().join(name), bytes).unwrap();
    }

    let plugins = listed(&host);
    for (name, _, code) in &bad {
        let plugin = of_file(&plugins, name);
        assert_eq!(plugin["state"], "refused", "{name}");
        assert!(!plugin["reasons"].as_array().unwrap().is_empty(), "{name}");
        let path = host.plugins().join(name);
        let checked = host.ask(&["plugin", "check", path.to_str().unwrap()]).exits(1).json();
        assert_eq!(checked["ok"], false);
        assert!(codes(&checked).contains(code), "{name}: {checked}");
    }
    let reasons = of_file(&plugins, "future.wasm")["reasons"].to_string();
    assert!(reasons.contains("0.9.0") && reasons.contains("0.1"), "names both sides: {reasons}");
    assert_eq!(of_file(&plugins, "finra.wasm")["state"], "active");
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run("finra.regsho_daily", &file, &[]).exits(0);
}

#[test]
fn what_cannot_be_read_is_a_finding_and_never_waited_for() {
    let host = TestHost::new();
    let pipe = host.folder().join("pipe.wasm");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe, host.folder().join("absent.wasm"), host.plugins()] {
        let checked = host.ask(&["plugin", "check", path.to_str().unwrap()]).exits(1).json();
        assert_eq!(codes(&checked), ["unreadable"], "{}", path.display());
    }
}

#[test]
fn what_ran_is_kept_by_its_digest() {
    let host = TestHost::new();
    let plugins = listed(&host);
    assert!(!host.data().join("plugins").exists(), "who only looks keeps nothing");
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run("finra.regsho_daily", &file, &[]).exits(0);
    for plugin in &plugins {
        let digest = plugin["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        let kept = host.data().join("plugins").join(format!("{digest}.wasm"));
        let name = plugin["name"].as_str().unwrap();
        assert_eq!(std::fs::read(kept).unwrap(), std::fs::read(component(name)).unwrap(), "{name}");
    }
}

#[test]
fn of_two_files_with_one_name_both_are_refused_until_one_was_active() {
    let finra = std::fs::read(component("finra")).unwrap();
    let host = TestHost::without_plugins();
    std::fs::write(host.plugins().join("a.wasm"), &finra).unwrap();
    std::fs::write(host.plugins().join("b.wasm"), relabelled(&finra, "b")).unwrap();
    let plugins = listed(&host);
    for (file, other) in [("a.wasm", "b.wasm"), ("b.wasm", "a.wasm")] {
        let plugin = of_file(&plugins, file);
        assert_eq!(plugin["state"], "refused");
        assert!(plugin["reasons"].to_string().contains(other), "names the other file: {plugin}");
    }
    let input = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    assert_eq!(host.run("finra.regsho_daily", &input, &[]).exits(3).error_code(), "plugin_refused");

    std::fs::remove_file(host.plugins().join("b.wasm")).unwrap();
    host.run("finra.regsho_daily", &input, &[]).exits(0);
    std::fs::write(host.plugins().join("b.wasm"), relabelled(&finra, "b")).unwrap();
    let plugins = listed(&host);
    assert_eq!(of_file(&plugins, "a.wasm")["state"], "active", "the last active digest wins");
    assert_eq!(of_file(&plugins, "b.wasm")["state"], "refused");
}

#[test]
fn components_are_found_in_the_folder_and_one_below_but_no_deeper() {
    let host = TestHost::without_plugins();
    std::fs::create_dir_all(host.plugins().join("finra/old")).unwrap();
    host.install(&component("finra"), "finra/finra.wasm");
    host.install(&component("earnings"), "finra/old/earnings.wasm");
    let names: Vec<String> = listed(&host).iter().map(|plugin| plugin["name"].to_string()).collect();
    assert_eq!(names, ["\"finra\""]);
}

#[test]
fn a_damaged_compile_cache_is_rebuilt_and_never_trusted() {
    let host = TestHost::new().with_own_cache();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run("finra.regsho_daily", &file, &[]).exits(0);
    let mut damaged = 0;
    for entry in std::fs::read_dir(host.data().join("cache")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(&path, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged >= 2, "compiled components are kept");
    assert_eq!(of_file(&listed(&host), "finra.wasm")["state"], "active");
    host.run("finra.regsho_daily", &file, &[]).exits(0);
}
