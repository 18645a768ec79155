//! The counts behind health, statistics and the lists that operators read.

use std::time::Duration;

use model::health::{Ends, HealthStatus, LeaseCounts};
use model::ports::{Exclusive, Leases, Ledger, ListLimit, NewRun, RunFilter, RunPage, Start, Vitals, Worker, examine};
use model::run::RunStatus;
use model::work::{Lane, Routing};
use model::{RunId, Timestamp};

use super::places::on_both;
use super::support::{Bench, START_US, worker};

on_both! {
    case_x4_a_list_of_some_has_the_newest_first,
    case_x6_x7_runs_are_counted_by_how_they_ended,
    case_x8_lanes_count_what_waits_in_them,
    case_x9_a_run_that_nobody_carries_out_is_stale_and_a_long_one_is_not,
    case_y5_a_held_lease_is_healthy_and_expired_ones_are_counted,
    case_y6_checks_that_cannot_be_made_are_unhealthy_and_all_are_told,
    only_the_last_hour_counts,
    a_lease_is_released_once_it_has_expired_or_by_force,
}

const MINUTE: i64 = 60_000_000;

async fn ended(bench: &Bench, status: RunStatus) -> RunId {
    let run = bench.running().await;
    bench.storage.conclude(bench.ended(run, status)).await.unwrap();
    run
}

async fn begun(bench: &Bench, keys: &[&str]) -> RunId {
    let run = bench.queued().await;
    let exclusive = keys.iter().map(|key| Exclusive { key: (*key).to_owned(), slots: 1 }).collect();
    bench.storage.start(Start { exclusive, ..bench.start(run, 1) }).await.unwrap();
    run
}

async fn case_x4_a_list_of_some_has_the_newest_first(bench: Bench) {
    let mut runs = Vec::new();
    for at in 0..10 {
        bench.clock.set(START_US + at * 1_000);
        runs.push(bench.queued().await);
    }
    let limit = ListLimit::new(5).unwrap();
    let RunPage { runs: listed, next } =
        bench.storage.runs(&RunFilter { limit, ..RunFilter::default() }).await.unwrap();
    let listed: Vec<RunId> = listed.iter().map(|run| run.run_id).collect();
    let newest: Vec<RunId> = runs.iter().rev().take(5).copied().collect();
    assert_eq!((&listed, next), (&newest, newest.last().copied()));
}

async fn case_x6_x7_runs_are_counted_by_how_they_ended(bench: Bench) {
    for at in 0..10 {
        ended(&bench, if at < 8 { RunStatus::Completed } else { RunStatus::Failed }).await;
    }
    let counts = bench.storage.work_counts().await.unwrap();
    assert_eq!((counts.total(), counts.of(RunStatus::Completed), counts.failed()), (10, 8, 2));
    assert_eq!(counts.failure_percent(), Some(20.0));
    for _ in 0..6 {
        ended(&bench, RunStatus::Failed).await;
    }
    ended(&bench, RunStatus::Cancelled).await;
    let counts = bench.storage.work_counts().await.unwrap();
    assert_eq!((counts.failure_percent(), counts.total()), (Some(50.0), 17), "a cancelled run is neither");
    assert_eq!(counts.of(RunStatus::DeadLettered), 0);
}

async fn case_x8_lanes_count_what_waits_in_them(bench: Bench) {
    let in_lane = |lane: Lane| {
        let mut run: NewRun = bench.new_run();
        run.spec.routing = Routing { lane, ..Routing::default() };
        run
    };
    for (lane, runs) in [(Lane::Default, 4), (Lane::Slow, 5)] {
        for at in 0..runs {
            let run = in_lane(lane);
            let id = run.run_id;
            bench.storage.submit(run).await.unwrap();
            if lane == Lane::Default && at == 0 {
                bench.storage.start(bench.start(id, 1)).await.unwrap();
            }
        }
    }
    let lanes = bench.storage.work_counts().await.unwrap().lanes;
    let of = |lane| (lanes[&lane].queued, lanes[&lane].running);
    assert_eq!([of(Lane::Default), of(Lane::Slow), of(Lane::Backfill)], [(3, 1), (5, 0), (0, 0)]);
}

async fn case_x9_a_run_that_nobody_carries_out_is_stale_and_a_long_one_is_not(bench: Bench) {
    let hour = Duration::from_secs(3600);
    let stale = async |nobody| bench.storage.stale_runs(hour, nobody).await.unwrap();
    begun(&bench, &["a"]).await;
    assert_eq!((stale(false).await, stale(true).await), (0, 0), "it is fresh");
    // Its worker is heard of all the while.
    let me = Worker { id: worker(1), host: "here".to_owned(), started_at: Timestamp::from_micros(START_US) };
    for minutes in 1..=120 {
        bench.clock.set(START_US + minutes * MINUTE - 1);
        let until = Timestamp::from_micros(START_US + (minutes + 1) * MINUTE);
        assert_eq!(bench.storage.heartbeat(&me, until).await.unwrap().at_work.len(), 1);
    }
    assert_eq!(stale(false).await, 0, "it is long, and somebody carries it out");
    assert_eq!(stale(true).await, 1, "unless it is known that nobody does");
    bench.clock.set(START_US + 121 * MINUTE);
    assert_eq!(stale(false).await, 1, "its worker has not been heard of for a minute");
}

async fn case_y5_a_held_lease_is_healthy_and_expired_ones_are_counted(bench: Bench) {
    let counts = async || bench.storage.lease_counts().await.unwrap();
    assert_eq!(counts().await, LeaseCounts::default());
    begun(&bench, &["a"]).await;
    assert_eq!(counts().await, LeaseCounts { held: 1, expired: 0 });
    assert_eq!(examine(&bench.storage, false).await.status, HealthStatus::Healthy);
    begun(&bench, &["b", "c", "d", "e", "f"]).await;
    bench.clock.set(START_US + MINUTE);
    assert_eq!(counts().await, LeaseCounts { held: 0, expired: 6 }, "expired means that the time has come");
    let health = examine(&bench.storage, false).await;
    let leases = health.checks.iter().find(|check| check.name == "leases").unwrap();
    assert_eq!((health.status, leases.status), (HealthStatus::Degraded, HealthStatus::Degraded));
    assert_eq!(bench.storage.all_leases().await.unwrap().len(), 6, "whoever looks sees those too");
}

async fn case_y6_checks_that_cannot_be_made_are_unhealthy_and_all_are_told(bench: Bench) {
    let health = examine(&bench.storage, false).await;
    assert_eq!((health.status, health.checks.len()), (HealthStatus::Healthy, 5));
    bench.storage.close().await;
    let health = examine(&bench.storage, false).await;
    assert_eq!((health.status, health.checks.len()), (HealthStatus::Unhealthy, 5));
    for check in health.checks {
        assert_eq!(check.status, HealthStatus::Unhealthy, "{check:?}");
        assert!(check.detail.contains("closed"), "{check:?}");
    }
}

async fn only_the_last_hour_counts(bench: Bench) {
    let hour = Duration::from_secs(3600);
    ended(&bench, RunStatus::Failed).await;
    bench.clock.set(START_US + 60 * MINUTE - 1);
    for status in [RunStatus::Completed, RunStatus::TimedOut, RunStatus::Cancelled] {
        ended(&bench, status).await;
    }
    assert_eq!(bench.storage.ends(hour).await.unwrap(), Ends { completed: 1, failed: 2 });
    bench.clock.set(START_US + 60 * MINUTE);
    assert_eq!(bench.storage.ends(hour).await.unwrap(), Ends { completed: 1, failed: 1 });
}

async fn a_lease_is_released_once_it_has_expired_or_by_force(bench: Bench) {
    let run = begun(&bench, &["a", "b"]).await;
    let release = async |key: &str, force| bench.storage.release_lease(key, None, force).await;
    assert_eq!(release("z", true).await.unwrap_err().code, "bad_id");
    let held = release("a", false).await.unwrap_err();
    assert_eq!((held.code.as_str(), held.exit_code()), ("lease_held", 3));
    assert!(held.message.contains("--force") && held.message.contains(&run.to_string()), "{held}");
    let other = bench.queued().await;
    assert_eq!(bench.storage.release_lease("a", Some(other), true).await.unwrap_err().code, "bad_id");

    let released = release("a", true).await.unwrap();
    assert_eq!((released[0].key.as_str(), released[0].run, released.len()), ("a", run, 1));
    assert_eq!(bench.storage.holder("a").await.unwrap(), None);
    let lost = bench.storage.conclude(bench.ended(run, RunStatus::Completed)).await.unwrap_err();
    assert_eq!(lost.code, "lost", "fencing refuses whatever the run did");

    bench.clock.set(START_US + MINUTE);
    assert_eq!(release("b", false).await.unwrap().len(), 1, "an expired lease is nobody's");
    assert_eq!(bench.storage.all_leases().await.unwrap(), []);
}
