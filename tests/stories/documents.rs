//! JSON files: a broken document is no document, a broken line is one line.

use serde_json::{Value, json};
use tests::{TestHost, component, data_folder};

fn host() -> TestHost {
    let host = TestHost::without_plugins();
    host.install(&component("documents"), "documents.wasm");
    host
}

fn deliver(host: &TestHost, text: &str) -> tests::Answer {
    host.run("documents.whole", &host.file("day.json", text), &[])
}

fn rows(host: &TestHost) -> Value {
    host.query("SELECT symbol, volume FROM documents.rows ORDER BY symbol")
}

#[test]
fn a_document_becomes_rows() {
    let host = host();
    let text = r#"{"data": [{"day": "2021-01-28", "symbol": "NA", "volume": 9007199254740993}, {"volume": 1, "symbol": "A", "day": "2021-01-28"}]}"#;
    deliver(&host, text).exits(0);
    assert_eq!(
        rows(&host),
        json!([{"symbol": "A", "volume": 1}, {"symbol": "NA", "volume": 9_007_199_254_740_993_i64}])
    );
}

#[test]
fn a_broken_document_fails_the_run_and_is_kept() {
    let host = host();
    let good = r#"{"data": [{"day": "2021-01-28", "symbol": "A", "volume": 1}]}"#;
    deliver(&host, good).exits(0);
    let report = deliver(&host, &good[..good.len() - 5]).exits(1).json();
    let error = &report["error"];
    assert_eq!(
        (&report["status"], &error["kind"], &error["code"]),
        (&json!("failed"), &json!("parse"), &json!("bad_document")),
        "{report}"
    );
    let mut recorded = host.ask(&["runs", "show", report["run_id"].as_str().unwrap()]).exits(0).json();
    let inputs = recorded.as_object_mut().unwrap().remove("inputs").unwrap();
    assert_eq!(inputs, json!([{"file_name": "day.json", "digest": report["input_hash"]}]));
    assert_eq!(recorded, report);
    assert!(data_folder::has_input(&host.data(), report["input_hash"].as_str().unwrap()));
    assert_eq!(rows(&host), json!([{"symbol": "A", "volume": 1}]));
}

#[test]
fn a_broken_line_is_a_reject_and_the_rest_is_published() {
    let host = host();
    let broken = r#"{"day": "2021-01-28", "symbol": "B", "vol"#;
    let lines = [
        r#"{"day": "2021-01-28", "symbol": "A", "volume": 1}"#,
        broken,
        r#"{"day": "2021-01-28", "symbol": "C", "volume": 3}"#,
    ];
    let report = host.run("documents.lines", &host.file("day.jsonl", format!("{}\n", lines.join("\n"))), &[]);
    let report = report.exits(0).json();
    assert_eq!((&report["rows_in"], &report["rows_out"], &report["rejected"]), (&json!(3), &json!(2), &json!(1)));
    let rejects = host.ask(&["rejects"]).exits(0).json();
    assert_eq!((&rejects[0]["line"], &rejects[0]["raw"]), (&json!(2), &json!(broken)), "{rejects}");
    assert_eq!(rows(&host), json!([{"symbol": "A", "volume": 1}, {"symbol": "C", "volume": 3}]));
}
