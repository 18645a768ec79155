//! Every log line about a run says which run, which plugin and which version of it.

use serde_json::{Value, json};
use tests::files::{THREE_ROWS, regsho};
use tests::{Answer, TestHost, component};

const FILE: &str = "Date|Symbol|Volume\n2021-01-28|AAA|10\n2021-01-28|E|30\n";

/// Carries out one run, alone in its process, with its log in this form.
fn run(format: &str) -> (Value, String) {
    let host = TestHost::without_plugins();
    host.install(&component("hello_rust"), "hello_rust.wasm");
    let file = format!("file={}", host.file("volumes_20210128.psv", FILE).display());
    let args = ["run", "hello_rust.shares", "-p", &file, "-o", "json", "--log-format", format];
    let answer = Answer::from(host.command(&args).env("SPINE_LOG", "debug").output().unwrap()).exits(0);
    (answer.json(), answer.stderr)
}

#[test]
fn every_json_line_of_a_run_names_run_plugin_and_digest() {
    let (report, log) = run("json");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let place = |message: &str| lines.iter().position(|line| line["message"] == message).expect(message);
    let (begins, ends) = (place("the run begins"), place("the run has ended"));
    // Between the two nobody else is at work but the database and the API.
    let about = |line: &&Value| {
        let target = line["target"].as_str().unwrap();
        ["guest", "metric"].contains(&target)
            || ["orchestrator", "runtime", "lake"].iter().any(|it| target.starts_with(it))
    };
    let of_run: Vec<&Value> = lines[begins..=ends].iter().filter(about).collect();
    assert!(of_run.len() >= 4, "{log}");
    for line in of_run {
        assert_eq!(line["run.id"], report["run_id"], "{line}");
        assert_eq!(line["plugin.name"], report["plugin"]["name"], "{line}");
        assert_eq!(line["plugin.digest"], report["plugin"]["digest"], "{line}");
    }
    let said = &lines[place("shares done")];
    assert_eq!(
        (&said["target"], &said["fields"], &said["attempt"]),
        (&json!("guest"), &json!({"rows": "2"}), &json!(1))
    );
    // No other name for any of them.
    assert!(lines.iter().all(|line| line.get("run_id").is_none() && line.get("digest").is_none()), "{log}");
}

#[test]
fn every_line_for_people_names_them_too() {
    let (report, log) = run("human");
    let run = format!("run.id={}", report["run_id"].as_str().unwrap());
    let digest = format!("plugin.digest={}", report["plugin"]["digest"].as_str().unwrap());
    for message in ["the run begins", "shares done", "the guest has returned", "the run has ended"] {
        let line = log.lines().find(|line| line.contains(message)).unwrap_or_else(|| panic!("{message} in {log}"));
        for part in [&run, "plugin.name=", &digest] {
            assert_eq!(line.matches(part).count(), 1, "{part} once in {line}");
        }
    }
}

#[test]
fn a_serving_host_tells_of_its_runs_without_being_asked() {
    let host = TestHost::new();
    let serving = host.serve();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let report = host.run("finra.regsho_daily", &file, &[]).exits(0).json();
    let (_, log) = serving.stop();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let ended = lines.iter().find(|line| line["message"] == "the run has ended").unwrap();
    assert_eq!((&ended["run.id"], &ended["plugin.digest"]), (&report["run_id"], &report["plugin"]["digest"]));
    assert_eq!((&ended["rows_in"], &ended["level"]), (&json!(3), &json!("INFO")));
}
