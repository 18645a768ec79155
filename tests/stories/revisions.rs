//! Nothing is ever overwritten: corrections make revisions, and every revision can be read.

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::{THREE_ROWS, regsho};

const PIPELINE: &str = "finra.regsho_daily";
const DATASET: &str = "finra.regsho_daily";

fn deliver(host: &TestHost, rows: &[&str], more: &[&str]) -> Value {
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", rows));
    host.run(PIPELINE, &file, more).exits(0).json()
}

fn symbols(answer: &Value) -> Vec<&str> {
    answer.as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect()
}

#[test]
fn the_same_file_again_makes_no_revision() {
    let host = TestHost::new();
    let first = deliver(&host, &THREE_ROWS, &[]);
    let again = deliver(&host, &THREE_ROWS, &[]);
    assert_eq!((&again["status"], &again["unchanged"]), (&json!("completed"), &json!(true)));
    assert_eq!(again["captures"][0]["capture_id"], first["captures"][0]["capture_id"]);
    assert_eq!((&again["captures"][0]["revision"], &again["captures"][0]["unchanged"]), (&json!(1), &json!(true)));
    assert_eq!(host.ask(&["captures", DATASET]).json().as_array().unwrap().len(), 1);
}

#[test]
fn the_order_of_the_lines_is_not_content() {
    let host = TestHost::new();
    deliver(&host, &["AAA|1|0|2|Q", "BBB|1|0|2|Q"], &[]);
    assert_eq!(deliver(&host, &["BBB|1|0|2|Q", "AAA|1|0|2|Q"], &[])["unchanged"], true);
}

#[test]
fn force_publishes_the_same_content_as_a_new_revision() {
    let host = TestHost::new();
    deliver(&host, &THREE_ROWS, &[]);
    let forced = deliver(&host, &THREE_ROWS, &["--force"]);
    assert_eq!((&forced["unchanged"], &forced["captures"][0]["revision"]), (&json!(false), &json!(2)));
}

#[test]
fn a_b_a_makes_three_revisions() {
    let host = TestHost::new();
    for (rows, revision) in [(&["AAA|1|0|2|Q"], 1), (&["AAA|2|0|2|Q"], 2), (&["AAA|1|0|2|Q"], 3)] {
        assert_eq!(deliver(&host, rows, &[])["captures"][0]["revision"], revision);
    }
}

#[test]
fn a_row_that_vanished_is_gone_from_latest_and_present_as_of_before() {
    let host = TestHost::new();
    deliver(&host, &["AAA|1|0|2|Q", "GONE|1|0|2|Q"], &[]);
    let first = host.ask(&["captures", DATASET]).json()[0].clone();
    let history = "SELECT * FROM finra.regsho_daily_history WHERE _revision = 1 ORDER BY symbol";
    let before = host.query(history);

    deliver(&host, &["AAA|1|0|2|Q", "NEW|1|0|2|Q"], &[]);

    let latest = "SELECT symbol, _revision FROM finra.regsho_daily ORDER BY symbol";
    assert_eq!(symbols(&host.query(latest)), ["AAA", "NEW"]);
    let as_of = first["captured_at"].as_str().unwrap();
    let then = host.ask(&["query", latest, "--as-of", as_of]).exits(0).json();
    assert_eq!(symbols(&then), ["AAA", "GONE"]);
    assert_eq!(then[0]["_revision"], 1);
    assert_eq!(host.query(history), before, "an old revision is never altered");

    let captures = host.ask(&["captures", DATASET]).json();
    let revisions: Vec<&Value> = captures.as_array().unwrap().iter().map(|capture| &capture["revision"]).collect();
    assert_eq!(revisions, [&json!(2), &json!(1)], "newest first");
    assert_eq!(captures[1], first);
}

#[test]
fn before_the_first_capture_there_are_no_rows_and_the_future_is_refused() {
    let host = TestHost::new();
    deliver(&host, &THREE_ROWS, &[]);
    let rows = host.ask(&["query", "SELECT * FROM finra.regsho_daily", "--as-of", "2001-01-01"]).exits(0).json();
    assert_eq!(rows, json!([]));
    let future = host.ask(&["query", "SELECT 1", "--as-of", "2999-01-01"]).exits(2);
    assert_eq!(future.error_code(), "bad_as_of");
    host.ask(&["query", "SELECT 1", "--as-of", "yesterday"]).exits(2);
}

#[test]
fn a_dry_run_checks_and_writes_nothing() {
    let host = TestHost::new();
    let report = deliver(&host, &THREE_ROWS, &["--dry-run"]);
    assert_eq!((&report["status"], &report["rows_out"]), (&json!("completed"), &json!(3)));
    assert_eq!(report["captures"][0]["state"], "would_publish");
    assert_eq!(host.ask(&["captures", DATASET]).exits(0).json(), json!([]));
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]));
    let left = std::fs::read_dir(host.data().join("inputs")).unwrap().count();
    assert_eq!(left, 0, "a dry run keeps no input");
}

#[test]
fn a_key_runs_its_work_once() {
    let host = TestHost::new();
    let first = deliver(&host, &THREE_ROWS, &["--key", "monday"]);
    let again = deliver(&host, &THREE_ROWS, &["--key", "monday"]);
    assert_eq!(again["run_id"], first["run_id"]);
    let other = host.file("CNMSshvol20210129.txt", regsho("20210129", &THREE_ROWS));
    let refused = host.run(PIPELINE, &other, &["--key", "monday"]).exits(3);
    assert_eq!(refused.error_code(), "key_reused");
}
