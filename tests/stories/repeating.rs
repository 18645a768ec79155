//! Runs that failed are not forgotten: they leave dead letters, are repeated with what they read, and end one day.

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::regsho;

const PIPELINE: &str = "finra.regsho_daily";

/// A run of a file that has only its header. The file is gone afterwards.
fn failed(host: &TestHost) -> String {
    let file = host.file("CNMSshvol20210128.txt", "no header of ours\n");
    let report = host.run(PIPELINE, &file, &[]).exits(1).json();
    std::fs::remove_file(file).unwrap();
    assert_eq!((&report["status"], &report["error"]["code"]), (&json!("failed"), &json!("header_mismatch")));
    report["run_id"].as_str().unwrap().to_owned()
}

fn letters(host: &TestHost, options: &[&str]) -> Vec<Value> {
    let answer = host.ask(&[&["dlq", "list"], options].concat()).exits(0).json();
    answer.as_array().unwrap().clone()
}

fn status(host: &TestHost, run: &str) -> Value {
    host.ask(&["runs", "show", run]).exits(0).json()["status"].clone()
}

#[test]
fn case_p10_a_failed_run_is_repeated_three_times_and_then_its_work_has_to_be_asked_for_anew() {
    let host = TestHost::new();
    let run = failed(&host);
    for retries in 1..=3 {
        let repeated = host.ask(&["runs", "retry", &run]).exits(1).json();
        assert_eq!((&repeated["retry_of"], &repeated["trigger"]), (&json!(run), &json!("retry")));
        assert_eq!(repeated["error"]["code"], "header_mismatch", "it read the file that was kept");
        let open = letters(&host, &[]);
        assert_eq!((open.len(), &open[0]["run_id"], &open[0]["retries"]), (1, &json!(run), &json!(retries)));
    }
    assert_eq!(status(&host, &run), "dead_lettered");
    assert_eq!(host.ask(&["runs", "retry", &run]).exits(3).error_code(), "retries_used_up");
    let resolved = host.ask(&["dlq", "resolve", &run, "--by", "ann", "--note", "asked FINRA"]).exits(0).json();
    assert_eq!((&resolved["resolved"], &resolved["dead_letter"]["resolved_by"]), (&json!(true), &json!("ann")));
    let again = host.ask(&["dlq", "resolve", &run, "--by", "bob"]).exits(0).json();
    assert_eq!((&again["resolved"], &again["dead_letter"]["resolved_by"]), (&json!(false), &json!("ann")));
    assert_eq!((letters(&host, &[]).len(), letters(&host, &["--all"]).len()), (0, 1));
}

#[test]
fn a_replay_through_a_serving_host_is_the_same() {
    let host = TestHost::new();
    let run = failed(&host);
    let serving = host.serve();
    let replayed = host.ask(&["dlq", "replay", &run]).exits(1).json();
    assert_eq!((&replayed[0]["retry_of"], &replayed[0]["status"]), (&json!(run), &json!("failed")));
    let detached = host.ask(&["runs", "retry", &run, "--detach"]).exits(0).json();
    let new = detached["run_id"].as_str().unwrap();
    let why = host.ask(&["runs", "why", new]).exits(0).json();
    assert_eq!(why["run_id"], new);
    drop(serving);
    assert_eq!(letters(&host, &[])[0]["retries"], 2);
}

#[test]
fn what_cannot_be_done_about_a_run_is_said_and_changes_nothing() {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &["AAA|1|0|2|Q"]));
    let done = host.run(PIPELINE, &file, &[]).exits(0).json();
    let run = done["run_id"].as_str().unwrap();
    assert_eq!(host.ask(&["runs", "cancel", run]).exits(3).error_code(), "already_ended");
    assert_eq!(host.ask(&["runs", "retry", run]).exits(3).error_code(), "not_repeatable");
    assert_eq!(host.ask(&["dlq", "resolve", run]).exits(2).error_code(), "bad_id");
    let why = host.ask(&["runs", "why", run]).exits(0).json();
    assert_eq!((&why["status"], &why["code"]), (&json!("completed"), &json!("ended")));
    let nobody = "run_00000000000070008000000000000000";
    for command in [["runs", "cancel"], ["runs", "retry"], ["runs", "why"], ["dlq", "show"]] {
        assert_eq!(host.ask(&[command[0], command[1], nobody]).exits(2).error_code(), "bad_id", "{command:?}");
    }
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_says_where_it_waits_and_a_deadline_that_has_passed_ends_it() {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &["AAA|1|0|2|Q"]));
    let options = ["--priority", "high", "--lane", "backfill"];
    let report = host.run(PIPELINE, &file, &options).exits(0).json();
    assert_eq!(
        (&report["priority"], &report["lane"], &report["trigger"]),
        (&json!("high"), &json!("backfill"), &json!("cli"))
    );
    let late = host.run(PIPELINE, &file, &["--deadline", "2021-01-28T00:00:00Z"]).exits(1).json();
    assert_eq!(
        (&late["status"], &late["error"]["code"], &late["attempt"]),
        (&json!("timed_out"), &json!("deadline"), &json!(0))
    );
    let wrong = host.run(PIPELINE, &file, &["--priority", "hgih"]).exits(2);
    assert!(wrong.stderr.contains("did you mean `high`"), "{}", wrong.stderr);
}
