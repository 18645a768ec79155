//! Looks at a data folder from all sides and remembers what it saw: what was there once must never change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};
use tests::data_folder::{self, Known};
use tests::{Answer, Duck, TestHost};

use super::delivery::{DATASETS, TOGETHER, captures_due};

/// What was seen so far.
#[derive(Default)]
pub(super) struct Witness {
    /// By id, as the ledger lists them.
    captures: BTreeMap<String, Value>,
    /// Digests of the capture files, by path.
    files: BTreeMap<String, [u8; 32]>,
    completed: BTreeSet<String>,
    /// Runs that rejected lines.
    rejecting: BTreeSet<String>,
    interrupted: BTreeSet<String>,
    /// Digests of what completed runs read.
    inputs: BTreeSet<String>,
}

impl Witness {
    /// What any reader sees, at any time, also before anybody cleans up: each run is there with everything or with
    /// nothing, and what was there before is what it was.
    pub(super) fn sees_whole_runs(&mut self, host: &TestHost) {
        let listed = captures(host);
        for (id, before) in &self.captures {
            assert_eq!(listed.get(id), Some(before), "a capture never changes");
        }
        self.captures = listed;
        let mut by_run: BTreeMap<&str, usize> = BTreeMap::new();
        for capture in self.captures.values() {
            assert_eq!(capture["state"], "published", "{capture}");
            *by_run.entry(text(&capture["run_id"])).or_default() += 1;
        }
        // Older ones were looked at before.
        let mut runs = runs(host);
        runs.retain(|run| !self.completed.contains(text(&run["run_id"])));
        for run in runs {
            let id = text(&run["run_id"]);
            let published = by_run.get(id).copied().unwrap_or(0);
            let due = if run["status"] == "completed" { captures_due(text(&run["name"])) } else { 0 };
            assert_eq!(published, due, "all or none: {run}");
            if run["status"] == "completed" {
                let shown = host.ask(&["runs", "show", id]).exits(0).json();
                self.inputs.insert(text(&shown["input_hash"]).to_owned());
                self.completed.insert(id.to_owned());
                if run["rejected"] != 0 {
                    self.rejecting.insert(id.to_owned());
                }
            }
        }
        for run in by_run.keys() {
            assert!(self.completed.contains(*run), "{run} has captures, so it is completed");
        }
        self.sees_whole_rows(host);
    }

    /// The rows of each capture are as many as the ledger says, and all of one delivery; the latest are all of one run
    /// where one run replaces them all.
    fn sees_whole_rows(&self, host: &TestHost) {
        let of = |(dataset, marker): (&str, &str)| {
            format!(
                "SELECT _capture_id AS id, count(*) AS n, min({marker}) AS low, max({marker}) AS high
                 FROM {dataset}_history GROUP BY _capture_id"
            )
        };
        let history = host.query(&DATASETS.map(of).join(" UNION ALL "));
        let history = history.as_array().unwrap();
        for rows in history {
            let capture = self.captures.get(text(&rows["id"]));
            assert_eq!(capture.map(|capture| &capture["rows"]), Some(&rows["n"]), "no partial capture: {rows}");
            assert_eq!(rows["low"], rows["high"], "no mixture: {rows}");
        }
        assert_eq!(history.len(), self.captures.len(), "every revision can be read");
        for together in TOGETHER {
            let runs = together.iter().map(|dataset| format!("SELECT _run_id AS run FROM {dataset}"));
            let runs = runs.collect::<Vec<_>>().join(" UNION ALL ");
            let found = host.query(&format!("SELECT count(DISTINCT run) AS runs FROM ({runs})"));
            assert_eq!(found, json!([{"runs": 1}]), "{together:?}");
        }
    }

    /// What somebody was told has happened did happen, whoever was killed afterwards.
    pub(super) fn believes(&self, told: &[Answer]) {
        for answer in told {
            match answer.code {
                // Killed, or its host was.
                -1 | 4 => {}
                0 => {
                    let report = answer.json();
                    assert!(self.completed.contains(text(&report["run_id"])), "{report}");
                    for capture in report["captures"].as_array().unwrap() {
                        let found = &self.captures[text(&capture["capture_id"])];
                        assert_eq!(found["content_hash"], capture["content_hash"]);
                    }
                }
                code => panic!("exit {code}\n{}\n{}", answer.stdout, answer.stderr),
            }
        }
    }

    /// How many runs were interrupted so far.
    pub(super) fn interrupted(&self) -> usize {
        self.interrupted.len()
    }

    /// What holds once the next owner has come and gone: every run has ended, no file is left over, none is missing or
    /// altered, and the database is sound.
    pub(super) fn sees_a_clean_folder(&mut self, host: &TestHost) {
        for run in runs(host) {
            match text(&run["status"]) {
                "completed" => {}
                "failed" => {
                    let error = &run["error"];
                    assert_eq!((&error["code"], &error["retryable"]), (&json!("interrupted"), &json!(true)), "{run}");
                    self.interrupted.insert(text(&run["run_id"]).to_owned());
                }
                _ => panic!("a run is still in flight: {run}"),
            }
        }
        let known = Known { captures: self.captures.keys().cloned().collect(), rejecting: self.rejecting.clone() };
        let strangers = data_folder::strangers(&host.data(), &known);
        assert!(strangers.is_empty(), "{}", strangers.join("\n"));
        for digest in &self.inputs {
            assert!(data_folder::has_input(&host.data(), digest), "a completed run read {digest}");
        }
        let captures = host.data().join("captures");
        for path in data_folder::files(&captures) {
            let now = Sha256::digest(std::fs::read(captures.join(&path)).unwrap()).into();
            let before = *self.files.entry(path.clone()).or_insert(now);
            assert_eq!(before, now, "`{path}` was altered");
        }
        assert_sound(host);
    }
}

/// DuckDB shows the same captures with the same numbers of rows.
pub(super) fn assert_duckdb_agrees(mut duck: Duck, host: &TestHost) {
    duck.attach(&host.data().join("spine.db"));
    for (dataset, marker) in DATASETS {
        let sql = |table: &str| {
            format!(
                "SELECT _capture_id AS id, count(*) AS n, sum({marker})::VARCHAR AS sum FROM {table}
                 GROUP BY _capture_id ORDER BY _capture_id"
            )
        };
        assert_eq!(duck.rows(&sql(&format!("lake.{dataset}"))), host.query(&sql(dataset)), "{dataset}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The captures of all datasets by their ids.
fn captures(host: &TestHost) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (dataset, _) in DATASETS {
        for capture in host.ask(&["captures", dataset]).exits(0).json().as_array().unwrap() {
            all.insert(text(&capture["capture_id"]).to_owned(), capture.clone());
        }
    }
    all
}

/// The newest runs.
fn runs(host: &TestHost) -> Vec<Value> {
    host.ask(&["runs", "list", "--limit", "200"]).exits(0).json()["runs"].as_array().unwrap().clone()
}

/// SQLite's own checks of the database.
fn assert_sound(host: &TestHost) {
    let options = SqliteConnectOptions::new().filename(host.data().join("spine.db")).read_only(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut database = options.connect().await.unwrap();
        let found = sqlx::query("PRAGMA integrity_check").fetch_all(&mut database).await.unwrap();
        let found: Vec<String> = found.iter().map(|row| row.get(0)).collect();
        assert_eq!(found, ["ok"]);
        let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut database).await.unwrap();
        assert_eq!(broken.len(), 0, "every reference leads somewhere");
    });
}
