//! Where the machine gives less than a host would like, it says so and works.

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::{THREE_ROWS, regsho};

/// Enough for a few instances, each with a memory of 4 GiB, but not for the pool of them all.
const LITTLE: u64 = 64 << 30;

fn input(host: &TestHost) -> std::path::PathBuf {
    host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS))
}

/// The warning about the pool, and why there is none.
fn warning(log: &str) -> Option<(String, String)> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines
        .filter(|line| line["level"] == "WARN")
        .map(|line| (text(&line["message"]), text(&line["reason"])))
        .find(|(message, _)| message.contains("instances are mapped one by one"))
}

#[test]
fn a_run_without_room_for_the_instance_pool_says_so_and_completes() {
    let host = TestHost::new().with_address_space(LITTLE);
    let answer = host.run("finra.regsho_daily", &input(&host), &[]).exits(0);
    assert_eq!(answer.json()["rows_out"], 3);
    let (message, reason) = warning(&answer.stderr).expect(&answer.stderr);
    assert!(message.contains("ulimit -v"), "says what to do: {message}");
    assert!(!reason.is_empty(), "says why");
}

#[test]
fn a_host_without_room_for_the_instance_pool_says_so_and_serves() {
    let host = TestHost::new().with_address_space(LITTLE);
    let serving = host.serve();
    assert!(warning(&serving.before).is_some(), "{}", serving.before);
    let metrics = serving.metrics();
    assert!(metrics.lines().any(|line| line == "spine_instance_pool 0"), "{metrics}");
    let report = host.run("finra.regsho_daily", &input(&host), &[]).exits(0).json();
    assert_eq!((&report["status"], &report["rows_out"]), (&json!("completed"), &json!(3)));
}

#[test]
fn with_room_for_the_instance_pool_nothing_is_said() {
    let host = TestHost::new();
    let serving = host.serve();
    assert_eq!(warning(&serving.before), None);
    let metrics = serving.metrics();
    assert!(metrics.lines().any(|line| line == "spine_instance_pool 1"), "{metrics}");
}
