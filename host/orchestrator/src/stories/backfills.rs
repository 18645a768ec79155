//! Several pieces of work that are asked for together.

use std::collections::BTreeSet;
use std::time::Duration;

use model::RunId;
use model::backfill::{BACKFILL_ITEMS_MAX, BackfillResult};
use model::failure::{Failure, FailureKind};
use model::ports::{BackfillRequest, BackfillWork, Engine, Interrupted, RunRequest};
use model::run::{RunKind, RunReport, RunStatus};
use model::work::Trigger;
use serde_json::json;

use crate::Orchestrator;
use crate::testing::{Bench, daily, error_code, text};

const LONG: Duration = Duration::from_secs(60);

fn trap() -> Failure {
    Failure::new(FailureKind::Pipeline, "trap", "unreachable")
}

/// `d.daily` on a file that delivers this day, with the parameter that names the partition.
fn day(day: &str) -> BackfillWork {
    let RunRequest { name, files, mut params, .. } = daily(&format!("rows_in 1\ncapture {day} 1 a"));
    params.insert("day".to_owned(), text(day));
    BackfillWork { name, params, files }
}

fn named(name: &str) -> BackfillWork {
    BackfillWork { name: name.to_owned(), ..BackfillWork::default() }
}

fn one_by_one(items: Vec<BackfillWork>) -> BackfillRequest {
    BackfillRequest { items, parallel: Some(1), ..BackfillRequest::default() }
}

async fn end(orchestrator: &Orchestrator, run: RunId) -> RunReport {
    orchestrator.wait(run, LONG).await.unwrap().unwrap()
}

async fn whole(bench: &Bench, request: BackfillRequest) -> (RunReport, BackfillResult) {
    let run = bench.orchestrator.backfill(request).await.unwrap();
    assert_eq!((run.kind, run.status), (RunKind::Backfill, RunStatus::Queued));
    let report = end(&bench.orchestrator, run.run_id).await;
    let result = serde_json::from_value(report.result.clone().unwrap()).unwrap();
    (report, result)
}

fn children(bench: &Bench, parent: RunId) -> Vec<RunReport> {
    let state = bench.ledger.state();
    state.runs.values().filter(|run| run.lineage.parent_run_id == Some(parent)).cloned().collect()
}

fn counts(result: &BackfillResult) -> (usize, usize, usize, usize) {
    (result.total, result.completed, result.failed, result.pending)
}

#[tokio::test]
async fn case_z1_the_first_failure_stops_what_was_not_begun() {
    let bench = Bench::new().await;
    bench.invoker.answers.lock().unwrap().push_back(Ok(Default::default()));
    bench.invoker.fails_next(trap());
    let items = vec![day("1"), day("2"), day("3")];
    let request = BackfillRequest { items, stop_on_failure: true, ..BackfillRequest::default() };
    let (report, result) = whole(&bench, request).await;
    assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "items_failed"));
    assert_eq!((counts(&result), result.success_rate), ((3, 1, 1, 1), 33.33));
    let made = children(&bench, report.run_id);
    assert_eq!(made.iter().map(|run| run.status).collect::<Vec<_>>(), [RunStatus::Completed, RunStatus::Failed]);
    assert_eq!((result.failures[0].item, result.failures[0].run_id), (2, Some(made[1].run_id)));
    assert!(report.error.unwrap().message.contains("1 of 3 items failed, 1 were not begun"));
}

#[tokio::test]
async fn case_z2_the_others_go_on_after_a_failure_unless_it_is_to_stop() {
    let bench = Bench::new().await;
    let answers = [Ok(Default::default()), Ok(Default::default()), Err(trap())];
    bench.invoker.answers.lock().unwrap().extend(answers);
    let items = || ["1", "2", "3", "4"].map(day).to_vec();
    let (_, stopped) = whole(&bench, BackfillRequest { stop_on_failure: true, ..one_by_one(items()) }).await;
    assert_eq!((counts(&stopped), stopped.success_rate), ((4, 2, 1, 1), 50.0));
    bench.invoker.answers.lock().unwrap().extend([Err(trap())]);
    let (_, whole) = whole(&bench, one_by_one(items())).await;
    assert_eq!((counts(&whole), whole.success_rate), ((4, 3, 1, 0), 75.0));
}

#[tokio::test]
async fn case_z3_an_item_that_nobody_offers_fails_and_says_what_was_meant() {
    let bench = Bench::new().await;
    let (report, result) = whole(&bench, one_by_one(vec![day("1"), named("d.dayly"), day("2")])).await;
    assert_eq!((counts(&result), report.name.as_str()), ((3, 2, 1, 0), "several"));
    let failed = &result.failures[0];
    assert_eq!((failed.item, failed.code.as_str(), failed.run_id), (2, "unknown_name", None));
    assert!(failed.message.contains("did you mean `d.daily`?"), "{}", failed.message);
}

#[tokio::test]
async fn case_z4_items_of_one_pipeline_are_at_work_together() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let items = ["1", "2", "3", "4"].map(day).to_vec();
    let run = bench.orchestrator.backfill(BackfillRequest { items, ..BackfillRequest::default() }).await.unwrap();
    bench.invoker.entered(4).await;
    let seen = bench.orchestrator.wait(run.run_id, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!((seen.status, seen.attempt), (RunStatus::Running, 1));
    gate.add_permits(4);
    let report = end(&bench.orchestrator, run.run_id).await;
    assert_eq!((report.status, &report.result.unwrap()["completed"]), (RunStatus::Completed, &json!(4)));
    let made = children(&bench, run.run_id);
    let correlation = Some(run.run_id.to_string());
    assert!(made.iter().all(|run| run.lineage.trigger == Trigger::Internal));
    assert!(made.iter().all(|run| run.lineage.correlation_id == correlation));
    assert_eq!(made.iter().map(|run| run.captures[0].partition.to_string()).collect::<BTreeSet<_>>().len(), 4);
}

#[tokio::test]
async fn no_more_items_are_at_work_than_may_be() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let items = ["1", "2", "3", "4", "5"].map(day).to_vec();
    let request = BackfillRequest { items, parallel: Some(2), ..BackfillRequest::default() };
    let run = bench.orchestrator.backfill(request).await.unwrap().run_id;
    for done in 0..5_usize {
        bench.invoker.entered((done + 2).min(5)).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(bench.invoker.calls(), (done + 2).min(5));
        gate.add_permits(1);
    }
    assert_eq!(end(&bench.orchestrator, run).await.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_backfill_that_is_cancelled_stops_its_items_and_keeps_what_is_done() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let items = ["1", "2", "3", "4"].map(day).to_vec();
    let request = BackfillRequest { items, parallel: Some(2), ..BackfillRequest::default() };
    let run = bench.orchestrator.backfill(request).await.unwrap().run_id;
    bench.invoker.entered(2).await;
    gate.add_permits(1);
    bench.invoker.entered(3).await;
    bench.orchestrator.cancel(run).await.unwrap();
    let report = end(&bench.orchestrator, run).await;
    let result: BackfillResult = serde_json::from_value(report.result.clone().unwrap()).unwrap();
    assert_eq!((report.status, error_code(&report)), (RunStatus::Cancelled, "cancelled"));
    assert_eq!(counts(&result), (4, 1, 2, 1));
    let cancelled = children(&bench, run).iter().filter(|run| run.status == RunStatus::Cancelled).count();
    assert_eq!((cancelled, bench.orchestrator.live_runs()), (2, 0));
}

#[tokio::test]
async fn the_next_host_goes_on_and_does_nothing_twice() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.backfill(one_by_one(["1", "2", "3"].map(day).to_vec())).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    gate.add_permits(1);
    bench.invoker.entered(2).await;
    // This host counts as dead now, in the middle of its second item.
    let second = children(&bench, run)[1].run_id;
    bench.ledger.state().lost.extend([run, second]);
    bench.clock.advance(Duration::from_secs(10));
    while bench.orchestrator.live_runs() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.ledger.state().runs[&run].status, RunStatus::Running, "its end is for others to say");

    let next = bench.again().await;
    gate.add_permits(2);
    next.tend(Interrupted::Requeue).await.unwrap();
    let report = end(&next, run).await;
    assert_eq!(
        (report.status, report.attempt, &report.result.unwrap()["completed"]),
        (RunStatus::Completed, 2, &json!(3))
    );
    assert_eq!(children(&bench, run).len(), 3);
    assert_eq!(bench.ledger.revisions("1").len(), 1);
    assert_eq!(bench.invoker.calls(), 4, "only the item that was interrupted was called twice");
}

#[tokio::test]
async fn a_host_that_shuts_down_ends_the_items_at_work_and_leaves_the_rest_to_the_next() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.backfill(one_by_one(["1", "2", "3"].map(day).to_vec())).await.unwrap().run_id;
    bench.invoker.entered(1).await;
    let ((), ()) = tokio::join!(bench.orchestrator.drain(), async { gate.add_permits(1) });
    let left = bench.ledger.state().runs[&run].clone();
    assert_eq!((left.status, children(&bench, run).len()), (RunStatus::Queued, 1));

    let next = bench.again().await;
    gate.add_permits(2);
    assert_eq!(next.resume().await.unwrap(), [run]);
    let report = end(&next, run).await;
    assert_eq!((report.status, report.attempt, bench.invoker.calls()), (RunStatus::Completed, 2, 3));
}

#[tokio::test]
async fn a_repetition_does_again_only_what_did_not_complete() {
    let bench = Bench::new().await;
    let answers = [Ok(Default::default()), Err(trap()), Ok(Default::default())];
    bench.invoker.answers.lock().unwrap().extend(answers);
    let (first, result) = whole(&bench, one_by_one(["1", "2", "3"].map(day).to_vec())).await;
    assert_eq!(counts(&result), (3, 2, 1, 0));
    let again = bench.orchestrator.retry(first.run_id).await.unwrap();
    assert_eq!((again.kind, again.lineage.retry_of), (RunKind::Backfill, Some(first.run_id)));
    let report = end(&bench.orchestrator, again.run_id).await;
    assert_eq!((report.status, &report.result.unwrap()["completed"]), (RunStatus::Completed, &json!(3)));
    let (failed, made) = (children(&bench, first.run_id)[1].run_id, children(&bench, again.run_id));
    assert_eq!((bench.invoker.calls(), made.len(), made[0].lineage.retry_of), (4, 1, Some(failed)));
}

#[tokio::test]
async fn one_key_makes_one_backfill() {
    let bench = Bench::new().await;
    let request = || BackfillRequest { key: Some("k".to_owned()), ..one_by_one(vec![day("1"), day("2")]) };
    let (first, _) = whole(&bench, request()).await;
    let again = bench.orchestrator.backfill(request()).await.unwrap();
    assert_eq!((again.run_id, again.status, bench.invoker.calls()), (first.run_id, RunStatus::Completed, 2));
    let other = BackfillRequest { key: Some("k".to_owned()), ..one_by_one(vec![day("1")]) };
    assert_eq!(bench.orchestrator.backfill(other).await.unwrap_err().code, "key_reused");
}

#[tokio::test]
async fn everything_that_is_wrong_is_named_before_anything_begins() {
    let bench = Bench::new().await;
    let refused = |request| async { bench.orchestrator.backfill(request).await.unwrap_err() };
    let mut wrong = day("1");
    wrong.params.insert("dya".to_owned(), text("1"));
    let mut secret = day("2");
    secret.params.insert("token".to_owned(), text("hunter22"));
    let failure = refused(one_by_one(vec![wrong, day("3"), named("d.daily"), secret])).await;
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_params", 2));
    for part in ["item 1: ", "`dya`", "item 3: ", "`file` is missing", "item 4: `token` is secret"] {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
    assert!(!failure.message.contains("hunter22"));
    let many = vec![named("d.add"); BACKFILL_ITEMS_MAX + 1];
    for (request, part) in [
        (one_by_one(Vec::new()), "at least one"),
        (one_by_one(many), "1001 items"),
        (BackfillRequest { parallel: Some(0), ..one_by_one(vec![day("1")]) }, "from 1 to 64"),
        (BackfillRequest { parallel: Some(65), ..one_by_one(vec![day("1")]) }, "from 1 to 64"),
    ] {
        let failure = refused(request).await;
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("usage", 2));
        assert!(failure.message.contains(part), "{failure}");
    }
    assert!(bench.ledger.state().runs.is_empty() && bench.lake.kept.lock().unwrap().is_empty());
    assert_eq!(bench.orchestrator.live_runs(), 0);
}
