//! Which plugins are active, and which names can be run.

use std::collections::BTreeMap;

use model::plugin::{Finding, PluginRecord, PluginState};
use model::ports::{FoundPlugin, RunRequest};
use model::run::RunStatus;

use crate::PluginPolicy;
use crate::testing::{Bench, MANIFEST, daily, digest, found, named, reading, text};

async fn install(bench: &Bench, found: Vec<FoundPlugin>) -> Vec<PluginRecord> {
    bench.orchestrator.install(found).await.unwrap()
}

fn states(records: &[PluginRecord]) -> Vec<(&str, PluginState)> {
    records.iter().map(|record| (record.file.as_str(), record.state)).collect()
}

#[tokio::test]
async fn a_sound_plugin_is_active_and_recorded() {
    let bench = Bench::empty(|_| {});
    let records = install(&bench, vec![found("d.wasm", b"1", MANIFEST)]).await;
    assert_eq!(states(&records), [("d.wasm", PluginState::Active)]);
    let exports =
        ["pipeline d.daily", "pipeline d.each", "pipeline d.once", "pipeline d.staged", "source d.drop", "task d.add"];
    assert_eq!(records[0].exports, exports);
    assert_eq!(bench.ledger.state().active["d"], digest(b"1"));
    assert_eq!(bench.orchestrator.file_params("d.daily").unwrap(), ["file"]);
    assert_eq!(bench.orchestrator.manifests().len(), 1);
}

#[tokio::test]
async fn a_component_that_does_not_load_is_refused_with_every_reason_and_the_others_work() {
    let bench = Bench::empty(|_| {});
    let broken = FoundPlugin {
        file: "plugins/broken.wasm".into(),
        place: "broken.wasm".to_owned(),
        digest: Some(digest(b"broken")),
        manifest: None,
        findings: vec![
            Finding::error("core_module", "this is a core module", "build a component"),
            Finding::warning("large", "it is large", ""),
            Finding::error("no_export", "it exports no plugin interface", ""),
        ],
    };
    let records = install(&bench, vec![found("d.wasm", b"1", MANIFEST), broken]).await;
    let refused = records.iter().find(|record| record.name == "broken").unwrap();
    assert_eq!(refused.state, PluginState::Refused);
    assert_eq!(
        refused.reasons,
        ["core_module: this is a core module (build a component)", "no_export: it exports no plugin interface"]
    );
    assert_eq!(bench.run("").await.status.name(), "completed");
    let failure = bench.refused(named("broken.daily")).await;
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("plugin_refused", 3));
    assert!(failure.message.contains("core module") && failure.message.contains("no plugin interface"));
}

#[tokio::test]
async fn a_warning_refuses_nothing_and_a_wrong_manifest_does() {
    let bench = Bench::empty(|_| {});
    let mut warned = found("d.wasm", b"1", MANIFEST);
    warned.findings.push(Finding::warning("large", "it is large", ""));
    let mut wrong = found("e.wasm", b"2", MANIFEST);
    wrong.manifest = Some(std::sync::Arc::new(model::Manifest::parse(&MANIFEST.replace("0.1.0", "9.9.0")).unwrap()));
    let records = install(&bench, vec![warned, wrong]).await;
    assert_eq!(states(&records), [("d.wasm", PluginState::Active), ("e.wasm", PluginState::Refused)]);
    assert!(records[1].reasons[0].contains("contract 9.9.0"), "{:?}", records[1].reasons);
}

#[tokio::test]
async fn of_two_files_with_one_name_the_last_active_digest_wins() {
    let bench = Bench::empty(|_| {});
    install(&bench, vec![found("old.wasm", b"1", MANIFEST)]).await;
    let records = install(&bench, vec![found("a-new.wasm", b"2", MANIFEST), found("old.wasm", b"1", MANIFEST)]).await;
    assert_eq!(states(&records), [("a-new.wasm", PluginState::Refused), ("old.wasm", PluginState::Active)]);
    assert!(records[0].reasons[0].contains("old.wasm"), "{:?}", records[0].reasons);
}

#[tokio::test]
async fn with_no_history_both_are_refused_and_both_are_named() {
    let bench = Bench::empty(|_| {});
    let records = install(&bench, vec![found("a.wasm", b"1", MANIFEST), found("b.wasm", b"2", MANIFEST)]).await;
    for record in &records {
        assert_eq!(record.state, PluginState::Refused);
        assert!(record.reasons[0].contains("`a.wasm` and `b.wasm`"), "{:?}", record.reasons);
    }
    assert_eq!(bench.refused(daily("")).await.code, "plugin_refused");
    assert!(bench.ledger.state().active.is_empty());
}

#[tokio::test]
async fn the_same_bytes_twice_are_one_plugin() {
    let bench = Bench::empty(|_| {});
    let records = install(&bench, vec![found("b.wasm", b"1", MANIFEST), found("a.wasm", b"1", MANIFEST)]).await;
    assert_eq!(states(&records), [("a.wasm", PluginState::Active)]);
}

#[tokio::test]
async fn a_folder_that_must_be_granted_and_is_not_refuses_the_plugin() {
    let asks = |required| {
        let capability = format!(
            r#"{{"capabilities": [{{"kind": "folder", "name": "drop", "required": {required},
            "reason": "files arrive there"}}],"#
        );
        MANIFEST.replacen('{', &capability, 1)
    };
    let bench = Bench::empty(|_| {});
    let records = install(&bench, vec![found("d.wasm", b"1", &asks(true))]).await;
    assert_eq!(records[0].state, PluginState::Refused);
    for expected in ["not_granted", "`drop` (files arrive there)", "[plugins.d.grants]"] {
        assert!(records[0].reasons[0].contains(expected), "{:?}", records[0].reasons);
    }
    let records = install(&bench, vec![found("d.wasm", b"1", &asks(false))]).await;
    assert_eq!(records[0].state, PluginState::Active);

    let bench = Bench::empty(|parts| {
        let grants = reading(&[("drop", "/data/drop")]);
        parts.policies = BTreeMap::from([("d".to_owned(), PluginPolicy { limits: parts.limits.clone(), grants })]);
    });
    let records = install(&bench, vec![found("d.wasm", b"1", &asks(true))]).await;
    assert_eq!(records[0].state, PluginState::Active);
}

#[tokio::test]
async fn a_granted_folder_that_is_gone_is_told_and_makes_no_run_of_a_source() {
    let bench = Bench::empty(|parts| {
        let grants = reading(&[("drop", "/gone/drop"), ("never_asked_for", "/gone/too")]);
        parts.policies = BTreeMap::from([("d".to_owned(), PluginPolicy { limits: parts.limits.clone(), grants })]);
    });
    let manifest = MANIFEST.replacen('{', r#"{"capabilities": [{"kind": "folder", "name": "drop"}],"#, 1);
    let records = install(&bench, vec![found("d.wasm", b"1", &manifest)]).await;
    assert_eq!((records[0].state, records[0].reasons.len()), (PluginState::Active, 0));
    let [warning] = records[0].warnings.as_slice() else { panic!("{:?}", records[0].warnings) };
    for expected in ["bad_folder: ", "`drop`", "it is gone", "[plugins.d.grants]"] {
        assert!(warning.contains(expected), "{warning}");
    }
    for dry_run in [false, true] {
        let failure = bench.refused(RunRequest { dry_run, ..named("d.drop") }).await;
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_folder", 2));
        assert!(failure.message.contains("it is gone"), "{failure}");
    }
    assert!(bench.ledger.state().runs.is_empty(), "no run is made");
    assert_eq!(bench.run("rows_in 1\ncapture 1 1 a").await.status, RunStatus::Completed, "others need no folder");
}

#[tokio::test]
async fn a_changed_schema_refuses_that_plugin_alone() {
    let bench = Bench::empty(|_| {});
    bench.ledger.state().misfits.insert("e".to_owned());
    let other = MANIFEST.replace("\"d\"", "\"e\"").replace("\"d.", "\"e.");
    let records = install(&bench, vec![found("d.wasm", b"1", MANIFEST), found("e.wasm", b"2", &other)]).await;
    assert_eq!(states(&records), [("d.wasm", PluginState::Active), ("e.wasm", PluginState::Refused)]);
    assert!(records[1].reasons[0].contains("schema_changed"), "{:?}", records[1].reasons);
    let state = bench.ledger.state();
    assert_eq!(state.registered["e.wasm"].state, PluginState::Refused);
    assert_eq!(state.active.keys().collect::<Vec<_>>(), ["d"]);
}

#[tokio::test]
async fn an_unknown_name_suggests_the_nearest_and_makes_no_run() {
    let bench = Bench::new().await;
    let failure = bench.refused(named("d.dialy")).await;
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("unknown_name", 2));
    assert!(failure.message.contains("did you mean `d.daily`"), "{}", failure.message);
    let far = bench.refused(named("qqqqqq")).await;
    assert!(far.message.contains("`d.daily`, `d.each`, `d.once`, `d.staged`, `d.drop`, `d.add`"), "{}", far.message);
    let nothing = Bench::empty(|_| {}).refused(named("d.daily")).await;
    assert!(nothing.message.contains("no plugin is active"), "{}", nothing.message);
    assert!(bench.ledger.state().runs.is_empty());
}

#[tokio::test]
async fn wrong_parameters_make_no_run() {
    let bench = Bench::new().await;
    let params = BTreeMap::from([("n".to_owned(), text("two"))]);
    let failure = bench.refused(RunRequest { params, ..named("d.add") }).await;
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_params", 2));
    assert!(bench.ledger.state().runs.is_empty() && bench.orchestrator.live_runs() == 0);
}
