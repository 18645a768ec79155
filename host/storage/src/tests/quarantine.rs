//! Captures that wait for an operator.

use model::ports::{AsOf, Ledger};
use model::run::{CaptureOutcome, Conclusion, RunCaptureState, RunStatus};
use model::{CaptureId, CaptureState, Partition};

use super::places::on_both;
use super::support::{Bench, sales};

on_both! {
    a_quarantined_capture_gets_the_next_revision_when_it_is_released,
    content_in_quarantine_is_found_until_somebody_decides,
    what_is_decided_stays_decided,
    a_capture_whose_file_is_gone_cannot_be_released_but_discarded,
    an_empty_capture_can_be_released,
}

async fn a_quarantined_capture_gets_the_next_revision_when_it_is_released(bench: Bench) {
    let held = bench.quarantine(bench.staged("2021-01-28", 1, 3)).await;
    let run = held.report.run_id;
    let capture = held.records[0].capture_id;
    assert_eq!((held.records[0].revision, held.report.captures[0].revision), (None, None));
    assert_eq!(bench.storage.quarantined().await.unwrap(), held.records);
    assert_eq!(bench.storage.catalog(AsOf::Latest).await.unwrap().snapshot.id, 0, "no reader sees it");
    bench.publish(vec![bench.staged("2021-01-28", 2, 3)]).await.unwrap();

    let released = bench.storage.release(capture).await.unwrap();
    assert_eq!((released.revision, released.state), (Some(2), CaptureState::Published));
    assert_eq!(bench.capture(&sales(), capture).await, released);
    let names = ["created", "queued", "started", "quarantined", "failed", "released"];
    assert_eq!(bench.event_names(run).await, names);
    let report = bench.storage.report(run).await.unwrap().unwrap();
    assert_eq!((report.status, report.captures[0].revision), (RunStatus::Failed, Some(2)));
    let current = bench.value("SELECT path FROM ducklake_data_file WHERE end_snapshot IS NULL").await.unwrap();
    assert_eq!(current, format!("{capture}.parquet"));
    assert_eq!(bench.number("SELECT COUNT(*) FROM ducklake_file_column_stats").await, 12);
    let next = bench.publish(vec![bench.staged("2021-01-28", 4, 3)]).await.unwrap();
    assert_eq!(next.records[0].revision, Some(3));
}

async fn content_in_quarantine_is_found_until_somebody_decides(bench: Bench) {
    let held = bench.quarantine(bench.staged("2021-01-28", 1, 3)).await.records.remove(0);
    let content = (held.dataset.clone(), held.partition.clone(), held.content_hash);
    let other = bench.staged("2021-01-28", 2, 3);
    let wanted = vec![(other.dataset, other.partition, other.content_hash), content.clone()];
    assert_eq!(bench.storage.held(wanted).await.unwrap(), [None, Some(held.capture_id)]);

    let run = bench.running().await;
    let (dataset, partition, content_hash) = content.clone();
    let again = CaptureOutcome::Held { dataset, partition, capture_id: held.capture_id, rows: 3, content_hash };
    let conclusion = Conclusion { captures: vec![again], ..bench.ended(run, RunStatus::Failed) };
    let report = bench.storage.conclude(conclusion).await.unwrap();
    assert_eq!(
        (report.captures[0].capture_id, report.captures[0].state),
        (held.capture_id, RunCaptureState::Quarantined)
    );
    assert_eq!(bench.storage.report(run).await.unwrap().unwrap().captures, report.captures);
    assert_eq!(bench.storage.quarantined().await.unwrap(), std::slice::from_ref(&held));

    bench.storage.discard(held.capture_id).await.unwrap();
    assert_eq!(bench.storage.held(vec![content]).await.unwrap(), [None]);
}

async fn what_is_decided_stays_decided(bench: Bench) {
    let mut captures: Vec<CaptureId> = Vec::new();
    for day in ["2021-01-28", "2021-01-29"] {
        captures.push(bench.quarantine(bench.staged(day, 1, 3)).await.records[0].capture_id);
    }
    bench.storage.release(captures[0]).await.unwrap();
    let discarded = bench.storage.discard(captures[1]).await.unwrap();
    assert_eq!(discarded.state, CaptureState::Discarded);
    for (capture, state) in [(captures[0], "published"), (captures[1], "discarded")] {
        let again = bench.storage.release(capture).await.unwrap_err();
        assert_eq!((again.code.as_str(), again.exit_code()), ("not_releasable", 3));
        assert!(again.message.contains(state), "{}", again.message);
        assert_eq!(bench.storage.discard(capture).await.unwrap_err().code, "not_releasable");
    }
    let unknown = bench.staged("2021-01-28", 1, 0).capture_id;
    assert_eq!(bench.storage.release(unknown).await.unwrap_err().code, "bad_id");
    assert!(bench.storage.quarantined().await.unwrap().is_empty());
    assert_eq!(bench.storage.captures(&sales(), &Partition::default()).await.unwrap().len(), 2);
    assert_eq!(bench.storage.capture_files().await.unwrap().len(), 2, "the file of a discarded capture stays");
}

async fn a_capture_whose_file_is_gone_cannot_be_released_but_discarded(bench: Bench) {
    let held = bench.quarantine(bench.staged("2021-01-28", 1, 3)).await;
    let capture = held.records[0].capture_id;
    std::fs::remove_dir_all(bench.folder.path().join("captures")).unwrap();
    assert_eq!(bench.storage.release(capture).await.unwrap_err().code, "not_found");
    bench.storage.discard(capture).await.unwrap();
}

async fn an_empty_capture_can_be_released(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 2, 3)]).await.unwrap();
    let held = bench.quarantine(bench.staged("2021-01-28", 1, 0)).await;
    let released = bench.storage.release(held.records[0].capture_id).await.unwrap();
    assert_eq!((released.revision, released.rows), (Some(2), 0));
    assert_eq!(bench.number("SELECT COUNT(*) FROM ducklake_data_file WHERE end_snapshot IS NULL").await, 0);
}
