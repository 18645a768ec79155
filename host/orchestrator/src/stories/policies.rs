//! What a policy does to runs: breakers that open, limits that space them out, time that ends, plugins that are full.

use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::policy::{BulkheadPolicy, Number, PolicySpec, RateLimitSpec, RetryPolicy};
use model::ports::{Engine, RunRequest, SharedKind};
use model::run::{RunReport, RunStatus};
use model::work::{Lane, Priority, Routing};
use model::{RunId, Timestamp};
use serde_json::json;

use crate::queue::Waiting;
use crate::resilience::breaker::Phase;
use crate::testing::{Bench, MANIFEST, daily, error_code, found, keyed, named};
use crate::{Concurrency, Orchestrator, Parts};

const SCRIPT: &str = "rows_in 1\ncapture 1 1 a";
const LONG: Duration = Duration::from_secs(60);
const NAME: &str = "d.daily";

fn spec(json: serde_json::Value) -> PolicySpec {
    serde_json::from_value(json).unwrap()
}

/// The operator's policy for `d.daily`, without retries.
fn policy(json: serde_json::Value) -> impl FnOnce(&mut Parts) {
    move |parts| {
        parts.retry = RetryPolicy::NEVER;
        parts.policy.insert(NAME.to_owned(), spec(json));
    }
}

/// Opens at two failures in a row, tries again after ten seconds, closes at one success.
fn breaker() -> serde_json::Value {
    json!({ "breaker": { "rule": { "consecutive": { "failures": 2 } }, "recovery_ms": 10_000, "successes": 1 } })
}

fn unreachable() -> Failure {
    Failure::new(FailureKind::Network, "reset", "connection reset")
}

/// Returns the time that the run waits for, once it does.
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

async fn spawn(orchestrator: &Orchestrator) -> RunId {
    orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id
}

async fn phase(orchestrator: &Orchestrator) -> Phase {
    orchestrator.breakers().await.unwrap()[0].phase
}

/// A bench whose breaker has been opened by two runs.
async fn opened() -> Bench {
    let bench = Bench::with(policy(breaker())).await;
    for _ in 0..2 {
        bench.invoker.fails_next(unreachable());
        assert_eq!(error_code(&bench.run(SCRIPT).await), "reset");
    }
    assert_eq!(phase(&bench.orchestrator).await, Phase::Open);
    bench
}

fn seconds_from_now(bench: &Bench, at: Timestamp) -> i64 {
    use model::Clock as _;
    (at.as_micros() - bench.clock.now().as_micros() + 500_000) / 1_000_000
}

#[tokio::test]
async fn a_breaker_opens_after_failing_runs_and_the_next_waits_and_closes_it() {
    let bench = opened().await;
    let run = spawn(&bench.orchestrator).await;
    let at = waits(&bench.orchestrator, run).await;
    let report = bench.orchestrator.wait(run, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((report.status, report.attempt, bench.invoker.calls()), (RunStatus::Queued, 0, 2), "a wait is no call");
    assert!(bench.ledger.messages(run)[0].contains("kept failing and is left alone"), "the log tells why");
    let shown = &bench.orchestrator.breakers().await.unwrap()[0];
    assert_eq!((shown.name.as_str(), shown.stats.failed, shown.stats.rejected), (NAME, 2, 1));
    assert_eq!(shown.next_probe_at.map(|at| seconds_from_now(&bench, at)), Some(10));

    bench.clock.set(at);
    let report = end(&bench.orchestrator, run).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 1));
    assert_eq!(phase(&bench.orchestrator).await, Phase::Closed);
}

#[tokio::test]
async fn a_probe_goes_alone_and_the_others_follow_it_at_once() {
    let bench = opened().await;
    let runs = [spawn(&bench.orchestrator).await, spawn(&bench.orchestrator).await, spawn(&bench.orchestrator).await];
    let at = waits(&bench.orchestrator, runs[0]).await;
    waits(&bench.orchestrator, runs[2]).await;
    let gate = bench.invoker.close_gate();
    bench.clock.set(at);
    bench.invoker.entered(3).await;
    for run in &runs[1..] {
        assert!(waits(&bench.orchestrator, *run).await > at);
    }
    assert_eq!((phase(&bench.orchestrator).await, bench.invoker.calls()), (Phase::HalfOpen, 3));
    assert_eq!(bench.orchestrator.breakers().await.unwrap()[0].probes, 1);
    gate.add_permits(3);
    for run in runs {
        assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
    }
}

#[tokio::test]
async fn case_c10_a_probe_that_is_cancelled_or_panics_gives_its_place_back() {
    for panics in [false, true] {
        let bench = opened().await;
        let gate = bench.invoker.close_gate();
        let run = spawn(&bench.orchestrator).await;
        let at = waits(&bench.orchestrator, run).await;
        *bench.invoker.panics.lock().unwrap() = panics;
        bench.clock.set(at);
        bench.invoker.entered(3).await;
        bench.orchestrator.cancel(run).await.unwrap();
        assert_ne!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
        *bench.invoker.panics.lock().unwrap() = false;
        let shown = &bench.orchestrator.breakers().await.unwrap()[0];
        assert_eq!((shown.phase, shown.probes, shown.stats.cancelled), (Phase::HalfOpen, 0, 1), "panics: {panics}");
        gate.add_permits(1);
        assert_eq!(bench.run(SCRIPT).await.status, RunStatus::Completed);
        assert_eq!(phase(&bench.orchestrator).await, Phase::Closed);
    }
}

#[tokio::test]
async fn a_run_that_cannot_wait_so_long_ends_with_the_open_breaker() {
    let bench = opened().await;
    let deadline = Some(Timestamp::from_micros(1_700_000_005_000_000));
    let routing = Routing { deadline, ..Routing::default() };
    let report = bench.orchestrator.submit(RunRequest { routing, ..daily(SCRIPT) }).await.unwrap();
    assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "circuit_open"));
    let failure = report.error.unwrap();
    assert!(failure.retryable && failure.retry_after_ms.is_some());
    assert_eq!((failure.exit_code(), bench.invoker.calls()), (3, 2));

    // A breaker that stays open longer than ten minutes is not waited for.
    let slow = json!({ "breaker": { "rule": { "consecutive": { "failures": 1 } }, "recovery_ms": 600_001 } });
    let bench = Bench::with(policy(slow)).await;
    bench.invoker.fails_next(unreachable());
    bench.run(SCRIPT).await;
    assert_eq!(error_code(&bench.run(SCRIPT).await), "circuit_open");
}

#[tokio::test]
async fn failures_that_are_not_the_targets_open_nothing() {
    let bench = Bench::with(policy(breaker())).await;
    for _ in 0..3 {
        bench.invoker.fails_next(Failure::new(FailureKind::Validation, "bad_row", "no"));
        bench.run(SCRIPT).await;
    }
    assert_eq!(phase(&bench.orchestrator).await, Phase::Closed);
}

#[tokio::test]
async fn every_attempt_of_a_run_counts_at_its_breaker() {
    let bench = Bench::with(|parts| {
        parts.policy.insert(NAME.to_owned(), spec(breaker()));
    })
    .await;
    (0..2).for_each(|_| bench.invoker.fails_next(unreachable()));
    let run = spawn(&bench.orchestrator).await;
    bench.ledger.requeued(1).await;
    let at = waits(&bench.orchestrator, run).await;
    bench.clock.set(at);
    bench.ledger.requeued(2).await;
    // The third call comes to an open breaker, waits, and is the one that closes it.
    let retry = waits(&bench.orchestrator, run).await;
    bench.clock.set(retry);
    let mut probe = waits(&bench.orchestrator, run).await;
    while probe == retry {
        tokio::task::yield_now().await;
        probe = waits(&bench.orchestrator, run).await;
    }
    bench.clock.set(probe);
    let report = end(&bench.orchestrator, run).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 3));
}

#[tokio::test]
async fn case_c8_operators_open_breakers_and_reset_them() {
    let bench = Bench::with(policy(breaker())).await;
    assert_eq!(bench.orchestrator.force_open(NAME).await.unwrap().phase, Phase::Open);
    let report = bench.run(SCRIPT).await;
    assert_eq!((error_code(&report), report.error.as_ref().unwrap().retryable), ("circuit_open", false));
    bench.clock.advance(Duration::from_secs(86_400));
    assert_eq!(error_code(&bench.run(SCRIPT).await), "circuit_open", "time does not close it");
    assert_eq!(bench.orchestrator.reset(NAME).await.unwrap().phase, Phase::Closed);
    assert_eq!(bench.run(SCRIPT).await.status, RunStatus::Completed);

    assert_eq!(bench.orchestrator.reset("d.add").await.unwrap_err().code, "no_breaker");
    assert_eq!(bench.orchestrator.force_open("d.dayly").await.unwrap_err().code, "unknown_name");
}

#[tokio::test]
async fn a_reset_lets_those_who_wait_go_at_once() {
    let bench = opened().await;
    let run = spawn(&bench.orchestrator).await;
    waits(&bench.orchestrator, run).await;
    bench.orchestrator.reset(NAME).await.unwrap();
    assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_rate_limit_spaces_runs_out_in_their_order() {
    let limit = json!({ "rate_limit": { "token_bucket": { "per_second": 0.5, "capacity": 1 } } });
    let bench = Bench::with(policy(limit)).await;
    let mut runs = Vec::new();
    for day in 1..=4_u8 {
        let request = daily(&format!("rows_in 1\ncapture {day} 1 a"));
        runs.push(bench.orchestrator.spawn(request).await.unwrap().run_id);
    }
    assert_eq!(end(&bench.orchestrator, runs[0]).await.status, RunStatus::Completed);
    for next in 1..4 {
        let mut at = waits(&bench.orchestrator, runs[next]).await;
        // One of them asks, and the others are told by it.
        for run in &runs[next..] {
            at = at.max(waits(&bench.orchestrator, *run).await);
        }
        let shown = &bench.orchestrator.limits().await.unwrap()[0];
        assert_eq!(shown.name, NAME);
        assert!(shown.left.get() < 1_000 && shown.next_at.is_some(), "{shown:?}");
        assert!(seconds_from_now(&bench, at) <= 2);
        assert_eq!(bench.invoker.calls(), next);
        bench.clock.set(at);
        assert_eq!(end(&bench.orchestrator, runs[next]).await.status, RunStatus::Completed, "the oldest goes first");
    }
}

#[tokio::test]
async fn case_b14_who_waits_for_a_limit_goes_in_its_turn_however_many_places_there_are() {
    let limit = json!({ "rate_limit": { "token_bucket": { "per_second": 100, "capacity": 1 } } });
    let bench = Bench::with(|parts| {
        policy(limit)(parts);
        parts.concurrency.runs = 4;
    })
    .await;
    let mut runs = Vec::new();
    for day in 1..=20_u8 {
        let request = daily(&format!("rows_in 1\ncapture {day} 1 a"));
        runs.push(bench.orchestrator.spawn(request).await.unwrap().run_id);
    }
    let urgent = Routing { priority: Priority::Realtime, ..Routing::default() };
    let urgent = RunRequest { routing: urgent, ..daily("rows_in 1\ncapture 21 1 a") };
    runs.insert(1, bench.orchestrator.spawn(urgent).await.unwrap().run_id);
    for (before, run) in runs.iter().enumerate() {
        let report = end(&bench.orchestrator, *run).await;
        assert_eq!((report.status, bench.invoker.calls()), (RunStatus::Completed, before + 1));
        // A hundredth of a second is all that the next one waits for.
        bench.clock.advance(Duration::from_millis(10));
    }
    let begun: Vec<RunId> = bench.ledger.state().starts.iter().map(|start| start.run_id).collect();
    assert_eq!(begun, runs);
}

#[tokio::test]
async fn case_b11_of_several_limits_each_holds_and_a_refusal_charges_none() {
    let limits = json!([
        { "token_bucket": { "per_second": 1, "capacity": 5 } },
        { "sliding_window": { "calls": 2, "window_ms": 60_000 } },
    ]);
    let bench = Bench::with(policy(json!({ "rate_limit": { "all": limits } }))).await;
    for _ in 0..2 {
        assert_eq!(bench.run(SCRIPT).await.status, RunStatus::Completed);
    }
    let run = spawn(&bench.orchestrator).await;
    let behind = spawn(&bench.orchestrator).await;
    let at = waits(&bench.orchestrator, run).await;
    assert_eq!(seconds_from_now(&bench, at), 60, "the bucket has three left, the window none");
    for run in [run, behind] {
        let standing = Engine::why(&bench.orchestrator, run).await.unwrap().unwrap();
        assert_eq!((standing.code.as_str(), standing.until), ("gate", Some(waits(&bench.orchestrator, run).await)));
        assert!(standing.reason.contains("rate limit or quarantine lets nobody through"), "{}", standing.reason);
    }
    let shown = &bench.orchestrator.limits().await.unwrap()[0];
    assert_eq!((shown.left.get(), shown.next_at.is_some()), (0, true));
    bench.clock.set(at);
    assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_holds_up_nobody() {
    let limit = json!({ "rate_limit": { "token_bucket": { "per_second": 0.5, "capacity": 1 } } });
    let bench = Bench::with(policy(limit)).await;
    let gate = bench.invoker.close_gate();
    bench.ledger.states_fail(2);
    let mut runs = Vec::new();
    for day in 1..=2_u8 {
        let request = daily(&format!("rows_in 1\ncapture {day} 1 a"));
        runs.push(bench.orchestrator.spawn(request).await.unwrap().run_id);
    }
    // The second does not wait for the first to end.
    bench.invoker.entered(2).await;
    gate.add_permits(2);
    for run in runs {
        assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
    }
}

#[tokio::test]
async fn a_gate_that_nobody_can_ask_lets_nobody_through() {
    let limit = json!({ "rate_limit": { "token_bucket": { "per_second": 0.5, "capacity": 1 } } });
    let bench = Bench::with(policy(limit)).await;
    bench.ledger.states_are_away(3);
    let run = spawn(&bench.orchestrator).await;
    for _ in 0..3 {
        let at = waits(&bench.orchestrator, run).await;
        assert_eq!((seconds_from_now(&bench, at), bench.invoker.calls()), (1, 0));
        bench.clock.set(at);
    }
    assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_limit_that_gives_nothing_back_and_one_that_comes_too_late_end_the_run() {
    let none = json!({ "rate_limit": { "token_bucket": { "per_second": 0, "capacity": 1 } } });
    let bench = Bench::with(policy(none)).await;
    assert_eq!(bench.run(SCRIPT).await.status, RunStatus::Completed);
    let report = bench.run(SCRIPT).await;
    assert_eq!((error_code(&report), report.error.as_ref().unwrap().retryable), ("rate_limited", false));

    let slow = json!({ "rate_limit": { "sliding_window": { "calls": 1, "window_ms": 3_600_000 } } });
    let bench = Bench::with(policy(slow)).await;
    assert_eq!(bench.run(SCRIPT).await.status, RunStatus::Completed);
    let waiting = spawn(&bench.orchestrator).await;
    let at = waits(&bench.orchestrator, waiting).await;
    assert_eq!(seconds_from_now(&bench, at), 3_600, "no bound but its deadline");
    let routing = Routing { deadline: Some(at), ..Routing::default() };
    let report = bench.orchestrator.submit(RunRequest { routing, ..daily(SCRIPT) }).await.unwrap();
    assert_eq!((error_code(&report), report.error.as_ref().unwrap().retryable), ("rate_limited", true));
    assert_eq!(report.error.unwrap().exit_code(), 3);
}

#[tokio::test]
async fn a_run_that_waits_at_the_gate_is_cancelled_at_once() {
    let bench = opened().await;
    let run = spawn(&bench.orchestrator).await;
    waits(&bench.orchestrator, run).await;
    bench.orchestrator.cancel(run).await.unwrap();
    let report = end(&bench.orchestrator, run).await;
    assert_eq!((report.status, report.attempt), (RunStatus::Cancelled, 0));
}

#[tokio::test]
async fn the_manifest_declares_and_the_operator_overrides() {
    let declared = MANIFEST.replace(
        r#""name": "d.daily","#,
        r#""name": "d.daily", "policy": {"retry": {"attempts_max": 7}, "timeout_ms": 60000,
            "rate_limit": {"token_bucket": {"per_second": 1}}},"#,
    );
    let bench = Bench::with(|parts| {
        parts.retry = RetryPolicy { attempts_max: 5, ..RetryPolicy::default() };
        let limit = RateLimitSpec::TokenBucket { per_second: None, capacity: Some(Number(3.0)) };
        let spec = PolicySpec { rate_limit: Some(limit), timeout_ms: Some(Number(1_000.0)), ..PolicySpec::default() };
        parts.policy.insert(NAME.to_owned(), spec);
    })
    .await;
    assert_eq!(bench.run(SCRIPT).await.attempts_max, 5, "a manifest that declares nothing");
    bench.orchestrator.install(vec![found("d.wasm", b"d2", &declared)]).await.unwrap();
    assert_eq!(bench.run(SCRIPT).await.attempts_max, 7);
    assert_eq!(bench.invoker.wall_clocks.lock().unwrap().last(), Some(&Duration::from_secs(1)));
    let shown = serde_json::to_value(&bench.orchestrator.limits().await.unwrap()[0].policy).unwrap();
    assert_eq!(shown, json!({ "token_bucket": { "per_second": 1, "capacity": 3 } }));
    bench.orchestrator.submit(named("d.add")).await.unwrap();
    let (state, attempts) =
        (bench.ledger.state(), |name: &str, of: &RunReport| of.name == name && of.attempts_max == 5);
    assert!(state.runs.values().any(|run| attempts("d.add", run)), "the others have the default");
}

#[tokio::test]
async fn a_timeout_never_gives_more_time_than_the_limits() {
    let bench = Bench::with(policy(json!({ "timeout_ms": 86_400_000 }))).await;
    bench.run(SCRIPT).await;
    let limit = model::limits::Limits::standard().wall_clock;
    assert_eq!(*bench.invoker.wall_clocks.lock().unwrap(), [limit]);
}

#[tokio::test]
async fn a_full_bulkhead_refuses_and_makes_no_run() {
    let bench = Bench::with(|parts| {
        parts.bulkheads.insert("d".to_owned(), BulkheadPolicy { runs: 1, waiting: 1 });
    })
    .await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(keyed("k", SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let second = spawn(&bench.orchestrator).await;
    let places = Waiting::Plugin { plugin: "d".to_owned(), places: 1 };
    assert_eq!(bench.orchestrator.why(second), Some(places));
    let refused = bench.refused(daily(SCRIPT)).await;
    assert_eq!((refused.code.as_str(), refused.exit_code(), refused.retryable), ("bulkhead_full", 3, true));
    assert_eq!(bench.ledger.state().runs.len(), 2);
    gate.add_permits(3);
    for run in [first, second] {
        assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
    }
    // A key that has its run takes no room.
    for _ in 0..3 {
        assert_eq!(bench.orchestrator.submit(keyed("k", SCRIPT)).await.unwrap().run_id, first);
    }
    assert_eq!(bench.run(SCRIPT).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn lanes_have_the_places_that_the_operator_gives_them() {
    let parts = |parts: &mut Parts| {
        parts.concurrency = Concurrency { runs: 8, writers: 1 };
        parts.lanes.insert(Lane::Default, 2);
        parts.lanes.insert(Lane::Slow, 3);
        let places = parts.places();
        let lanes = [Lane::Default, Lane::Backfill, Lane::Slow].map(|lane| places.of_lane(lane));
        assert_eq!(lanes, [2, 1, 3], "backfills follow the default lane");
    };
    assert_eq!(Bench::with(parts).await.run(SCRIPT).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn states_survive_the_host_and_other_processes() {
    let bench = opened().await;
    let run = spawn(&bench.orchestrator).await;
    let at = waits(&bench.orchestrator, run).await;
    bench.orchestrator.drain().await;
    let next = bench.again_with(policy(breaker())).await;
    assert_eq!(phase(&next).await, Phase::Open);
    assert_eq!(next.resume().await.unwrap(), [run]);
    waits(&next, run).await;
    bench.clock.set(at);
    // Others change the breaker at the same time; nothing is lost.
    bench.ledger.loses_races(5);
    assert_eq!(end(&next, run).await.status, RunStatus::Completed);
    assert_eq!(phase(&next).await, Phase::Closed);
}

#[tokio::test]
async fn a_state_that_nobody_can_read_begins_anew() {
    let bench = Bench::with(policy(breaker())).await;
    bench.ledger.set_shared_state(SharedKind::Breaker, NAME, json!({ "of": "another version" }));
    assert_eq!(bench.run(SCRIPT).await.status, RunStatus::Completed);
    let state = bench.ledger.shared_state(SharedKind::Breaker, NAME).unwrap();
    assert_eq!(state["stats"]["successful"], json!(1));
}

#[tokio::test]
async fn a_policy_without_breaker_and_limit_asks_the_ledger_nothing_and_a_dry_run_neither() {
    let bench = Bench::new().await;
    bench.run(SCRIPT).await;
    assert_eq!(bench.ledger.shared_calls(), 0);
    let bench = opened().await;
    let before = bench.ledger.shared_calls();
    let report = bench.orchestrator.submit(RunRequest { dry_run: true, ..daily(SCRIPT) }).await.unwrap();
    assert_eq!((report.status, bench.ledger.shared_calls()), (RunStatus::Completed, before));
}

#[tokio::test]
async fn case_c10_a_probe_that_waits_for_a_lease_gives_its_place_back() {
    let bench = opened().await;
    let first = spawn(&bench.orchestrator).await;
    let at = waits(&bench.orchestrator, first).await;
    // Another process holds the lease.
    let key = format!("{NAME}|{}", crate::testing::digest(SCRIPT.as_bytes()));
    let holder = (first_of(&bench), model::WorkerId::new(at, [7; 10]), Timestamp::from_micros(i64::MAX));
    bench.ledger.state().leases.insert(key.clone(), holder);
    bench.clock.set(at);
    while bench.orchestrator.breakers().await.unwrap()[0].phase != Phase::HalfOpen
        || bench.orchestrator.why(first).is_none_or(|it| it == Waiting::Ready || it == Waiting::Until(at))
    {
        tokio::task::yield_now().await;
    }
    let again = waits(&bench.orchestrator, first).await;
    let shown = &bench.orchestrator.breakers().await.unwrap()[0];
    assert_eq!((shown.phase, shown.probes, bench.invoker.calls()), (Phase::HalfOpen, 0, 2));
    assert_eq!(bench.orchestrator.why(first), Some(Waiting::Until(again)));
    assert_eq!(Engine::why(&bench.orchestrator, first).await.unwrap().unwrap().code, "lease");
    bench.ledger.state().leases.remove(&key);
    bench.clock.set(again);
    assert_eq!(end(&bench.orchestrator, first).await.status, RunStatus::Completed);
    assert_eq!(phase(&bench.orchestrator).await, Phase::Closed);
}

fn first_of(bench: &Bench) -> RunId {
    *bench.ledger.state().runs.keys().next().unwrap()
}

#[tokio::test]
async fn who_waits_for_a_lease_is_charged_for_one_call_and_for_as_long_as_its_policy_says() {
    let limit = json!({ "rate_limit": { "sliding_window": { "calls": 2, "window_ms": 3_600_000 } },
        "concurrency": { "key": { "named": "upstream" }, "wait_ms": 3_000 } });
    let bench = Bench::with(policy(limit)).await;
    let gate = bench.invoker.close_gate();
    let first = spawn(&bench.orchestrator).await;
    bench.invoker.entered(1).await;
    let second = bench.orchestrator.spawn(daily("rows_in 1\ncapture 2 1 b")).await.unwrap().run_id;
    let mut at = waits(&bench.orchestrator, second).await;
    assert!(bench.ledger.state().leases.contains_key("upstream"));
    for _ in 0..3 {
        bench.clock.set(at);
        let before = at;
        while at == before {
            at = waits(&bench.orchestrator, second).await;
            tokio::task::yield_now().await;
        }
        assert_eq!((at.as_micros() - before.as_micros()) / 100_000, 5);
    }
    gate.add_permits(2);
    for run in [first, second] {
        let report = end(&bench.orchestrator, run).await;
        assert_eq!((report.status, report.attempt), (RunStatus::Completed, 1));
    }
}
