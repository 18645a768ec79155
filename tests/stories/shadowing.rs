//! A new version is shown as a difference of the data before it goes live.

use serde_json::{Value, json};
use tests::{TestHost, component};

const DAYS: [&str; 2] = [
    r#"{"data": [{"day": "2021-01-28", "symbol": "A", "volume": 10}, {"day": "2021-01-28", "symbol": "B", "volume": 20}]}"#,
    r#"{"data": [{"day": "2021-01-29", "symbol": "A", "volume": 11}]}"#,
];

/// A host with two days that the active version delivered.
fn host() -> TestHost {
    let host = TestHost::without_plugins();
    host.install(&component("documents"), "documents.wasm");
    for (number, day) in DAYS.iter().enumerate() {
        host.run("documents.whole", &host.file(&format!("{number}.json"), day), &[]).exits(0);
    }
    host
}

fn candidate() -> String {
    component("documents_next").to_str().unwrap().to_owned()
}

fn volumes(host: &TestHost) -> Value {
    host.query("SELECT symbol, volume FROM documents.rows ORDER BY day, symbol")
}

#[test]
fn the_rows_that_would_change_are_shown_and_nothing_is_published() {
    let host = host();
    let report = host.ask(&["plugins", "shadow", &candidate()]).exits(0).json();
    let difference = &report["difference"];
    assert_eq!((&difference["changed"], &difference["unchanged"]), (&json!(2), &json!(1)), "{report}");
    assert_eq!((&difference["added"], &difference["removed"]), (&json!(0), &json!(0)));
    assert_eq!(difference["columns"], json!({"volume": 2}));
    assert_eq!(report["runs"].as_array().unwrap().len(), 2);
    let newest = &report["runs"][0]["outputs"][0];
    assert_eq!(newest["partition"], json!({"day": "2021-01-29"}));
    assert_eq!(
        newest["difference"]["rows"][0],
        json!({
            "change": "changed",
            "key": {"day": "2021-01-29", "symbol": "A"},
            "before": {"volume": 11},
            "after": {"volume": 22},
        })
    );
    for cost in ["active_cost", "candidate_cost"] {
        assert!(report[cost]["cpu_us"].as_u64().unwrap() > 0, "{report}");
        assert!(report[cost]["memory_bytes_peak"].as_u64().unwrap() > 0, "{report}");
    }
    assert_eq!(volumes(&host)[0]["volume"], 10, "nothing was published");
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"].as_array().unwrap().len(), 2);
    let told = host.show(&["plugins", "shadow", &candidate()]).exits(0);
    assert!(told.stderr.contains("`volume` in 2 rows") && told.stderr.contains("plugins promote"), "{}", told.stderr);
}

#[test]
fn what_is_promoted_serves_although_the_folder_holds_the_version_before() {
    let host = host();
    let serving = host.serve();
    let report = host.ask(&["plugins", "shadow", &candidate(), "--last", "1"]).exits(0).json();
    assert_eq!(report["runs"].as_array().unwrap().len(), 1);
    let digest = report["candidate"]["digest"].as_str().unwrap();
    let promoted = host.ask(&["plugins", "promote", digest]).exits(0).json();
    assert_eq!((&promoted[0]["state"], &promoted[0]["version"]), (&json!("active"), &json!("0.2.0")));
    let run = host.run("documents.whole", &host.file("0.json", DAYS[0]), &[]).exits(0).json();
    assert_eq!(run["plugin"]["digest"], digest);
    assert_eq!(volumes(&host)[0]["volume"], 20);
    host.ask(&["plugins", "rollback", "documents"]).exits(0);
    let run = host.run("documents.whole", &host.file("0.json", DAYS[0]), &[]).exits(0).json();
    assert_eq!(run["captures"][0]["revision"], 3);
    assert_eq!(volumes(&host)[0]["volume"], 10);
    assert_eq!(serving.stop().0, 0);
}

#[test]
fn a_budget_decides_by_itself() {
    let host = host();
    let refused = host.ask(&["plugins", "shadow", &candidate(), "--promote"]).exits(3).json();
    assert_eq!(refused["promoted"], false);
    assert!(refused["over_budget"][0].as_str().unwrap().contains("2 rows differ, and 0 may"), "{refused}");
    let generous = ["--promote", "--rows", "2", "--cpu", "100", "--memory", "100"];
    let file = candidate();
    let args = [&["plugins", "shadow", &file][..], &generous].concat();
    assert_eq!(host.ask(&args).exits(0).json()["promoted"], true);
    let plugins = host.ask(&["plugins", "list"]).exits(0).json();
    let active = plugins.as_array().unwrap().iter().find(|plugin| plugin["state"] == "active").unwrap();
    assert_eq!(active["version"], "0.2.0", "{plugins}");
}

#[test]
fn what_is_no_candidate_says_why() {
    let host = host();
    let nonsense = host.file("nonsense.wasm", "no component");
    let answer = host.ask(&["plugins", "shadow", nonsense.to_str().unwrap()]).exits(3);
    assert_eq!(answer.error_code(), "plugin_refused");
    let stranger = component("echo");
    assert_eq!(host.ask(&["plugins", "shadow", stranger.to_str().unwrap()]).exits(2).error_code(), "unknown_name");
    assert_eq!(host.ask(&["plugins", "shadow", &candidate(), "--last", "0"]).exits(2).error_code(), "usage");
    assert_ne!(host.ask(&["plugins", "shadow", "absent.wasm"]).code, 0);
    let never = format!("sha256:{}", "0".repeat(64));
    assert_eq!(host.ask(&["plugins", "promote", &never]).exits(2).error_code(), "not_kept");
}
