//! The lake on a disk: what it opens, and what it cleans up.

use super::*;

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn cleaning_removes_what_the_ledger_does_not_know_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let lake = LocalLake::open(folder.path()).unwrap();
    let kept = lake.keep_input(InputBytes { file_name: "a".to_owned(), bytes: Arc::new(b"a".to_vec()) }).unwrap();
    // Written by now: else what is on its way would be a leftover.
    assert_eq!(*lake.read_input(kept.digest).unwrap(), b"a");
    let captures = folder.path().join("captures/finra/regsho_daily/trade_date=2021-01-28");
    write(&captures.join("cap_known.parquet"), "x");
    write(&captures.join("cap_orphan.parquet"), "x");
    write(&folder.path().join("inputs/.abc.zst.0.tmp"), "x");
    write(&folder.path().join("staging/7.arrow"), "x");
    write(&folder.path().join("spine.db"), "x");
    let rejects = folder.path().join("rejects");
    for name in ["run_known.parquet", "run_orphan.parquet", ".run_killed.0.tmp"] {
        write(&rejects.join(name), "x");
    }
    let known = KnownFiles {
        captures: HashSet::from(["finra/regsho_daily/trade_date=2021-01-28/cap_known.parquet".to_owned()]),
        rejects: HashSet::from(["run_known.parquet".to_owned()]),
    };
    let removed = lake.clean(&known).unwrap();
    let orphan = "captures/finra/regsho_daily/trade_date=2021-01-28/cap_orphan.parquet";
    let unfinished = ["rejects/.run_killed.0.tmp", "rejects/run_orphan.parquet"];
    assert_eq!(removed, [orphan, "inputs/.abc.zst.0.tmp", unfinished[0], unfinished[1], "staging/7.arrow"]);
    assert!(rejects.join("run_known.parquet").exists());
    assert!(captures.join("cap_known.parquet").exists() && folder.path().join("spine.db").exists());
    assert_eq!(*lake.read_input(kept.digest).unwrap(), b"a");
    assert_eq!(lake.clean(&known).unwrap(), Vec::<String>::new());
}

#[test]
fn a_lake_apart_reads_the_captures_and_writes_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (data, scratch) = (folder.path().join("data"), folder.path().join("scratch"));
    let apart = LocalLake::open_apart(&data, &scratch).unwrap();
    assert!(!data.exists(), "nothing is made in a folder that is not there");
    apart.keep_input(InputBytes { file_name: "a".to_owned(), bytes: Arc::new(b"a".to_vec()) }).unwrap();

    write(&data.join("captures/finra/day.parquet"), "x");
    let apart = LocalLake::open_apart(&data, &scratch).unwrap();
    assert_eq!(apart.captures.dir.read_to_string("finra/day.parquet").unwrap(), "x");
    let written = apart.captures.write::<(), std::io::Error>(&["finra".to_owned()], "new.parquet", |_| Ok(()));
    written.unwrap();
    assert!(scratch.join("captures/finra/new.parquet").exists());
    let left = |path: &str| std::fs::read_dir(data.join(path)).unwrap().count();
    assert_eq!((left(""), left("captures/finra")), (1, 1));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_look_into_the_lake() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    let lake = LocalLake::open(&data).unwrap();
    let kept = lake.keep_input(InputBytes { file_name: "a".to_owned(), bytes: Arc::new(b"a".to_vec()) }).unwrap();
    lake.read_input(kept.digest).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("captures")), 0o700);
    assert_eq!(mode(&data.join("inputs").join(format!("{}.zst", kept.digest.hex()))), 0o600);
}

#[test]
fn a_data_folder_that_is_a_file_is_a_storage_failure_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, "x").unwrap();
    let failure = LocalLake::open(&path).unwrap_err();
    assert_eq!(failure.kind, model::FailureKind::Storage);
    assert!(failure.message.contains(&path.display().to_string()), "{}", failure.message);
}
