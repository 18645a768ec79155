//! Idempotency keys: the body of one key never succeeds twice.

use std::collections::BTreeMap;

use futures::future::join_all;
use model::failure::{Failure, FailureKind};
use model::ports::{Cancel, Engine, GivenFile, RunRequest};
use model::run::RunStatus;

use crate::testing::{Bench, keyed, text};

const SCRIPT: &str = "rows_in 1\ncapture 1 1 a";

#[tokio::test]
async fn case_108_x12_p3_a_completed_key_gives_its_run_and_another_key_a_new_one() {
    let bench = Bench::new().await;
    let first = bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap();
    let again = bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap();
    assert_eq!(first.run_id, again.run_id);
    assert_eq!(bench.invoker.calls(), 1);
    let spawned = bench.orchestrator.spawn(keyed("k", SCRIPT)).await.unwrap();
    assert_eq!((spawned.run_id, spawned.status), (first.run_id, RunStatus::Completed));
    let other = bench.orchestrator.submit(keyed("l", SCRIPT)).await.unwrap();
    assert_ne!(other.run_id, first.run_id);
    assert_eq!((other.status, bench.invoker.calls()), (RunStatus::Completed, 2));
}

#[tokio::test]
async fn case_x13_many_at_once_wait_for_the_one_that_works() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let submissions = join_all((0..8).map(|_| bench.orchestrator.submit(keyed("k", SCRIPT))));
    let (reports, ()) = tokio::join!(submissions, async {
        bench.invoker.entered(1).await;
        let joined = bench.orchestrator.spawn(keyed("k", SCRIPT)).await.unwrap();
        assert_eq!(joined.status, RunStatus::Running, "a caller that does not wait is told where it is");
        gate.add_permits(1);
    });
    let first = reports[0].as_ref().unwrap().run_id;
    assert!(reports.iter().all(|report| report.as_ref().is_ok_and(|report| report.run_id == first)));
    assert_eq!((bench.invoker.calls(), bench.ledger.state().runs.len()), (1, 1));
}

#[tokio::test]
async fn case_x14_a_failed_key_makes_a_new_run_bound_to_it_and_that_is_the_last() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "trap", "unreachable"));
    let failed = bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap();
    let second = bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap();
    assert_eq!((failed.status, second.status), (RunStatus::Failed, RunStatus::Completed));
    assert_ne!(failed.run_id, second.run_id);
    let third = bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap();
    assert_eq!((third.run_id, bench.invoker.calls()), (second.run_id, 2));
}

#[tokio::test]
async fn of_many_after_a_failure_one_gets_the_new_run_and_the_others_join_it() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "trap", "unreachable"));
    bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap();
    let reports = join_all((0..8).map(|_| bench.orchestrator.submit(keyed("k", SCRIPT)))).await;
    assert!(reports.iter().all(|report| report.as_ref().is_ok_and(|it| it.status == RunStatus::Completed)));
    assert_eq!((bench.invoker.calls(), bench.ledger.state().runs.len()), (2, 2));
}

#[tokio::test]
async fn a_key_with_other_parameters_is_refused() {
    let bench = Bench::new().await;
    bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap();
    let params = BTreeMap::from([("note".to_owned(), text("other"))]);
    let failure = bench.refused(RunRequest { params, ..keyed("k", SCRIPT) }).await;
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("key_reused", 3));
    assert_eq!(bench.orchestrator.live_runs(), 0);
}

#[tokio::test]
async fn a_key_with_another_content_of_the_same_file_is_refused_unless_its_run_failed() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "trap", "unreachable"));
    bench.orchestrator.submit(keyed("k", "rows_in 9")).await.unwrap();
    let corrected = bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap();
    assert_eq!(corrected.status, RunStatus::Completed);
    let other = keyed("k", "rows_in 1\ncapture 1 1 b");
    let gone = Err(Failure::new(FailureKind::Source, "not_found", "gone"));
    let file = GivenFile { file_name: "day.txt".to_owned(), bytes: gone };
    let absent = RunRequest { files: BTreeMap::from([("file".to_owned(), file)]), ..other.clone() };
    for request in [other, absent] {
        assert_eq!(bench.refused(request).await.code, "key_reused");
    }
    assert_eq!(bench.ledger.state().runs.len(), 2);
}

#[tokio::test]
async fn who_waits_for_another_ones_run_can_stop_waiting_without_stopping_it() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(keyed("k", SCRIPT)).await.unwrap();
    bench.invoker.entered(1).await;
    let cancel = Cancel::default();
    cancel.cancel();
    let failure = bench.refused(RunRequest { cancel, ..keyed("k", SCRIPT) }).await;
    assert_eq!(failure.code, "cancelled");
    gate.add_permits(1);
    let report = bench.orchestrator.wait(first.run_id, std::time::Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(report.status, RunStatus::Completed);
}
