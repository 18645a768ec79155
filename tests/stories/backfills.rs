//! Many files at once, as an operator asks for them.

use std::process::Stdio;

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::regsho;

const PIPELINE: &str = "finra.regsho_daily";

/// Files of three sessions, one of which is none.
fn files(host: &TestHost) -> Vec<String> {
    let file = |day: &str, text: String| host.file(&format!("CNMSshvol{day}.txt"), text).to_str().unwrap().to_owned();
    let good = |day: &str| file(day, regsho(day, &["AAA|1|0|2|Q"]));
    vec![good("20210127"), file("20210128", "no header of ours\n".to_owned()), good("20210129")]
}

fn each<'a>(files: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let files = files.iter().map(String::as_str);
    ["backfill", PIPELINE, "--each", "file"].into_iter().chain(files).chain(more.iter().copied()).collect()
}

fn runs(answer: &Value) -> Vec<(&str, &str)> {
    let word = |run: &'_ Value, key: &str| -> String { run[key].as_str().unwrap().to_owned() };
    let all = answer["runs"].as_array().unwrap().iter();
    all.map(|run| (word(run, "kind").leak() as &str, word(run, "status").leak() as &str)).collect()
}

#[test]
fn a_folder_is_filled_in_and_what_failed_is_done_again_alone() {
    let host = TestHost::new();
    let files = files(&host);
    let report = host.ask(&each(&files, &[])).exits(1).json();
    let id = report["run_id"].as_str().unwrap();
    assert_eq!(
        (&report["kind"], &report["name"], &report["lane"]),
        (&json!("backfill"), &json!(PIPELINE), &json!("backfill"))
    );
    let counts =
        |result: &Value| json!([result["completed"], result["failed"], result["pending"], result["success_rate"]]);
    assert_eq!(counts(&report["result"]), json!([2, 1, 0, 66.67]));
    assert_eq!(report["error"]["code"], "items_failed");
    let children = host.ask(&["runs", "children", id]).exits(0).json();
    assert_eq!(runs(&children).len(), 3);
    let failed = host.ask(&["runs", "children", id, "--status", "failed"]).exits(0).json();
    assert_eq!(
        (runs(&failed), &failed["runs"][0]["error"]["code"]),
        (vec![("pipeline", "failed")], &json!("header_mismatch"))
    );
    let listed = host.ask(&["runs", "list", "--kind", "backfill"]).exits(0).json();
    assert_eq!((runs(&listed), &listed["runs"][0]["run_id"]), (vec![("backfill", "failed")], &json!(id)));
    assert_eq!(host.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{ "n": 2 }]));

    // The bad file is bad still: its item alone is done again.
    let again = host.ask(&["runs", "retry", id]).exits(1).json();
    assert_eq!((&again["retry_of"], counts(&again["result"])), (&json!(id), json!([2, 1, 0, 66.67])));
    let children = host.ask(&["runs", "children", again["run_id"].as_str().unwrap()]).exits(0).json();
    assert_eq!(runs(&children), [("pipeline", "failed")]);
}

#[test]
fn a_serving_host_carries_it_out_and_the_first_failure_can_stop_it() {
    let host = TestHost::new();
    let files = files(&host);
    let serving = host.serve();
    let report = host.ask(&each(&files, &["--stop-on-failure"])).exits(1).json();
    let result = &report["result"];
    assert_eq!(json!([result["completed"], result["failed"], result["pending"]]), json!([1, 1, 1]));
    let plan = json!([{ "params": { "file": files[0] } }, { "name": "finra.regsho_dialy" }]).to_string();
    let plan = host.file("plan.json", plan);
    let mixed = host.ask(&["backfill", PIPELINE, "--items", plan.to_str().unwrap()]).exits(1).json();
    assert_eq!(mixed["result"]["failures"][0]["code"], "unknown_name");
    assert_eq!(mixed["result"]["completed"], 1);
    drop(serving);
}

#[test]
fn what_cannot_be_asked_of_a_list_or_a_backfill_is_refused() {
    let host = TestHost::new();
    let bad: [&[&str]; 12] = [
        &["runs", "list", "--limit", "0"],
        &["runs", "list", "--limit", "-1"],
        &["runs", "list", "--limit", "201"],
        &["runs", "list", "--limit", "99999999999999999999"],
        &["runs", "list", "--status", "zz"],
        &["runs", "list", "--kind", "step"],
        &["backfill", PIPELINE],
        &["backfill", PIPELINE, "--each", "file"],
        &["backfill", PIPELINE, "--each", "file", "a", "--parallel", "0"],
        &["backfill", PIPELINE, "--each", "file", "a", "--parallel", "-3"],
        &["backfill", PIPELINE, "--each", "file", "a", "-p", "file=b"],
        &["backfill", "--items", "absent.json"],
    ];
    for command in bad {
        host.ask(command).exits(2);
    }
    let unknown = host.ask(&["backfill", "finra.regsho_dialy", "--each", "file", "a"]).exits(2);
    assert!(unknown.stderr.contains("did you mean `finra.regsho_daily`?"), "{}", unknown.stderr);
    assert_eq!(host.ask(&["backfill", PIPELINE, "--each", "fiel", "a", "b"]).exits(2).error_code(), "bad_params");
    // It reaches the ledger only once it is known what is to be done.
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]));
    let nobody = "run_00000000000070008000000000000000";
    for command in [["runs", "children"], ["runs", "show"]] {
        assert_eq!(host.ask(&[command[0], command[1], nobody]).exits(2).error_code(), "bad_id");
    }
    assert_eq!(host.ask(&["runs", "list", "--parent", nobody]).exits(2).error_code(), "bad_id");
}

/// Asks until the answer is the one that is waited for; each question is a process of its own.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
    }
}

#[test]
fn a_backfill_whose_process_is_killed_goes_on_and_does_nothing_twice() {
    let host = TestHost::new();
    let rows: Vec<String> = (0..400_000).map(|at| format!("S{at:07}|1|0|2|Q")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let days = [("20210127", &["AAA|1|0|2|Q"][..]), ("20210128", &rows), ("20210129", &["AAA|1|0|2|Q"])];
    let file = |(day, rows): (&str, &[&str])| {
        host.file(&format!("CNMSshvol{day}.txt"), regsho(day, rows)).to_str().unwrap().to_owned()
    };
    let files = days.map(file);
    let mut command = host.command(&each(&files, &["--parallel", "1", "-o", "json"]));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let listed = |filter: [&str; 2]| {
        let answer = host.ask(&[&["runs", "list"], &filter[..]].concat());
        (answer.code == 0).then(|| answer.json()["runs"].as_array().unwrap().clone())
    };
    let id = until(|| {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before anybody could kill it");
        // The second item is at work.
        let children = listed(["--kind", "pipeline"])?;
        let status: Vec<&str> = children.iter().map(|run| run["status"].as_str().unwrap()).collect();
        (status == ["running", "completed"]).then(|| listed(["--kind", "backfill"]).unwrap()[0]["run_id"].clone())
    });
    let id = id.as_str().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let serving = host.serve();
    let report = until(|| {
        let report = host.ask(&["runs", "show", id]).exits(0).json();
        (report["status"] != "running" && report["status"] != "queued").then_some(report)
    });
    assert_eq!((&report["status"], &report["attempt"]), (&json!("completed"), &json!(2)), "{report}");
    assert_eq!(report["result"]["completed"], 3);
    let children = host.ask(&["runs", "children", id]).exits(0).json();
    let mut seen: Vec<(&str, &str)> = runs(&children);
    seen.sort_unstable();
    assert_eq!(
        seen,
        [("pipeline", "completed"), ("pipeline", "completed"), ("pipeline", "completed"), ("pipeline", "failed")]
    );
    assert_eq!(host.ask(&["dlq", "list"]).exits(0).json(), json!([]), "the item that was interrupted was done again");
    let revisions = host.query("SELECT max(_revision) AS n, count(*) AS c FROM finra.regsho_daily");
    assert_eq!(revisions, json!([{ "n": 1, "c": 400_002 }]));
    drop(serving);
}

#[test]
fn how_far_a_capture_has_come_is_kept_with_it_each_time() {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &["AAA|1|0|2|Q"]));
    for _ in 0..2 {
        host.run(PIPELINE, &file, &[]).exits(0);
    }
    let ask = ["captures", PIPELINE, "--partition", "trade_date=2021-01-28", "--stages"];
    let stages = host.ask(&ask).exits(0).json();
    let all: Vec<Value> = stages
        .as_array()
        .unwrap()
        .iter()
        .map(|it| json!([it["stage"], it["rank"], it["number"], it["rows"]]))
        .collect();
    assert_eq!(all, [json!(["landed", 0, 1, 1]), json!(["landed", 0, 2, 1])]);
    assert_ne!(stages[0]["run_id"], stages[1]["run_id"]);
    assert_eq!(host.ask(&[&ask[..], &["--revision", "7"]].concat()).exits(0).json(), json!([]));
    host.ask(&["captures", PIPELINE, "--stages"]).exits(2);
}
