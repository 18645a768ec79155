//! Hosts that share a ledger on a PostgreSQL server, and the folder of its captures.

use std::sync::Arc;

use private_postgres::{Cluster, Database, shared};
use serde_json::{Value, json};
use tests::files::{THREE_ROWS, regsho};
use tests::{Answer, TestHost};

const PIPELINE: &str = "finra.regsho_daily";

/// Rows that keep a host busy for longer than it takes to kill it.
const MANY: usize = 1_500_000;

/// A ledger and two hosts that share it, each with a data folder of its own.
struct Pair {
    _cluster: Arc<Cluster>,
    database: Database,
    one: TestHost,
    two: TestHost,
}

impl Pair {
    /// None, with a message that the test is skipped, where there is no PostgreSQL.
    fn new() -> Option<Self> {
        let cluster = match shared() {
            Ok(cluster) => cluster,
            Err(absent) => {
                eprintln!("skipped: {}", absent.0);
                return None;
            }
        };
        let database = cluster.database();
        let (one, two) = (TestHost::new(), TestHost::new());
        let lake = one.folder().join("lake");
        for host in [&one, &two] {
            let (lake, url) = (lake.display(), database.url());
            host.file(
                "spine.toml",
                format!("[ledger]\nurl = \"{url}\"\nlease = \"2s\"\n[lake]\nfolder = \"{lake}\"\n"),
            );
        }
        Some(Self { _cluster: cluster, database, one, two })
    }
}

fn day(host: &TestHost, date: &str, rows: &[&str]) -> std::path::PathBuf {
    host.file(&format!("CNMSshvol{date}.txt"), regsho(date, rows))
}

#[test]
fn what_one_host_publishes_the_other_reads_and_revises() {
    let Some(pair) = Pair::new() else { return };
    let Pair { one, two, .. } = &pair;

    let first = one.run(PIPELINE, &day(one, "20210128", &THREE_ROWS), &[]).exits(0).json();
    assert_eq!(two.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 3}]));
    let again = two.run(PIPELINE, &day(two, "20210128", &THREE_ROWS), &[]).exits(0).json();
    assert_eq!((&again["unchanged"], &again["captures"]), (&json!(true), &unchanged(&first)));

    let _serving = two.serve();
    let corrected = two.run(PIPELINE, &day(two, "20210128", &["A|10|0|100|Q"]), &[]).exits(0).json();
    assert_eq!(corrected["captures"][0]["revision"], 2);
    assert_eq!(one.query("SELECT symbol FROM finra.regsho_daily"), json!([{"symbol": "A"}]));
    let captures = one.ask(&["captures", PIPELINE]).exits(0).json();
    assert_eq!(captures.as_array().unwrap().len(), 2);
    assert!(!one.data().join("spine.db").exists() && !one.data().join("captures").exists());
}

fn unchanged(first: &Value) -> Value {
    let mut captures = first["captures"].clone();
    captures[0]["unchanged"] = json!(true);
    captures[0]["state"] = json!("unchanged");
    captures
}

#[test]
fn a_dry_run_writes_nothing_on_a_server_either() {
    let Some(pair) = Pair::new() else { return };
    let Pair { one, two, .. } = &pair;
    one.run(PIPELINE, &day(one, "20210128", &THREE_ROWS), &[]).exits(0);
    let dry = two.run(PIPELINE, &day(two, "20210128", &["A|10|0|100|Q"]), &["--dry-run"]).exits(0).json();
    assert_eq!((&dry["captures"][0]["state"], &dry["rows_out"]), (&json!("would_publish"), &json!(1)), "{dry}");
    let runs = two.ask(&["runs", "list"]).exits(0).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn a_host_with_another_folder_for_the_captures_is_refused() {
    let Some(pair) = Pair::new() else { return };
    let Pair { one, two, database, .. } = &pair;
    one.run(PIPELINE, &day(one, "20210128", &THREE_ROWS), &[]).exits(0);
    two.file("spine.toml", format!("[ledger]\nurl = \"{}\"\n", database.url()));
    let answer = two.run(PIPELINE, &day(two, "20210129", &THREE_ROWS), &[]).exits(2);
    assert_eq!(answer.error_code(), "bad_config");
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains(&one.folder().join("lake").display().to_string()), "{message}");
    assert!(message.contains("[lake] folder"), "{message}");
    assert_eq!(one.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 3}]), "nothing was changed");
}

#[test]
fn a_server_that_is_not_there_is_exit_4_and_its_password_is_not_told() {
    let host = TestHost::new();
    let answer: Answer = host
        .command(&["runs", "list", "-o", "json"])
        .env("SPINE_LEDGER", "postgres://spine:s3cret@127.0.0.1:9/ledger")
        .output()
        .unwrap()
        .into();
    let answer = answer.exits(4);
    assert_eq!(answer.error_code(), "unreachable");
    assert!(answer.stdout.contains("127.0.0.1:9/ledger"), "{}", answer.stdout);
    for text in [&answer.stdout, &answer.stderr] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    for ledger in ["mysql://u:s3cret@h/d", "sqlite3"] {
        let answer = host.ask(&["runs", "list", "--ledger", ledger]).exits(2);
        assert!(answer.stderr.contains("postgres://USER") && !answer.stderr.contains("s3cret"), "{}", answer.stderr);
    }
    host.file("spine.toml", "[lake]\nfolder = \"lake\"\n");
    let answer = host.ask(&["runs", "list"]).exits(2);
    assert!(answer.stderr.contains("`lake.folder` is for hosts that share a ledger"), "{}", answer.stderr);
}

#[test]
fn a_killed_hosts_run_is_carried_out_by_the_other_once() {
    let Some(pair) = Pair::new() else { return };
    let Pair { one, two, .. } = &pair;
    let rows: Vec<String> = (1..=MANY).map(|at| format!("S{at:07}|1|0|{at}|Q")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let file = format!("file={}", day(one, "20210128", &rows).display());
    let doomed = one.serve();
    let survivor = two.serve();
    let detached = one.ask(&["run", PIPELINE, "-p", &file, "--detach"]).exits(0).json();
    let run = detached["run_id"].as_str().unwrap();
    while one.ask(&["runs", "show", run]).exits(0).json()["status"] == "queued" {}
    doomed.kill();

    let ended = loop {
        let report = two.ask(&["runs", "show", run]).exits(0).json();
        if !["queued", "running"].contains(&report["status"].as_str().unwrap()) {
            break report;
        }
    };
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("completed"), &json!(2)), "{ended}");
    assert_eq!(two.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{ "n": MANY }]));
    let events = two.ask(&["runs", "events", run]).exits(0).json();
    let events: Vec<&str> = events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(events.iter().filter(|event| **event == "completed").count(), 1, "{events:?}");
    assert!(events.contains(&"requeued"), "{events:?}");
    drop(survivor);
}
