//! Cancelling, waiting and shutting down.

use std::time::Duration;

use model::ports::{Engine, RunRequest};
use model::run::RunStatus;
use model::{RunId, Timestamp};

use crate::Concurrency;
use crate::testing::{Bench, daily, error_code};

const SCRIPT: &str = "rows_in 1\ncapture 1 1 a";
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_running_run_is_cancelled_and_publishes_nothing() {
    let bench = Bench::new().await;
    let _gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let asked = bench.orchestrator.cancel(run).await.unwrap().unwrap();
    assert_eq!(asked.status, RunStatus::Running, "cancel does not wait");
    let report = bench.orchestrator.wait(run, LONG).await.unwrap().unwrap();
    assert_eq!((report.status, error_code(&report)), (RunStatus::Cancelled, "cancelled"));
    assert!(bench.ledger.revisions("1").is_empty());
}

#[tokio::test]
async fn a_queued_run_is_cancelled_without_starting() {
    let bench = Bench::with(|parts| parts.concurrency = Concurrency { runs: 1, writers: 1 }).await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let second = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap();
    assert_eq!(second.status, RunStatus::Queued);
    bench.orchestrator.cancel(second.run_id).await.unwrap();
    let report = bench.orchestrator.wait(second.run_id, LONG).await.unwrap().unwrap();
    assert_eq!((report.status, report.attempt, bench.invoker.calls()), (RunStatus::Cancelled, 0, 1));
    gate.add_permits(1);
    let report = bench.orchestrator.wait(first, LONG).await.unwrap().unwrap();
    assert_eq!(report.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_dry_run_can_be_waited_for_and_cancelled_although_no_ledger_has_it() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let dry = || RunRequest { dry_run: true, ..daily(SCRIPT) };
    let first = bench.orchestrator.spawn(dry()).await.unwrap();
    let second = bench.orchestrator.spawn(dry()).await.unwrap();
    assert_eq!((first.status, second.status), (RunStatus::Queued, RunStatus::Queued), "nobody waits for the end");
    bench.invoker.entered(2).await;
    let report = bench.orchestrator.wait(first.run_id, Duration::from_millis(1)).await.unwrap().unwrap();
    assert!(!report.status.is_terminal());
    bench.orchestrator.cancel(first.run_id).await.unwrap().unwrap();
    let report = bench.orchestrator.wait(first.run_id, LONG).await.unwrap().unwrap();
    assert_eq!(report.status, RunStatus::Cancelled);
    gate.add_permits(1);
    bench.orchestrator.drain().await;
    let report = bench.orchestrator.wait(second.run_id, LONG).await.unwrap().unwrap();
    assert_eq!(report.status, RunStatus::Completed, "known after its end too");
}

#[tokio::test]
async fn a_cancel_counts_until_the_commit() {
    let bench = Bench::new().await;
    *bench.invoker.cancelled_late.lock().unwrap() = true;
    let report = bench.run(SCRIPT).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Cancelled, 1));
    assert!(bench.lake.written.lock().unwrap().is_empty());
}

#[tokio::test]
async fn waiting_ends_with_the_run_or_with_patience() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let report = bench.orchestrator.wait(run, Duration::from_millis(1)).await.unwrap().unwrap();
    assert_eq!(report.status, RunStatus::Running);
    gate.add_permits(1);
    let report = bench.orchestrator.wait(run, LONG).await.unwrap().unwrap();
    assert_eq!(report.status, RunStatus::Completed);
    let nobody = RunId::new(Timestamp::from_micros(0), [1; 10]);
    assert_eq!(bench.orchestrator.wait(nobody, LONG).await.unwrap(), None);
    assert_eq!(bench.orchestrator.cancel(nobody).await.unwrap(), None);
}

#[tokio::test]
async fn a_run_goes_on_when_its_caller_goes_away() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    tokio::select! {
        biased;
        _ = bench.run(SCRIPT) => panic!("the gate is closed"),
        () = bench.invoker.entered(1) => {}
    }
    gate.add_permits(1);
    bench.orchestrator.drain().await;
    assert_eq!(*bench.ended.lock().unwrap(), ["completed"]);
}

#[tokio::test]
async fn draining_lets_live_runs_end_and_takes_no_new_ones() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let ((), ()) = tokio::join!(bench.orchestrator.drain(), async {
        let failure = bench.refused(daily(SCRIPT)).await;
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("not_ready", 3));
        gate.add_permits(1);
    });
    assert_eq!(bench.orchestrator.live_runs(), 0);
    let report = bench.orchestrator.wait(run, LONG).await.unwrap().unwrap();
    assert_eq!(report.status, RunStatus::Completed);
}

#[tokio::test]
async fn all_live_runs_can_be_stopped_at_once() {
    let bench = Bench::new().await;
    let _gate = bench.invoker.close_gate();
    for day in 0..3 {
        bench.orchestrator.spawn(daily(&format!("rows_in 1\ncapture {day} 1 a"))).await.unwrap();
    }
    bench.invoker.entered(3).await;
    bench.orchestrator.cancel_all();
    bench.orchestrator.drain().await;
    assert_eq!(*bench.ended.lock().unwrap(), ["cancelled"; 3]);
}
