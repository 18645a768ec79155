//! Attempts that fail and are followed by others, at their time and no sooner.

use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::policy::RetryPolicy;
use model::ports::{Engine, RunRequest};
use model::run::{RunReport, RunStatus};
use model::work::{Lane, Priority, Routing, Trigger};
use model::{RunId, Timestamp};

use crate::queue::Waiting;
use crate::testing::{Bench, daily, error_code, keyed};
use crate::{Concurrency, Orchestrator};

const SCRIPT: &str = "rows_in 1\ncapture 1 1 a";
const LONG: Duration = Duration::from_secs(60);

fn unreachable() -> Failure {
    Failure::new(FailureKind::Network, "reset", "connection reset")
}

/// Returns when the run has been tried this often and waits for its time, which it returns.
async fn waits(bench: &Bench, run: RunId, attempt: u32) -> Timestamp {
    bench.ledger.requeued(attempt as usize).await;
    loop {
        if let Some(Waiting::Until(at)) = bench.orchestrator.why(run) {
            return at;
        }
        tokio::task::yield_now().await;
    }
}

async fn end(orchestrator: &Orchestrator, run: RunId) -> RunReport {
    orchestrator.wait(run, LONG).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_run_that_may_succeed_later_is_tried_again_at_its_time() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(unreachable());
    bench.invoker.fails_next(unreachable());
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    for attempt in [1, 2] {
        let at = waits(&bench, run, attempt).await;
        let report = bench.orchestrator.wait(run, Duration::ZERO).await.unwrap().unwrap();
        assert_eq!((report.status, report.attempt, report.not_before), (RunStatus::Queued, attempt, Some(at)));
        bench.clock.set(at);
    }
    let report = end(&bench.orchestrator, run).await;
    assert_eq!((report.status, report.attempt, bench.invoker.calls()), (RunStatus::Completed, 3, 3));
    let waits: Vec<i64> = {
        let state = bench.ledger.state();
        state.requeues.iter().map(|it| (it.not_before.as_micros() - it.at.as_micros()) / 250_000).collect()
    };
    assert!((3..=5).contains(&waits[0]) && (6..=10).contains(&waits[1]), "about 1 s, then about 2 s: {waits:?}");
}

#[tokio::test]
async fn the_policy_counts_calls_and_the_last_failure_is_the_runs() {
    let bench = Bench::new().await;
    (0..3).for_each(|_| bench.invoker.fails_next(unreachable()));
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    for attempt in [1, 2] {
        let at = waits(&bench, run, attempt).await;
        bench.clock.set(at);
    }
    let report = end(&bench.orchestrator, run).await;
    assert_eq!((report.status, error_code(&report), report.attempt), (RunStatus::Failed, "reset", 3));
    assert_eq!(*bench.ended.lock().unwrap(), ["failed"], "it ends once");
}

#[tokio::test]
async fn what_cannot_succeed_is_not_tried_again() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Validation, "bad_row", "no"));
    let report = bench.run(SCRIPT).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Failed, 1));
    let bench = Bench::with(|parts| parts.retry = RetryPolicy::NEVER).await;
    bench.invoker.fails_next(unreachable());
    let report = bench.run(SCRIPT).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Failed, 1));
}

#[tokio::test]
async fn who_waits_for_its_time_holds_no_place() {
    let bench = Bench::with(|parts| parts.concurrency = Concurrency { runs: 1, writers: 1 }).await;
    bench.invoker.fails_next(unreachable());
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    let at = waits(&bench, run, 1).await;
    assert_eq!(bench.run("rows_in 1\ncapture 2 1 b").await.status, RunStatus::Completed);
    bench.clock.set(at);
    assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_run_that_waits_is_cancelled_at_once() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(unreachable());
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    waits(&bench, run, 1).await;
    bench.orchestrator.cancel(run).await.unwrap();
    let report = end(&bench.orchestrator, run).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Cancelled, 1));
}

#[tokio::test]
async fn a_deadline_ends_a_run_that_waits_and_no_call_begins_after_it() {
    let bench = Bench::with(|parts| parts.concurrency = Concurrency { runs: 1, writers: 1 }).await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let deadline = Some(Timestamp::from_micros(1_700_000_010_000_000));
    let routing = Routing { deadline, ..Routing::default() };
    let second = bench.orchestrator.spawn(RunRequest { routing, ..daily(SCRIPT) }).await.unwrap().run_id;
    bench.clock.advance(Duration::from_secs(10));
    let report = end(&bench.orchestrator, second).await;
    assert_eq!((report.status, error_code(&report), report.attempt), (RunStatus::TimedOut, "deadline", 0));
    gate.add_permits(1);
    assert_eq!(end(&bench.orchestrator, first).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn another_host_takes_up_what_waits() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(unreachable());
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    let at = waits(&bench, run, 1).await;
    // This one stops: what waits for its time is left in the ledger.
    bench.orchestrator.drain().await;
    assert_eq!(bench.ledger.state().runs[&run].status, RunStatus::Queued);

    let next = bench.again().await;
    assert_eq!(next.resume().await.unwrap(), [run]);
    assert_eq!(next.why(run), Some(Waiting::Until(at)));
    bench.clock.set(at);
    let report = end(&next, run).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 2));
    assert_eq!(next.resume().await.unwrap(), [], "nothing is left");
}

#[tokio::test]
async fn a_secret_is_kept_nowhere_so_its_run_stays_queued() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(unreachable());
    let mut request = daily(SCRIPT);
    request.params.insert("token".to_owned(), crate::testing::text("hunter22"));
    let run = bench.orchestrator.spawn(request).await.unwrap().run_id;
    waits(&bench, run, 1).await;
    bench.orchestrator.drain().await;
    assert_eq!(bench.again().await.resume().await.unwrap(), []);
    assert_eq!(bench.ledger.state().runs[&run].status, RunStatus::Queued);
}

#[tokio::test]
async fn the_more_urgent_of_two_that_wait_goes_first_and_a_backfill_has_its_own_places() {
    let bench = Bench::with(|parts| parts.concurrency = Concurrency { runs: 1, writers: 1 }).await;
    let gate = bench.invoker.close_gate();
    let request = |day: u8, priority, lane| {
        let routing = Routing { priority, lane, deadline: None };
        RunRequest { routing, ..daily(&format!("rows_in 1\ncapture {day} 1 a")) }
    };
    bench.orchestrator.spawn(request(1, Priority::Normal, Lane::Default)).await.unwrap();
    bench.orchestrator.spawn(request(2, Priority::Low, Lane::Default)).await.unwrap();
    bench.orchestrator.spawn(request(3, Priority::High, Lane::Default)).await.unwrap();
    bench.orchestrator.spawn(request(4, Priority::Normal, Lane::Backfill)).await.unwrap();
    bench.invoker.entered(2).await;
    gate.add_permits(4);
    bench.orchestrator.drain().await;
    let ended: Vec<String> = {
        let state = bench.ledger.state();
        let days = state.conclusions.iter().map(|it| state.runs[&it.run_id].captures[0].partition.to_string());
        days.filter(|day| !day.contains('4')).collect()
    };
    assert!(ended[0].contains('1') && ended[1].contains('3') && ended[2].contains('2'), "{ended:?}");
}

#[tokio::test]
async fn case_p4_a_failed_run_is_repeated_as_a_new_one_that_names_it() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "trap", "unreachable"));
    let failed = bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap();
    let repeated = bench.orchestrator.retry(failed.run_id).await.unwrap();
    assert_ne!(repeated.run_id, failed.run_id);
    assert_eq!((repeated.lineage.retry_of, repeated.lineage.trigger), (Some(failed.run_id), Trigger::Retry));
    let report = end(&bench.orchestrator, repeated.run_id).await;
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!(bench.orchestrator.wait(failed.run_id, LONG).await.unwrap().unwrap().status, RunStatus::Failed);
    // The key has gone over to it.
    assert_eq!(bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap().run_id, repeated.run_id);
    assert_eq!(bench.invoker.calls(), 2);
}

#[tokio::test]
async fn only_what_ended_badly_is_repeated() {
    let bench = Bench::new().await;
    let done = bench.run(SCRIPT).await;
    let refused = bench.orchestrator.retry(done.run_id).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.exit_code()), ("not_repeatable", 3));
    let nobody = RunId::new(Timestamp::from_micros(0), [1; 10]);
    assert_eq!(bench.orchestrator.retry(nobody).await.unwrap_err().code, "bad_id");
}
