//! A ledger that is away or busy for a while: no run ends because of it, and nothing is done twice.

use std::time::Duration;

use model::Timestamp;
use model::failure::{Failure, FailureKind};
use model::ports::{Engine, Interrupted};
use model::run::RunStatus;

use crate::testing::{Bench, daily, named};

const SCRIPT: &str = "rows_in 1\ncapture 1 1 a";

/// Longer than anybody waits for the ledger.
const LONG: Duration = Duration::from_secs(60);

fn away() -> Failure {
    Failure::new(FailureKind::Database, "unreachable", "nobody answers").retryable(true)
}

fn untold() -> Failure {
    Failure::new(FailureKind::Database, "outcome_unknown", "nobody told")
}

/// Lets time pass, as fast as whoever waits for it goes on, until the run has ended here.
async fn pass(bench: &Bench, at_most: Duration) {
    let until = bench.clock.0.borrow().saturating_add(i64::try_from(at_most.as_micros()).unwrap());
    while bench.orchestrator.live_runs() > 0 && *bench.clock.0.borrow() < until {
        bench.clock.advance(Duration::from_millis(50));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn whatever_is_asked_of_a_ledger_that_is_away_is_asked_again() {
    let bench = Bench::new().await;
    bench.ledger.state().away.extend([
        ("latest", away()),
        ("start", away()),
        ("start", away()),
        ("heads", away()),
        ("conclude", away()),
        ("conclude", untold()),
        ("conclude", away()),
    ]);
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    pass(&bench, LONG).await;
    let report = bench.orchestrator.wait(run, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 1), "{:?}", report.error);
    assert_eq!((bench.invoker.calls(), bench.ledger.state().away.len()), (1, 0), "the work was done once");
}

#[tokio::test]
async fn a_source_waits_for_its_cursor() {
    let bench = Bench::new().await;
    *bench.lake.ambient.lock().unwrap() = "rows_in 1\nfolder a.txt\ncapture 1 1 a".to_owned();
    bench.ledger.state().away.push_back(("cursor", away()));
    let run = bench.orchestrator.spawn(named("d.drop")).await.unwrap().run_id;
    pass(&bench, LONG).await;
    let report = bench.orchestrator.wait(run, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((report.status, bench.invoker.calls()), (RunStatus::Completed, 1), "{:?}", report.error);
}

#[tokio::test]
async fn what_was_done_and_not_told_is_not_done_again() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Network, "reset", "connection reset"));
    bench.ledger.state().untold.extend(["start", "requeue", "start", "conclude"]);
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    pass(&bench, LONG).await;
    let report = bench.orchestrator.wait(run, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 2), "{:?}", report.error);
    let state = bench.ledger.state();
    assert_eq!((state.starts.len(), state.requeues.len(), state.conclusions.len()), (2, 1, 1));
    assert_eq!((bench.invoker.calls(), state.untold.len()), (2, 0));
}

#[tokio::test]
async fn a_run_that_could_not_begin_stays_queued_and_is_taken_up_again() {
    let bench = Bench::new().await;
    bench.ledger.state().away.extend(vec![("start", away()); 100]);
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    pass(&bench, LONG).await;
    assert_eq!(
        (bench.orchestrator.live_runs(), bench.invoker.calls()),
        (0, 0),
        "it waits no longer than a lease lasts"
    );
    assert_eq!(bench.ledger.state().runs[&run].status, RunStatus::Queued);
    bench.ledger.state().away.clear();
    assert_eq!(bench.orchestrator.tend(Interrupted::Requeue).await.unwrap().adopted, [run]);
    pass(&bench, LONG).await;
    let report = bench.orchestrator.wait(run, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 1), "it never began, so no attempt counts");
}

#[tokio::test]
async fn a_run_whose_end_could_not_be_recorded_is_told_to_have_no_end_and_goes_on() {
    let bench = Bench::new().await;
    bench.ledger.state().away.extend(vec![("conclude", away()); 100]);
    let asked = tokio::spawn({
        let host = bench.orchestrator.clone();
        async move { host.submit(daily(SCRIPT)).await }
    });
    bench.ledger.begun(1).await;
    pass(&bench, LONG).await;
    let (run, worker) = {
        let state = bench.ledger.state();
        assert_eq!(state.conclusions.len(), 0);
        (state.starts[0].run_id, state.starts[0].worker)
    };
    assert_eq!(bench.lake.written.lock().unwrap().len(), 1, "the commit may have been made: its file stays");
    // Its worker counts as dead, and somebody takes the run up.
    {
        let mut state = bench.ledger.state();
        state.away.clear();
        state.dead.insert(worker);
        state.lost.insert(run);
    }
    let tended = bench.orchestrator.tend(Interrupted::Requeue).await.unwrap();
    assert_eq!((tended.reaped.len(), tended.adopted), (1, vec![run]));
    pass(&bench, LONG).await;
    bench.clock.advance(LONG);
    let report = asked.await.unwrap().unwrap();
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 2));
    assert_ne!(bench.ledger.state().starts[1].worker, worker);
}

#[tokio::test]
async fn a_failure_that_time_does_not_mend_is_not_waited_for() {
    let bench = Bench::new().await;
    let began = Timestamp::from_micros(*bench.clock.0.borrow());
    bench.ledger.state().away.push_back(("start", Failure::new(FailureKind::Database, "read_only", "it is read-only")));
    let report = bench.run(SCRIPT).await;
    assert_eq!((report.status, report.error.unwrap().code.as_str()), (RunStatus::Failed, "read_only"));
    assert!(bench.clock.0.borrow().abs_diff(began.as_micros()) < 1_000_000);
}
