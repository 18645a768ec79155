//! A new version of a plugin with another schema: captures stay as they are and are read under the new one.

use serde_json::json;
use tests::{Duck, TestHost, component};

fn deliver(host: &TestHost, day: &str, symbol: &str, volume: i64) -> tests::Answer {
    let document = json!({ "data": [{ "day": day, "symbol": symbol, "volume": volume }] });
    host.run("documents.whole", &host.file("day.json", document.to_string()), &[])
}

/// One capture of each schema, and when the first was published.
fn host() -> (TestHost, String) {
    let host = TestHost::without_plugins();
    host.install(&component("documents"), "documents.wasm");
    deliver(&host, "2021-01-28", "AAA", 7).exits(0);
    let captures = host.ask(&["captures", "documents.rows"]).json();
    let captured_at = captures[0]["captured_at"].as_str().unwrap().to_owned();
    host.install(&component("documents_wider"), "documents.wasm");
    deliver(&host, "2021-01-29", "BBB", 8).exits(0);
    (host, captured_at)
}

#[test]
fn a_column_that_came_is_null_in_captures_of_before_and_a_wider_one_has_their_values() {
    let (host, _) = host();
    assert_eq!(
        host.query("SELECT symbol, venue, volume FROM documents.rows ORDER BY symbol"),
        json!([
            { "symbol": "AAA", "venue": null, "volume": 7.000000 },
            { "symbol": "BBB", "venue": "Q", "volume": 8.000000 },
        ])
    );
    let count =
        |filter: &str| host.query(&format!("SELECT COUNT(*) AS n FROM documents.rows WHERE {filter}"))[0]["n"].clone();
    for (filter, rows) in
        [("venue IS NULL", 1), ("venue = 'Q'", 1), ("volume < 7.5", 1), ("venue IS NULL AND volume > 7", 0)]
    {
        assert_eq!(count(filter), rows, "{filter}");
    }
}

#[test]
fn the_past_has_the_schema_that_it_had() {
    let (host, captured_at) = host();
    let then = host.ask(&["query", "SELECT * FROM documents.rows", "--as-of", &captured_at]).exits(0).json();
    let names: Vec<&String> = then[0].as_object().unwrap().keys().collect();
    assert!(!names.contains(&&"venue".to_owned()), "{then}");
    assert_eq!(then[0]["volume"].to_string(), "7");
}

#[test]
fn duckdb_reads_both_schemas_too() {
    let Some(mut duck) = Duck::start() else { return };
    let (host, captured_at) = host();
    duck.attach(&host.data().join("spine.db"));
    let rows = "SELECT symbol, venue, volume::VARCHAR AS volume FROM lake.documents.rows ORDER BY symbol";
    assert_eq!(
        duck.rows(rows),
        json!([
            { "symbol": "AAA", "venue": null, "volume": "7.000000" },
            { "symbol": "BBB", "venue": "Q", "volume": "8.000000" },
        ])
    );
    for (filter, symbol) in
        [("venue IS NULL", "AAA"), ("venue = 'Q'", "BBB"), ("volume < 7.5", "AAA"), ("volume > 7.5", "BBB")]
    {
        let found = duck.rows(&format!("SELECT symbol FROM lake.documents.rows WHERE {filter}"));
        assert_eq!(found, json!([{ "symbol": symbol }]), "{filter}");
    }
    let then = format!("SELECT * FROM lake.documents.rows AT (TIMESTAMP => TIMESTAMPTZ '{captured_at}')");
    assert!(duck.rows(&then)[0].get("venue").is_none());
}

#[test]
fn a_version_that_captures_cannot_follow_is_refused_with_the_reason() {
    let (host, _) = host();
    host.install(&component("documents"), "documents.wasm");
    let refused = host.ask(&["plugins", "list"]).json();
    let reasons = refused.to_string();
    assert!(reasons.contains("column `volume` was decimal128(25,6), now int64"), "{reasons}");
    assert!(!reasons.contains("venue"), "what came since may go with a version of before: {reasons}");
}
