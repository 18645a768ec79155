//! Several hosts on one ledger: who keeps what waits, who adopts it, and who waits for whom.

use std::time::Duration;

use model::RunId;
use model::failure::{Failure, FailureKind};
use model::ports::{Engine, Interrupted, Reaped, RunRequest};
use model::run::{RunReport, RunStatus};

use crate::queue::Waiting;
use crate::testing::{Bench, daily, keyed, named, text};
use crate::{Concurrency, Orchestrator, TEND_EVERY};

const SCRIPT: &str = "rows_in 1\ncapture 1 1 a";
const LONG: Duration = Duration::from_secs(60);
const BEAT: Duration = Duration::from_secs(10);

async fn end(orchestrator: &Orchestrator, run: RunId) -> RunReport {
    orchestrator.wait(run, LONG).await.unwrap().unwrap()
}

fn day(number: u8) -> RunRequest {
    daily(&format!("rows_in 1\ncapture {number} 1 a"))
}

/// One place, taken until the gate opens; a second run waits in line behind it.
async fn one_in_line() -> (Bench, std::sync::Arc<tokio::sync::Semaphore>, RunId, RunId) {
    let bench = Bench::with(|parts| parts.concurrency = Concurrency { runs: 1, writers: 1 }).await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(day(1)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let second = bench.orchestrator.spawn(day(2)).await.unwrap().run_id;
    (bench, gate, first, second)
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Moves the clock on, as it goes on by itself elsewhere, until this has come to an end.
async fn as_time_passes<T>(bench: &Bench, doing: impl Future<Output = T>) -> T {
    tokio::pin!(doing);
    loop {
        tokio::select! {
            biased;
            done = &mut doing => return done,
            () = tokio::task::yield_now() => bench.clock.advance(Duration::from_millis(10)),
        }
    }
}

#[tokio::test]
async fn nobody_takes_what_a_living_host_keeps_in_its_queue() {
    let (bench, gate, first, second) = one_in_line().await;
    let other = bench.again().await;
    assert_eq!(other.resume().await.unwrap(), []);
    let tended = other.tend(Interrupted::Requeue).await.unwrap();
    assert_eq!((tended.reaped.len(), tended.adopted.len(), other.live_runs()), (0, 0, 0));
    gate.add_permits(2);
    for run in [first, second] {
        assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
    }
    assert!(bench.ledger.state().keepers.is_empty());
}

#[tokio::test]
async fn a_host_that_only_keeps_queued_runs_says_that_it_is_alive() {
    let bench = Bench::with(|parts| parts.concurrency = Concurrency { runs: 1, writers: 1 }).await;
    let gate = bench.invoker.close_gate();
    // The ledger knows nothing of what takes the place.
    bench.orchestrator.spawn(RunRequest { dry_run: true, ..day(1) }).await.unwrap();
    bench.invoker.entered(1).await;
    let run = bench.orchestrator.spawn(day(2)).await.unwrap().run_id;
    let kept = bench.ledger.state().keepers[&run];
    for beats in 1..=3 {
        bench.clock.advance(BEAT);
        until(|| bench.ledger.state().beats_of(kept) == beats).await;
        tokio::task::yield_now().await;
    }
    gate.add_permits(2);
    assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
    assert_eq!(bench.ledger.state().starts[0].worker, kept);
}

#[tokio::test]
async fn the_queue_of_a_dead_host_is_adopted_and_it_lets_go_of_it_quietly() {
    let (bench, gate, first, second) = one_in_line().await;
    let dead = bench.ledger.state().starts[0].worker;
    let waits = tokio::spawn({
        let host = bench.orchestrator.clone();
        async move { end(&host, second).await }
    });
    // It is not heard of for so long that it counts as dead.
    bench.ledger.state().dead.insert(dead);
    bench.ledger.state().lost.insert(first);
    let other = bench.again().await;
    let tended = other.tend(Interrupted::Requeue).await.unwrap();
    assert_eq!(tended.reaped, [Reaped { run: first, became: RunStatus::Queued }]);
    assert_eq!(tended.adopted, [first, second]);
    gate.add_permits(10);
    for run in [first, second] {
        assert_eq!(end(&other, run).await.status, RunStatus::Completed);
    }
    // It comes back, hears of it, and whoever waits there gets the answer of the other.
    let report = as_time_passes(&bench, waits).await.unwrap();
    assert_eq!((report.run_id, report.status), (second, RunStatus::Completed));
    as_time_passes(&bench, async { until(|| bench.orchestrator.live_runs() == 0).await }).await;
    let completed = bench.ledger.state().conclusions.iter().filter(|it| it.run_id == second).count();
    assert_eq!(completed, 1, "it ends once");
}

#[tokio::test]
async fn a_host_that_drains_gives_up_what_waits_for_a_time_and_another_has_it_at_once() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Network, "reset", "connection reset"));
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.ledger.requeued(1).await;
    until(|| matches!(bench.orchestrator.why(run), Some(Waiting::Until(_)))).await;
    let gate = bench.invoker.close_gate();
    let long = bench.orchestrator.spawn(day(7)).await.unwrap().run_id;
    bench.invoker.entered(2).await;
    let drains = tokio::spawn({
        let host = bench.orchestrator.clone();
        async move { host.drain().await }
    });
    until(|| !bench.ledger.state().keepers.contains_key(&run)).await;
    let other = bench.again().await;
    assert_eq!(other.tend(Interrupted::Requeue).await.unwrap().adopted, [run], "although the other still works");
    gate.add_permits(9);
    drains.await.unwrap();
    assert_eq!(end(&other, long).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_host_that_hands_over_gives_up_its_line_too() {
    let (bench, gate, first, second) = one_in_line().await;
    let waits = tokio::spawn({
        let host = bench.orchestrator.clone();
        async move { host.submit(day(3)).await }
    });
    until(|| bench.ledger.state().keepers.len() == 2).await;
    let hands_over = tokio::spawn({
        let host = bench.orchestrator.clone();
        async move { host.hand_over().await }
    });
    // Whoever waits at this host is told to ask again elsewhere.
    let refused = waits.await.unwrap().unwrap_err();
    assert_eq!((refused.code.as_str(), refused.retryable), ("interrupted", true));
    let other = bench.again().await;
    let adopted = other.tend(Interrupted::Requeue).await.unwrap().adopted;
    assert_eq!((adopted.len(), adopted[0]), (2, second));
    gate.add_permits(9);
    hands_over.await.unwrap();
    for run in [first, adopted[0], adopted[1]] {
        assert_eq!(end(&other, run).await.status, RunStatus::Completed);
    }
}

#[tokio::test]
async fn who_asks_for_a_key_waits_for_the_run_of_another_host() {
    let bench = Bench::new().await;
    let other = bench.again().await;
    let gate = bench.invoker.close_gate();
    let run = other.spawn(keyed("k", SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let joined = bench.orchestrator.spawn(keyed("k", SCRIPT)).await.unwrap();
    assert_eq!((joined.run_id, joined.status), (run, RunStatus::Running));
    let (report, ()) = tokio::join!(as_time_passes(&bench, bench.orchestrator.submit(keyed("k", SCRIPT))), async {
        gate.add_permits(1)
    });
    let report = report.unwrap();
    assert_eq!((report.run_id, report.status, bench.invoker.calls()), (run, RunStatus::Completed, 1));
}

#[tokio::test]
async fn a_host_tends_by_itself_until_it_stops() {
    let bench = Bench::new().await;
    bench.orchestrator.keep_tending(Interrupted::Requeue);
    let other = bench.again().await;
    other.keep_tending(Interrupted::Requeue);
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    tokio::task::yield_now().await;
    let dead = bench.ledger.state().starts[0].worker;
    bench.ledger.state().dead.insert(dead);
    bench.ledger.state().lost.insert(run);
    let before = model::Clock::now(&bench.clock);
    gate.add_permits(9);
    let is_somebodys = || {
        let state = bench.ledger.state();
        !state.lost.contains(&run) && (state.living_keeper(run).is_some() || state.starts.len() > 1)
    };
    as_time_passes(&bench, until(is_somebodys)).await;
    let took = model::Clock::now(&bench.clock).as_micros() - before.as_micros();
    assert!(took <= 2 * i64::try_from(TEND_EVERY.as_micros()).unwrap(), "{took} us");
    as_time_passes(&bench, until(|| bench.ledger.state().runs[&run].status == RunStatus::Completed)).await;
    // Who has lost the run may only hear of it at its next heartbeat.
    as_time_passes(&bench, async { tokio::join!(bench.orchestrator.drain(), other.drain()) }).await;
    let looks = bench.ledger.state().looks;
    as_time_passes(&bench, async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(bench.ledger.state().looks, looks, "nobody looks any more");
}

#[tokio::test]
async fn a_run_that_cannot_be_carried_out_is_nobodys_and_is_not_asked_for_again() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let mut request = daily(SCRIPT);
    request.params.insert("token".to_owned(), text("hunter22"));
    let run = bench.orchestrator.spawn(request).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let dead = bench.ledger.state().starts[0].worker;
    bench.ledger.state().dead.insert(dead);
    bench.ledger.state().lost.insert(run);
    let other = bench.again().await;
    assert_eq!(other.tend(Interrupted::Requeue).await.unwrap().adopted, []);
    assert!(!bench.ledger.state().keepers.contains_key(&run), "whoever has the secret may take it");
    assert_eq!(other.tend(Interrupted::Requeue).await.unwrap().adopted, []);
    let cancelled = other.cancel(run).await.unwrap().unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    drop(gate);
}

#[tokio::test]
async fn a_host_with_a_long_line_leaves_the_rest_to_others() {
    let bench = Bench::with(|parts| parts.concurrency = Concurrency { runs: 1, writers: 1 }).await;
    let gate = bench.invoker.close_gate();
    for _ in 0..300 {
        bench.orchestrator.spawn(named("d.add")).await.unwrap();
    }
    bench.invoker.entered(1).await;
    bench.ledger.state().keepers.clear();
    let other = bench.again_with(|parts| parts.concurrency = Concurrency { runs: 1, writers: 1 }).await;
    let first = other.tend(Interrupted::Requeue).await.unwrap().adopted.len();
    let second = other.tend(Interrupted::Requeue).await.unwrap().adopted.len();
    assert_eq!((first, second), (256, 1), "one of them is at work, so there is room for one");
    gate.add_permits(1_000);
}

#[tokio::test]
async fn a_run_at_work_is_cancelled_by_way_of_another_host() {
    let (bench, _gate, first, second) = one_in_line().await;
    let other = bench.again().await;
    for run in [first, second] {
        let ended = other.cancel(run).await.unwrap().unwrap();
        assert_eq!((ended.status, ended.error.unwrap().code.as_str()), (RunStatus::Cancelled, "cancelled"));
    }
    // Its host hears of it when it next says that it is alive, and frees the place.
    bench.clock.advance(BEAT);
    until(|| bench.orchestrator.live_runs() == 0).await;
    assert_eq!(end(&bench.orchestrator, first).await.status, RunStatus::Cancelled);
    assert!(bench.lake.written.lock().unwrap().is_empty());
}

#[tokio::test]
async fn who_is_told_that_work_will_be_done_may_leave_for_its_input_is_kept() {
    let bench = Bench::with(|_| {}).await;
    let run = bench.orchestrator.spawn(day(1)).await.unwrap().run_id;
    assert_eq!(bench.lake.settled.lock().unwrap().len(), 1);
    assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
    bench.orchestrator.submit(day(2)).await.unwrap();
    assert_eq!(bench.lake.settled.lock().unwrap().len(), 1, "who waits for the end waits for the input with it");
}
