//! Whatever lies in a data folder, starting a host costs nobody a file that may still be wanted.

use std::path::Path;

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::{THREE_ROWS, regsho};

/// The database with its log.
const DATABASE: [&str; 3] = ["spine.db", "spine.db-wal", "spine.db-shm"];

fn publish(host: &TestHost, day: &str) {
    let file = host.file(&format!("CNMSshvol{day}.txt"), regsho(day, &THREE_ROWS));
    host.run("finra.regsho_daily", &file, &[]).exits(0);
}

fn copy_database(from: &Path, to: &Path) {
    for name in DATABASE {
        drop(std::fs::remove_file(to.join(name)));
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

fn captures(host: &TestHost) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![host.data().join("captures")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_folder_that_holds_files_of_others_keeps_them() {
    let host = TestHost::new();
    let theirs = ["captures/thesis.tex", "captures/holiday/photo.jpg", "inputs/draft.tmp"];
    for name in theirs {
        host.file(&format!("data/{name}"), "the only copy");
    }
    let serving = host.serve();
    let log = serving.before.clone();
    assert_eq!(serving.stop().0, 0);
    assert!(log.contains("2 in captures/, 1 in inputs/"), "{log}");
    publish(&host, "20210128");
    for name in theirs {
        assert_eq!(std::fs::read_to_string(host.data().join(name)).unwrap(), "the only copy", "{name}");
    }
}

#[test]
fn an_older_database_costs_no_capture_and_the_newer_one_finds_them_all_again() {
    let host = TestHost::new();
    publish(&host, "20210127");
    let (older, newer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_database(&host.data(), older.path());
    publish(&host, "20210128");
    publish(&host, "20210129");
    let all = captures(&host);
    let days = "SELECT count(DISTINCT trade_date) AS days FROM finra.regsho_daily";
    assert_eq!((all.len(), host.query(days)), (3, json!([{"days": 3}])));
    copy_database(&host.data(), newer.path());

    copy_database(older.path(), &host.data());
    let serving = host.serve();
    let log = serving.before.clone();
    assert_eq!(serving.stop().0, 0);
    assert!(log.contains("2 in captures/") && log.contains("older copy"), "{log}");
    assert_eq!((captures(&host), host.query(days)), (all.clone(), json!([{"days": 1}])));
    // Work goes on, on another day.
    publish(&host, "20210126");
    assert!(all.iter().all(|path| Path::new(path).exists()));

    copy_database(newer.path(), &host.data());
    assert_eq!(host.serve().stop().0, 0);
    assert_eq!(host.query(days), json!([{"days": 3}]));
}

#[test]
fn captures_without_their_database_are_not_begun_anew() {
    let host = TestHost::new();
    publish(&host, "20210127");
    let all = captures(&host);
    let kept = tempfile::tempdir().unwrap();
    copy_database(&host.data(), kept.path());
    DATABASE.iter().for_each(|name| drop(std::fs::remove_file(host.data().join(name))));

    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let refused = host.run("finra.regsho_daily", &file, &[]).exits(2);
    assert_eq!(refused.error_code(), "bad_folder");
    let message = refused.json()["error"]["message"].as_str().map(str::to_owned).unwrap();
    assert!(message.contains("restore the database") && message.contains("--data"), "{message}");
    assert_eq!(host.show(&["serve", "--listen", "127.0.0.1:0"]).code, 2);
    assert!(!host.data().join("spine.db").exists(), "no ledger was begun");
    assert_eq!(captures(&host), all);

    copy_database(kept.path(), &host.data());
    publish(&host, "20210128");
    let revisions: Value = host.ask(&["captures", "finra.regsho_daily"]).exits(0).json();
    assert_eq!(revisions.as_array().unwrap().len(), 2);
}
