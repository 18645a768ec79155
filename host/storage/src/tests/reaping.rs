//! Workers that are alive, and the runs of those that are not.

use model::ports::{Exclusive, Interrupted, Leases, Ledger, Reaped, Start, Worker};
use model::run::RunStatus;
use model::{RunId, Timestamp};

use super::places::on_both;
use super::support::{Bench, START_US, worker};

on_both! {
    a_heartbeat_extends_the_worker_and_its_leases_and_returns_its_runs,
    a_worker_that_expired_gets_none_of_its_runs_back,
    case_x9_runs_of_a_dead_worker_are_found_and_those_of_a_living_one_are_not,
    an_interrupted_run_goes_back_to_the_queue_while_calls_are_left,
    who_loses_a_lease_is_reaped_although_alive,
    several_processes_may_reap_at_once,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(START_US + seconds * 1_000_000)
}

fn named(number: u8) -> Worker {
    Worker { id: worker(number), host: "here".to_owned(), started_at: at(0) }
}

/// A run at work under this worker, for 30 seconds from the start of the test.
async fn at_work(bench: &Bench, number: u8, keys: &[&str]) -> RunId {
    let run = bench.queued().await;
    let exclusive = keys.iter().map(|key| Exclusive { key: (*key).to_owned(), slots: 1 }).collect();
    let start = Start { worker: worker(number), lease_until: at(30), exclusive, ..bench.start(run, 1) };
    bench.storage.start(start).await.unwrap();
    run
}

async fn a_heartbeat_extends_the_worker_and_its_leases_and_returns_its_runs(bench: Bench) {
    let mut runs = [at_work(&bench, 1, &["a"]).await, at_work(&bench, 1, &[]).await];
    at_work(&bench, 2, &["b"]).await;
    runs.sort();
    bench.clock.set(at(29).as_micros());
    assert_eq!(bench.storage.heartbeat(&named(1), at(59)).await.unwrap().at_work, runs);
    assert_eq!(bench.storage.holder("a").await.unwrap().unwrap().expires_at, at(59));
    bench.clock.set(at(58).as_micros());
    assert_eq!(bench.storage.heartbeat(&named(1), at(40)).await.unwrap().at_work, runs, "it never becomes shorter");
    assert_eq!(bench.storage.leases().await.unwrap().len(), 1, "the other worker's has expired");
    assert_eq!(bench.value("SELECT host FROM workers WHERE host IS NOT NULL").await.as_deref(), Some("here"));
}

async fn a_worker_that_expired_gets_none_of_its_runs_back(bench: Bench) {
    let run = at_work(&bench, 1, &["a"]).await;
    bench.clock.set(at(30).as_micros());
    assert_eq!(bench.storage.heartbeat(&named(1), at(60)).await.unwrap().at_work, []);
    assert_eq!(bench.storage.holder("a").await.unwrap(), None, "nothing is brought back");
    let other = bench.queued().await;
    let begins = || Start { lease_until: at(60), ..bench.start(other, 1) };
    assert_eq!(bench.storage.start(begins()).await.unwrap_err().code, "lost");
    let reaped = bench.storage.reap(Interrupted::Requeue).await.unwrap();
    assert_eq!(reaped, [Reaped { run, became: RunStatus::Queued }]);
    assert_eq!(bench.storage.heartbeat(&named(1), at(60)).await.unwrap().at_work, [], "it has none any more");
    bench.storage.start(begins()).await.unwrap();
    assert_eq!(bench.storage.heartbeat(&named(1), at(60)).await.unwrap().at_work, [other]);
}

async fn case_x9_runs_of_a_dead_worker_are_found_and_those_of_a_living_one_are_not(bench: Bench) {
    let (dead, waits) = (at_work(&bench, 1, &["a"]).await, bench.queued().await);
    let alive = at_work(&bench, 2, &["b"]).await;
    bench.clock.set(at(29).as_micros());
    assert_eq!(bench.storage.reap(Interrupted::Fail).await.unwrap(), []);
    bench.storage.heartbeat(&named(2), at(59)).await.unwrap();
    bench.clock.set(at(30).as_micros());
    let reaped = bench.storage.reap(Interrupted::Fail).await.unwrap();
    assert_eq!(reaped, [Reaped { run: dead, became: RunStatus::Failed }]);
    let report = bench.storage.report(dead).await.unwrap().unwrap();
    let error = report.error.unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("interrupted", true));
    assert_eq!(bench.event_names(dead).await, ["created", "queued", "started", "failed"]);
    assert_eq!(bench.number("SELECT COUNT(*) FROM dead_letters").await, 1);
    assert_eq!(bench.number("SELECT COUNT(*) FROM attempts WHERE finished_at_us IS NULL").await, 1);
    let leases: Vec<RunId> = bench.storage.leases().await.unwrap().into_iter().map(|lease| lease.run).collect();
    assert_eq!(leases, [alive]);
    assert_eq!(bench.number("SELECT COUNT(*) FROM workers").await, 1);
    assert_eq!(bench.storage.report(waits).await.unwrap().unwrap().status, RunStatus::Queued);
    assert_eq!(bench.storage.reap(Interrupted::Fail).await.unwrap(), []);
    let late = bench.ended(dead, RunStatus::Completed);
    assert_eq!(bench.storage.conclude(late).await.unwrap_err().code, "illegal_transition");
}

async fn an_interrupted_run_goes_back_to_the_queue_while_calls_are_left(bench: Bench) {
    let run = at_work(&bench, 1, &["a"]).await;
    for attempt in [1, 2] {
        bench.clock.set(at(30 * i64::from(attempt)).as_micros());
        let reaped = bench.storage.reap(Interrupted::Requeue).await.unwrap();
        assert_eq!(reaped, [Reaped { run, became: RunStatus::Queued }]);
        let report = bench.storage.report(run).await.unwrap().unwrap();
        assert_eq!((report.status, report.attempt, report.error), (RunStatus::Queued, attempt, None));
        let exclusive = vec![Exclusive { key: "a".to_owned(), slots: 1 }];
        let lease_until = at(30 * (i64::from(attempt) + 1));
        let start = Start { lease_until, exclusive, ..bench.start(run, attempt + 1) };
        bench.storage.start(start).await.unwrap();
    }
    bench.clock.set(at(90).as_micros());
    let reaped = bench.storage.reap(Interrupted::Requeue).await.unwrap();
    assert_eq!(reaped, [Reaped { run, became: RunStatus::Failed }], "three calls, and no more");
    let again = ["created", "queued", "started", "requeued", "started", "requeued", "started", "failed"];
    assert_eq!(bench.event_names(run).await, again);
    let outcomes = bench.values("SELECT outcome FROM attempts ORDER BY number").await;
    assert_eq!(outcomes, ["retried", "retried", "failed"]);
    let reason = &bench.storage.events(run).await.unwrap()[3].data;
    assert_eq!((&reason["reason"], &reason["attempt"]), (&"interrupted".into(), &1.into()));
}

async fn who_loses_a_lease_is_reaped_although_alive(bench: Bench) {
    let run = at_work(&bench, 1, &["a"]).await;
    assert!(bench.storage.free("a", run, worker(1)).await.unwrap());
    assert_eq!(bench.storage.heartbeat(&named(1), at(60)).await.unwrap().at_work, []);
    let reaped = bench.storage.reap(Interrupted::Requeue).await.unwrap();
    assert_eq!(reaped, [Reaped { run, became: RunStatus::Queued }]);
}

async fn several_processes_may_reap_at_once(bench: Bench) {
    let mut runs = Vec::new();
    for number in 1..=4 {
        runs.push(at_work(&bench, number, &[]).await);
    }
    let other = match &bench.server {
        Some(_) => Some(bench.another().await),
        None => None,
    };
    let there = other.as_ref().unwrap_or(&bench);
    bench.clock.set(at(30).as_micros());
    let (one, two) = tokio::join!(bench.storage.reap(Interrupted::Fail), there.storage.reap(Interrupted::Fail));
    let mut reaped: Vec<RunId> = one.unwrap().into_iter().chain(two.unwrap()).map(|it| it.run).collect();
    reaped.sort();
    runs.sort();
    assert_eq!(reaped, runs, "each is one's");
    assert_eq!(bench.number("SELECT COUNT(*) FROM dead_letters").await, 4);
    assert_eq!(bench.number("SELECT COUNT(*) FROM run_events WHERE event = 'failed'").await, 4);
}
