//! `spine.db` does not grow for ever: what is forgotten makes room for what comes, without `VACUUM`, and the log that is
//! written before it stays short.

use model::ports::{Ledger, RetentionLedger};
use model::retention::RetentionPolicy;
use model::run::{LogLine, RunStatus};
use model::{RunId, Timestamp};

use super::support::{Bench, START_US};
use crate::commands::dead_letters::FOLLOWING;

const DAY: i64 = 24 * 3600 * 1_000_000;
const RUNS: usize = 60;
const LINES: i64 = 200;

/// A log is taken over into the database after 1,000 pages of 4 KiB; a group of the writer comes on top of that.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

async fn a_day_of_runs(bench: &Bench, day: i64) {
    bench.clock.set(START_US + day * DAY);
    for _ in 0..RUNS {
        let run = bench.running().await;
        let line = |at: i64| LogLine {
            at: Timestamp::from_micros(START_US + at),
            level: "info".to_owned(),
            origin: "guest".to_owned(),
            message: "x".repeat(200),
            fields: Vec::new(),
        };
        bench.storage.append_log(run, (0..LINES).map(line).collect()).await.unwrap();
        bench.storage.conclude(bench.ended(run, RunStatus::Completed)).await.unwrap();
    }
}

/// Forgets everything that ended a day ago.
async fn forget(bench: &Bench, day: i64) -> u64 {
    let policy = RetentionPolicy { runs_days: Some(1), dead_letters_resolved_days: None };
    let cutoffs = policy.cutoffs(Timestamp::from_micros(START_US + day * DAY + 1));
    let runs: Vec<RunId> = bench.storage.forgettable_runs(cutoffs, None).await.unwrap().runs;
    let mut forgotten = 0;
    loop {
        let gone = bench.storage.forget_runs(cutoffs, runs.clone()).await.unwrap();
        forgotten += gone.runs;
        if !gone.more {
            return forgotten;
        }
    }
}

#[tokio::test]
async fn days_of_writing_and_forgetting_use_the_same_pages_again() {
    let bench = Bench::on_sqlite().await;
    let mut pages = Vec::new();
    for day in 0..8 {
        a_day_of_runs(&bench, day).await;
        pages.push(bench.number("PRAGMA page_count").await);
        assert!(bench.storage.wal_bytes() <= LOG_BYTES_MAX, "{} bytes of log", bench.storage.wal_bytes());
        assert_eq!(forget(&bench, day).await, if day == 0 { 0 } else { RUNS as u64 });
    }
    // Two days are there at a time, and with them the most that is ever needed.
    let (second, last) = (pages[1], pages[7]);
    assert!(pages[0] > 500, "a day is worth measuring: {pages:?}");
    assert!(last <= second + second / 20, "the database grew from {second} to {last} pages: {pages:?}");
}

#[tokio::test]
async fn one_long_transaction_leaves_no_long_log() {
    let bench = Bench::on_sqlite().await;
    let run = bench.running().await;
    let line = || LogLine {
        at: Timestamp::from_micros(START_US),
        level: "info".to_owned(),
        origin: "guest".to_owned(),
        message: "x".repeat(4_000),
        fields: Vec::new(),
    };
    // About 40 MB at once.
    bench.storage.append_log(run, std::iter::repeat_with(line).take(10_000).collect()).await.unwrap();
    let long = bench.storage.wal_bytes();
    assert!(long > 2 * LOG_BYTES_MAX, "{long} bytes");
    for _ in 0..3 {
        bench.queued().await;
    }
    let left = bench.storage.wal_bytes();
    assert!(left <= LOG_BYTES_MAX, "{left} bytes of log are left of {long}");
}

/// Neither all runs of a status nor all dead letters are looked through for the few that end.
#[tokio::test]
async fn a_failure_costs_the_same_however_many_there_were() {
    let bench = Bench::on_sqlite().await;
    for statement in FOLLOWING {
        for step in bench.plan(statement).await {
            let through_a_list = step.contains("VIRTUAL TABLE");
            let is_search = ["run_id=?", "SUBQUERY", "BLOOM FILTER"].iter().any(|words| step.contains(words));
            assert!(through_a_list || is_search, "{step}\nin {statement}");
        }
    }
}
