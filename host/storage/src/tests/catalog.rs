//! Reading as of an instant.

use model::capture::StagedCapture;
use model::catalog::Extent;
use model::ports::{AsOf, Ledger};
use model::run::{CaptureOutcome, Conclusion, RunStatus};
use model::{Clock, DatasetName, Timestamp};

use super::places::on_both;
use super::support::{Bench, START_US, sales};
use crate::Storage;
use crate::writer::{Command, Scribe};

on_both! {
    as_of_is_inclusive_and_before_everything_there_is_nothing,
    nobody_knows_the_future,
    the_last_capture_can_be_asked_for_after_the_clock_stepped_back,
    who_asks_as_of_now_waits_for_a_capture_that_is_being_published_and_gets_an_answer_that_stays,
    what_is_published_in_the_very_moment_that_was_asked_for_comes_after_it,
    a_view_holds_as_much_of_each_dataset_as_is_wanted,
}

fn at(micros: i64) -> AsOf {
    AsOf::Instant(Timestamp::from_micros(micros))
}

async fn as_of_is_inclusive_and_before_everything_there_is_nothing(bench: Bench) {
    for (content, offset) in [(1, 100), (2, 200)] {
        bench.clock.set(START_US + offset - 1);
        let concluded = bench.publish(vec![bench.staged("2021-01-28", content, 3)]).await.unwrap();
        assert_eq!(concluded.records[0].captured_at.unwrap().as_micros(), START_US + offset);
    }
    for (offset, snapshot, captures) in [(-1_000_000, 0, 0), (99, 0, 0), (100, 1, 1), (199, 1, 1), (200, 2, 2)] {
        let view = bench.storage.catalog(at(START_US + offset)).await.unwrap();
        let dataset = view.dataset(&sales()).unwrap();
        assert_eq!((view.snapshot.id, dataset.captures.len()), (snapshot, captures), "{offset}");
        let latest = dataset.captures.iter().filter(|capture| capture.latest).count();
        assert_eq!(latest, captures.min(1), "one latest capture a partition");
    }
    assert_eq!(bench.storage.catalog(at(i64::MIN)).await.unwrap().snapshot.id, 0);
}

async fn nobody_knows_the_future(bench: Bench) {
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    for micros in [START_US + 1_000_000, i64::MAX] {
        let failure = bench.storage.catalog(at(micros)).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_as_of", 2));
    }
}

async fn the_last_capture_can_be_asked_for_after_the_clock_stepped_back(bench: Bench) {
    let concluded = bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    bench.clock.set(START_US - 1_000_000);
    let captured_at = concluded.records[0].captured_at.unwrap();
    let view = bench.storage.catalog(AsOf::Instant(captured_at)).await.unwrap();
    assert_eq!(view.snapshot.id, 1);
    assert_eq!(view.dataset(&sales()).unwrap().captures[0].captured_at, captured_at);
}

async fn who_asks_as_of_now_waits_for_a_capture_that_is_being_published_and_gets_an_answer_that_stays(bench: Bench) {
    let first = bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    let run = bench.running().await;
    let expected_head = Some(first.records[0].capture_id);
    let second = CaptureOutcome::Publish { staged: bench.staged("2021-01-28", 2, 3), expected_head };
    let conclusion = Conclusion { captures: vec![second], ..bench.ended(run, RunStatus::Completed) };
    let (mut connection, lead) = bench.other_writer().await;
    let mut scribe = Scribe::new(&mut connection, &lead);
    bench.begin_publishing(&mut scribe).await;
    Conclusion::execute(&mut scribe, &[&conclusion]).await.unwrap().remove(0).unwrap();

    // The second revision has its time, which has passed, and nobody sees it yet.
    bench.clock.set(START_US + 1_000_000);
    let now = at(START_US + 1_000_000);
    let reader = bench.open_read_only().await.unwrap();
    assert_eq!(reader.catalog(AsOf::Latest).await.unwrap().snapshot.id, 1, "who asks for no time waits for nothing");
    let settled = AsOf::Instant(first.records[0].captured_at.unwrap());
    assert_eq!(reader.catalog(settled).await.unwrap().snapshot.id, 1, "nor who asks for a time that is settled");
    let commit = async {
        // Long enough for a reader that does not wait to have its answer.
        for _ in 0..100 {
            bench.number("SELECT COUNT(*) FROM captures").await;
        }
        scribe.run("COMMIT").await.unwrap();
    };
    let (answer, ()) = tokio::join!(reader.catalog(now), commit);
    let answer = answer.unwrap();
    assert_eq!(answer.snapshot.id, 2);
    assert_eq!(reader.catalog(now).await.unwrap(), answer);
}

async fn what_is_published_in_the_very_moment_that_was_asked_for_comes_after_it(bench: Bench) {
    let now = AsOf::Instant(bench.storage.clock.now());
    let before = bench.storage.catalog(now).await.unwrap();
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    assert_eq!(bench.storage.catalog(now).await.unwrap(), before);
}

#[tokio::test]
async fn a_reader_that_waits_leaves_the_log_to_those_who_may_not_make_one() {
    let bench = Bench::on_sqlite().await;
    bench.storage.close().await;
    let reader = Storage::open_read_only(&bench.database(), bench.clock.clone()).await.unwrap();
    reader.catalog(AsOf::Instant(bench.clock.now())).await.unwrap();
    reader.close().await;
    for file in ["spine.db-wal", "spine.db-shm"] {
        assert!(bench.folder.path().join(file).exists(), "{file} is gone");
    }
}

async fn a_view_holds_as_much_of_each_dataset_as_is_wanted(bench: Bench) {
    let returns: DatasetName = "shop.returns".parse().unwrap();
    for content in [1, 2] {
        let other = StagedCapture { dataset: returns.clone(), ..bench.staged("2021-01-28", content, 0) };
        let days = ["2021-01-28", "2021-01-29"].map(|day| bench.staged(day, content, 3));
        bench.publish(days.into_iter().chain([other]).collect()).await.unwrap();
        bench.clock.set(START_US + 1_000_000);
    }
    let all = bench.storage.catalog(AsOf::Latest).await.unwrap();
    let heads = bench.storage.latest().await.unwrap();
    assert_eq!(heads.snapshot, all.snapshot);
    for (some, every) in heads.datasets.iter().zip(&all.datasets) {
        let latest: Vec<_> = every.captures.iter().filter(|capture| capture.latest).cloned().collect();
        assert_eq!((&some.spec, &some.captures), (&every.spec, &latest));
        assert_eq!(every.captures.len(), 2 * latest.len());
    }
    let only = |extent| move |dataset: &DatasetName| if dataset == &sales() { extent } else { Extent::Nothing };
    for (as_of, extent, captures) in [
        (AsOf::Latest, Extent::History, 4),
        (AsOf::Latest, Extent::Heads, 2),
        (at(START_US + 500_000), Extent::Heads, 2),
        (at(START_US + 500_000), Extent::Nothing, 0),
    ] {
        let view = bench.storage.catalog_for(as_of, only(extent)).await.unwrap();
        assert_eq!(view.dataset(&sales()).unwrap().captures.len(), captures);
        assert!(view.dataset(&returns).unwrap().captures.is_empty());
    }
    let first = bench.storage.catalog_for(at(START_US + 500_000), only(Extent::Heads)).await.unwrap();
    assert!(first.dataset(&sales()).unwrap().captures.iter().all(|capture| capture.latest && capture.revision == 1));
}
