//! Plugins and the schemas of their datasets.

use model::plugin::{Approval, PluginEvent, PluginEventKind, PluginState};
use model::ports::{Ledger, Registration};
use model::{DataType, Manifest, Timestamp};

use super::places::on_both;
use super::support::{Bench, START_US, digest, found, manifest};

on_both! {
    the_version_that_was_active_last_is_remembered,
    a_schema_may_change_until_captures_have_it,
    every_dataset_that_does_not_fit_is_named,
    a_capture_that_waits_for_an_operator_keeps_the_schema_too,
    words_and_checks_may_change_at_any_time,
    what_was_decided_and_what_happened_is_remembered,
}

fn changed() -> Manifest {
    let mut manifest = manifest();
    manifest.datasets[0].columns[2].data_type = DataType::Int64;
    manifest
}

async fn the_version_that_was_active_last_is_remembered(bench: Bench) {
    bench.register(vec![found(&manifest(), 2)]).await.unwrap();
    let (mut refused, manifest) = found(&manifest(), 3);
    refused.state = PluginState::Refused;
    refused.reasons = vec!["no".to_owned()];
    bench.register(vec![(refused, manifest)]).await.unwrap();
    assert_eq!(bench.last_active().await, [("shop".to_owned(), digest(2))]);
    bench.register(vec![found(&super::support::manifest(), 1)]).await.unwrap();
    assert_eq!(bench.last_active().await, [("shop".to_owned(), digest(1))]);
}

async fn a_schema_may_change_until_captures_have_it(bench: Bench) {
    bench.register(vec![found(&changed(), 2)]).await.unwrap();
    assert_eq!(bench.storage.datasets().await.unwrap()[1].columns[2].data_type, DataType::Int64);
    bench.register(vec![found(&manifest(), 1)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let failure = bench.register(vec![found(&changed(), 2)]).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("schema_changed", 3));
    assert!(failure.message.contains("column `amount` was decimal128(18,6), now int64"), "{}", failure.message);
    let (plugin, manifest) = found(&changed(), 2);
    let asked = bench.storage.check_schema(&plugin, &manifest.unwrap()).await;
    assert_eq!(asked.unwrap_err(), failure, "the same answer for who only asks");
    assert_eq!(bench.last_active().await, [("shop".to_owned(), digest(1))], "nothing was recorded");
}

async fn every_dataset_that_does_not_fit_is_named(bench: Bench) {
    bench.register(vec![found(&manifest(), 1)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let mut other = bench.staged("2021-01-28", 2, 1);
    other.dataset = "shop.returns".parse().unwrap();
    bench.publish(vec![other]).await.unwrap();
    let mut both = changed();
    both.datasets[1].columns[0].data_type = DataType::Utf8;
    let failure = bench.register(vec![found(&both, 2)]).await.unwrap_err();
    for dataset in ["`shop.sales`: ", "`shop.returns`: "] {
        assert!(failure.message.contains(dataset), "{}", failure.message);
    }
}

async fn a_capture_that_waits_for_an_operator_keeps_the_schema_too(bench: Bench) {
    let held = bench.quarantine(bench.staged("2021-01-28", 1, 3)).await;
    assert_eq!(bench.register(vec![found(&changed(), 2)]).await.unwrap_err().code, "schema_changed");
    bench.storage.discard(held.records[0].capture_id).await.unwrap();
    bench.register(vec![found(&changed(), 2)]).await.unwrap();
}

async fn words_and_checks_may_change_at_any_time(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let mut manifest = manifest();
    manifest.datasets[0].description = "Sales of a day".to_owned();
    manifest.datasets[0].columns[2].description = "What was paid".to_owned();
    bench.register(vec![found(&manifest, 2)]).await.unwrap();
    assert_eq!(bench.storage.datasets().await.unwrap()[1], manifest.datasets[0]);
}

async fn what_was_decided_and_what_happened_is_remembered(bench: Bench) {
    bench.register(vec![found(&manifest(), 1)]).await.unwrap();
    bench.register(vec![found(&manifest(), 2)]).await.unwrap();
    let event = |bytes, kind, detail: &str| PluginEvent {
        seq: 0,
        at: Timestamp::from_micros(START_US),
        name: "shop".to_owned(),
        version: "1.0.0".to_owned(),
        digest: digest(bytes),
        kind,
        detail: detail.to_owned(),
    };
    let approval = |place: &str| Approval {
        name: "shop".to_owned(),
        place: place.to_owned(),
        asked: manifest().capabilities,
        at: Timestamp::from_micros(START_US),
    };
    let decided = |approved, held, events| Registration {
        found: Vec::new(),
        held_back: vec![("shop".to_owned(), digest(2), held)],
        approved: vec![approved],
        events,
    };
    let refused = || event(3, PluginEventKind::Refused, "no");
    let events = vec![event(2, PluginEventKind::RolledBack, "to 1"), refused(), refused()];
    bench.storage.register(decided(approval("a.wasm"), true, events)).await.unwrap();
    let standing = bench.storage.plugin_standing().await.unwrap();
    assert_eq!(standing.held_back, [("shop".to_owned(), digest(2))]);
    assert_eq!(standing.approved, [approval("a.wasm")]);

    bench.storage.register(decided(approval("b.wasm"), false, vec![refused()])).await.unwrap();
    let standing = bench.storage.plugin_standing().await.unwrap();
    assert_eq!((standing.held_back.as_slice(), standing.approved), (&[][..], vec![approval("b.wasm")]));

    let history = bench.storage.plugin_history("shop").await.unwrap();
    let told: Vec<(u64, PluginEventKind)> = history.iter().map(|event| (event.seq, event.kind)).collect();
    assert_eq!(told, [(1, PluginEventKind::RolledBack), (2, PluginEventKind::Refused)], "the same again is left out");
    assert_eq!(history[0].detail, "to 1");
    let versions = bench.storage.plugin_versions("shop").await.unwrap();
    assert_eq!(versions.iter().map(|it| it.digest).collect::<Vec<_>>(), [digest(2), digest(1)], "the latest first");
}
