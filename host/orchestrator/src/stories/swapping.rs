//! Plugins change while runs are carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::plugin::{PluginEventKind, PluginRecord, PluginState};
use model::ports::{Engine, FoundPlugin};
use model::run::{RunReport, RunStatus};
use model::{Digest, RunId, Timestamp};

use crate::PluginPolicy;
use crate::testing::{Bench, MANIFEST, daily, digest, error_code, found, named, reading};

pub(super) fn version(content: &[u8], version: &str) -> FoundPlugin {
    found("d.wasm", content, &MANIFEST.replace("1.0.0", version))
}

fn broken(content: &[u8]) -> FoundPlugin {
    let findings = vec![model::plugin::Finding::error("core_module", "this is a core module", "")];
    FoundPlugin { manifest: None, findings, ..found("d.wasm", content, MANIFEST) }
}

pub(super) async fn install(bench: &Bench, found: Vec<FoundPlugin>) -> Vec<PluginRecord> {
    bench.orchestrator.install(found).await.unwrap()
}

pub(super) fn states(records: &[PluginRecord]) -> Vec<(PluginState, Digest)> {
    records.iter().map(|record| (record.state, record.digest.unwrap())).collect()
}

pub(super) fn active(bench: &Bench) -> Digest {
    let plugins = bench.orchestrator.plugins();
    plugins.iter().find(|plugin| plugin.state == PluginState::Active).and_then(|plugin| plugin.digest).unwrap()
}

/// The version that carried the last attempt of a run out.
fn ran_on(bench: &Bench, run: RunId) -> Digest {
    let state = bench.ledger.state();
    state.starts.iter().rev().find(|start| start.run_id == run).and_then(|start| start.plugin.clone()).unwrap().digest
}

pub(super) fn events(bench: &Bench, of: Digest) -> Vec<PluginEventKind> {
    let state = bench.ledger.state();
    state.plugin_events.iter().filter(|(digest, _)| *digest == of).map(|(_, kind)| *kind).collect()
}

/// A policy of the plugin `d` that grants it folders.
pub(super) fn granting(bench_parts: &mut crate::Parts, folders: &[&str]) {
    let folders: Vec<_> = folders.iter().map(|name| (*name, "/data")).collect();
    let policy = PluginPolicy { limits: bench_parts.limits.clone(), grants: reading(&folders) };
    bench_parts.policies = BTreeMap::from([("d".to_owned(), policy)]);
}

pub(super) fn asking(folders: &[&str]) -> String {
    let asked: Vec<String> = folders.iter().map(|name| format!(r#"{{"kind": "folder", "name": "{name}"}}"#)).collect();
    MANIFEST.replacen('{', &format!(r#"{{"capabilities": [{}],"#, asked.join(",")), 1)
}

#[tokio::test]
async fn runs_in_flight_end_on_their_version_and_new_ones_use_the_new() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(daily("rows_in 1\ncapture 1 1 a")).await.unwrap();
    bench.invoker.entered(1).await;
    let records = install(&bench, vec![version(b"2", "2.0.0")]).await;
    assert_eq!(states(&records), [(PluginState::Active, digest(b"2")), (PluginState::Draining, digest(b"1"))]);

    let second = bench.orchestrator.spawn(daily("rows_in 1\ncapture 2 1 b")).await.unwrap();
    bench.invoker.entered(2).await;
    gate.add_permits(2);
    let report = |run| bench.orchestrator.wait(run, Duration::MAX);
    let (first, second) = (report(first.run_id).await.unwrap(), report(second.run_id).await.unwrap());
    let ran = |report: Option<RunReport>| report.map(|it| (it.status, ran_on(&bench, it.run_id)));
    assert_eq!(ran(first), Some((RunStatus::Completed, digest(b"1"))));
    assert_eq!(ran(second), Some((RunStatus::Completed, digest(b"2"))));

    bench.components.forgot(1).await;
    assert_eq!(bench.components.forgotten(), [digest(b"1")]);
    let expected = [PluginEventKind::Activated, PluginEventKind::Replaced];
    assert_eq!(events(&bench, digest(b"1"))[..2], expected);
    assert_eq!(states(&bench.orchestrator.plugins()), [(PluginState::Active, digest(b"2"))]);
}

#[tokio::test]
async fn a_run_that_waits_is_carried_out_by_what_is_active_when_it_begins() {
    let bench = Bench::empty(|parts| parts.concurrency.runs = 1);
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(daily("rows_in 1\ncapture 1 1 a")).await.unwrap();
    bench.invoker.entered(1).await;
    let waiting = bench.orchestrator.spawn(daily("rows_in 1\ncapture 2 1 b")).await.unwrap();
    install(&bench, vec![version(b"2", "2.0.0")]).await;
    gate.add_permits(2);
    for (run, expected) in [(first, b"1"), (waiting, b"2")] {
        let report = bench.orchestrator.wait(run.run_id, Duration::MAX).await.unwrap().unwrap();
        assert_eq!(ran_on(&bench, report.run_id), digest(expected));
    }
}

#[tokio::test]
async fn a_run_that_the_new_version_would_not_take_is_carried_out_by_the_one_it_was_asked_of() {
    let bench = Bench::empty(|parts| parts.concurrency.runs = 1);
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let gate = bench.invoker.close_gate();
    let first = bench.orchestrator.spawn(daily("rows_in 1\ncapture 1 1 a")).await.unwrap();
    bench.invoker.entered(1).await;
    let add = bench.orchestrator.spawn(named("d.add")).await.unwrap();
    let other = MANIFEST.replace(r#""tasks": [{"name": "d.add""#, r#""tasks": [{"name": "d.sum""#);
    install(&bench, vec![found("d.wasm", b"2", &other)]).await;
    gate.add_permits(2);
    bench.orchestrator.wait(first.run_id, Duration::MAX).await.unwrap();
    let report = bench.orchestrator.wait(add.run_id, Duration::MAX).await.unwrap().unwrap();
    assert_eq!((report.status, ran_on(&bench, report.run_id)), (RunStatus::Completed, digest(b"1")));
    assert_eq!(bench.refused(named("d.add")).await.code, "unknown_name");
}

#[tokio::test]
async fn a_bad_file_never_replaces_a_good_version() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let records = install(&bench, vec![broken(b"bad")]).await;
    assert_eq!(states(&records), [(PluginState::Active, digest(b"1")), (PluginState::Refused, digest(b"bad"))]);
    assert!(records[1].reasons[0].contains("core module"), "{:?}", records[1].reasons);
    let report = bench.run("rows_in 1\ncapture 1 1 a").await;
    assert_eq!(ran_on(&bench, report.run_id), digest(b"1"));
    assert_eq!(events(&bench, digest(b"bad")), [PluginEventKind::Refused]);
    assert_eq!(events(&bench, digest(b"1")), [PluginEventKind::Activated], "it never stopped to be active");

    // Also where the tables do not fit, and also after a restart.
    bench.ledger.state().misfits.insert("d".to_owned());
    let failure = install(&bench, vec![version(b"3", "3.0.0")]).await;
    assert!(failure.iter().any(|record| record.reasons.iter().any(|reason| reason.contains("schema_changed"))));
    assert_eq!(active(&bench), digest(b"1"));
}

#[tokio::test]
async fn a_host_that_starts_over_a_bad_file_brings_the_good_version_back() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let next = bench.another(|_| {});
    let records = next.install(vec![broken(b"bad")]).await.unwrap();
    assert_eq!(states(&records)[0], (PluginState::Active, digest(b"1")));
    assert_eq!(records[0].file, "d.wasm");
}

#[tokio::test]
async fn a_version_whose_file_is_gone_is_removed_and_the_same_file_brings_it_back() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    install(&bench, Vec::new()).await;
    assert_eq!(bench.refused(daily("")).await.code, "unknown_name");
    bench.components.forgot(1).await;
    assert_eq!(bench.orchestrator.plugins(), []);
    assert_eq!(events(&bench, digest(b"1"))[..2], [PluginEventKind::Activated, PluginEventKind::Removed]);
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    assert_eq!(bench.run("rows_in 1\ncapture 1 1 a").await.status, RunStatus::Completed);
}

#[tokio::test]
async fn rolling_back_brings_the_version_before_back_and_its_successor_does_not_return_by_itself() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    install(&bench, vec![version(b"2", "2.0.0")]).await;
    let record = bench.orchestrator.roll_back("d", None).await.unwrap();
    assert_eq!((record.digest.unwrap(), record.state), (digest(b"1"), PluginState::Active));
    assert_eq!(active(&bench), digest(b"1"));
    assert!(events(&bench, digest(b"2")).contains(&PluginEventKind::RolledBack));

    // The folder still holds it.
    let records = install(&bench, vec![version(b"2", "2.0.0")]).await;
    let refused = records.iter().find(|record| record.digest == Some(digest(b"2"))).unwrap();
    assert!(refused.reasons[0].starts_with("rolled_back: "), "{:?}", refused.reasons);
    assert_eq!(active(&bench), digest(b"1"));

    install(&bench, vec![version(b"3", "3.0.0")]).await;
    assert_eq!(active(&bench), digest(b"3"), "a file with another version is the operator's word");
    bench.orchestrator.roll_back("d", Some(digest(b"2"))).await.unwrap();
    assert_eq!(active(&bench), digest(b"2"), "whoever names it wants it");
}

#[tokio::test]
async fn rolling_back_to_what_is_not_there_or_cannot_be_active_is_refused_and_changes_nothing() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let failure = bench.orchestrator.roll_back("d", None).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("not_kept", 2));
    assert_eq!(bench.orchestrator.roll_back("d", Some(digest(b"9"))).await.unwrap_err().code, "not_kept");
    let unknown = bench.orchestrator.roll_back("dd", None).await.unwrap_err();
    assert_eq!((unknown.code.as_str(), unknown.message.contains("did you mean `d`")), ("unknown_name", true));
    install(&bench, vec![version(b"2", "2.0.0")]).await;
    bench.components.forgot(2).await;
    bench.ledger.state().misfits.insert("d".to_owned());
    let failure = bench.orchestrator.roll_back("d", None).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("plugin_refused", 3));
    assert!(failure.message.contains("schema_changed"), "{failure}");
    assert_eq!(active(&bench), digest(b"2"));
    bench.components.forgot(3).await;
    assert_eq!(bench.components.forgotten(), [digest(b"9"), digest(b"1"), digest(b"1")], "it is not left loaded");
}

#[tokio::test]
async fn a_version_that_asks_for_more_waits_until_it_is_approved_and_the_old_one_goes_on() {
    let bench = Bench::empty(|parts| granting(parts, &["drop", "out"]));
    install(&bench, vec![found("d.wasm", b"1", &asking(&["drop"]))]).await;
    assert_eq!(active(&bench), digest(b"1"), "the grants approve the first version");
    let more = || vec![found("d.wasm", b"2", &asking(&["drop", "out"]))];
    let records = install(&bench, more()).await;
    assert_eq!(states(&records), [(PluginState::Active, digest(b"1")), (PluginState::Pending, digest(b"2"))]);
    let reason = &records[1].reasons[0];
    for expected in ["asks_more", "the folder `out`", "plugins approve d"] {
        assert!(reason.contains(expected), "{reason}");
    }
    assert!(!reason.contains("`drop`"), "what was approved is not named again: {reason}");

    let wrong = bench.orchestrator.approve("d", Some(digest(b"1"))).await.unwrap_err();
    assert_eq!((wrong.code.as_str(), wrong.exit_code()), ("not_pending", 3));
    let record = bench.orchestrator.approve("d", None).await.unwrap();
    assert_eq!((record.digest.unwrap(), record.state), (digest(b"2"), PluginState::Active));
    bench.components.forgot(1).await;
    assert_eq!(install(&bench, more()).await.len(), 1);
    assert_eq!(bench.orchestrator.approve("d", None).await.unwrap_err().code, "not_pending");

    // One that asks for less needs no approval, and neither does the one before.
    install(&bench, vec![found("d.wasm", b"3", &asking(&[]))]).await;
    install(&bench, vec![found("d.wasm", b"1", &asking(&["drop"]))]).await;
    assert_eq!(active(&bench), digest(b"1"));
}

#[tokio::test]
async fn a_file_that_calls_itself_by_the_name_of_another_gets_nothing_of_what_that_was_granted() {
    let bench = Bench::empty(|parts| granting(parts, &["drop"]));
    let stranger = || found("stranger.wasm", b"9", &asking(&["drop"]));
    let records = install(&bench, vec![stranger()]).await;
    assert_eq!(records[0].state, PluginState::Pending, "nothing of this name was ever here");
    assert!(records[0].reasons[0].starts_with("other_file: "), "{:?}", records[0].reasons);
    let failure = bench.refused(daily("")).await;
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("plugin_refused", 3));
    assert!(failure.message.contains("waits for an operator"), "{failure}");

    let records = install(&bench, vec![found("d.wasm", b"1", &asking(&["drop"])), stranger()]).await;
    assert_eq!(states(&records)[0], (PluginState::Refused, digest(b"1")), "two files, and no history: {records:?}");
    install(&bench, vec![found("d.wasm", b"1", &asking(&["drop"]))]).await;
    let records = install(&bench, vec![stranger()]).await;
    assert_eq!(states(&records), [(PluginState::Active, digest(b"1")), (PluginState::Pending, digest(b"9"))]);
    assert!(records[1].reasons[0].contains("`d.wasm`"), "{:?}", records[1].reasons);
}

#[tokio::test]
async fn a_version_that_is_not_drained_in_time_is_retired_and_its_runs_are_begun_again_and_lose_no_call() {
    let bench = Bench::empty(|parts| parts.retry.attempts_max = 1);
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily("rows_in 1\ncapture 1 1 a")).await.unwrap();
    bench.invoker.entered(1).await;
    install(&bench, vec![version(b"2", "2.0.0")]).await;
    bench.clock.advance(Duration::from_secs(301));
    bench.ledger.requeued(1).await;
    let requeued = bench.ledger.state().requeues[0].error.clone();
    assert_eq!((requeued.code.as_str(), requeued.retryable), ("version_retired", true));
    bench.components.forgot(1).await;
    gate.add_permits(1);
    bench.clock.advance(Duration::from_secs(10));
    let report = bench.orchestrator.wait(run.run_id, Duration::MAX).await.unwrap().unwrap();
    assert_eq!((report.status, ran_on(&bench, report.run_id)), (RunStatus::Completed, digest(b"2")));
}

#[tokio::test]
async fn no_more_versions_drain_than_may() {
    let bench = Bench::empty(|parts| parts.swap.draining_max = 2);
    bench.invoker.close_gate();
    for number in 1..=4_u8 {
        install(&bench, vec![version(&[number], "1.0.0")]).await;
        bench.orchestrator.spawn(daily(&format!("rows_in 1\ncapture {number} 1 a"))).await.unwrap();
        bench.invoker.entered(usize::from(number)).await;
    }
    bench.components.forgot(1).await;
    assert_eq!(bench.components.forgotten(), [digest(&[1])], "the oldest");
    let draining = |plugins: Vec<PluginRecord>| plugins.iter().filter(|it| it.state == PluginState::Draining).count();
    assert_eq!(draining(bench.orchestrator.plugins()), 2);
}

#[tokio::test]
async fn a_version_that_is_back_before_it_has_drained_is_not_forgotten() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let gate = bench.invoker.close_gate();
    let run = bench.orchestrator.spawn(daily("rows_in 1\ncapture 1 1 a")).await.unwrap();
    bench.invoker.entered(1).await;
    install(&bench, vec![version(b"2", "2.0.0")]).await;
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    bench.components.forgot(1).await;
    assert_eq!(bench.components.forgotten(), [digest(b"2")]);
    gate.add_permits(9);
    bench.orchestrator.wait(run.run_id, Duration::MAX).await.unwrap();
    let report = bench.run("rows_in 1\ncapture 2 1 a").await;
    assert_eq!(ran_on(&bench, report.run_id), digest(b"1"));
    assert!(!bench.components.forgotten().contains(&digest(b"1")));
}

#[tokio::test]
async fn a_file_that_changed_while_it_was_loaded_waits_for_the_next_look() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let changed = Failure::new(FailureKind::Source, "changed", "the file holds other bytes by now");
    *bench.components.keep_fails.lock().unwrap() = Some(changed);
    let records = install(&bench, vec![version(b"2", "2.0.0")]).await;
    assert_eq!(states(&records), [(PluginState::Active, digest(b"1")), (PluginState::Refused, digest(b"2"))]);
    install(&bench, vec![version(b"2", "2.0.0")]).await;
    assert_eq!(active(&bench), digest(b"2"));
}

#[tokio::test]
async fn a_version_that_keeps_trapping_is_left_alone_and_tried_again() {
    let bench = Bench::empty(|parts| parts.swap.quarantine_after = 2);
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let trap = || Failure::new(FailureKind::Pipeline, "trapped", "wasm `unreachable`");
    for _ in 0..2 {
        bench.invoker.fails_next(trap());
        assert_eq!(error_code(&bench.run("rows_in 1\ncapture 1 1 a").await), "trapped");
    }
    let plugins = bench.orchestrator.plugins();
    assert_eq!(plugins[0].state, PluginState::Quarantined);
    assert!(plugins[0].reasons[0].contains("wasm `unreachable`"), "{:?}", plugins[0].reasons);
    let refused = bench.refused(daily("rows_in 1\ncapture 1 1 a")).await;
    assert_eq!((refused.code.as_str(), refused.exit_code(), refused.retryable), ("plugin_quarantined", 3, true));
    assert_eq!(bench.invoker.calls(), 2);

    bench.clock.advance(Duration::from_secs(31));
    assert_eq!(bench.run("rows_in 1\ncapture 1 1 a").await.status, RunStatus::Completed);
    assert_eq!(bench.orchestrator.plugins()[0].state, PluginState::Active);
    let expected = [PluginEventKind::Activated, PluginEventKind::Quarantined, PluginEventKind::Released];
    assert_eq!(events(&bench, digest(b"1")), expected);
}

#[tokio::test]
async fn runs_that_wait_for_a_version_in_quarantine_go_on_with_the_next_one() {
    let bench = Bench::empty(|parts| {
        parts.swap.quarantine_after = 1;
        parts.concurrency.runs = 1;
    });
    install(&bench, vec![version(b"1", "1.0.0")]).await;
    let gate = bench.invoker.close_gate();
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "trapped", "wasm `unreachable`"));
    let first = bench.orchestrator.spawn(daily("rows_in 1\ncapture 1 1 a")).await.unwrap();
    bench.invoker.entered(1).await;
    let waiting = bench.orchestrator.spawn(daily("rows_in 1\ncapture 2 1 b")).await.unwrap();
    gate.add_permits(2);
    let first = bench.orchestrator.wait(first.run_id, Duration::MAX).await.unwrap().unwrap();
    assert_eq!(error_code(&first), "trapped");
    while bench.orchestrator.why(waiting.run_id).is_none() {
        tokio::task::yield_now().await;
    }
    install(&bench, vec![version(b"2", "2.0.0")]).await;
    let report = bench.orchestrator.wait(waiting.run_id, Duration::MAX).await.unwrap().unwrap();
    assert_eq!((report.status, ran_on(&bench, report.run_id)), (RunStatus::Completed, digest(b"2")));
}

#[tokio::test]
async fn an_attempt_begins_while_its_version_is_active() {
    let bench = Bench::empty(|_| {});
    let mut swaps: Vec<(Digest, Timestamp)> = Vec::new();
    for number in 1..=20_u8 {
        let records = install(&bench, vec![version(&[number], "1.0.0")]).await;
        let now = records.iter().find(|record| record.state == PluginState::Active).unwrap();
        swaps.push((now.digest.unwrap(), now.loaded_at));
        bench.run(&format!("rows_in 1\ncapture {number} 1 a")).await;
    }
    for start in bench.ledger.state().starts.iter() {
        let plugin = start.plugin.as_ref().unwrap().digest;
        let at = swaps.iter().position(|(digest, _)| *digest == plugin).unwrap();
        assert!(start.started_at > swaps[at].1, "it was active by then");
        assert!(swaps.get(at + 1).is_none_or(|(_, next)| start.started_at < *next), "and still was");
    }
}
