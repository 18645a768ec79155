//! A dry run reads and checks, and leaves the disk as it was.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde_json::{Value, json};
use tests::files::{THREE_ROWS, regsho};
use tests::{Answer, TestHost};

const PIPELINE: &str = "finra.regsho_daily";

fn dry(host: &TestHost, rows: &[&str], more: &[&str]) -> Answer {
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", rows));
    host.run(PIPELINE, &file, &[more, &["--dry-run"]].concat())
}

/// Every file and folder below `folder`, with its time and bytes. The cache is shared by all stories.
fn everything(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let bytes = if metadata.is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
            found.insert(entry.path(), (metadata.modified().unwrap(), bytes));
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn without_a_data_folder_it_makes_none() {
    let host = TestHost::new();
    let absent = host.folder().join("absent/data");
    let report = dry(&host, &THREE_ROWS, &["--data", absent.to_str().unwrap()]).exits(0).json();
    assert_eq!((&report["status"], &report["rows_out"]), (&json!("completed"), &json!(3)));
    assert!(!report["quality"].as_array().unwrap().is_empty(), "it checks: {report}");
    assert!(!host.folder().join("absent").exists());

    let blocked = regsho("20210128", &THREE_ROWS).replace("\n3\n", "\n4\n");
    let file = host.file("CNMSshvol20210128.txt", blocked);
    let answer = host.run(PIPELINE, &file, &["--dry-run", "--data", absent.to_str().unwrap()]).exits(3);
    assert_eq!(answer.error_code(), "quality_blocked");
    host.run("finra.regsho_dayly", &file, &["--dry-run", "--data", absent.to_str().unwrap()]).exits(2);
    assert!(!host.folder().join("absent").exists());
}

#[test]
fn a_data_folder_is_read_and_stays_as_it_is() {
    let host = TestHost::new();
    let empty = everything(&host.data());
    dry(&host, &THREE_ROWS, &[]).exits(0);
    assert_eq!(everything(&host.data()), empty, "not even a lock is left in an empty folder");

    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    let published = host.run(PIPELINE, &file, &[]).exits(0).json();
    // What a crash leaves is for the next owner to clear away.
    host.file("data/spine.address", "127.0.0.1:9");
    host.file("data/captures/finra/orphan.parquet", "x");
    let before = everything(&host.data());

    let same = dry(&host, &THREE_ROWS, &[]).exits(0).json();
    assert_eq!(same["unchanged"], true, "it compares with what is published");
    assert_eq!(same["captures"][0]["capture_id"], published["captures"][0]["capture_id"]);
    let other = dry(&host, &["AAA|1|0|2|Q"], &[]).exits(0).json();
    assert_eq!((&other["unchanged"], &other["rows_out"]), (&json!(false), &json!(1)));
    assert_eq!(everything(&host.data()), before);

    let runs = host.ask(&["runs", "list"]).exits(0).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "no run is recorded");
}

#[test]
fn a_host_that_owns_the_folder_makes_it() {
    let host = TestHost::new();
    let serving = host.serve();
    let report = dry(&host, &THREE_ROWS, &[]).exits(0).json();
    assert_eq!((&report["status"], &report["rows_out"]), (&json!("completed"), &json!(3)));
    assert_eq!(serving.stop().0, 0);
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]));
    assert_eq!(host.ask(&["captures", PIPELINE]).exits(0).json(), json!([]));
    assert_eq!(std::fs::read_dir(host.data().join("inputs")).unwrap().count(), 0, "a dry run keeps no input");
}

#[test]
fn a_folder_that_is_a_file_is_told_as_ever() {
    let host = TestHost::new();
    let plain_file = host.file("not-a-folder", "x");
    let answer = dry(&host, &THREE_ROWS, &["--data", plain_file.to_str().unwrap()]).exits(2);
    assert_eq!(answer.error_code(), "bad_folder");
    assert_ne!(answer.json()["error"]["message"], Value::Null);
}

/// What dry runs have in the folder for temporary files.
fn scratch(temporary: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(temporary).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("spine-dry-run-")).collect()
}

#[test]
fn what_a_killed_one_leaves_is_private_and_gone_with_the_next_which_lets_living_ones_be() {
    let host = TestHost::new();
    let temporary = host.folder().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let rows: Vec<String> = (0..1_000_000).map(|at| format!("S{at:07}|1|0|2|Q")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let long = format!("file={}", host.file("long/CNMSshvol20210128.txt", regsho("20210128", &rows)).display());
    let short = format!("file={}", host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS)).display());
    let dry = |file: &str| {
        let mut command = host.command(&["run", PIPELINE, "-p", file, "--dry-run"]);
        command.env("TMPDIR", &temporary).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut living = dry(&long).spawn().unwrap();
    while !scratch(&temporary).iter().any(|folder| folder.join("spine.db").exists()) {
        assert_eq!(living.try_wait().unwrap(), None, "it ended before anybody could stop it");
        std::thread::yield_now();
    }
    let stopped = Command::new("kill").args(["-STOP", &living.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let left = scratch(&temporary);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(std::fs::metadata(&left[0]).unwrap().permissions().mode() & 0o777, 0o700);

    assert!(dry(&short).status().unwrap().success());
    assert_eq!(scratch(&temporary), left, "that of a living process stays");
    living.kill().unwrap();
    living.wait().unwrap();
    assert_eq!(scratch(&temporary), left);
    assert!(dry(&short).status().unwrap().success());
    assert_eq!(scratch(&temporary), [""; 0].map(PathBuf::from));
}
