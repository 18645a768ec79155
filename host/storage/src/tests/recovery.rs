//! Opening again: after a clean end, after a crash, by readers, by other versions.

use std::collections::HashSet;
use std::sync::Arc;

use model::FailureKind;
use model::ports::{AsOf, Ledger};
use model::reject::Reject;
use model::run::{Conclusion, RunStatus};
use sqlx::{Connection, SqliteConnection};

use super::support::{Bench, Counter, open, sales};
use crate::writer::Lead;
use crate::{Storage, open as opening};

#[tokio::test]
async fn what_was_committed_is_there_when_the_ledger_is_opened_again() {
    let bench = Bench::new().await;
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let before = bench.storage.catalog(AsOf::Latest).await.unwrap();
    let bench = bench.reopen().await.reopen().await;
    assert_eq!(bench.storage.catalog(AsOf::Latest).await.unwrap(), before);
    assert_eq!(bench.number("SELECT COUNT(*) FROM ducklake_schema WHERE schema_name = 'main'").await, 1);
    assert!(bench.storage.foreign_snapshots().await.unwrap().is_empty());
}

#[tokio::test]
async fn runs_of_a_dead_owner_end_interrupted() {
    let bench = Bench::new().await;
    let done = bench.running().await;
    bench.storage.conclude(bench.ended(done, RunStatus::Completed)).await.unwrap();
    let mut lost = [bench.queued().await, bench.running().await];
    lost.sort();
    assert_eq!(bench.storage.ended_runs(&lost).await.unwrap(), HashSet::new(), "nobody has ended them yet");
    assert_eq!(bench.storage.recover().await.unwrap(), lost);
    for run in lost {
        let report = bench.storage.report(run).await.unwrap().unwrap();
        let error = report.error.unwrap();
        assert_eq!((report.status, error.code.as_str()), (RunStatus::Failed, "interrupted"));
        assert_eq!((error.kind, error.retryable), (FailureKind::Orchestration, true));
        assert_eq!(bench.event_names(run).await.last().unwrap(), "failed");
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM attempts WHERE finished_at_us IS NULL").await, 0);
    let stranger = bench.new_run().run_id;
    let ended = bench.storage.ended_runs(&[done, lost[0], lost[1], stranger]).await.unwrap();
    assert_eq!(ended, HashSet::from([done, lost[0], lost[1]]));
    assert!(bench.storage.recover().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_moved_folder_is_said_to_the_catalog() {
    let bench = Bench::new().await;
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
    let bench = Bench::new().await;
    bench.queued().await;
    assert!(bench.storage.wal_bytes() > 0);
    bench.storage.close().await;
    for file in ["spine.db-wal", "spine.db-shm"] {
        assert!(bench.folder.path().join(file).exists(), "{file} is gone");
    }
    let failure = bench.storage.submit(bench.new_run()).await.unwrap_err();
    assert_eq!(failure.code, "closed");
}

#[tokio::test]
async fn a_reader_sees_what_the_owner_commits_and_changes_nothing() {
    let bench = Bench::new().await;
    let reader = Storage::open_read_only(&bench.database()).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let view = reader.catalog(AsOf::Latest).await.unwrap();
    assert_eq!(view.dataset(&sales()).unwrap().captures.len(), 1);
    assert_eq!(reader.submit(bench.new_run()).await.unwrap_err().code, "read_only");
    assert_eq!(reader.recover().await.unwrap_err().code, "read_only");
    reader.close().await;
}

#[tokio::test]
async fn a_reader_is_told_that_there_is_no_ledger_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spine.db");
    let failure = Storage::open_read_only(&path).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("unreachable", 4));
    assert!(!path.exists());
    std::fs::write(&path, "this is a text, and long enough to be taken for a header of a database").unwrap();
    assert_eq!(Storage::open_read_only(&path).await.unwrap_err().exit_code(), 2);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let bench = Bench::new().await;
    bench.storage.close().await;
    let url = format!("sqlite://{}", bench.database().display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99990101000000, 'later', 1, x'00', 0)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let reading = Storage::open_read_only(&bench.database()).await.unwrap_err();
    let owning = open(&bench.folder, &bench.clock).await.unwrap_err();
    for failure in [reading, owning] {
        assert_eq!(failure.code, "bad_folder");
        assert!(failure.message.contains("newer"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_full_disk_fails_all_that_was_to_be_committed_and_leaves_the_runs_as_they_were() {
    let bench = Bench::new().await;
    let (large, small) = (bench.running().await, bench.running().await);
    bench.storage.close().await;
    let path = bench.database();
    let mut connection = opening::writing(&path).await.unwrap();
    // As many pages as a small change needs: to SQLite a full disk.
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut connection).await.unwrap();
    let limit: i64 = sqlx::query_scalar("PRAGMA max_page_count = 300").fetch_one(&mut connection).await.unwrap();
    assert!(pages < limit);
    let lead = Lead { clock: bench.clock.clone(), entropy: Arc::new(Counter::default()), captures: path.clone() };
    let storage = Storage::assemble(&path, connection, lead).await.unwrap();
    let bench = Bench { storage, ..bench };
    let raw = Some("x".repeat(2_000_000));
    let reject = Reject { code: "bad_field".to_owned(), message: "no number".to_owned(), line: None, raw };
    let conclusion = Conclusion { rejects: vec![reject], ..bench.ended(large, RunStatus::Completed) };
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
