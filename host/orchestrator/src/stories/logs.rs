//! What a guest says is in the ledger while the run goes on, once and in order.

use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::ports::Engine;
use model::run::RunStatus;

use crate::testing::{Bench, daily};

const SCRIPT: &str = "rows_in 1\ncapture 1 1 a";
const LONG: Duration = Duration::from_secs(60);

fn numbered(lines: usize) -> Vec<String> {
    (0..lines).map(|number| format!("line {number}")).collect()
}

/// A bench whose guests say so many lines and then wait, and the way to let one go on.
async fn talking(lines: usize) -> (Bench, std::sync::Arc<tokio::sync::Semaphore>) {
    let bench = Bench::new().await;
    *bench.invoker.says.lock().unwrap() = numbered(lines);
    let gate = bench.invoker.close_gate();
    (bench, gate)
}

#[tokio::test]
async fn lines_are_in_the_ledger_while_the_guest_is_at_work() {
    let (bench, gate) = talking(2).await;
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.ledger.appended(2).await;
    assert_eq!(bench.ledger.state().runs[&run].status, RunStatus::Running);
    assert_eq!(bench.ledger.messages(run), numbered(2));
    gate.add_permits(1);
    bench.orchestrator.wait(run, LONG).await.unwrap();
    assert_eq!(bench.ledger.messages(run), ["line 0", "line 1", "attempt 1"]);
    assert_eq!(bench.ledger.state().conclusions[0].logs.len(), 1, "the conclusion brings what is not there yet");
}

#[tokio::test]
async fn a_run_that_is_over_soon_brings_its_log_with_its_conclusion() {
    let bench = Bench::new().await;
    let report = bench.run(SCRIPT).await;
    assert_eq!(bench.ledger.messages(report.run_id), ["attempt 1"]);
    assert_eq!(bench.ledger.state().conclusions[0].logs.len(), 1);
}

#[tokio::test]
async fn a_ledger_that_cannot_write_for_a_while_gets_every_line_once_and_in_order() {
    let (bench, gate) = talking(450).await;
    let failure = Failure::new(FailureKind::Storage, "no_space", "the disk is full").retryable(true);
    bench.ledger.state().append_fails.push_back(failure);
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.ledger.appended(450).await;
    gate.add_permits(1);
    bench.orchestrator.wait(run, LONG).await.unwrap();
    let expected = [numbered(450), vec!["attempt 1".to_owned()]].concat();
    assert_eq!(bench.ledger.messages(run), expected);
}

#[tokio::test]
async fn the_logs_of_all_attempts_follow_each_other() {
    let (bench, gate) = talking(1).await;
    let conflict = Failure::new(FailureKind::Orchestration, "conflict", "another head").retryable(true);
    bench.ledger.state().conclude_fails.push_back(conflict);
    let run = bench.orchestrator.spawn(daily(SCRIPT)).await.unwrap().run_id;
    bench.ledger.appended(1).await;
    gate.add_permits(1);
    // The end of the first attempt was in a conclusion that came to nothing.
    bench.ledger.appended(4).await;
    gate.add_permits(1);
    bench.orchestrator.wait(run, LONG).await.unwrap();
    let note = "attempt 1 lost a race for a partition, trying again";
    assert_eq!(bench.ledger.messages(run), ["line 0", "attempt 1", note, "line 0", "attempt 2"]);
}

#[tokio::test]
async fn a_dry_run_has_no_log_in_the_ledger() {
    let bench = Bench::new().await;
    *bench.invoker.says.lock().unwrap() = numbered(300);
    let request = model::ports::RunRequest { dry_run: true, ..daily(SCRIPT) };
    bench.orchestrator.submit(request).await.unwrap();
    assert!(bench.ledger.state().logs.is_empty());
}
