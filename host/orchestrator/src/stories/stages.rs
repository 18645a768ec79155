//! Stages that a pipeline declares, and what its guests report.

use std::sync::{Arc, Mutex};

use model::ports::{Engine, RunRequest};
use model::run::{RunReport, RunStatus};
use model::stage::{Advance, StageDone, StageListener};

use crate::testing::{Bench, daily, error_code};

const SCRIPT: &str = "rows_in 2\ncapture 1 1 a\ncapture 2 1 b";

async fn reports(bench: &Bench, stages: &[(&str, u64)]) -> RunReport {
    let done = |(name, rows): &(&str, u64)| StageDone {
        name: (*name).to_owned(),
        rows: *rows,
        metrics: vec![("ratio".to_owned(), "0.05".to_owned())],
    };
    *bench.invoker.stages.lock().unwrap() = stages.iter().map(done).collect();
    bench.orchestrator.submit(RunRequest { name: "d.staged".to_owned(), ..daily(SCRIPT) }).await.unwrap()
}

#[tokio::test]
async fn case_m3_m5_a_run_that_skips_a_stage_or_invents_one_fails_and_publishes_nothing() {
    let bench = Bench::new().await;
    let skipped = reports(&bench, &[("landed", 2), ("aggregated", 2)]).await;
    assert_eq!((skipped.status, error_code(&skipped)), (RunStatus::Failed, "stage_skipped"));
    let unknown = reports(&bench, &[("landed", 2), ("normalised", 2)]).await;
    assert_eq!((unknown.status, error_code(&unknown)), (RunStatus::Failed, "unknown_stage"));
    let message = unknown.error.unwrap().message;
    assert!(message.contains("did you mean `normalized`?") && message.contains("`aggregated`"), "{message}");
    assert!(bench.ledger.revisions("1").is_empty() && bench.lake.written.lock().unwrap().is_empty());
    // Findings that a guest reports are recorded beside the stages, and are none.
    let fine = reports(&bench, &[("landed", 2), ("anomaly:odd", 1), ("normalized", 2)]).await;
    assert_eq!(fine.status, RunStatus::Completed);
    assert_eq!(bench.ledger.state().conclusions[2].stage_order, ["landed", "normalized", "aggregated"]);
}

#[tokio::test]
async fn case_m7_who_wants_to_hear_of_it_is_told_of_each_stage_of_each_capture_once() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&told);
    let listener = StageListener(Arc::new(move |advance: &Advance| hears.lock().unwrap().push(advance.clone())));
    let bench = Bench::with(|parts| parts.advanced = Some(listener)).await;
    let report = reports(&bench, &[("landed", 2), ("normalized", 1)]).await;
    let seen: Vec<_> = {
        let told = told.lock().unwrap();
        let words = |it: &Advance| (it.partition.to_string(), it.stage.clone(), it.rank, it.rows);
        assert!(told.iter().all(|it| it.metrics == [("ratio".to_owned(), "0.05".to_owned())]));
        assert!(told.iter().all(|it| it.dataset.to_string() == "d.t"));
        told.iter().map(words).collect()
    };
    let of =
        |at: usize, stage: &str, rank, rows| (report.captures[at].partition.to_string(), stage.to_owned(), rank, rows);
    let expected = [of(0, "landed", 0, 2), of(0, "normalized", 1, 1), of(1, "landed", 0, 2), of(1, "normalized", 1, 1)];
    assert_eq!(seen, expected);
    reports(&bench, &[("aggregated", 2)]).await;
    assert_eq!(told.lock().unwrap().len(), 4, "a run that failed has not come anywhere");
}
