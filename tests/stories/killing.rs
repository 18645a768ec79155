//! `kill -9` at any moment leaves nothing half visible.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::regsho;

/// Ten kills in the short form, two hundred in the long one.
fn kills() -> u64 {
    if std::env::var_os("SPINE_SOAK").is_some() { 200 } else { 10 }
}

/// Rows of revision `number`: each has its number of rows in the hundreds, so that a mixture would show.
fn rows(number: u64) -> Vec<String> {
    (0..2_000 + number).map(|at| format!("S{at:05}|{number}|0|{}|Q", number + at)).collect()
}

fn command(host: &TestHost, number: u64) -> std::process::Command {
    let rows = rows(number);
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let file = host.file(&format!("{number}/CNMSshvol20210128.txt"), regsho("20210128", &rows));
    host.command(&["run", "finra.regsho_daily", "-p", &format!("file={}", file.display()), "-o", "json"])
}

#[test]
fn a_killed_run_is_interrupted_and_the_lake_is_whole() {
    let host = TestHost::new();
    // How long a whole run takes here, so that kills fall all over it.
    let start = Instant::now();
    assert!(command(&host, 1).output().unwrap().status.success());
    let whole = start.elapsed();

    for kill in 1..=kills() {
        let number = kill + 1;
        let mut child = command(&host, number).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let moment = whole.mul_f64(((kill * 7_919) % 1_000) as f64 / 1_000.0 * 1.1);
        wait_until(Instant::now() + moment);
        child.kill().unwrap();
        child.wait().unwrap();
        // Readers before anybody has cleaned up.
        assert_whole(&host);
        // The next owner cleans; its own run is over a partition of its own.
        let clean = host.file("CNMSshvol20210127.txt", regsho("20210127", &["AAA|1|0|2|Q"]));
        host.run("finra.regsho_daily", &clean, &[]).exits(0);
        assert_whole(&host);
        let open = host.ask(&["runs", "list", "--limit", "200"]).exits(0).json();
        for run in open["runs"].as_array().unwrap() {
            let status = run["status"].as_str().unwrap();
            assert!(["completed", "failed"].contains(&status), "no run is stuck: {run}");
            if status == "failed" {
                assert_eq!(
                    (&run["error"]["code"], &run["error"]["retryable"]),
                    (&json!("interrupted"), &json!(true)),
                    "{run}"
                );
            }
        }
        no_orphans(&host);
    }
}

/// Passes the time without giving up the processor for longer than a scheduler tick.
fn wait_until(moment: Instant) {
    while Instant::now() < moment {
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

/// The latest capture is one whole revision, and every revision in the history is whole.
fn assert_whole(host: &TestHost) {
    let history = host.query(
        "SELECT _revision, count(*) AS n, min(short_volume) AS low, max(short_volume) AS high
         FROM finra.regsho_daily_history WHERE trade_date = '2021-01-28' GROUP BY 1 ORDER BY 1",
    );
    let history = history.as_array().unwrap();
    for revision in history {
        assert_eq!(revision["low"], revision["high"], "no mixture: {revision}");
        let number = revision["low"].as_f64().unwrap();
        assert_eq!(revision["n"].as_f64().unwrap(), 2_000.0 + number, "no partial capture: {revision}");
    }
    let latest = host.query("SELECT DISTINCT _revision AS r FROM finra.regsho_daily WHERE trade_date = '2021-01-28'");
    assert_eq!(latest, json!([{"r": history.last().unwrap()["_revision"]}]));
}

/// Every file under `captures/` belongs to a capture.
fn no_orphans(host: &TestHost) {
    let known = host.ask(&["captures", "finra.regsho_daily"]).exits(0).json();
    let known: BTreeSet<&str> =
        known.as_array().unwrap().iter().map(|capture: &Value| capture["capture_id"].as_str().unwrap()).collect();
    let mut found = Vec::new();
    files(&host.data().join("captures"), &mut found);
    for file in &found {
        assert!(known.iter().any(|id| file.contains(id)), "{file} belongs to no capture");
    }
    assert_eq!(found.len(), known.len());
}

fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path.display().to_string());
        }
    }
}
