//! How a run can end.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::failure::{Failure, FailureKind};
use model::grants::{Grants, SecretGrant, SecretSource};
use model::policy::RetryPolicy;
use model::ports::{Answer, Engine, GivenFile, RunRequest, Work};
use model::quality::{CheckStatus, Severity};
use model::run::{CaptureOutcome, RunCaptureState, RunStatus};
use model::work::Lineage;
use model::{RunId, Timestamp};
use serde_json::json;

use crate::testing::{Bench, daily, digest, error_code, named, reading, text};

const GOOD: &str = "rows_in 4\nrejected 1\ncapture 2021-01-27 3 a";

#[tokio::test]
async fn a_good_file_becomes_a_published_capture() {
    let bench = Bench::new().await;
    let report = bench.run(GOOD).await;
    assert_eq!((report.status, report.unchanged, report.attempt), (RunStatus::Completed, false, 1));
    assert_eq!((report.rows_in, report.rows_out, report.rejected), (4, 3, 1));
    assert_eq!(report.captures[0].revision, Some(1));
    assert_eq!(report.input_hash, Some(digest(GOOD.as_bytes())));
    assert_eq!(*bench.lake.kept.lock().unwrap(), ["day.txt"]);
    assert_eq!(*bench.ended.lock().unwrap(), ["completed"]);
    let state = bench.ledger.state();
    let conclusion = &state.conclusions[0];
    assert_eq!((conclusion.rejects.rows.len(), conclusion.stages.len(), conclusion.logs.len()), (1, 1, 1));
    assert_eq!(state.starts[0].inputs, [("day.txt".to_owned(), digest(GOOD.as_bytes()))]);
    assert_eq!(report.params, json!({"file": "day.txt"}));
    let conditions = &state.starts[0].conditions;
    assert_eq!((conditions.host_version.as_str(), conditions.wasmtime_version.as_str()), ("1.2.3", "48.0.0"));
    assert_eq!(report.conditions.as_ref(), Some(conditions));
}

#[tokio::test]
async fn the_same_content_again_is_unchanged_unless_forced() {
    let bench = Bench::new().await;
    let first = bench.run(GOOD).await;
    let again = bench.run(GOOD).await;
    assert_eq!((again.status, again.unchanged), (RunStatus::Completed, true));
    assert_eq!(again.captures[0].capture_id, first.captures[0].capture_id);
    assert_eq!(bench.lake.written.lock().unwrap().len(), 1, "an unchanged capture is not written");
    let forced = bench.orchestrator.submit(RunRequest { force: true, ..daily(GOOD) }).await.unwrap();
    assert_eq!((forced.unchanged, forced.captures[0].revision), (false, Some(2)));
}

#[tokio::test]
async fn a_b_a_makes_three_revisions() {
    let bench = Bench::new().await;
    for content in ["a", "b", "a"] {
        bench.run(&format!("rows_in 1\ncapture 2021-01-27 1 {content}")).await;
    }
    assert_eq!(bench.ledger.revisions("2021-01-27"), [digest(b"a"), digest(b"b"), digest(b"a")]);
}

#[tokio::test]
async fn a_run_is_unchanged_only_if_all_its_captures_are() {
    let bench = Bench::new().await;
    bench.run("rows_in 1\ncapture 1 1 a").await;
    let report = bench.run("rows_in 2\ncapture 1 1 a\ncapture 2 1 b").await;
    assert!(!report.unchanged);
    let unchanged: Vec<bool> = report.captures.iter().map(|capture| capture.unchanged).collect();
    assert_eq!(unchanged, [true, false]);
    assert_eq!(report.rows_out, 2);
    let nothing = bench.run("").await;
    assert_eq!(
        (nothing.status, nothing.unchanged),
        (RunStatus::Completed, false),
        "without captures nothing is unchanged"
    );
}

#[tokio::test]
async fn an_absent_file_is_a_run_that_fails() {
    let bench = Bench::new().await;
    let gone = Failure::new(FailureKind::Source, "not_found", "could not read `day.txt`");
    let file = GivenFile { file_name: "day.txt".to_owned(), bytes: Err(gone) };
    let request = RunRequest { files: BTreeMap::from([("file".to_owned(), file)]), ..named("d.daily") };
    let report = bench.orchestrator.submit(request).await.unwrap();
    assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "not_found"));
    assert_eq!(report.error.as_ref().unwrap().exit_code(), 1);
    assert_eq!((report.attempt, bench.invoker.calls()), (1, 0));
}

#[tokio::test]
async fn a_file_that_fits_no_format_fails_before_the_guest() {
    let bench = Bench::new().await;
    let report = bench.run("misfit").await;
    assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "header_mismatch"));
    assert!(report.input_hash.is_some(), "the input was kept all the same");
    assert_eq!(bench.invoker.calls(), 0);
}

#[tokio::test]
async fn a_guest_that_fails_publishes_nothing_and_keeps_its_rejects() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "trap", "unreachable"));
    let report = bench.run(GOOD).await;
    assert_eq!((report.status, error_code(&report), report.rejected), (RunStatus::Failed, "trap", 1));
    assert_eq!((report.rows_out, report.captures.len()), (0, 0));
    assert_eq!(bench.ledger.state().conclusions[0].rejects.rows.len(), 1);
    assert!(bench.lake.written.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_guest_out_of_time_has_timed_out() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "wall_clock_limit", "limits.wall_clock"));
    assert_eq!(bench.run(GOOD).await.status, RunStatus::TimedOut);
}

#[tokio::test]
async fn a_file_whose_every_line_is_rejected_fails() {
    let bench = Bench::new().await;
    let report = bench.run("rows_in 3\nrejected 3").await;
    assert_eq!((report.status, error_code(&report), report.rejected), (RunStatus::Failed, "all_rejected", 3));
    assert_eq!(report.error.unwrap().exit_code(), 1);
}

#[tokio::test]
async fn a_lost_row_fails_the_run() {
    let bench = Bench::new().await;
    let report = bench.run("rows_in 5\nrejected 1\ncapture 1 3 a").await;
    let error = report.error.unwrap();
    assert_eq!((error.kind, error.code.as_str()), (FailureKind::Pipeline, "rows_lost"));
    assert!(bench.ledger.revisions("1").is_empty());
}

#[tokio::test]
async fn duplicate_keys_leave_no_capture_at_all() {
    let bench = Bench::new().await;
    let report = bench.run("rows_in 3\nrejected 3\ncapture 1 1 a\ncheck unique_key FAIL block").await;
    assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "unique_key"));
    let error = report.error.as_ref().unwrap();
    assert_eq!(error.exit_code(), 3);
    assert!(error.message.contains("nothing of") && error.message.contains("is a reject"), "{}", error.message);
    assert!(report.captures.is_empty() && bench.lake.written.lock().unwrap().is_empty());
    assert_eq!(bench.ledger.state().quarantined, 0);
    assert_eq!(report.quality.len(), 1);
}

#[tokio::test]
async fn a_blocking_check_puts_the_captures_in_quarantine() {
    let bench = Bench::new().await;
    let report = bench.run("rows_in 1\ncapture 1 1 a\ncheck trailer_count FAIL block").await;
    assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "quality_blocked"));
    let error = report.error.as_ref().unwrap();
    assert!(error.message.contains("trailer_count") && error.exit_code() == 3, "{}", error.message);
    assert_eq!((report.captures[0].revision, report.rows_out), (None, 1));
    assert_eq!((bench.ledger.state().quarantined, bench.lake.written.lock().unwrap().len()), (1, 1));
    assert!(bench.ledger.revisions("1").is_empty());
}

#[tokio::test]
async fn content_that_waits_in_quarantine_is_named_again_and_not_written_twice() {
    let bench = Bench::new().await;
    let blocked = |content: &str| format!("rows_in 1\ncapture 1 1 {content}\ncheck trailer_count FAIL block");
    let first = bench.run(&blocked("a")).await;
    let again = bench.run(&blocked("a")).await;
    assert_eq!(error_code(&again), "quality_blocked");
    assert_eq!(again.captures, first.captures);
    assert_eq!((bench.ledger.state().quarantined, bench.lake.written.lock().unwrap().len()), (1, 1));
    let other = bench.run(&blocked("b")).await;
    assert_ne!(other.captures[0].capture_id, first.captures[0].capture_id);
}

#[tokio::test]
async fn force_does_not_override_a_block() {
    let bench = Bench::new().await;
    let script = "rows_in 1\ncapture 1 1 a\ncheck trailer_count FAIL block";
    let report = bench.orchestrator.submit(RunRequest { force: true, ..daily(script) }).await.unwrap();
    assert_eq!(error_code(&report), "quality_blocked");
}

#[tokio::test]
async fn a_check_that_the_operator_lowered_warns() {
    let bench = Bench::with(|parts| {
        parts.severities.insert(("d.t".parse().unwrap(), "trailer_count".to_owned()), Severity::Warn);
    })
    .await;
    let report = bench.run("rows_in 1\ncapture 1 1 a\ncheck trailer_count FAIL block").await;
    assert_eq!((report.status, report.quality[0].status), (RunStatus::Completed, CheckStatus::Warn));
}

#[tokio::test]
async fn a_check_that_the_operator_raised_blocks() {
    let script = "rows_in 1\ncapture 1 1 a\ncheck band WARN warn";
    assert_eq!(Bench::new().await.run(script).await.status, RunStatus::Completed);
    let bench = Bench::with(|parts| {
        parts.severities.insert(("d.t".parse().unwrap(), "band".to_owned()), Severity::Block);
    })
    .await;
    assert_eq!(error_code(&bench.run(script).await), "quality_blocked");
}

#[tokio::test]
async fn a_dry_run_tells_what_would_happen_and_writes_nothing() {
    let bench = Bench::new().await;
    bench.run("rows_in 1\ncapture 1 1 a").await;
    let dry = |script: &str| RunRequest { dry_run: true, key: Some("k".to_owned()), ..daily(script) };

    let report = bench.orchestrator.submit(dry("rows_in 2\ncapture 1 1 a\ncapture 2 1 b")).await.unwrap();
    assert_eq!((report.status, report.rows_out), (RunStatus::Completed, 2));
    let would: Vec<(RunCaptureState, Option<u64>)> = report.captures.iter().map(|it| (it.state, it.revision)).collect();
    assert_eq!(would, [(RunCaptureState::Unchanged, Some(1)), (RunCaptureState::WouldPublish, None)]);

    let blocked = bench.orchestrator.submit(dry("rows_in 1\ncapture 1 1 x\ncheck trailer_count FAIL block")).await;
    let blocked = blocked.unwrap();
    assert_eq!(error_code(&blocked), "quality_blocked");
    assert_eq!(blocked.captures[0].state, RunCaptureState::WouldQuarantine);

    assert_eq!(bench.ledger.state().runs.len(), 1, "no run is recorded");
    assert_eq!(bench.lake.written.lock().unwrap().len(), 1, "no capture is written");
    assert_eq!(bench.lake.kept.lock().unwrap().len(), 1, "no input is kept");
    assert!(bench.lake.orders.lock().unwrap().iter().skip(1).all(|order| order.dry_run));
    assert_eq!(bench.ended.lock().unwrap().len(), 1, "nobody is told of it");
}

#[tokio::test]
async fn a_full_disk_fails_the_run_and_publishes_nothing() {
    let bench = Bench::new().await;
    let report = bench.run("rows_in 1\ncapture 1 1 a\nfull").await;
    assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "no_space"));
    let blocked = bench.run("rows_in 1\ncapture 1 1 a\nfull\ncheck trailer_count FAIL block").await;
    assert_eq!((error_code(&blocked), blocked.quality.len()), ("no_space", 1));
    assert!(blocked.error.unwrap().causes[0].contains("trailer_count"));
}

#[tokio::test]
async fn a_guest_that_fails_because_the_disk_is_full_fails_for_the_disk() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "storage", "cannot write"));
    let error = bench.run("rows_in 1\nspill").await.error.unwrap();
    assert_eq!((error.kind, error.code.as_str()), (FailureKind::Storage, "no_space"));
    assert_eq!(error.causes, ["the guest then failed: cannot write"]);
}

#[tokio::test]
async fn a_commit_that_fails_is_a_failed_run_with_its_rejects() {
    let bench = Bench::new().await;
    let full = Failure::new(FailureKind::Storage, "no_space", "database or disk is full");
    bench.ledger.state().conclude_fails.push_back(full);
    let report = bench.run(GOOD).await;
    assert_eq!((report.status, error_code(&report), report.rejected), (RunStatus::Failed, "no_space", 1));
    assert_eq!((report.rows_out, report.captures.len()), (0, 0));
    assert_eq!(*bench.lake.written.lock().unwrap(), [], "the run ended without its captures, so their files are gone");
}

#[tokio::test]
async fn a_disk_that_is_full_for_one_capture_leaves_no_file_of_the_others() {
    let bench = Bench::new().await;
    let captures = "rows_in 5\ncapture 1 1 a\ncapture 2 1 b\ncapture 3 1 c\ncapture 4 1 d\ncapture 5 1 e\nfull 3";
    for script in [captures.to_owned(), format!("{captures}\ncheck trailer_count FAIL block")] {
        let report = bench.run(&script).await;
        assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "no_space"));
        assert_eq!(*bench.lake.written.lock().unwrap(), []);
    }
}

#[tokio::test]
async fn even_a_ledger_that_is_gone_leaves_the_caller_a_report() {
    let bench = Bench::new().await;
    let gone = Failure::new(FailureKind::Database, "io", "disk I/O error");
    bench.ledger.state().conclude_fails.extend([gone.clone(), gone]);
    let report = bench.run(GOOD).await;
    assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "io"));
    assert!(report.error.unwrap().causes[0].contains("could not record"));
    assert_eq!(bench.lake.written.lock().unwrap().len(), 1, "the commit may have been made: its file stays");
}

#[tokio::test]
async fn a_parent_that_is_not_there_is_refused_and_makes_no_run() {
    let bench = Bench::new().await;
    let of = |parent| Lineage { parent_run_id: Some(parent), ..Lineage::default() };
    let nobody = RunId::new(Timestamp::from_micros(7), [7; 10]);
    let refused = bench.orchestrator.submit(RunRequest { lineage: of(nobody), ..daily(GOOD) }).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.exit_code()), ("bad_params", 2));
    assert!(refused.message.contains(&nobody.to_string()) && bench.ledger.state().runs.is_empty(), "{refused}");
    let parent = bench.run(GOOD).await.run_id;
    let child = bench.orchestrator.submit(RunRequest { lineage: of(parent), ..daily(GOOD) }).await.unwrap();
    assert_eq!(child.lineage.parent_run_id, Some(parent));
}

#[tokio::test]
async fn a_panic_in_the_host_is_a_failed_run() {
    let bench = Bench::new().await;
    *bench.invoker.panics.lock().unwrap() = true;
    let report = bench.run(GOOD).await;
    assert_eq!((report.status, error_code(&report)), (RunStatus::Failed, "panic"));
}

#[tokio::test]
async fn a_source_keeps_its_cursor_with_its_rows_and_hashes_what_it_read() {
    let bench = Bench::new().await;
    *bench.lake.ambient.lock().unwrap() = "rows_in 1\nfolder a.txt\ncapture 1 1 a".to_owned();
    let page = |cursor: u8| Ok(Answer { cursor: Some(vec![cursor]), ..Answer::default() });
    bench.invoker.answers.lock().unwrap().extend([page(1), page(2)]);
    let report = bench.orchestrator.submit(named("d.drop")).await.unwrap();
    assert_eq!((report.status, report.input_hash), (RunStatus::Completed, Some(digest(b"a.txt"))));
    assert_eq!(bench.ledger.state().conclusions[0].inputs, [("a.txt".to_owned(), digest(b"a.txt"))]);

    *bench.lake.ambient.lock().unwrap() = "rows_in 1\ncapture 1 1 b\ncheck trailer_count FAIL block".to_owned();
    let blocked = bench.orchestrator.submit(named("d.drop")).await.unwrap();
    assert_eq!(error_code(&blocked), "quality_blocked");
    assert_eq!(bench.ledger.state().cursors["d.drop"], [1], "blocked rows do not move the cursor");
    let cursors: Vec<Work> = bench.invoker.seen.lock().unwrap().iter().map(|(work, ..)| work.clone()).collect();
    let source = |cursor| Work::Source { name: "d.drop".to_owned(), cursor };
    assert_eq!(cursors, [source(None), source(Some(vec![1]))]);
}

#[tokio::test]
async fn a_task_gets_its_parameters_and_answers() {
    let bench = Bench::new().await;
    bench.invoker.answers.lock().unwrap().push_back(Ok(Answer { result: Some(json!(3)), ..Answer::default() }));
    let request = RunRequest { params: BTreeMap::from([("n".to_owned(), text("2"))]), ..named("d.add") };
    let report = bench.orchestrator.submit(request).await.unwrap();
    assert_eq!((report.status, report.result), (RunStatus::Completed, Some(json!(3))));
    let seen = bench.invoker.seen.lock().unwrap();
    assert_eq!(seen[0].0, Work::Task { name: "d.add".to_owned(), input: r#"{"n":2}"#.to_owned() });
}

#[tokio::test]
async fn what_is_published_names_the_head_it_replaces() {
    let bench = Bench::new().await;
    let first = bench.run("rows_in 1\ncapture 1 1 a").await;
    bench.run("rows_in 1\ncapture 1 1 b").await;
    let state = bench.ledger.state();
    let heads = state.conclusions.iter().flat_map(|it| &it.captures).map(|outcome| match outcome {
        CaptureOutcome::Publish { expected_head, .. } => *expected_head,
        other => panic!("{other:?}"),
    });
    assert_eq!(heads.collect::<Vec<_>>(), [None, Some(first.captures[0].capture_id)]);
}

#[tokio::test]
async fn only_granted_folders_that_were_asked_for_are_handed_over() {
    let manifest =
        crate::testing::MANIFEST.replacen('{', r#"{"capabilities": [{"kind": "folder", "name": "drop"}],"#, 1);
    let bench = Bench::empty(|parts| {
        let grants = reading(&[("drop", "/data"), ("etc", "/data")]);
        let policy = crate::PluginPolicy { limits: parts.limits.clone(), grants };
        parts.policies = BTreeMap::from([("d".to_owned(), policy)]);
    });
    bench.orchestrator.install(vec![crate::testing::found("d.wasm", b"d", &manifest)]).await.unwrap();
    bench.run("").await;
    assert_eq!(bench.lake.orders.lock().unwrap()[0].folders, reading(&[("drop", "/data")]).folders);
}

/// A bench whose plugin asks for the secret `key`, which is where `source` says.
async fn with_secret(source: SecretSource) -> Bench {
    let manifest =
        crate::testing::MANIFEST.replacen('{', r#"{"capabilities": [{"kind": "secret", "name": "key"}],"#, 1);
    let bench = Bench::empty(|parts| {
        let secrets = BTreeMap::from([("key".to_owned(), SecretGrant { source, reveal: false, hosts: Vec::new() })]);
        let grants = Grants { secrets, ..Grants::default() };
        let policy = crate::PluginPolicy { limits: parts.limits.clone(), grants };
        parts.policies = BTreeMap::from([("d".to_owned(), policy)]);
        parts.retry = RetryPolicy::NEVER;
    });
    bench.orchestrator.install(vec![crate::testing::found("d.wasm", b"d", &manifest)]).await.unwrap();
    bench
}

#[tokio::test]
async fn a_granted_secret_is_read_when_an_attempt_begins_and_told_to_nobody_else() {
    let bench = with_secret(SecretSource::Env("KEY".to_owned())).await;
    bench.invoker.fails_next(Failure::new(FailureKind::Auth, "denied", "`value of KEY` opens nothing"));
    let report = bench.run(GOOD).await;
    assert_eq!(report.error.unwrap().message, "`(secret)` opens nothing");
    assert_eq!(bench.lake.orders.lock().unwrap()[0].secrets.hide("value of KEY"), "(secret)");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_fails_the_attempt_before_the_guest_begins() {
    let bench = with_secret(SecretSource::File("/run/key".into())).await;
    let report = bench.run(GOOD).await;
    let failure = report.error.unwrap();
    assert_eq!((report.status, failure.code.as_str()), (RunStatus::Failed, "secret_unreadable"));
    for expected in ["the secret `key` of `d`", "`/run/key` is gone", "[plugins.d.grants]"] {
        assert!(failure.message.contains(expected), "{failure}");
    }
    assert_eq!(bench.invoker.calls(), 0);
}

#[tokio::test]
async fn a_file_that_was_read_is_shared_and_not_copied() {
    let bench = Bench::new().await;
    let request = daily("");
    let bytes = request.files["file"].bytes.clone().unwrap();
    bench.orchestrator.submit(request).await.unwrap();
    assert!(Arc::ptr_eq(&bench.lake.orders.lock().unwrap()[0].inputs["file"].bytes, &bytes));
}

#[tokio::test]
async fn a_secret_reaches_the_guest_and_nobody_else() {
    let bench = Bench::new().await;
    let with = |token: &str| RunRequest {
        params: BTreeMap::from([("token".to_owned(), text(token))]),
        key: Some("k".to_owned()),
        ..daily(GOOD)
    };
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "denied", "hunter2 opens nothing"));
    let failed = bench.orchestrator.submit(with("hunter2")).await.unwrap();
    assert_eq!(failed.error.unwrap().message, "(secret) opens nothing");
    let answer = Answer { result: Some(json!({"seen": "hunter2"})), ..Answer::default() };
    bench.invoker.answers.lock().unwrap().push_back(Ok(answer));
    let done = bench.orchestrator.submit(with("hunter2")).await.unwrap();
    assert_eq!(
        (done.params, done.result),
        (json!({"file": "day.txt", "token": "(secret)"}), Some(json!({"seen": "(secret)"})))
    );
    let again = bench.orchestrator.submit(with("hunter3")).await.unwrap();
    assert_eq!(again.run_id, done.run_id, "the request is the same whatever the secret: no hash of it is kept");
    assert!(bench.invoker.seen.lock().unwrap().iter().all(|(_, params, _)| params.contains("hunter2")));
    assert!(!format!("{:?}", bench.ledger.state()).contains("hunter"));
}
