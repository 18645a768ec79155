//! Recorded runs are carried out again, by the version that ran or by a candidate.

use std::sync::Arc;

use model::failure::{Failure, FailureKind};
use model::plugin::{PluginEventKind, PluginState};
use model::ports::{Answer, Components as _, Engine as _, FoundPlugin};
use model::quality::{CheckCategory, CheckResult, CheckStatus, Severity};
use model::run::{RunReport, RunStatus};
use model::shadow::Budget;
use model::{Digest, RunId, Timestamp};

use crate::testing::{Bench, MANIFEST, daily, digest, error_code, found, keyed, named, reading};

const SCRIPT: &str = "rows_in 3\nrejected 1\ncapture 1 2 a";

/// Puts other bytes in the place of an input, as a plugin would see them that does not do twice what it did once.
fn falsify(bench: &Bench, script: &str, other: &str) {
    bench.lake.inputs.lock().unwrap().insert(digest(script.as_bytes()), Arc::new(other.as_bytes().to_vec()));
}

#[tokio::test]
async fn a_replay_has_the_clock_the_seed_and_the_input_of_the_run_and_gives_the_same() {
    let bench = Bench::new().await;
    let run = bench.run(SCRIPT).await;
    bench.run("rows_in 1\ncapture 1 1 b").await;
    let ended = bench.ended.lock().unwrap().len();
    let report = bench.orchestrator.replay(run.run_id).await.unwrap();
    assert!(report.identical && report.findings.is_empty(), "{report:?}");
    assert_eq!((report.attempt, report.outputs.len()), (1, 1));
    assert_eq!(report.outputs[0].recorded_hash, report.outputs[0].replayed_hash);
    assert_eq!((report.recorded_rejected, report.replayed_rejected), (1, 1));

    let seen = bench.invoker.seen.lock().unwrap();
    assert_eq!(seen[0], seen[2], "the same work, parameters and attempt");
    let orders = bench.lake.orders.lock().unwrap();
    assert_eq!((orders[2].run_id, orders[2].dry_run), (run.run_id, true));
    assert_eq!(bench.ended.lock().unwrap().len(), ended, "nobody hears of a run that was none");
    assert_eq!(bench.ledger.state().starts.len(), 2);
}

#[tokio::test]
async fn what_differs_is_told_with_its_columns() {
    let bench = Bench::new().await;
    let run = bench.run(SCRIPT).await;
    falsify(&bench, SCRIPT, "rows_in 3\ncapture 1 2 other\ncapture 2 1 more");
    let report = bench.orchestrator.replay(run.run_id).await.unwrap();
    assert!(!report.identical);
    let told = report.findings.join("\n");
    for expected in ["`d.t` day=1 differs", "`k` in 1 rows", "day=2 is delivered now, and was not then", "1 rows were"]
    {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[tokio::test]
async fn a_run_that_failed_fails_again_in_the_same_way() {
    let bench = Bench::new().await;
    let trap = || Failure::new(FailureKind::Pipeline, "trapped", "wasm `unreachable`");
    bench.invoker.fails_next(trap());
    let run = bench.run(SCRIPT).await;
    assert_eq!(error_code(&run), "trapped");
    bench.invoker.fails_next(trap());
    assert!(bench.orchestrator.replay(run.run_id).await.unwrap().identical);
    let report = bench.orchestrator.replay(run.run_id).await.unwrap();
    assert!(!report.identical, "now it goes well");
    assert!(report.findings[0].contains("then: trapped") && report.findings[0].contains("it went well"), "{report:?}");
}

#[tokio::test]
async fn a_result_that_comes_or_goes_is_a_difference() {
    let bench = Bench::new().await;
    let answers = |result| Ok(Answer { result, ..Answer::default() });
    let said = || Some(serde_json::json!({ "rows": 2 }));
    for (then, now, told) in [(None, said(), "was none then"), (said(), None, "is none now")] {
        bench.invoker.answers.lock().unwrap().extend([answers(then), answers(now)]);
        let run = bench.run(&format!("rows_in 1\ncapture 1 1 {}", told.len())).await;
        let report = bench.orchestrator.replay(run.run_id).await.unwrap();
        assert!(report.findings.len() == 1 && report.findings[0].contains(told), "{report:?}");
    }
}

#[tokio::test]
async fn a_check_that_finds_something_else_is_a_difference() {
    let bench = Bench::new().await;
    let found = |status, message: &str| CheckResult {
        check: "spread".to_owned(),
        dataset: "d.t".parse().unwrap(),
        category: CheckCategory::BusinessRule,
        severity: Severity::Warn,
        status,
        message: message.to_owned(),
        actual: None,
        expected: None,
    };
    let answers = |checks| Ok(Answer { checks, ..Answer::default() });
    let fine = || found(CheckStatus::Pass, "");
    for (now, is_same) in
        [(fine(), true), (found(CheckStatus::Warn, "2 rows"), false), (found(CheckStatus::Pass, "x"), false)]
    {
        bench.invoker.answers.lock().unwrap().extend([answers(vec![fine()]), answers(vec![now])]);
        let run = bench.run("rows_in 1\ncapture 1 1 a").await;
        let report = bench.orchestrator.replay(run.run_id).await.unwrap();
        assert_eq!(report.identical, is_same, "{report:?}");
        let told = "the check `spread` of `d.t` found something else";
        assert_eq!(report.findings.iter().any(|finding| finding == told), !is_same, "{report:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_carried_out_again_says_why() {
    let bench = Bench::new().await;
    let nobody = RunId::new(Timestamp::from_micros(1), [9; 10]);
    assert_eq!(bench.orchestrator.replay(nobody).await.unwrap_err().code, "bad_id");
    let source = bench.orchestrator.submit(named("d.drop")).await.unwrap();
    let failure = bench.orchestrator.replay(source.run_id).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("not_replayable", 3));
    assert!(failure.message.contains("source"), "{failure}");

    let run = bench.run(SCRIPT).await;
    bench.components.kept.lock().unwrap().clear();
    assert_eq!(bench.orchestrator.replay(run.run_id).await.unwrap_err().code, "not_kept");
}

/// A host with a run of a version that another one has taken the place of by now.
async fn replaced() -> (Bench, RunReport) {
    let bench = Bench::new().await;
    let run = bench.run(SCRIPT).await;
    bench.orchestrator.install(vec![found("d.wasm", b"d2", MANIFEST)]).await.unwrap();
    bench.components.forgot(1).await;
    (bench, run)
}

#[tokio::test]
async fn the_version_that_ran_is_brought_back_and_freed_again() {
    let (bench, run) = replaced().await;
    let report = bench.orchestrator.replay(run.run_id).await.unwrap();
    assert!(report.identical && report.plugin.digest == digest(b"d1"), "{report:?}");
    bench.components.forgot(2).await;
    assert_eq!(bench.components.forgotten(), [digest(b"d1"), digest(b"d1")]);

    let own = bench.orchestrator.submit(keyed("k", "rows_in 1\ncapture 2 1 b")).await.unwrap();
    bench.orchestrator.replay(own.run_id).await.unwrap();
    assert!(!bench.components.forgotten().contains(&digest(b"d2")), "the active version stays");
}

#[tokio::test]
async fn a_version_stays_until_the_last_of_those_who_use_it_has_ended_or_gone_away() {
    let (bench, run) = replaced().await;

    let gate = bench.invoker.close_gate();
    let mut goes_away = Box::pin(bench.orchestrator.replay(run.run_id));
    let ends = bench.orchestrator.replay(run.run_id);
    let both_at_work = bench.invoker.entered(3);
    let one_goes_away = async {
        tokio::select! {
            biased;
            _ = &mut goes_away => panic!("nobody opened the gate"),
            () = both_at_work => {}
        }
        drop(goes_away);
        gate.add_permits(1);
    };
    let (report, ()) = tokio::join!(ends, one_goes_away);
    assert!(report.unwrap().identical);
    bench.components.forgot(2).await;
    assert_eq!(bench.components.forgotten(), [digest(b"d1"); 2], "once, not by the one that went away");
}

async fn candidate(bench: &Bench) -> FoundPlugin {
    let found = found("new.wasm", b"new", &MANIFEST.replace("1.0.0", "2.0.0"));
    bench.components.keep(&found).await.unwrap();
    found
}

fn active(bench: &Bench) -> Digest {
    let plugins = bench.orchestrator.plugins();
    plugins.iter().find(|it| it.state == PluginState::Active).unwrap().digest.unwrap()
}

#[tokio::test]
async fn a_candidate_is_compared_on_recorded_runs_and_promoted_by_an_operator() {
    let bench = Bench::new().await;
    let first = bench.run(SCRIPT).await;
    let second = bench.run("rows_in 1\ncapture 2 1 b").await;
    assert_eq!(second.status, RunStatus::Completed);
    let report = bench.orchestrator.shadow(candidate(&bench).await, 10, None).await.unwrap();
    let runs: Vec<RunId> = report.runs.iter().map(|run| run.run_id).collect();
    assert_eq!(runs, [second.run_id, first.run_id], "the newest first");
    assert_eq!((report.candidate.digest, report.active.digest), (digest(b"new"), digest(b"d1")));
    assert_eq!(report.difference.changed, 2, "the lake of these tests finds one in each");
    assert!(!report.promoted && report.over_budget.is_empty());
    assert_eq!(active(&bench), digest(b"d1"));
    assert_eq!(bench.ledger.state().starts.len(), 2, "nothing is recorded as a run");

    let record = bench.orchestrator.promote(digest(b"new")).await.unwrap();
    assert_eq!((record.digest.unwrap(), active(&bench)), (digest(b"new"), digest(b"new")));
    let records = bench.orchestrator.install(vec![found("d.wasm", b"d1", MANIFEST)]).await.unwrap();
    assert_eq!(active(&bench), digest(b"new"), "the file of the version before does not undo it: {records:?}");
    let state = bench.ledger.state();
    let kinds: Vec<PluginEventKind> =
        state.plugin_events.iter().filter(|(of, _)| *of == digest(b"new")).map(|(_, kind)| *kind).collect();
    assert_eq!(kinds[..2], [PluginEventKind::Shadowed, PluginEventKind::Promoted]);
}

#[tokio::test]
async fn a_budget_promotes_or_refuses_by_itself() {
    let bench = Bench::new().await;
    bench.run(SCRIPT).await;
    let tight = Budget { rows: 0, ..Budget::default() };
    let report = bench.orchestrator.shadow(candidate(&bench).await, 1, Some(tight)).await.unwrap();
    assert!(!report.promoted && report.over_budget[0].contains("1 rows differ, and 0 may"), "{report:?}");
    assert_eq!(active(&bench), digest(b"d1"));

    // Both once for nothing, and then the active version.
    bench.invoker.answers.lock().unwrap().extend((0..3).map(|_| Ok(Answer::default())));
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "trapped", "wasm `unreachable`"));
    let wide = Budget { rows: 5, ..Budget::default() };
    let report = bench.orchestrator.shadow(candidate(&bench).await, 1, Some(wide)).await.unwrap();
    assert!(report.over_budget[0].contains("fails: trapped"), "{report:?}");

    let report = bench.orchestrator.shadow(candidate(&bench).await, 1, Some(wide)).await.unwrap();
    assert!(report.promoted, "{report:?}");
    assert_eq!(active(&bench), digest(b"new"));
}

#[tokio::test]
async fn a_candidate_that_could_not_be_active_is_refused_before_anything_runs() {
    let bench = Bench::new().await;
    let mut broken = candidate(&bench).await;
    broken.findings.push(model::plugin::Finding::error("core_module", "this is a core module", ""));
    let failure = bench.orchestrator.shadow(broken, 10, None).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("plugin_refused", 3));
    bench.ledger.state().misfits.insert("d".to_owned());
    assert_eq!(bench.orchestrator.shadow(candidate(&bench).await, 10, None).await.unwrap_err().code, "schema_changed");
    let other = MANIFEST.replace("\"d\"", "\"e\"").replace("\"d.", "\"e.");
    let stranger = found("e.wasm", b"e", &other);
    assert_eq!(bench.orchestrator.shadow(stranger, 10, None).await.unwrap_err().code, "unknown_name");
    assert_eq!(bench.orchestrator.shadow(candidate(&bench).await, 0, None).await.unwrap_err().code, "usage");
    assert!(bench.orchestrator.submit(daily(SCRIPT)).await.is_ok());
}

#[tokio::test]
async fn a_candidate_that_asks_for_more_gets_nothing_by_being_compared_or_promoted() {
    let granting = |parts: &mut crate::Parts| {
        let policy = crate::PluginPolicy { limits: parts.limits.clone(), grants: reading(&[("drop", "/data")]) };
        parts.policies = [("d".to_owned(), policy)].into();
    };
    let bench = Bench::with(granting).await;
    bench.run(SCRIPT).await;
    let asking = MANIFEST.replacen('{', r#"{"capabilities": [{"kind": "folder", "name": "drop"}],"#, 1);
    let thief = found("thief.wasm", b"thief", &asking);
    bench.components.keep(&thief).await.unwrap();
    let calls = bench.invoker.calls();
    let failures = [
        bench.orchestrator.shadow(thief, 1, None).await.unwrap_err(),
        bench.orchestrator.promote(digest(b"thief")).await.unwrap_err(),
        bench.orchestrator.roll_back("d", Some(digest(b"thief"))).await.unwrap_err(),
    ];
    for failure in failures {
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("plugin_refused", 3));
        assert!(failure.message.contains("asks_more") && failure.message.contains("`drop`"), "{failure}");
    }
    assert_eq!((bench.invoker.calls(), active(&bench)), (calls, digest(b"d1")), "it never ran");

    let rehearsal = bench.another(granting);
    let records = rehearsal.rehearse(vec![found("thief.wasm", b"thief", &asking)]).await.unwrap();
    let thief = records.iter().find(|it| it.digest == Some(digest(b"thief"))).unwrap();
    assert_eq!(thief.state, PluginState::Pending, "nor in a rehearsal");
}
