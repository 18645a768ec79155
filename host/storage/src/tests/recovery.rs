//! Opening again: after a clean end, after a crash, by readers, by other versions.

use std::collections::HashSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use model::FailureKind;
use model::ports::{AsOf, Interrupted, Ledger};
use model::reject::{Reject, Rejects};
use model::run::{Conclusion, RunStatus};
use sqlx::Connection;

use super::places::{on_both, open};
use super::support::{Bench, Counter, hand_clock, sales};
use crate::place::Place;
use crate::writer::Lead;
use crate::{Storage, migrations, open as opening};

on_both! {
    what_was_committed_is_there_when_the_ledger_is_opened_again,
    a_reader_sees_what_the_owner_commits_and_changes_nothing,
    a_newer_database_is_refused,
}

async fn what_was_committed_is_there_when_the_ledger_is_opened_again(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let before = bench.storage.catalog(AsOf::Latest).await.unwrap();
    let bench = bench.reopen().await.reopen().await;
    assert_eq!(bench.storage.catalog(AsOf::Latest).await.unwrap(), before);
    assert_eq!(bench.number("SELECT COUNT(*) FROM ducklake_schema WHERE schema_name = 'main'").await, 1);
    assert!(bench.storage.foreign_snapshots().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_ledger_that_was_taken_away_is_not_written_until_it_is_back() {
    let bench = Bench::on_sqlite().await;
    let run = bench.queued().await;
    let away = bench.database().with_extension("away");
    std::fs::rename(bench.database(), &away).unwrap();
    let refused = bench.storage.submit(bench.new_run()).await.unwrap_err();
    assert_eq!((refused.kind, refused.exit_code()), (FailureKind::Database, 4));
    assert!(refused.message.contains("was removed or replaced"), "{refused}");
    // Another file in its place is not it.
    std::fs::copy(&away, bench.database()).unwrap();
    assert!(bench.storage.start(bench.start(run, 1)).await.is_err());
    std::fs::rename(&away, bench.database()).unwrap();
    bench.storage.start(bench.start(run, 1)).await.unwrap();
}

#[tokio::test]
async fn a_lock_that_another_program_holds_for_a_moment_is_waited_for() {
    let bench = Bench::on_sqlite().await;
    bench.storage.close().await;
    let place = Place::file(&bench.database()).unwrap();
    let mut other = opening::existing(&place).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let opens = open(&bench.folder, &bench.clock);
    tokio::pin!(opens);
    let gives_up = tokio::time::timeout(Duration::from_millis(200), &mut opens).await;
    assert!(gives_up.is_err(), "it does not wait: {gives_up:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    opens.await.unwrap();
}

#[tokio::test]
async fn runs_of_a_dead_owner_end_interrupted() {
    let bench = Bench::on_sqlite().await;
    let done = bench.running().await;
    bench.storage.conclude(bench.ended(done, RunStatus::Completed)).await.unwrap();
    let waits = bench.queued().await;
    let mut lost = [bench.running().await, bench.running().await];
    lost.sort();
    assert_eq!(bench.storage.ended_runs(&lost).await.unwrap(), HashSet::new(), "nobody has ended them yet");
    assert_eq!(bench.storage.recover(Interrupted::Fail).await.unwrap(), lost);
    for run in lost {
        let report = bench.storage.report(run).await.unwrap().unwrap();
        let error = report.error.unwrap();
        assert_eq!((report.status, error.code.as_str()), (RunStatus::Failed, "interrupted"));
        assert_eq!((error.kind, error.retryable), (FailureKind::Orchestration, true));
        assert_eq!(bench.event_names(run).await.last().unwrap(), "failed");
    }
    assert_eq!(
        bench.storage.report(waits).await.unwrap().unwrap().status,
        RunStatus::Queued,
        "what waits is taken up, not ended"
    );
    assert_eq!(bench.number("SELECT COUNT(*) FROM dead_letters").await, 2);
    assert_eq!(bench.number("SELECT COUNT(*) FROM attempts WHERE finished_at_us IS NULL").await, 0);
    let stranger = bench.new_run().run_id;
    let ended = bench.storage.ended_runs(&[done, lost[0], lost[1], stranger]).await.unwrap();
    assert_eq!(ended, HashSet::from([done, lost[0], lost[1]]));
    assert!(bench.storage.recover(Interrupted::Fail).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_moved_folder_is_said_to_the_catalog() {
    let bench = Bench::on_sqlite().await;
    let path = "SELECT value FROM ducklake_metadata WHERE key = 'data_path'";
    let old = bench.value(path).await.unwrap();
    assert_eq!(old, format!("{}/captures/", bench.folder.path().display()));
    bench.storage.close().await;
    let moved = tempfile::tempdir().unwrap();
    for file in ["spine.db", "spine.db-wal", "spine.db-shm"] {
        std::fs::copy(bench.folder.path().join(file), moved.path().join(file)).unwrap();
    }
    let storage = open(&moved, &bench.clock).await.unwrap();
    let new: String = sqlx::query_scalar(path).fetch_one(&storage.reads).await.unwrap();
    assert_eq!(new, format!("{}/captures/", moved.path().display()));
}

#[tokio::test]
async fn the_log_stays_when_the_owner_closes() {
    let bench = Bench::on_sqlite().await;
    bench.queued().await;
    assert!(bench.storage.wal_bytes() > 0);
    bench.storage.close().await;
    for file in ["spine.db-wal", "spine.db-shm"] {
        assert!(bench.folder.path().join(file).exists(), "{file} is gone");
    }
    let failure = bench.storage.submit(bench.new_run()).await.unwrap_err();
    assert_eq!(failure.code, "closed");
}

async fn a_reader_sees_what_the_owner_commits_and_changes_nothing(bench: Bench) {
    let reader = bench.open_read_only().await.unwrap();
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let view = reader.catalog(AsOf::Latest).await.unwrap();
    assert_eq!(view.dataset(&sales()).unwrap().captures.len(), 1);
    assert_eq!(reader.submit(bench.new_run()).await.unwrap_err().code, "read_only");
    assert_eq!(reader.recover(Interrupted::Fail).await.unwrap_err().code, "read_only");
    reader.close().await;
}

#[tokio::test]
async fn a_reader_is_told_that_there_is_no_ledger_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spine.db");
    let clock = hand_clock();
    let failure = Storage::open_read_only(&path, clock.clone()).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("unreachable", 4));
    assert!(!path.exists());
    std::fs::write(&path, "this is a text, and long enough to be taken for a header of a database").unwrap();
    assert_eq!(Storage::open_read_only(&path, clock).await.unwrap_err().exit_code(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_while_a_ledger_is_made_sees_none_of_it_or_all() {
    for _ in 0..5 {
        let (folder, clock) = (tempfile::tempdir().unwrap(), hand_clock());
        let path = folder.path().join("spine.db");
        let looking = tokio::spawn({
            let clock = clock.clone();
            async move {
                loop {
                    match Storage::open_read_only(&path, clock.clone()).await {
                        Ok(reader) => break reader.catalog(AsOf::Latest).await.unwrap(),
                        Err(failure) => assert_eq!(failure.code, "unreachable", "{failure}"),
                    }
                }
            }
        });
        let storage = open(&folder, &clock).await.unwrap();
        assert_eq!(*looking.await.unwrap(), *storage.catalog(AsOf::Latest).await.unwrap());
    }
}

#[tokio::test]
async fn what_a_death_in_the_first_opening_left_is_removed() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), hand_clock());
    for left in ["spine.db.partial", "spine.db.partial-wal", "spine.db-wal", "spine.db"] {
        let content: &[u8] = if left == "spine.db" { b"" } else { b"half of something" };
        std::fs::write(folder.path().join(left), content).unwrap();
    }
    let reading = Storage::open_read_only(&folder.path().join("spine.db"), clock.clone()).await.unwrap_err();
    assert_eq!((reading.code.as_str(), reading.retryable), ("unreachable", true), "{reading}");
    let storage = open(&folder, &clock).await.unwrap();
    assert_eq!(storage.catalog(AsOf::Latest).await.unwrap().snapshot.id, 0);
    storage.close().await;
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["spine.db", "spine.db-shm", "spine.db-wal"]);
}

#[tokio::test]
async fn a_new_ledger_is_for_its_user_alone_and_the_mode_of_one_that_is_there_stays() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), hand_clock());
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let modes = || {
        ["spine.db", "spine.db-wal", "spine.db-shm"]
            .map(|name| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777)
    };
    let storage = open(&folder, &clock).await.unwrap();
    assert_eq!(modes(), [0o600; 3]);
    storage.close().await;
    std::fs::set_permissions(folder.path().join("spine.db"), Permissions::from_mode(0o640)).unwrap();
    let storage = open(&folder, &clock).await.unwrap();
    assert_eq!(modes()[0], 0o640);
    storage.close().await;
}

#[tokio::test]
async fn an_older_ledger_is_brought_up_to_date_and_readers_before_that_are_told_to_try_again() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), hand_clock());
    let path = folder.path().join("spine.db");
    std::fs::write(&path, "").unwrap();
    let mut connection = opening::writing(&Place::file(&path).unwrap()).await.unwrap();
    migrations::migrate_to(20_261_123_000_004, &mut connection).await;
    sqlx::raw_sql(
        "INSERT INTO runs (run_id, name, kind, status, params, created_at_us)
            VALUES ('run_00000000000070008000000000000001', 'shop.sales', 'pipeline', 'queued', '{}', 0);
        INSERT INTO idempotency_keys (idempotency_key, run_id) VALUES ('k', 'run_00000000000070008000000000000001');",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let failure = Storage::open_read_only(&path, clock.clone()).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable, failure.exit_code()), ("unreachable", true, 4));
    assert!(failure.message.contains("try again"), "{failure}");
    let storage = open(&folder, &clock).await.unwrap();
    let run = "run_00000000000070008000000000000001".parse().unwrap();
    assert_eq!(storage.report(run).await.unwrap().unwrap().status, RunStatus::Queued);
}

async fn a_newer_database_is_refused(bench: Bench) {
    bench.storage.close().await;
    let (mut connection, _) = bench.other_writer().await;
    sqlx::query(
        r#"
        INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (99990101000000, 'later', TRUE, $1, 0)
        "#,
    )
    .bind(vec![0_u8])
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    for failure in [bench.open_read_only().await.unwrap_err(), bench.open().await.unwrap_err()] {
        assert_eq!((failure.kind, failure.exit_code()), (FailureKind::Config, 2));
        assert!(failure.message.contains("newer"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_ledger_is_found_whatever_its_path_is_called() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), hand_clock());
    let odd = folder.path().join("50% of a?b#c:\u{e9} & 'd' \"e\" +f%20g");
    let target = folder.path().join("elsewhere/deep");
    std::fs::create_dir_all(&odd).unwrap();
    std::fs::create_dir_all(&target).unwrap();
    std::os::unix::fs::symlink(&target, odd.join("link")).unwrap();
    for path in [odd.join("spine.db"), odd.join("link/../spine.db"), odd.join(":memory:")] {
        let captures = odd.join("captures");
        let storage = Storage::open(&path, &captures, clock.clone(), Arc::new(Counter::default())).await.unwrap();
        assert!(path.exists(), "{}", path.display());
        storage.close().await;
        let reader = Storage::open_read_only(&path, clock.clone()).await.unwrap();
        assert_eq!(reader.catalog(AsOf::Latest).await.unwrap().snapshot.id, 0);
    }
    assert!(folder.path().join("elsewhere/spine.db").exists(), "not beside the link");
}

#[tokio::test]
async fn a_full_disk_fails_all_that_was_to_be_committed_and_leaves_the_runs_as_they_were() {
    let bench = Bench::on_sqlite().await;
    let (large, small) = (bench.running().await, bench.running().await);
    bench.storage.close().await;
    let path = bench.database();
    let mut connection = opening::writing(&Place::file(&path).unwrap()).await.unwrap();
    // As many pages as a small change needs: to SQLite a full disk.
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut connection).await.unwrap();
    let limit: i64 = sqlx::query_scalar("PRAGMA max_page_count = 300").fetch_one(&mut connection).await.unwrap();
    assert!(pages < limit);
    let lead = Lead {
        clock: bench.clock.clone(),
        entropy: Arc::new(Counter::default()),
        captures: path.clone(),
        faults: None,
    };
    let storage = Storage::assemble(bench.place(), connection, lead).await.unwrap();
    let bench = Bench { storage, ..bench };
    let raw = Some("x".repeat(2_000_000));
    let reject = Reject { code: "bad_field".to_owned(), message: "no number".to_owned(), line: None, raw };
    let rejects = Rejects { rows: vec![reject], file: None };
    let conclusion = Conclusion { rejects, ..bench.ended(large, RunStatus::Completed) };
    let (one, two) = tokio::join!(
        bench.storage.conclude(conclusion),
        bench.storage.conclude(bench.ended(small, RunStatus::Completed)),
    );
    for failure in [one.unwrap_err(), two.unwrap_err()] {
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Storage, "no_space"));
    }
    assert_eq!(bench.storage.report(large).await.unwrap().unwrap().status, RunStatus::Running);
    for run in [large, small] {
        bench.storage.conclude(bench.ended(run, RunStatus::Failed)).await.unwrap();
    }
}
