//! Work that is asked for, waited for and asked about.

use std::collections::BTreeMap;
use std::time::Duration;

use model::ports::{Answer, Engine, RunRequest, Work};
use model::run::{RunKind, RunStatus};
use serde_json::json;

use crate::testing::{Bench, daily, error_code, named, text};

const SCRIPT: &str = "rows_in 1\ncapture 1 1 a";
const LONG: Duration = Duration::from_secs(60);

fn add(n: &str) -> RunRequest {
    RunRequest { params: BTreeMap::from([("n".to_owned(), text(n))]), ..named("d.add") }
}

#[tokio::test]
async fn case_p1_a_task_is_completed_with_its_answer() {
    let bench = Bench::new().await;
    bench.invoker.answers.lock().unwrap().push_back(Ok(Answer { result: Some(json!(42)), ..Answer::default() }));
    let report = bench.orchestrator.submit(add("21")).await.unwrap();
    assert_eq!((report.kind, report.status, report.result), (RunKind::Task, RunStatus::Completed, Some(json!(42))));
    let seen = bench.invoker.seen.lock().unwrap();
    let input = r#"{"n":21}"#.to_owned();
    assert_eq!(*seen, [(Work::Task { name: "d.add".to_owned(), input: input.clone() }, input, 1)]);
}

#[tokio::test]
async fn case_p2_what_nobody_offers_never_counts_as_done() {
    let bench = Bench::new().await;
    let failure = bench.refused(named("d.ad")).await;
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("unknown_name", 2));
    assert!(failure.message.contains("did you mean `d.add`?"), "{failure}");
    assert!(bench.ledger.state().runs.is_empty() && bench.invoker.calls() == 0);
}

#[tokio::test]
async fn case_p7_asking_a_run_to_stop_that_has_ended_leaves_it_as_it_is() {
    let bench = Bench::new().await;
    let done = bench.run(SCRIPT).await;
    let asked = bench.orchestrator.cancel(done.run_id).await.unwrap().unwrap();
    assert_eq!((asked.status, &asked.captures), (RunStatus::Completed, &done.captures));
    let state = bench.ledger.state();
    assert_eq!((state.conclusions.len(), state.runs[&done.run_id].status), (1, RunStatus::Completed));
}

#[tokio::test]
async fn case_p9_a_run_that_ends_later_is_seen_as_completed_by_who_asks() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap();
    assert_eq!(run.status, RunStatus::Queued);
    bench.invoker.entered(1).await;
    let seen = || async { bench.orchestrator.wait(run.run_id, Duration::ZERO).await.unwrap().unwrap().status };
    assert_eq!(seen().await, RunStatus::Running);
    gate.add_permits(1);
    assert_eq!(bench.orchestrator.wait(run.run_id, LONG).await.unwrap().unwrap().status, RunStatus::Completed);
    assert_eq!(seen().await, RunStatus::Completed, "also without waiting, and in the ledger of any process");
    assert_eq!(bench.ledger.state().runs[&run.run_id].status, RunStatus::Completed);
}

#[tokio::test]
async fn a_deadline_in_the_past_ends_the_run_before_it_begins() {
    let bench = Bench::new().await;
    let mut request = daily(SCRIPT);
    request.routing.deadline = Some(model::Timestamp::from_micros(1));
    let report = bench.orchestrator.submit(request).await.unwrap();
    assert_eq!((report.status, error_code(&report), report.attempt), (RunStatus::TimedOut, "deadline", 0));
    assert_eq!(bench.invoker.calls(), 0);
}
