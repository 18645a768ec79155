//! The value of a secret parameter reaches the guest, and is shown and kept nowhere.

use std::path::{Path, PathBuf};

use serde_json::json;
use tests::{TestHost, component};

const SECRET: &str = "correct-horse-battery";

/// The files below a folder that hold a text. Links lead out of the data folder and are not followed.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(files_with(&path, text));
        } else if kind.is_file() && holds(&std::fs::read(&path).unwrap(), text) {
            found.push(path);
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_secret_is_in_no_answer_no_log_and_no_file_of_the_data_folder() {
    let host = TestHost::without_plugins();
    host.install(&component("confidant"), "confidant.wasm");
    let token = format!("token={SECRET}");
    let run = |more: &[&str]| host.ask(&[&["run", "confidant.tell", "-p", &token], more].concat());
    let told = run(&["--key", "once"]).exits(0);
    let report = told.json();
    assert_eq!(report["params"], json!({"token": "(secret)", "fail": false}));
    assert_eq!(report["result"], json!({"token": "(secret)", "bytes": SECRET.len()}), "the guest saw the real one");
    let id = report["run_id"].as_str().unwrap();

    // A key stands for the request without its secrets: a hash of one would be a hint at it in the ledger.
    let other = host.ask(&["run", "confidant.tell", "-p", "token=another-horse", "--key", "once"]).exits(0);
    assert_eq!(other.json()["run_id"], report["run_id"]);
    let failed = run(&["-p", "fail=true"]).exits(2);
    let served = host.serve();
    let answers = [
        told,
        failed,
        run(&[]),
        host.ask(&["runs", "show", id]),
        host.show(&["runs", "show", id]),
        host.ask(&["runs", "events", id]),
        host.ask(&["runs", "logs", id]),
        host.ask(&["runs", "list"]),
    ];
    assert!(answers[6].stdout.contains("the token is (secret)"), "{}", answers[6].stdout);
    for answer in &answers {
        assert!(!format!("{answer:?}").contains(SECRET), "{answer:?}");
    }
    assert_eq!(files_with(&host.data(), SECRET), Vec::<PathBuf>::new());
    drop(served);
    assert_eq!(files_with(&host.data(), SECRET), Vec::<PathBuf>::new());
}
