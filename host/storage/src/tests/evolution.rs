//! Datasets whose schema changes while their captures stay.

use model::catalog::CatalogDataset;
use model::evolution::Migration;
use model::manifest::ColumnSpec;
use model::ports::{AsOf, Ledger};
use model::{DataType, Manifest};

use super::places::on_both;
use super::support::{Bench, found, manifest, sales};

on_both! {
    a_column_that_may_be_null_joins_the_table_with_the_next_capture,
    what_is_asked_as_of_before_has_the_schema_of_then,
    a_column_that_comes_back_is_the_one_it_was,
    an_attempt_that_ends_on_the_version_before_lacks_what_came_since,
    words_alone_leave_the_table_as_it_is,
}

/// The manifest with a column `note` between the others.
fn with_note() -> Manifest {
    let mut manifest = manifest();
    let note = ColumnSpec {
        name: "note".to_owned(),
        data_type: DataType::Utf8,
        nullable: true,
        unit: None,
        description: String::new(),
    };
    manifest.datasets[0].columns.insert(1, note);
    manifest
}

/// The manifest without `ratio`, which is meant.
fn without_ratio() -> Manifest {
    let mut manifest = manifest();
    manifest.datasets[0].columns.retain(|column| column.name != "ratio");
    manifest.datasets[0].migration = Some(Migration { drops: vec!["ratio".to_owned()], ..Migration::default() });
    manifest
}

/// The columns that the table has now, with their ids.
async fn columns(bench: &Bench) -> Vec<String> {
    bench
        .values(
            "SELECT column_name || ' ' || column_id FROM ducklake_column WHERE end_snapshot IS NULL ORDER BY column_id",
        )
        .await
}

async fn seen(bench: &Bench, as_of: AsOf) -> CatalogDataset {
    bench.storage.catalog(as_of).await.unwrap().dataset(&sales()).unwrap().clone()
}

fn has(dataset: &CatalogDataset, column: &str) -> bool {
    dataset.spec.column(column).is_some()
}

const AT_FIRST: [&str; 6] = ["day 1", "item 2", "amount 3", "ratio 4", "_capture_id 5", "_run_id 6"];

async fn a_column_that_may_be_null_joins_the_table_with_the_next_capture(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    bench.register(vec![found(&with_note(), 2)]).await.unwrap();
    assert_eq!(columns(&bench).await, AT_FIRST, "no capture has it yet");
    assert_eq!(seen(&bench, AsOf::Latest).await.fields.id("note"), Some(7));
    bench.publish(vec![bench.staged("2021-01-29", 2, 3)]).await.unwrap();
    assert_eq!(columns(&bench).await[6..], ["note 7"]);
    let stats = "SELECT value_count || ' ' || null_count FROM ducklake_file_column_stats WHERE column_id = 7";
    assert_eq!(bench.values(stats).await, ["0 3", "0 3"], "files of before are known to hold nothing but nulls");
    let changes = "SELECT changes_made FROM ducklake_snapshot_changes ORDER BY snapshot_id DESC LIMIT 1";
    assert_eq!(bench.value(changes).await.unwrap(), "altered_table:2,inserted_into_table:2");
    let versions = "SELECT COUNT(*) FROM ducklake_schema_versions WHERE table_id = 2";
    assert_eq!(bench.number(versions).await, 2);
}

async fn what_is_asked_as_of_before_has_the_schema_of_then(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    bench.register(vec![found(&without_ratio(), 2)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-29", 2, 3)]).await.unwrap();
    assert_eq!(columns(&bench).await.len(), 5);
    assert!(!has(&seen(&bench, AsOf::Latest).await, "ratio"));
    assert!(!has(&seen(&bench, AsOf::Snapshot(2)).await, "ratio"));
    assert!(has(&seen(&bench, AsOf::Snapshot(1)).await, "ratio"));
}

async fn a_column_that_comes_back_is_the_one_it_was(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    bench.register(vec![found(&without_ratio(), 2)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-29", 2, 3)]).await.unwrap();
    bench.register(vec![found(&manifest(), 1)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-30", 3, 3)]).await.unwrap();
    assert_eq!(columns(&bench).await, AT_FIRST);
    let nullable =
        "SELECT CAST(nulls_allowed AS INTEGER) FROM ducklake_column WHERE column_id = 4 AND end_snapshot IS NULL";
    assert_eq!(bench.number(nullable).await, 1, "files of between lack it");
    let rows = "SELECT COUNT(*) FROM ducklake_column WHERE column_id = 4";
    assert_eq!(bench.number(rows).await, 2);
}

async fn an_attempt_that_ends_on_the_version_before_lacks_what_came_since(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    bench.register(vec![found(&with_note(), 2)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-29", 2, 3)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-30", 3, 3)]).await.unwrap();
    let nulls = "SELECT CAST(SUM(null_count) AS BIGINT) FROM ducklake_file_column_stats WHERE column_id = 7";
    assert_eq!(bench.number(nulls).await, 9);
    let mut broken = bench.staged("2021-01-31", 4, 3);
    if let Some(file) = &mut broken.file {
        file.columns.retain(|column| column.column != "item");
    }
    assert_eq!(bench.publish(vec![broken]).await.unwrap_err().code, "bad_file", "of the key, no file lacks a column");
}

async fn words_alone_leave_the_table_as_it_is(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let mut manifest = manifest();
    manifest.datasets[0].description = "Sales of a day".to_owned();
    bench.register(vec![found(&manifest, 2)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-29", 2, 3)]).await.unwrap();
    assert_eq!(bench.number("SELECT COUNT(*) FROM ducklake_column").await, 6);
    assert_eq!(
        seen(&bench, AsOf::Snapshot(1)).await.spec.description,
        super::support::manifest().datasets[0].description
    );
}
