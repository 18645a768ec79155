//! A run is stopped by whoever asked for it, and a host that does not answer is not waited for.

use std::process::{Child, Stdio};

use serde_json::{Value, json};
use tests::files::{THREE_ROWS, regsho};
use tests::{Answer, TestHost, data_folder};

const PIPELINE: &str = "finra.regsho_daily";

/// Rows that keep a host busy for longer than it takes to stop it.
const MANY: usize = 1_500_000;

/// Starts a long run and returns when the ledger says that it is running.
fn long_run(host: &TestHost) -> Child {
    let rows: Vec<String> = (0..MANY).map(|at| format!("S{at:07}|1|0|{at}|Q")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let file = format!("file={}", host.file("CNMSshvol20210128.txt", regsho("20210128", &rows)).display());
    let mut command = host.command(&["run", PIPELINE, "-p", &file, "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    loop {
        // No answer as long as there is no ledger.
        let listed = host.ask(&["runs", "list", "--status", "running"]);
        if listed.code == 0 && listed.json()["runs"] != json!([]) {
            return child;
        }
        assert_eq!(child.try_wait().unwrap(), None, "the run ended before anybody could stop it");
    }
}

/// Presses Ctrl-C, and returns what the run said in the end.
fn interrupted(child: Child) -> Answer {
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    child.wait_with_output().unwrap().into()
}

fn assert_cancelled(host: &TestHost, answer: Answer) {
    let report = answer.exits(1).json();
    assert_eq!((&report["status"], &report["error"]["code"]), (&json!("cancelled"), &json!("cancelled")), "{report}");
    assert_eq!(report["captures"], json!([]));
    let recorded = host.ask(&["runs", "show", report["run_id"].as_str().unwrap()]).exits(0).json();
    assert_eq!(recorded["status"], "cancelled");
    assert!(data_folder::has_input(&host.data(), report["input_hash"].as_str().unwrap()), "the input is kept");
    assert_eq!(host.ask(&["captures", PIPELINE]).exits(0).json(), json!([]));
}

fn works_on(host: &TestHost) {
    let file = host.file("next/CNMSshvol20210129.txt", regsho("20210129", &THREE_ROWS));
    let report: Value = host.run(PIPELINE, &file, &[]).exits(0).json();
    assert_eq!(report["captures"][0]["revision"], 1);
}

#[test]
fn ctrl_c_cancels_a_lone_run() {
    let host = TestHost::new();
    let answer = interrupted(long_run(&host));
    assert_cancelled(&host, answer);
    works_on(&host);
}

#[test]
fn ctrl_c_cancels_a_run_that_another_process_carries_out_and_that_process_goes_on() {
    let host = TestHost::new();
    let serving = host.serve();
    let answer = interrupted(long_run(&host));
    assert_cancelled(&host, answer);
    works_on(&host);
    assert_eq!(serving.stop().0, 0);
}

#[test]
fn a_data_folder_whose_owner_does_not_answer_is_not_waited_for() {
    let host = TestHost::new();
    let serving = host.serve();
    serving.signal("STOP");
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let answer = host.run(PIPELINE, &file, &[]);
    serving.signal("CONT");
    assert_eq!(answer.exits(4).error_code(), "unreachable");
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]), "no run is made");
    works_on(&host);
}

#[test]
fn without_a_ledger_there_is_nothing_to_read() {
    let host = TestHost::new();
    let answer = host.ask(&["runs", "list"]).exits(4);
    assert_eq!(answer.error_code(), "unreachable");
    assert!(answer.stderr.contains("nothing has run in this data folder yet"), "{}", answer.stderr);
}
