//! Runs that need the same thing, and workers that are or are not heard of.

use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::ports::{Engine, Interrupted, Reaped, RunRequest};
use model::run::{RunReport, RunStatus};
use model::{RunId, Timestamp};

use crate::queue::Waiting;
use crate::testing::{Bench, daily, digest, error_code, named, text};
use crate::{Concurrency, Orchestrator};

const SCRIPT: &str = "rows_in 1\ncapture 1 1 a";
const LONG: Duration = Duration::from_secs(60);
const BEAT: Duration = Duration::from_secs(10);

async fn waits(orchestrator: &Orchestrator, run: RunId) -> Timestamp {
    loop {
        if let Some(Waiting::Until(at)) = orchestrator.why(run) {
            return at;
        }
        tokio::task::yield_now().await;
    }
}

async fn end(orchestrator: &Orchestrator, run: RunId) -> RunReport {
    orchestrator.wait(run, LONG).await.unwrap().unwrap()
}

/// `d.daily` on this script, with the parameter that names its partition.
fn of_day(day: &str, script: &str) -> RunRequest {
    let mut request = daily(script);
    request.params.insert("day".to_owned(), text(day));
    request
}

#[tokio::test]
async fn a_run_holds_its_partition_else_its_input_and_a_task_holds_nothing() {
    let bench = Bench::new().await;
    bench.orchestrator.submit(daily(SCRIPT)).await.unwrap();
    bench.orchestrator.submit(of_day("2021-01-28", SCRIPT)).await.unwrap();
    bench.orchestrator.submit(named("d.add")).await.unwrap();
    let state = bench.ledger.state();
    let keys: Vec<Vec<String>> =
        state.starts.iter().map(|start| start.exclusive.iter().map(|it| it.key.clone()).collect()).collect();
    let input = format!("d.daily|{}", digest(SCRIPT.as_bytes()));
    assert_eq!(keys, [vec![input], vec!["d.daily|day=2021-01-28".to_owned()], Vec::new()]);
    let ttl = |at: usize| state.starts[at].lease_until.as_micros() - state.starts[at].started_at.as_micros();
    assert!((30_000_000..30_001_000).contains(&ttl(0)));
}

#[tokio::test]
async fn of_two_runs_of_a_partition_one_waits_for_the_other_and_no_call_is_counted() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(of_day("1", SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let second = bench.orchestrator.spawn(of_day("1", "rows_in 1\ncapture 1 1 b")).await.unwrap().run_id;
    waits(&bench.orchestrator, second).await;
    gate.add_permits(2);
    assert_eq!(end(&bench.orchestrator, first).await.status, RunStatus::Completed);
    // Nobody moved the clock: it hears that the other has ended.
    let report = end(&bench.orchestrator, second).await;
    assert_eq!((report.status, report.attempt, bench.invoker.calls()), (RunStatus::Completed, 1, 2));
    assert_eq!(bench.ledger.revisions("1").len(), 2);
    assert!(bench.ledger.state().leases.is_empty());
}

#[tokio::test]
async fn who_waits_for_another_process_tries_again_a_short_time_later() {
    let bench = Bench::new().await;
    let other = bench.again().await;
    let gate = bench.invoker.close_gate();
    let first = other.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let second = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    let at = waits(&bench.orchestrator, second).await;
    gate.add_permits(2);
    assert_eq!(end(&other, first).await.status, RunStatus::Completed);
    bench.clock.set(at);
    let report = end(&bench.orchestrator, second).await;
    assert_eq!((report.status, report.unchanged), (RunStatus::Completed, true));
}

#[tokio::test]
async fn case_x15_who_waits_for_a_lease_holds_no_place_and_is_cancelled_at_once() {
    let bench = Bench::with(|parts| parts.concurrency = Concurrency { runs: 2, writers: 1 }).await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let second = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    waits(&bench.orchestrator, second).await;
    let third = bench.orchestrator.spawn(daily("rows_in 1\ncapture 2 1 b")).await.unwrap().run_id;
    bench.invoker.entered(2).await;
    bench.orchestrator.cancel(second).await.unwrap();
    let report = end(&bench.orchestrator, second).await;
    assert_eq!((report.status, error_code(&report), report.attempt), (RunStatus::Cancelled, "cancelled", 0));
    gate.add_permits(2);
    for run in [first, third] {
        assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
    }
}

#[tokio::test]
async fn case_x3_a_run_whose_lease_does_not_come_free_is_cancelled_and_locked() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let second = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    let began = waits(&bench.orchestrator, second).await;
    while bench.orchestrator.live_runs() == 2 {
        if let Some(Waiting::Until(at)) = bench.orchestrator.why(second) {
            bench.clock.set(at);
        }
        tokio::task::yield_now().await;
    }
    let report = end(&bench.orchestrator, second).await;
    assert_eq!((report.status, error_code(&report), report.attempt), (RunStatus::Cancelled, "locked", 0));
    let error = report.error.unwrap();
    assert_eq!(error.exit_code(), 3);
    assert!(error.details.contains(&("holder".to_owned(), first.to_string())));
    let ended = bench.ledger.state().conclusions[0].finished_at;
    let waited = (ended.as_micros() - began.as_micros()) / 1_000_000;
    assert!((9..=10).contains(&waited), "{waited} s");
    gate.add_permits(1);
    assert_eq!(end(&bench.orchestrator, first).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_worker_beats_while_it_has_runs_and_keeps_its_leases() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    for beats in 1..=5 {
        bench.clock.advance(BEAT);
        bench.ledger.beats(beats).await;
        // The next one's time is known before the clock moves on.
        tokio::task::yield_now().await;
    }
    let until = bench.ledger.state().leases.values().next().unwrap().2;
    assert!(until > model::Clock::now(&bench.clock));
    gate.add_permits(1);
    assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn case_l11_a_run_that_was_lost_is_stopped_and_the_next_worker_goes_on() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    bench.ledger.state().lost.insert(run);
    bench.clock.advance(BEAT);
    // It is stopped, and what it came to is not taken.
    while bench.orchestrator.live_runs() > 0 {
        tokio::task::yield_now().await;
    }
    let report = bench.orchestrator.wait(run, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(report.status, RunStatus::Running, "whoever finds it says what becomes of it");
    assert!(bench.lake.written.lock().unwrap().is_empty() && bench.ended.lock().unwrap().is_empty());

    let next = bench.again().await;
    gate.add_permits(2);
    let reaped = next.tend(Interrupted::Requeue).await.unwrap().reaped;
    assert_eq!(reaped, [Reaped { run, became: RunStatus::Queued }]);
    let report = end(&next, run).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 2));
    // This process is a worker still, under another name.
    assert_eq!(bench.run("rows_in 1\ncapture 2 1 b").await.status, RunStatus::Completed);
    let state = bench.ledger.state();
    let workers: Vec<_> = state.starts.iter().map(|start| start.worker).collect();
    assert!(workers[0] != workers[1] && workers[0] != workers[2]);
}

#[tokio::test]
async fn what_was_done_before_the_loss_was_known_is_not_taken_either() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let submit = tokio::spawn({
        let orchestrator = bench.orchestrator.clone();
        async move { orchestrator.submit(daily(SCRIPT)).await }
    });
    bench.invoker.entered(1).await;
    let run = *bench.ledger.state().runs.keys().next().unwrap();
    bench.ledger.state().lost.insert(run);
    gate.add_permits(1);
    let failure = submit.await.unwrap().unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("interrupted", true));
    assert!(bench.lake.written.lock().unwrap().is_empty(), "its files are gone");
    assert!(bench.ledger.revisions("1").is_empty());
}

#[tokio::test]
async fn heartbeats_that_fail_are_tried_again_until_the_second_expiry() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let away = Failure::new(FailureKind::Database, "unreachable", "nobody answers").retryable(true);
    bench.ledger.state().heartbeat_fails = Some(away);
    for beats in 1..=5 {
        bench.clock.advance(BEAT);
        bench.ledger.beats(beats).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.orchestrator.live_runs(), 1, "50 s are not twice 30 s");
    bench.clock.advance(BEAT);
    // The ledger counts the run as this host's still, which may not be so a moment later: it goes back to the queue.
    bench.ledger.requeued(1).await;
    while bench.orchestrator.live_runs() > 0 {
        tokio::task::yield_now().await;
    }
    let requeued = bench.ledger.state().requeues[0].clone();
    assert_eq!((requeued.error.code.as_str(), bench.ledger.state().keepers.len()), ("interrupted", 0));
    bench.ledger.state().heartbeat_fails = None;
    gate.add_permits(1);
    assert_eq!(bench.orchestrator.tend(Interrupted::Requeue).await.unwrap().adopted, [run]);
    bench.clock.set(requeued.not_before);
    let report = end(&bench.orchestrator, run).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 2), "nobody asked for its end");
}

#[tokio::test]
async fn a_run_that_is_lost_with_its_last_call_ends_as_interrupted() {
    let bench = Bench::with(|parts| parts.retry.attempts_max = 1).await;
    let _gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    bench.ledger.state().heartbeat_fails =
        Some(Failure::new(FailureKind::Database, "unreachable", "nobody answers").retryable(true));
    for beats in 1..=6 {
        bench.clock.advance(BEAT);
        bench.ledger.beats(beats).await;
        tokio::task::yield_now().await;
    }
    let report = end(&bench.orchestrator, run).await;
    assert_eq!((report.status, error_code(&report), report.attempt), (RunStatus::Failed, "interrupted", 1));
}

#[tokio::test]
async fn a_worker_that_counts_as_dead_begins_what_waits_under_another_name() {
    let bench = Bench::new().await;
    bench.run(SCRIPT).await;
    let dead = bench.ledger.state().starts[0].worker;
    bench.ledger.state().dead.insert(dead);
    let run = bench.orchestrator.spawn(daily("rows_in 1\ncapture 2 1 b")).await.unwrap().run_id;
    let at = waits(&bench.orchestrator, run).await;
    bench.clock.set(at);
    let report = end(&bench.orchestrator, run).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 1));
}

#[tokio::test]
async fn a_run_whose_lease_was_taken_by_hand_is_stopped_at_once_and_publishes_nothing() {
    let bench = Bench::new().await;
    let _gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(of_day("1", SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    bench.ledger.state().lost.insert(run);
    bench.orchestrator.leases_were_taken().await.unwrap();
    while bench.orchestrator.live_runs() > 0 {
        tokio::task::yield_now().await;
    }
    let state = bench.ledger.state();
    assert!(state.published.is_empty() && state.lost.is_empty(), "without a heartbeat's time having come");
}
