//! Publishing: revisions, conflicts, corrections, empty captures.

use model::capture::StagedCapture;
use model::ports::{AsOf, Ledger};
use model::run::{CaptureOutcome, Conclusion, RunStatus};
use model::{CaptureState, Partition};

use super::places::on_both;
use super::support::{Bench, START_US, sales};

on_both! {
    each_capture_of_a_partition_is_the_next_revision,
    a_correction_ends_the_old_file_and_removes_nothing,
    a_run_that_saw_another_head_conflicts_and_writes_nothing,
    of_two_runs_committed_together_the_second_conflicts_alone,
    unchanged_captures_are_links_to_the_head,
    a_capture_of_zero_rows_is_a_capture_without_a_file,
    a_first_capture_of_zero_rows_makes_a_table_that_readers_find_empty,
    all_captures_of_a_run_share_one_snapshot,
    snapshot_times_strictly_increase_whatever_the_clock_does,
    a_capture_that_contradicts_itself_is_not_published,
    a_float_column_has_no_bounds_in_file_or_table_and_its_nan_is_remembered,
}

async fn each_capture_of_a_partition_is_the_next_revision(bench: Bench) {
    for revision in 1..=3 {
        let concluded = bench.publish(vec![bench.staged("2021-01-28", revision, 3)]).await.unwrap();
        assert_eq!(concluded.records[0].revision, Some(u64::from(revision)));
        assert_eq!(concluded.records[0].state, CaptureState::Published);
        assert_eq!(bench.storage.report(concluded.report.run_id).await.unwrap(), Some(concluded.report));
    }
    let other = bench.publish(vec![bench.staged("2021-01-29", 9, 3)]).await.unwrap();
    assert_eq!(other.records[0].revision, Some(1));
    let all = bench.storage.captures(&sales(), &Partition::default()).await.unwrap();
    let order: Vec<Option<u64>> = all.iter().map(|capture| capture.revision).collect();
    assert_eq!(order, [Some(1), Some(3), Some(2), Some(1)], "newest first");
    let day: Partition = [("day", "2021-01-28")].into_iter().collect();
    assert_eq!(bench.storage.captures(&sales(), &day).await.unwrap().len(), 3);
}

async fn a_correction_ends_the_old_file_and_removes_nothing(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3), bench.staged("2021-01-29", 2, 3)]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-28", 3, 2)]).await.unwrap();
    let files = bench.values(
        r#"
        SELECT data_file_id || ':' || begin_snapshot || '-' || COALESCE(CAST(end_snapshot AS TEXT), '')
        FROM ducklake_data_file
        ORDER BY data_file_id
        "#,
    );
    assert_eq!(files.await, ["0:1-2", "1:1-", "2:2-"]);
    let changes =
        bench.value("SELECT changes_made FROM ducklake_snapshot_changes WHERE snapshot_id = 1").await.unwrap();
    assert_eq!(changes, r#"created_schema:"shop",created_table:"shop"."sales",inserted_into_table:2"#);
    let changes =
        bench.value("SELECT changes_made FROM ducklake_snapshot_changes WHERE snapshot_id = 2").await.unwrap();
    assert_eq!(changes, "inserted_into_table:2,deleted_from_table:2");
    assert_eq!(bench.number("SELECT next_row_id FROM ducklake_table_stats").await, 8);
    assert_eq!(bench.number("SELECT row_id_start FROM ducklake_data_file WHERE data_file_id = 2").await, 6);
    assert_eq!(bench.storage.capture_files().await.unwrap().len(), 3);
    assert!(bench.storage.capture_files().await.unwrap().iter().all(|file| file.starts_with("shop/sales/cap_")));
}

async fn a_run_that_saw_another_head_conflicts_and_writes_nothing(bench: Bench) {
    let late = bench.running().await;
    let staged = |day: &str| CaptureOutcome::Publish { staged: bench.staged(day, 7, 3), expected_head: None };
    let conclusion = Conclusion {
        captures: vec![staged("2021-01-27"), staged("2021-01-28")],
        ..bench.ended(late, RunStatus::Completed)
    };
    let winner = bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let failure = bench.storage.conclude(conclusion.clone()).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("conflict", true));
    assert_eq!(bench.number("SELECT COUNT(*) FROM captures").await, 1);
    assert_eq!(bench.number("SELECT MAX(snapshot_id) FROM ducklake_snapshot").await, 1);
    assert_eq!(bench.storage.report(late).await.unwrap().unwrap().status, RunStatus::Running);

    bench.storage.start(bench.start(late, 2)).await.unwrap();
    let head = winner.records[0].capture_id;
    let mut captures = conclusion.captures;
    if let CaptureOutcome::Publish { expected_head, .. } = &mut captures[1] {
        *expected_head = Some(head);
    }
    let again = Conclusion { captures, ..bench.ended(late, RunStatus::Completed) };
    let revisions: Vec<_> =
        bench.storage.conclude(again).await.unwrap().captures.iter().map(|it| it.revision).collect();
    assert_eq!(revisions, [Some(1), Some(2)]);
}

async fn of_two_runs_committed_together_the_second_conflicts_alone(bench: Bench) {
    let conclusions = [bench.running().await, bench.running().await].map(|run| Conclusion {
        captures: vec![CaptureOutcome::Publish { staged: bench.staged("2021-01-28", 1, 3), expected_head: None }],
        ..bench.ended(run, RunStatus::Completed)
    });
    let [one, two] = conclusions;
    let (one, two) = tokio::join!(bench.storage.conclude(one), bench.storage.conclude(two));
    assert!(one.is_ok());
    assert_eq!(two.unwrap_err().code, "conflict");
}

async fn unchanged_captures_are_links_to_the_head(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let wanted = vec![(sales(), [("day", "2021-01-28")].into_iter().collect::<Partition>())];
    let head = bench.storage.heads(wanted.clone()).await.unwrap()[0].clone().unwrap();
    let run = bench.running().await;
    let unchanged = CaptureOutcome::Unchanged { dataset: sales(), partition: wanted[0].1.clone(), head: head.clone() };
    let conclusion = Conclusion { captures: vec![unchanged], ..bench.ended(run, RunStatus::Completed) };
    let report = bench.storage.conclude(conclusion).await.unwrap();
    assert!(report.unchanged && report.captures[0].unchanged);
    assert_eq!(report.captures[0].capture_id, head.capture_id);
    assert_eq!(bench.storage.report(run).await.unwrap(), Some(report));
    assert_eq!(bench.event_names(run).await, ["created", "queued", "started", "unchanged", "completed"]);
    assert_eq!(bench.number("SELECT MAX(snapshot_id) FROM ducklake_snapshot").await, 1);
}

async fn a_capture_of_zero_rows_is_a_capture_without_a_file(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let empty = bench.publish(vec![bench.staged("2021-01-28", 2, 0)]).await.unwrap();
    assert_eq!((empty.records[0].revision, empty.records[0].rows), (Some(2), 0));
    assert_eq!(bench.number("SELECT COUNT(*) FROM ducklake_data_file WHERE end_snapshot IS NULL").await, 0);
    bench.publish(vec![bench.staged("2021-01-28", 3, 0)]).await.unwrap();
    let back = bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    assert_eq!(back.records[0].revision, Some(4));
    let view = bench.storage.catalog(AsOf::Latest).await.unwrap();
    let captures = &view.dataset(&sales()).unwrap().captures;
    let files: Vec<(bool, bool)> = captures.iter().map(|it| (it.file.is_some(), it.latest)).collect();
    assert_eq!(files, [(true, false), (false, false), (false, false), (true, true)]);
}

async fn a_first_capture_of_zero_rows_makes_a_table_that_readers_find_empty(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 0)]).await.unwrap();
    assert_eq!(bench.number("SELECT COUNT(*) FROM ducklake_table").await, 1);
    assert_eq!(bench.number("SELECT COUNT(*) FROM ducklake_column").await, 6);
    bench.publish(vec![bench.staged("2021-01-28", 2, 3)]).await.unwrap();
    assert_eq!(bench.number("SELECT record_count FROM ducklake_table_stats").await, 3);
}

async fn all_captures_of_a_run_share_one_snapshot(bench: Bench) {
    let returns = StagedCapture { dataset: "shop.returns".parse().unwrap(), ..bench.staged("2021-01-28", 5, 0) };
    let concluded =
        bench.publish(vec![bench.staged("2021-01-28", 1, 3), bench.staged("2021-01-29", 2, 4), returns]).await.unwrap();
    assert_eq!(bench.number("SELECT MAX(snapshot_id) FROM ducklake_snapshot").await, 1);
    assert!(concluded.records.iter().all(|it| it.captured_at == concluded.records[0].captured_at));
    let extra = bench.value("SELECT commit_extra_info FROM ducklake_snapshot_changes WHERE snapshot_id = 1");
    let extra: serde_json::Value = serde_json::from_str(&extra.await.unwrap()).unwrap();
    assert_eq!(extra.as_array().unwrap().len(), 3);
    assert_eq!(extra[1]["capture_id"], serde_json::json!(concluded.records[1].capture_id));
}

async fn snapshot_times_strictly_increase_whatever_the_clock_does(bench: Bench) {
    let mut times = Vec::new();
    for (content, clock) in [(1, START_US + 10), (2, START_US + 10), (3, START_US - 5_000_000), (4, START_US + 50)] {
        bench.clock.set(clock);
        let concluded = bench.publish(vec![bench.staged("2021-01-28", content, 3)]).await.unwrap();
        times.push(concluded.records[0].captured_at.unwrap().as_micros() - START_US);
    }
    assert_eq!(times, [11, 12, 13, 51]);
}

async fn a_capture_that_contradicts_itself_is_not_published(bench: Bench) {
    let without_file = StagedCapture { file: None, ..bench.staged("2021-01-28", 1, 3) };
    let of_no_partition = StagedCapture { partition: Partition::default(), ..bench.staged("2021-01-28", 1, 3) };
    let of_no_dataset = StagedCapture { dataset: "shop.nothing".parse().unwrap(), ..bench.staged("2021-01-28", 1, 3) };
    let mut without_stats = bench.staged("2021-01-28", 1, 3);
    without_stats.file.as_mut().unwrap().columns.pop();
    let mut too_many_nulls = bench.staged("2021-01-28", 1, 3);
    too_many_nulls.file.as_mut().unwrap().columns[1].nulls = 4;
    for (capture, code) in [
        (without_file, "bad_file"),
        (of_no_partition, "bad_partition"),
        (of_no_dataset, "unknown_dataset"),
        (without_stats, "bad_file"),
        (too_many_nulls, "bad_file"),
    ] {
        assert_eq!(bench.publish(vec![capture]).await.unwrap_err().code, code);
    }
    let twice = vec![bench.staged("2021-01-28", 1, 3), bench.staged("2021-01-28", 2, 3)];
    assert_eq!(bench.publish(twice).await.unwrap_err().code, "duplicate_partition");
    assert_eq!(bench.number("SELECT COUNT(*) FROM captures").await, 0);
    assert_eq!(bench.number("SELECT COUNT(*) FROM ducklake_table").await, 0);
}

async fn a_float_column_has_no_bounds_in_file_or_table_and_its_nan_is_remembered(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let mut nan = bench.staged("2021-01-29", 2, 3);
    nan.file.as_mut().unwrap().columns[3].contains_nan = Some(true);
    bench.publish(vec![nan]).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-29", 3, 3)]).await.unwrap();
    for bounds in [
        "SELECT COUNT(min_value) + COUNT(max_value) FROM ducklake_table_column_stats WHERE column_id = 4",
        "SELECT COUNT(min_value) + COUNT(max_value) FROM ducklake_file_column_stats WHERE column_id = 4",
    ] {
        assert_eq!(bench.number(bounds).await, 0, "{bounds}");
    }
    // The file with NaN is still there as of before.
    let nan = "SELECT CAST(contains_nan AS INTEGER) FROM ducklake_table_column_stats WHERE column_id = 4";
    assert_eq!(bench.number(nan).await, 1);
    let days = "SELECT min_value || ' ' || max_value FROM ducklake_table_column_stats WHERE column_id = 1";
    assert_eq!(bench.value(days).await.unwrap(), "2021-01-28 2021-01-29");
}
