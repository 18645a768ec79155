//! Attempts that fail and are followed by others.

use model::ports::{Adoption, Ledger, Requeue};
use model::run::{LogLine, RunStatus};
use model::work::{Lane, Lineage, Priority, Routing, Trigger, WorkInput, WorkSpec};
use model::{Failure, FailureKind, RunId, Timestamp};

use super::places::on_both;
use super::support::{Bench, digest, usage, worker};

on_both! {
    a_failed_attempt_goes_back_to_the_queue_with_its_time,
    only_the_attempt_at_work_goes_back,
    what_waits_is_read_back_whole,
}

fn unreachable() -> Failure {
    Failure::new(FailureKind::Network, "reset", "connection reset")
}

fn requeue(bench: &Bench, run: RunId, attempt: u32) -> Requeue {
    let at = bench.ended(run, RunStatus::Failed).finished_at;
    let (level, origin) = ("warn".to_owned(), "host".to_owned());
    let line = LogLine { at, level, origin, message: "again".to_owned(), fields: Vec::new() };
    let (error, not_before) = (unreachable(), at.plus_micros(1_000_000));
    Requeue {
        run_id: run,
        attempt,
        worker: worker(1),
        error,
        usage: Some(usage(100)),
        not_before,
        logs: vec![line],
        at,
    }
}

async fn a_failed_attempt_goes_back_to_the_queue_with_its_time(bench: Bench) {
    let run = bench.running().await;
    let asked = requeue(&bench, run, 1);
    let report = bench.storage.requeue(asked.clone()).await.unwrap();
    assert_eq!((report.status, report.attempt, report.not_before), (RunStatus::Queued, 1, Some(asked.not_before)));
    assert_eq!(report.usage, Some(usage(100)));
    assert_eq!(bench.storage.report(run).await.unwrap(), Some(report));
    assert_eq!(bench.storage.logs(run).await.unwrap().last(), asked.logs.last());
    bench.storage.start(bench.start(run, 2)).await.unwrap();
    let report = bench.storage.conclude(bench.ended(run, RunStatus::Completed)).await.unwrap();
    assert_eq!((report.status, report.attempt, report.not_before), (RunStatus::Completed, 2, None));
    assert_eq!(report.usage, Some(usage(1)), "of the latest attempt");
    assert_eq!(bench.values("SELECT CAST(cpu_us AS TEXT) FROM attempts ORDER BY number").await, ["100", "1"]);
    assert_eq!(
        bench.event_names(run).await,
        ["created", "queued", "started", "retry_scheduled", "started", "completed"]
    );
    assert_eq!(bench.number("SELECT COUNT(*) FROM attempts WHERE outcome = 'retried'").await, 1);
}

async fn only_the_attempt_at_work_goes_back(bench: Bench) {
    let (queued, running, done) = (bench.queued().await, bench.running().await, bench.running().await);
    bench.storage.conclude(bench.ended(done, RunStatus::Completed)).await.unwrap();
    for (run, attempt) in [(queued, 1), (running, 2), (done, 1)] {
        let before = bench.storage.report(run).await.unwrap();
        let events = bench.event_names(run).await;
        let failure = bench.storage.requeue(requeue(&bench, run, attempt)).await.unwrap_err();
        assert_eq!(failure.code, "illegal_transition");
        assert_eq!((bench.storage.report(run).await.unwrap(), bench.event_names(run).await), (before, events));
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM attempts WHERE outcome = 'retried'").await, 0);
}

async fn what_waits_is_read_back_whole(bench: Bench) {
    let parent = bench.running().await;
    let mut run = bench.new_run();
    let gone = Failure::new(FailureKind::Source, "not_found", "gone");
    run.spec = WorkSpec {
        inputs: [
            ("file".to_owned(), WorkInput::Kept { file_name: "a.csv".to_owned(), digest: digest(7) }),
            ("other".to_owned(), WorkInput::Unreadable { file_name: "b.csv".to_owned(), failure: gone }),
        ]
        .into(),
        force: true,
        routing: Routing {
            priority: Priority::High,
            lane: Lane::Backfill,
            deadline: Some(Timestamp::from_micros(1_800_000_000_000_000)),
        },
        lineage: Lineage {
            trigger: Trigger::Schedule,
            correlation_id: Some("c".to_owned()),
            parent_run_id: Some(parent),
            retry_of: None,
        },
        idempotency_key: Some("k".to_owned()),
        ..run.spec
    };
    bench.storage.submit(run.clone()).await.unwrap();
    let recorded = bench.storage.recorded(run.run_id).await.unwrap().unwrap();
    assert_eq!((&recorded.spec, recorded.status, recorded.attempt), (&run.spec, RunStatus::Queued, 0));
    let adoption = Adoption {
        worker: worker(1),
        until: Timestamp::from_micros(1_800_000_000_000_000),
        names: vec![run.spec.name.clone()],
        but: Vec::new(),
        most: 10,
    };
    assert_eq!(bench.storage.adopt(adoption).await.unwrap(), [recorded], "whole");
    let report = bench.storage.report(run.run_id).await.unwrap().unwrap();
    assert_eq!((report.routing, report.lineage, report.attempts_max), (run.spec.routing, run.spec.lineage, 3));
}
