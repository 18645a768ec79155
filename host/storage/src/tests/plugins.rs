//! Plugins and the schemas of their datasets.

use model::plugin::PluginState;
use model::ports::Ledger;
use model::{DataType, Manifest};

use super::places::on_both;
use super::support::{Bench, digest, found, manifest};

on_both! {
    the_version_that_was_active_last_is_remembered,
    a_schema_may_change_until_captures_have_it,
    a_capture_that_waits_for_an_operator_keeps_the_schema_too,
    words_and_checks_may_change_at_any_time,
}

fn changed() -> Manifest {
    let mut manifest = manifest();
    manifest.datasets[0].columns[2].data_type = DataType::Int64;
    manifest
}

async fn the_version_that_was_active_last_is_remembered(bench: Bench) {
    bench.storage.register(vec![found(&manifest(), 2)]).await.unwrap();
    let (mut refused, manifest) = found(&manifest(), 3);
    refused.state = PluginState::Refused;
    refused.reasons = vec!["no".to_owned()];
    bench.storage.register(vec![(refused, manifest)]).await.unwrap();
    assert_eq!(bench.storage.active_plugins().await.unwrap(), [("shop".to_owned(), digest(2))]);
    bench.storage.register(vec![found(&super::support::manifest(), 1)]).await.unwrap();
    assert_eq!(bench.storage.active_plugins().await.unwrap(), [("shop".to_owned(), digest(1))]);
}

async fn a_schema_may_change_until_captures_have_it(bench: Bench) {
    bench.storage.register(vec![found(&changed(), 2)]).await.unwrap();
    assert_eq!(bench.storage.datasets().await.unwrap()[1].columns[2].data_type, DataType::Int64);
    bench.storage.register(vec![found(&manifest(), 1)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let failure = bench.storage.register(vec![found(&changed(), 2)]).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("schema_changed", 3));
    assert!(failure.message.contains("amount decimal128(18,6)"), "{}", failure.message);
    let (plugin, manifest) = found(&changed(), 2);
    let asked = bench.storage.check_schema(&plugin, &manifest.unwrap()).await;
    assert_eq!(asked.unwrap_err(), failure, "the same answer for who only asks");
    assert_eq!(bench.storage.active_plugins().await.unwrap(), [("shop".to_owned(), digest(1))], "nothing was recorded");
}

async fn a_capture_that_waits_for_an_operator_keeps_the_schema_too(bench: Bench) {
    let held = bench.quarantine(bench.staged("2021-01-28", 1, 3)).await;
    assert_eq!(bench.storage.register(vec![found(&changed(), 2)]).await.unwrap_err().code, "schema_changed");
    bench.storage.discard(held.records[0].capture_id).await.unwrap();
    bench.storage.register(vec![found(&changed(), 2)]).await.unwrap();
}

async fn words_and_checks_may_change_at_any_time(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let mut manifest = manifest();
    manifest.datasets[0].description = "Sales of a day".to_owned();
    manifest.datasets[0].columns[2].unit = Some("USD".to_owned());
    bench.storage.register(vec![found(&manifest, 2)]).await.unwrap();
    assert_eq!(bench.storage.datasets().await.unwrap()[1], manifest.datasets[0]);
}
