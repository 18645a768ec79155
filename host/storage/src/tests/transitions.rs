//! The life of a run.

use std::collections::{BTreeMap, HashSet};

use model::ports::Ledger;
use model::quality::{CheckCategory, CheckResult, CheckStatus, Severity};
use model::reject::{LEDGER_ROWS_MAX, Reject, RejectFile, Rejects};
use model::run::{Conclusion, LogLine, RunInput, RunStatus, SourceCursor};
use model::stage::StageDone;
use model::{Clock, Digest};

use super::places::on_both;
use super::support::{Bench, digest, sales};
use crate::RejectingRun;

on_both! {
    case_x1_p1_a_run_is_created_queued_started_and_completed,
    the_report_of_a_conclusion_is_the_one_that_is_read_back,
    a_file_of_rejects_is_summed_up_in_the_transaction_that_ends_its_run,
    case_x11_illegal_transitions_change_nothing,
    case_x11_a_completed_run_never_runs_again,
    a_running_run_may_begin_another_attempt,
    a_queued_run_may_be_cancelled_and_one_that_cannot_start_may_fail,
    case_x16_a_run_that_timed_out_says_when_and_why,
    a_run_at_work_is_cancelled_by_whoever_may_and_its_worker_has_lost_it,
    one_bad_command_does_not_hurt_those_that_are_committed_with_it,
    a_cursor_moves_with_the_run_that_read_up_to_it,
}

async fn case_x1_p1_a_run_is_created_queued_started_and_completed(bench: Bench) {
    let run = bench.queued().await;
    assert_eq!(bench.storage.report(run).await.unwrap().unwrap().status, RunStatus::Queued);
    bench.storage.start(bench.start(run, 1)).await.unwrap();
    let result = Some(serde_json::json!(42));
    let ended = Conclusion { result: result.clone(), ..bench.ended(run, RunStatus::Completed) };
    let report = bench.storage.conclude(ended).await.unwrap();
    assert_eq!(bench.event_names(run).await, ["created", "queued", "started", "completed"]);
    assert_eq!(bench.storage.report(run).await.unwrap().unwrap().result, result);
    assert_eq!((report.status, report.attempt), (RunStatus::Completed, 1));
    assert!(!report.unchanged, "a run without captures is not unchanged");
}

async fn the_report_of_a_conclusion_is_the_one_that_is_read_back(bench: Bench) {
    let run = bench.running().await;
    let at = bench.ended(run, RunStatus::Failed).finished_at;
    let check = CheckResult {
        check: "unique_key".to_owned(),
        dataset: sales(),
        category: CheckCategory::BusinessRule,
        severity: Severity::Block,
        status: CheckStatus::Fail,
        message: "two rows".to_owned(),
        actual: Some("2".to_owned()),
        expected: None,
    };
    let reject = Reject {
        code: "bad_field".to_owned(),
        message: "x".to_owned(),
        line: Some(u64::MAX),
        raw: Some("a\0\"b".to_owned()),
    };
    let line = LogLine {
        at,
        level: "info".to_owned(),
        origin: "guest".to_owned(),
        message: "héllo".to_owned(),
        fields: vec![("a".to_owned(), "b".to_owned())],
    };
    let conclusion = Conclusion {
        quality: vec![check],
        rejects: Rejects { rows: vec![reject.clone()], file: None },
        logs: vec![line.clone()],
        stages: vec![StageDone { name: "parse".to_owned(), rows: u64::MAX, metrics: Vec::new() }],
        result: Some(serde_json::json!({ "big": 9_007_199_254_740_993_u64 })),
        input_hash: Some(digest(9)),
        inputs: vec![("b.csv".to_owned(), digest(10))],
        ..bench.ended(run, RunStatus::Failed)
    };
    let report = bench.storage.conclude(conclusion).await.unwrap();
    assert_eq!(bench.storage.report(run).await.unwrap(), Some(report));
    assert_eq!(bench.storage.logs(run).await.unwrap(), [line]);
    let inputs = bench.storage.inputs(run).await.unwrap();
    assert_eq!(inputs, [RunInput { file_name: "b.csv".to_owned(), digest: digest(10) }]);
    assert_eq!(bench.event_names(run).await, ["created", "queued", "started", "stage", "failed"]);
    let raw = reject.raw.as_deref().map(|raw| bench.dialect().text(raw).into_owned());
    let kept = Reject { line: Some(i64::MAX as u64), raw, ..reject };
    assert_eq!(bench.storage.rejects(run, LEDGER_ROWS_MAX).await.unwrap(), [kept]);
    let rejecting = bench.storage.rejecting_runs(None).await.unwrap();
    assert_eq!(rejecting, [RejectingRun { run_id: run, file: None }]);
    assert_eq!(bench.storage.quality(Some(&sales()), None).await.unwrap()[0].run_id, run);
    let input: Digest = bench.value("SELECT digest FROM run_inputs").await.unwrap().parse().unwrap();
    assert_eq!(input, digest(10));
}

async fn a_file_of_rejects_is_summed_up_in_the_transaction_that_ends_its_run(bench: Bench) {
    let file = |path: &str| RejectFile {
        path: path.to_owned(),
        bytes: 512,
        rows: 1_500,
        codes: BTreeMap::from([("bad_field".to_owned(), 1_400), ("odd \"code\"".to_owned(), 200)]),
    };
    let ended = |run, path: &str| {
        let rejects = Rejects { rows: Vec::new(), file: Some(file(path)) };
        Conclusion { rejects, ..bench.ended(run, RunStatus::Failed) }
    };
    let (first, refused, second) = (bench.running().await, bench.queued().await, bench.running().await);
    bench.storage.conclude(ended(first, "run_a.parquet")).await.unwrap();
    let illegal = Conclusion { status: RunStatus::Running, ..ended(refused, "run_b.parquet") };
    bench.storage.conclude(illegal).await.unwrap_err();
    bench.storage.conclude(ended(second, "run_c.parquet")).await.unwrap();
    let expected = [(second, "run_c.parquet"), (first, "run_a.parquet")]
        .map(|(run_id, path)| RejectingRun { run_id, file: Some(file(path)) });
    assert_eq!(bench.storage.rejecting_runs(None).await.unwrap(), expected);
    assert_eq!(bench.storage.rejecting_runs(Some(first)).await.unwrap(), expected[1..]);
    assert_eq!(bench.storage.rejects(first, LEDGER_ROWS_MAX).await.unwrap(), []);
    let known = HashSet::from(["run_a.parquet".to_owned(), "run_c.parquet".to_owned()]);
    assert_eq!(bench.storage.reject_files().await.unwrap(), known);
}

async fn case_x11_illegal_transitions_change_nothing(bench: Bench) {
    let queued = bench.queued().await;
    for (status, code) in [(RunStatus::Completed, "illegal_transition"), (RunStatus::Running, "illegal_transition")] {
        assert_eq!(bench.storage.conclude(bench.ended(queued, status)).await.unwrap_err().code, code);
    }
    assert_eq!(bench.storage.start(bench.start(queued, 2)).await.unwrap_err().code, "illegal_transition");
    let done = bench.running().await;
    bench.storage.conclude(bench.ended(done, RunStatus::Cancelled)).await.unwrap();
    for status in [RunStatus::Completed, RunStatus::Cancelled, RunStatus::Failed] {
        assert_eq!(bench.storage.conclude(bench.ended(done, status)).await.unwrap_err().code, "illegal_transition");
    }
    assert_eq!(bench.storage.start(bench.start(done, 2)).await.unwrap_err().code, "illegal_transition");
    assert_eq!(bench.event_names(queued).await, ["created", "queued"]);
    assert_eq!(bench.event_names(done).await, ["created", "queued", "started", "cancelled"]);
    let unknown = bench.new_run().run_id;
    assert_eq!(bench.storage.start(bench.start(unknown, 1)).await.unwrap_err().code, "bad_id");
    assert_eq!(bench.storage.conclude(bench.ended(unknown, RunStatus::Failed)).await.unwrap_err().code, "bad_id");
}

async fn a_running_run_may_begin_another_attempt(bench: Bench) {
    let run = bench.running().await;
    bench.storage.start(bench.start(run, 2)).await.unwrap();
    let report = bench.storage.conclude(bench.ended(run, RunStatus::Completed)).await.unwrap();
    assert_eq!(report.attempt, 2);
    assert_eq!(report.conditions, Some(bench.start(run, 2).conditions));
    let outcomes = bench.values("SELECT outcome FROM attempts ORDER BY number");
    assert_eq!(outcomes.await, ["retried", "completed"]);
}

async fn a_queued_run_may_be_cancelled_and_one_that_cannot_start_may_fail(bench: Bench) {
    for status in [RunStatus::Cancelled, RunStatus::TimedOut, RunStatus::Failed] {
        let run = bench.queued().await;
        let report = bench.storage.conclude(bench.ended(run, status)).await.unwrap();
        assert_eq!((report.status, report.attempt, report.plugin), (status, 0, None));
    }
}

async fn case_x16_a_run_that_timed_out_says_when_and_why(bench: Bench) {
    let (with_reason, without) = (bench.running().await, bench.running().await);
    bench.storage.conclude(bench.ended(with_reason, RunStatus::TimedOut)).await.unwrap();
    let nobody_said = Conclusion { error: None, ..bench.ended(without, RunStatus::TimedOut) };
    bench.storage.conclude(nobody_said).await.unwrap();
    for (run, code) in [(with_reason, "quality_blocked"), (without, "unknown")] {
        let report = bench.storage.report(run).await.unwrap().unwrap();
        assert_eq!((report.status, report.finished_at), (RunStatus::TimedOut, Some(bench.clock.now())));
        assert_eq!(report.error.unwrap().code, code);
        assert_eq!(bench.event_names(run).await.last().unwrap(), "timed_out");
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM attempts WHERE outcome = 'timed_out'").await, 2);
}

async fn a_run_at_work_is_cancelled_by_whoever_may_and_its_worker_has_lost_it(bench: Bench) {
    let run = bench.running().await;
    let nobodys = |status| Conclusion { claim: None, ..bench.ended(run, status) };
    for status in [RunStatus::Completed, RunStatus::Failed, RunStatus::TimedOut] {
        assert_eq!(bench.storage.conclude(nobodys(status)).await.unwrap_err().code, "lost");
    }
    let cancelled = bench.storage.conclude(nobodys(RunStatus::Cancelled)).await.unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    assert_eq!(bench.number("SELECT COUNT(*) FROM leases").await, 0);
    let late = bench.storage.conclude(bench.ended(run, RunStatus::Completed)).await.unwrap_err();
    assert_eq!(late.code, "illegal_transition");
}

async fn one_bad_command_does_not_hurt_those_that_are_committed_with_it(bench: Bench) {
    let good = [bench.queued().await, bench.queued().await];
    let unknown = bench.new_run().run_id;
    let twice = bench.start(good[0], 1);
    let answers = tokio::join!(
        bench.storage.start(bench.start(good[0], 1)),
        bench.storage.start(bench.start(unknown, 1)),
        bench.storage.start(twice),
        bench.storage.start(bench.start(good[1], 1)),
    );
    assert!(answers.0.is_ok() && answers.3.is_ok());
    assert_eq!(answers.1.unwrap_err().code, "bad_id");
    assert_eq!(answers.2.unwrap_err().code, "illegal_transition");
}

async fn a_cursor_moves_with_the_run_that_read_up_to_it(bench: Bench) {
    assert_eq!(bench.storage.cursor("shop.drop").await.unwrap(), None);
    for bytes in [vec![0, 255, 1], Vec::new()] {
        let run = bench.running().await;
        let cursor = Some(SourceCursor { source: "shop.drop".to_owned(), cursor: bytes.clone() });
        let conclusion = Conclusion { cursor, ..bench.ended(run, RunStatus::Completed) };
        bench.storage.conclude(conclusion).await.unwrap();
        assert_eq!(bench.storage.cursor("shop.drop").await.unwrap(), Some(bytes));
    }
}

async fn case_x11_a_completed_run_never_runs_again(bench: Bench) {
    let run = bench.running().await;
    bench.storage.conclude(bench.ended(run, RunStatus::Completed)).await.unwrap();
    let completed = bench.storage.report(run).await.unwrap();
    for attempt in [1, 2] {
        let refused = bench.storage.start(bench.start(run, attempt)).await.unwrap_err();
        assert_eq!(refused.code, "illegal_transition");
    }
    assert_eq!(bench.storage.report(run).await.unwrap(), completed);
}
