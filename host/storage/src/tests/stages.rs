//! The stages that captures reached, and work that was done under the same inputs.

use model::ports::Ledger;
use model::run::{CaptureOutcome, Conclusion, RunStatus};
use model::stage::{StageDone, StageOrder};
use model::{CaptureId, Partition, RunId};

use super::places::on_both;
use super::support::{Bench, digest, sales};

on_both! {
    case_m1_m2_what_a_capture_reached_is_read_back_whatever_the_order_of_its_key,
    case_m4_m6_each_time_is_a_row_of_its_own_and_the_latest_stays,
    each_revision_has_its_own_way,
    what_the_order_does_not_name_is_no_stage_of_a_capture,
    work_is_known_by_its_inputs_until_it_is_done_anew,
}

const ORDER: [&str; 4] = ["pending", "ingested", "normalized", "aggregated"];

fn day(day: &str) -> Partition {
    [("day", day)].into_iter().collect()
}

fn done(name: &str, rows: u64, metrics: &[(&str, &str)]) -> StageDone {
    let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    StageDone { name: name.to_owned(), rows, metrics }
}

/// Ends a run that delivers this, and returns its id with that of its capture.
async fn ends(bench: &Bench, stages: Vec<StageDone>, content: u8) -> (RunId, CaptureId) {
    let run = bench.running().await;
    let staged = bench.staged("2021-01-28", content, 3);
    let head = bench.storage.heads(vec![(sales(), day("2021-01-28"))]).await.unwrap().remove(0);
    let outcome = match head {
        Some(head) if head.content_hash == digest(content) => {
            CaptureOutcome::Unchanged { dataset: sales(), partition: day("2021-01-28"), head }
        }
        head => CaptureOutcome::Publish { staged, expected_head: head.map(|head| head.capture_id) },
    };
    let conclusion = Conclusion {
        stages,
        stage_order: ORDER.map(str::to_owned).to_vec(),
        captures: vec![outcome],
        ..bench.ended(run, RunStatus::Completed)
    };
    let report = bench.storage.conclude(conclusion).await.unwrap();
    (run, report.captures[0].capture_id)
}

async fn case_m1_m2_what_a_capture_reached_is_read_back_whatever_the_order_of_its_key(bench: Bench) {
    let order = ORDER.map(str::to_owned);
    let order = StageOrder { pipeline: "shop.sales", stages: &order };
    let nothing = bench.storage.stages(&sales(), &day("2021-01-28"), None).await.unwrap();
    assert_eq!((nothing.latest(), nothing.is_at_least(order, "pending")), (None, Ok(false)));
    assert_eq!(nothing.is_before(order, "pending"), Ok(true));

    let stages = vec![done("pending", 0, &[]), done("ingested", 1_000, &[("rejected", "0.05"), ("a\"b", "é")])];
    let (run, _) = ends(&bench, stages, 1).await;
    let all = bench.storage.stages(&sales(), &day("2021-01-28"), None).await.unwrap();
    let latest = all.latest().unwrap();
    assert_eq!((latest.stage.as_str(), latest.rank, latest.rows, latest.number), ("ingested", 1, 1_000, 1));
    assert_eq!(latest.metrics, serde_json::json!({ "rejected": "0.05", "a\"b": "é" }));
    assert_eq!((latest.run_id, latest.attempt), (run, 1));
    assert_eq!((all.is_at_least(order, "ingested"), all.is_before(order, "normalized")), (Ok(true), Ok(true)));

    let (one, other) = ([("facility", "CNMS"), ("day", "1")], [("day", "1"), ("facility", "CNMS")]);
    let keys = [one, other].map(|key| key.into_iter().collect::<Partition>().key());
    assert_eq!(keys[0], keys[1]);
}

async fn case_m4_m6_each_time_is_a_row_of_its_own_and_the_latest_stays(bench: Bench) {
    let way = |rows| vec![done("pending", 0, &[]), done("ingested", rows, &[("n", "1")])];
    let (first, capture) = ends(&bench, way(1_000), 1).await;
    // The same content again: the capture that is there gets the rows.
    let (second, same) = ends(&bench, vec![done("pending", 0, &[])], 1).await;
    assert_eq!(same, capture);
    ends(&bench, way(0), 1).await;
    let all = bench.storage.stages(&sales(), &day("2021-01-28"), None).await.unwrap();
    let rows: Vec<(&str, u64, u64)> = all.0.iter().map(|it| (it.stage.as_str(), it.number, it.rows)).collect();
    let expected =
        [("pending", 1, 0), ("ingested", 1, 1_000), ("pending", 2, 0), ("pending", 3, 0), ("ingested", 2, 0)];
    assert_eq!(rows, expected);
    assert_eq!(all.latest().map(|it| (it.stage.as_str(), it.number)), Some(("ingested", 2)));
    assert_eq!((all.0[1].run_id, all.0[2].run_id), (first, second));
}

async fn each_revision_has_its_own_way(bench: Bench) {
    ends(&bench, vec![done("pending", 1, &[]), done("ingested", 1, &[])], 1).await;
    ends(&bench, vec![done("pending", 2, &[])], 2).await;
    let (dataset, partition) = (sales(), day("2021-01-28"));
    let at = |revision| bench.storage.stages(&dataset, &partition, revision);
    let latest = |stages: model::stage::CaptureStages| stages.latest().map(|it| (it.stage.clone(), it.rows));
    assert_eq!(latest(at(Some(1)).await.unwrap()), Some(("ingested".to_owned(), 1)));
    for revision in [Some(2), None] {
        assert_eq!(latest(at(revision).await.unwrap()), Some(("pending".to_owned(), 2)));
    }
    assert_eq!(latest(at(Some(3)).await.unwrap()), None);
}

async fn what_the_order_does_not_name_is_no_stage_of_a_capture(bench: Bench) {
    let (run, _) = ends(&bench, vec![done("pending", 1, &[]), done("anomaly:odd", 1, &[])], 1).await;
    assert_eq!(bench.storage.stages(&sales(), &day("2021-01-28"), None).await.unwrap().0.len(), 1);
    let events = bench.event_names(run).await;
    assert_eq!(events.iter().filter(|event| *event == "stage").count(), 2, "the run reports both");
}

async fn work_is_known_by_its_inputs_until_it_is_done_anew(bench: Bench) {
    let ended = |run, key: u8, status| Conclusion { input_key: Some(digest(key)), ..bench.ended(run, status) };
    let (failed, first) = (bench.running().await, bench.running().await);
    bench.storage.conclude(ended(failed, 1, RunStatus::Failed)).await.unwrap();
    assert_eq!(bench.storage.done_under(digest(1)).await.unwrap(), None);
    bench.storage.conclude(ended(first, 1, RunStatus::Completed)).await.unwrap();
    let spared = bench.running().await;
    let same = Conclusion { same_as: Some(first), ..ended(spared, 1, RunStatus::Completed) };
    bench.storage.conclude(same).await.unwrap();
    assert_eq!(bench.storage.done_under(digest(1)).await.unwrap(), Some(first));
    assert_eq!(bench.event_names(spared).await, ["created", "queued", "started", "same_as", "completed"]);
    let told = bench.storage.events(spared).await.unwrap().remove(3).data;
    assert_eq!(told["run_id"], first.to_string());
    let (one, other) = (bench.running().await, bench.running().await);
    let (one, other) = tokio::join!(
        bench.storage.conclude(ended(one, 1, RunStatus::Completed)),
        bench.storage.conclude(ended(other, 1, RunStatus::Completed)),
    );
    let last = bench.storage.done_under(digest(1)).await.unwrap().unwrap();
    assert!([one.unwrap().run_id, other.unwrap().run_id].contains(&last));
    assert_eq!(bench.storage.done_under(digest(2)).await.unwrap(), None);
}
