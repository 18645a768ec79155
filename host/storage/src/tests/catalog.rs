//! Reading as of an instant.

use model::Timestamp;
use model::ports::{AsOf, Ledger};

use super::support::{Bench, START_US, sales};

fn at(micros: i64) -> AsOf {
    AsOf::Instant(Timestamp::from_micros(micros))
}

#[tokio::test]
async fn as_of_is_inclusive_and_before_everything_there_is_nothing() {
    let bench = Bench::new().await;
    for (content, offset) in [(1, 100), (2, 200)] {
        bench.clock.set(START_US + offset);
        bench.publish(vec![bench.staged("2021-01-28", content, 3)]).await.unwrap();
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

#[tokio::test]
async fn nobody_knows_the_future() {
    let bench = Bench::new().await;
    bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    for micros in [START_US + 1_000_000, i64::MAX] {
        let failure = bench.storage.catalog(at(micros)).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_as_of", 2));
    }
}

#[tokio::test]
async fn the_last_capture_can_be_asked_for_after_the_clock_stepped_back() {
    let bench = Bench::new().await;
    let concluded = bench.publish(vec![bench.staged("2021-01-28", 1, 3)]).await.unwrap();
    bench.clock.set(START_US - 1_000_000);
    let captured_at = concluded.records[0].captured_at.unwrap();
    let view = bench.storage.catalog(AsOf::Instant(captured_at)).await.unwrap();
    assert_eq!(view.snapshot.id, 1);
    assert_eq!(view.dataset(&sales()).unwrap().captures[0].captured_at, captured_at);
}
