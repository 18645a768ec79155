//! A new version of a plugin with another schema: captures stay as they are and are read under the new one.

use serde_json::{Value, json};
use tests::hostile::describes;
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

/// Puts a version in place that does nothing, and whose rows have lost their venue, have another unit and another key.
fn install_narrower(host: &TestHost, migration: Value) {
    let manifest = json!({
        "contract": "0.1.1", "name": "documents", "version": "0.4.0",
        "datasets": [{
            "name": "documents.rows",
            "columns": [
                { "name": "day", "type": "date32" },
                { "name": "symbol", "type": "utf8" },
                { "name": "volume", "type": "decimal128(25,6)", "unit": "lots" },
            ],
            "key": ["symbol"], "partition_by": ["day"], "migration": migration,
        }],
    });
    std::fs::write(host.plugins().join("documents.wasm"), describes(&manifest.to_string(), "$manifest")).unwrap();
}

#[test]
fn what_is_meant_is_declared_all_of_it_and_the_past_stays_as_it_was() {
    let (host, _) = host();
    let captures = host.ask(&["captures", "documents.rows"]).json();
    let wider = captures.as_array().unwrap().iter().map(|it| it["captured_at"].as_str().unwrap()).max().unwrap();
    let reasons = [
        "column `venue` is gone: keep it, or declare it in `drops` of its migration",
        "the unit of column `volume` was none, now lots: keep it, or declare it in `units` of its migration",
        "its key was (symbol, day), now (symbol): keep it, or declare `key` in its migration",
    ];
    install_narrower(&host, json!({}));
    let told = host.ask(&["plugins", "list"]).json().to_string();
    assert!(reasons.iter().all(|reason| told.contains(reason)), "{told}");

    install_narrower(&host, json!({ "drops": ["venue"], "units": ["volume"] }));
    let told = host.ask(&["plugins", "list"]).json().to_string();
    let left: Vec<bool> = reasons.iter().map(|reason| told.contains(reason)).collect();
    assert_eq!(left, [false, false, true], "{told}");

    install_narrower(&host, json!({ "drops": ["venue"], "units": ["volume"], "key": true }));
    let listed = host.ask(&["plugins", "list"]).json();
    assert_eq!((&listed[0]["version"], &listed[0]["state"]), (&json!("0.4.0"), &json!("active")), "{listed}");
    // What is recorded is the ledger's, and a host that starts makes it so.
    assert_eq!(host.serve().stop().0, 0);
    let now = host.query("SELECT * FROM documents.rows ORDER BY symbol");
    assert_eq!(now.as_array().unwrap().len(), 2);
    assert!(now[1].get("venue").is_none(), "{now}");
    let then = host.ask(&["query", "SELECT symbol, venue FROM documents.rows", "--as-of", wider]).exits(0).json();
    assert!(then.to_string().contains(r#""venue":"Q""#), "{then}");
}
