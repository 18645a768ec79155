//! One contract, three languages: the same file gives the same rows.

use serde_json::{Value, json};
use tests::{TestHost, component, foreign};

const FILE: &str = "Date|Symbol|Volume\n2021-01-28|AAA|10\n2021-01-28|E|30\n2021-01-28|NAN|60\n2021-01-28|BAD|x\n";

/// Runs the plugin's pipeline on the file and returns its report and its rows.
fn shares(host: &TestHost, plugin: &str) -> (Value, Value) {
    let file = host.file("volumes_20210128.psv", FILE);
    let report = host.run(&format!("{plugin}.shares"), &file, &[]).exits(0).json();
    let rows = host.query(&format!("SELECT day, symbol, volume, share FROM {plugin}.totals ORDER BY symbol"));
    (report, rows)
}

#[test]
fn rust_python_and_javascript_agree() {
    let host = TestHost::without_plugins();
    host.install(&component("hello_rust"), "hello_rust.wasm");
    let (report, rust) = shares(&host, "hello_rust");
    assert_eq!((&report["rows_in"], &report["rejected"]), (&json!(4), &json!(1)));
    assert_eq!(
        rust,
        json!([
            {"day": "2021-01-28", "symbol": "AAA", "volume": 10, "share": 0.1},
            {"day": "2021-01-28", "symbol": "E", "volume": 30, "share": 0.3},
            {"day": "2021-01-28", "symbol": "NAN", "volume": 60, "share": 0.6},
        ])
    );
    for name in ["hello_python", "hello_javascript"] {
        let Some(path) = foreign(name) else { continue };
        host.install(&path, &format!("{name}.wasm"));
        let (foreign_report, rows) = shares(&host, name);
        assert_eq!(rows, rust, "{name}");
        assert_eq!(
            foreign_report["captures"][0]["content_hash"], report["captures"][0]["content_hash"],
            "{name}: the same content"
        );
    }
}

#[test]
fn a_source_fetches_what_is_new_in_its_granted_folder() {
    for name in ["hello_rust", "hello_python"] {
        let host = TestHost::without_plugins();
        let path = if name == "hello_rust" { Some(component(name)) } else { foreign(name) };
        let Some(path) = path else { continue };
        host.install(&path, &format!("{name}.wasm"));
        let source = format!("{name}.drop");
        let refused = host.ask(&["run", &source]).exits(3);
        assert_eq!(refused.error_code(), "not_granted", "without the grant there is no folder");

        let config = host.file("spine.toml", format!("[plugins.{name}.grants]\nfolders = {{ drop = \"drop\" }}\n"));
        for day in 25..=29 {
            let text = FILE.replace("2021-01-28", &format!("2021-01-{day}"));
            host.file(&format!("drop/volumes_202101{day}.psv"), text);
        }
        let config = ["--config", config.to_str().unwrap()];
        let run = || host.ask(&["run", &source, config[0], config[1]]).exits(0).json();
        let first = run();
        assert_eq!(first["kind"], "source");
        assert_eq!(first["captures"].as_array().unwrap().len(), 5, "{name}: five days in one transaction");
        assert_eq!(first["rejected"], 5);
        let captured = format!("SELECT count(DISTINCT _captured_at) AS n FROM {name}.totals");
        assert_eq!(host.query(&captured), json!([{"n": 1}]));

        let nothing_new = run();
        assert_eq!(nothing_new["captures"], json!([]), "{name}: the cursor remembers");
        host.file("drop/volumes_20210201.psv", FILE.replace("2021-01-28", "2021-02-01"));
        assert_eq!(run()["captures"][0]["partition"], json!({"day": "2021-02-01"}));
    }
}

#[test]
fn a_plugins_own_check_runs_in_every_language_that_has_one() {
    for name in ["hello_rust", "hello_python"] {
        let host = TestHost::without_plugins();
        let path = if name == "hello_rust" { Some(component(name)) } else { foreign(name) };
        let Some(path) = path else { continue };
        host.install(&path, "plugin.wasm");
        let (report, _) = shares(&host, name);
        let results = report["quality"].as_array().unwrap();
        let check = results.iter().find(|result| result["check"] == "shares_sum_to_one").unwrap();
        assert_eq!(check["status"], "PASS", "{name}");
    }
}

#[test]
fn a_task_answers_json() {
    let host = TestHost::without_plugins();
    host.install(&component("hello_rust"), "hello_rust.wasm");
    let report = host.ask(&["run", "hello_rust.echo", "-p", "text=hello"]).exits(0).json();
    assert_eq!(report["kind"], "task");
    assert!(report["result"].to_string().contains("hello"), "{report}");
}
