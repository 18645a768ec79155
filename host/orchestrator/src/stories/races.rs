//! Runs that publish the same partition at once.

use futures::future::join_all;
use model::failure::{Failure, FailureKind};
use model::run::RunStatus;

use crate::testing::{Bench, digest, error_code};

#[tokio::test]
async fn of_two_runs_that_race_for_a_partition_one_tries_again() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let (one, two) = ("rows_in 1\ncapture 1 1 a", "rows_in 1\ncapture 1 1 b");
    let (first, second, ()) = tokio::join!(bench.run(one), bench.run(two), async {
        bench.invoker.entered(2).await;
        gate.add_permits(3);
    });
    assert_eq!((first.status, second.status), (RunStatus::Completed, RunStatus::Completed));
    let mut attempts = [first.attempt, second.attempt];
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2]);
    let mut revisions = bench.ledger.revisions("1");
    revisions.sort_unstable();
    let mut expected = vec![digest(b"a"), digest(b"b")];
    expected.sort_unstable();
    assert_eq!(revisions, expected);
    assert_eq!(bench.lake.written.lock().unwrap().len(), 2, "a file for each revision");
}

#[tokio::test]
async fn the_loser_of_a_race_with_the_same_content_is_unchanged() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    // Of one input, one run at a time; these are two files.
    let (one, two) = ("rows_in 1\ncapture 1 1 a", "rows_in 1\ncapture 1 1 a\n");
    let (first, second, ()) = tokio::join!(bench.run(one), bench.run(two), async {
        bench.invoker.entered(2).await;
        gate.add_permits(3);
    });
    assert_ne!(first.unchanged, second.unchanged);
    assert_eq!(bench.ledger.revisions("1").len(), 1);
    assert_eq!(bench.lake.written.lock().unwrap().len(), 1, "what was written in vain is gone");
}

#[tokio::test]
async fn however_many_race_everyone_publishes() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let scripts: Vec<String> = (0..12).map(|n| format!("rows_in 1\ncapture 1 1 c{n}")).collect();
    let runs = join_all(scripts.iter().map(|script| bench.run(script)));
    let (reports, ()) = tokio::join!(runs, async {
        bench.invoker.entered(12).await;
        gate.add_permits(100);
    });
    assert!(reports.iter().all(|report| report.status == RunStatus::Completed), "{reports:?}");
    assert_eq!(bench.ledger.revisions("1").len(), 12);
}

#[tokio::test]
async fn runs_of_different_partitions_do_not_disturb_each_other() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let scripts: Vec<String> = (0..8).map(|n| format!("rows_in 1\ncapture {n} 1 a")).collect();
    let runs = join_all(scripts.iter().map(|script| bench.run(script)));
    let (reports, ()) = tokio::join!(runs, async {
        bench.invoker.entered(8).await;
        gate.add_permits(8);
    });
    assert!(reports.iter().all(|report| (report.status, report.attempt) == (RunStatus::Completed, 1)));
}

#[tokio::test]
async fn a_conflict_in_the_commit_is_tried_three_times_in_all() {
    let bench = Bench::new().await;
    let conflict = Failure::new(FailureKind::Orchestration, "conflict", "another head").retryable(true);
    bench.ledger.state().conclude_fails.extend([conflict.clone(), conflict.clone()]);
    let report = bench.run("rows_in 1\ncapture 1 1 a").await;
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 3));
    let notes = bench.ledger.state().conclusions[0].logs.iter().filter(|line| line.origin == "host").count();
    assert_eq!(notes, 2, "each lost race is in the log");
    assert_eq!(bench.lake.written.lock().unwrap().len(), 1, "what lost a race leaves no file");

    bench.ledger.state().conclude_fails.extend([conflict.clone(), conflict.clone(), conflict]);
    let report = bench.run("rows_in 1\ncapture 1 1 b").await;
    assert_eq!((report.status, error_code(&report), report.attempt), (RunStatus::Failed, "conflict", 3));
    assert!(report.error.unwrap().retryable);
    assert_eq!(bench.lake.written.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_guest_that_calls_its_own_failure_a_conflict_is_not_believed() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Orchestration, "conflict", "mine"));
    let report = bench.run("rows_in 1\ncapture 1 1 a").await;
    assert_eq!((report.status, report.attempt), (RunStatus::Failed, 1));
}
