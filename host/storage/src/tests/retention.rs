//! What is forgotten when it is old, and what never is.

use model::ports::{DeadLetterFilter, DeadLetters, Exclusive, Ledger, NewRun, RetentionLedger, Start};
use model::reject::{Reject, RejectFile, Rejects};
use model::retention::{Cutoffs, RetentionPolicy};
use model::run::{CaptureOutcome, Conclusion, LogLine, RunStatus, SourceCursor};
use model::work::{Lineage, WorkInput};
use model::{RunId, Timestamp};

use super::places::on_both;
use super::support::{Bench, START_US, digest, sales, worker};

on_both! {
    case_x10_a_completed_row_of_sixty_days_goes_after_thirty_and_a_running_one_never,
    nothing_goes_unless_days_are_given,
    what_others_refer_to_stays,
    a_key_keeps_the_run_that_it_stands_for_and_leaves_one_that_failed,
    children_go_before_what_they_refer_to,
    dead_letters_go_by_when_they_were_resolved,
    a_run_without_its_dead_letter_is_not_repeated,
    long_logs_go_in_pieces,
    inputs_are_unnamed_once_nobody_reads_them,
    every_reference_to_a_run_is_looked_at,
}

const DAY: i64 = 24 * 3600 * 1_000_000;

fn days(runs: u32, letters: Option<u32>, now: i64) -> Cutoffs {
    let policy = RetentionPolicy { runs_days: Some(runs), dead_letters_resolved_days: letters };
    policy.cutoffs(Timestamp::from_micros(now))
}

/// Thirty days, sixty days after the start.
fn thirty() -> Cutoffs {
    days(30, None, START_US + 60 * DAY)
}

async fn ended(bench: &Bench, status: RunStatus) -> RunId {
    let run = bench.running().await;
    bench.storage.conclude(bench.ended(run, status)).await.unwrap();
    run
}

/// Forgets all that may go, as whoever drives it does. How many dead letters and runs.
async fn forget(bench: &Bench, cutoffs: Cutoffs) -> (u64, u64) {
    let (mut letters, mut runs, mut after) = (0, 0, None);
    loop {
        match bench.storage.forget_dead_letters(cutoffs).await.unwrap() {
            0 => break,
            some => letters += some,
        }
    }
    loop {
        let page = bench.storage.forgettable_runs(cutoffs, after).await.unwrap();
        if page.runs.is_empty() {
            return (letters, runs);
        }
        loop {
            let gone = bench.storage.forget_runs(cutoffs, page.runs.clone()).await.unwrap();
            runs += gone.runs;
            if !gone.more {
                break;
            }
        }
        // From the beginning again in the end: what they referred to may go now.
        after = page.next;
    }
}

async fn is_there(bench: &Bench, run: RunId) -> bool {
    bench.storage.report(run).await.unwrap().is_some()
}

/// Fails if anything is left of a run anywhere.
async fn assert_gone(bench: &Bench, run: RunId) {
    assert!(!is_there(bench, run).await);
    for table in
        ["run_events", "run_logs", "run_stages", "attempts", "run_inputs", "quality_results", "rejects", "run_captures"]
    {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE run_id = '{run}'");
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&bench.storage.reads).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

fn line(at: i64) -> LogLine {
    LogLine {
        at: Timestamp::from_micros(at),
        level: "info".to_owned(),
        origin: "guest".to_owned(),
        message: "a line".to_owned(),
        fields: Vec::new(),
    }
}

async fn case_x10_a_completed_row_of_sixty_days_goes_after_thirty_and_a_running_one_never(bench: Bench) {
    let (queued, running) = (bench.queued().await, bench.queued().await);
    bench.storage.start(Start { worker: worker(2), ..bench.start(running, 1) }).await.unwrap();
    let old = bench.running().await;
    let rows = vec![Reject { code: "bad".to_owned(), message: "no".to_owned(), line: Some(1), raw: None }];
    let conclusion = Conclusion {
        logs: vec![line(START_US)],
        stages: vec![model::stage::StageDone { name: "read".to_owned(), rows: 1, metrics: Vec::new() }],
        rejects: Rejects { rows, ..Rejects::default() },
        ..bench.ended(old, RunStatus::Completed)
    };
    bench.storage.conclude(conclusion).await.unwrap();
    bench.clock.set(START_US + 31 * DAY);
    let young = ended(&bench, RunStatus::Completed).await;
    bench.clock.set(START_US + 60 * DAY);
    let page = bench.storage.forgettable_runs(thirty(), None).await.unwrap();
    assert_eq!((page.runs, page.next), (vec![old], None));
    assert_eq!(forget(&bench, thirty()).await, (0, 1));
    assert_gone(&bench, old).await;
    for run in [queued, running, young] {
        assert!(is_there(&bench, run).await);
    }
    assert_eq!(forget(&bench, days(0, None, START_US + 1_000 * DAY)).await, (0, 1), "however old they are");
    assert!(is_there(&bench, queued).await && is_there(&bench, running).await);
}

async fn nothing_goes_unless_days_are_given(bench: Bench) {
    let run = ended(&bench, RunStatus::Completed).await;
    bench.clock.set(START_US + 10_000 * DAY);
    assert_eq!(forget(&bench, Cutoffs::default()).await, (0, 0));
    assert!(is_there(&bench, run).await);
}

async fn what_others_refer_to_stays(bench: Bench) {
    let published = bench.publish(vec![bench.staged("2026-01-02", 1, 3)]).await.unwrap().report.run_id;
    let replaced = bench.publish(vec![bench.staged("2026-01-02", 2, 3)]).await.unwrap().report.run_id;
    let quarantined = bench.quarantine(bench.staged("2026-01-03", 3, 3)).await;
    let discarded = bench.quarantine(bench.staged("2026-01-04", 4, 3)).await;
    bench.storage.discard(discarded.records[0].capture_id).await.unwrap();
    let source = bench.running().await;
    let cursor = Some(SourceCursor { source: "shop.drop".to_owned(), cursor: b"page 2".to_vec() });
    bench.storage.conclude(Conclusion { cursor, ..bench.ended(source, RunStatus::Completed) }).await.unwrap();
    // It found what was there already: a reference of its own, which keeps nobody.
    let unchanged = bench.running().await;
    let head = bench.storage.heads(vec![(sales(), [("day", "2026-01-02")].into_iter().collect())]);
    let head = head.await.unwrap().remove(0).unwrap();
    let (dataset, partition) = (sales(), [("day", "2026-01-02")].into_iter().collect());
    let captures = vec![CaptureOutcome::Unchanged { dataset, partition, head }];
    bench.storage.conclude(Conclusion { captures, ..bench.ended(unchanged, RunStatus::Completed) }).await.unwrap();
    for run in [quarantined.report.run_id, discarded.report.run_id] {
        bench.storage.resolve(run, "ann", None).await.unwrap();
    }
    assert_eq!(forget(&bench, thirty()).await, (2, 1));
    assert_gone(&bench, unchanged).await;
    for run in [published, replaced, quarantined.report.run_id, discarded.report.run_id, source] {
        assert!(is_there(&bench, run).await, "{run}");
    }
}

async fn a_key_keeps_the_run_that_it_stands_for_and_leaves_one_that_failed(bench: Bench) {
    let keyed = async |key: &str, status| {
        let mut new: NewRun = bench.new_run();
        new.spec.idempotency_key = Some(key.to_owned());
        let run = new.run_id;
        bench.storage.submit(new).await.unwrap();
        bench.storage.start(bench.start(run, 1)).await.unwrap();
        bench.storage.conclude(bench.ended(run, status)).await.unwrap();
        run
    };
    let completed = keyed("a", RunStatus::Completed).await;
    let cancelled = keyed("b", RunStatus::Cancelled).await;
    assert_eq!(forget(&bench, thirty()).await, (0, 1));
    assert!(is_there(&bench, completed).await, "else its work would succeed once more");
    assert_gone(&bench, cancelled).await;
    assert_eq!(bench.values("SELECT idempotency_key FROM idempotency_keys").await, ["a"]);
}

fn repetition(bench: &Bench, run: RunId) -> NewRun {
    let mut new = bench.new_run();
    new.spec.lineage = Lineage { retry_of: Some(run), ..Lineage::default() };
    new
}

async fn repeated(bench: &Bench, run: RunId, status: RunStatus) -> RunId {
    let new = repetition(bench, run);
    let id = new.run_id;
    bench.storage.submit(new).await.unwrap();
    bench.storage.start(bench.start(id, 1)).await.unwrap();
    bench.storage.conclude(bench.ended(id, status)).await.unwrap();
    id
}

async fn children_go_before_what_they_refer_to(bench: Bench) {
    let failed = ended(&bench, RunStatus::Failed).await;
    bench.clock.set(START_US + DAY);
    let again = repeated(&bench, failed, RunStatus::Failed).await;
    assert_eq!(forget(&bench, thirty()).await, (0, 0), "an open dead letter keeps what it is about");
    bench.clock.set(START_US + 2 * DAY);
    let done = repeated(&bench, again, RunStatus::Completed).await;
    let parent = ended(&bench, RunStatus::Completed).await;
    let mut child = bench.new_run();
    child.spec.lineage.parent_run_id = Some(parent);
    let child_id = child.run_id;
    bench.storage.submit(child).await.unwrap();
    assert_eq!(forget(&bench, thirty()).await, (1, 3), "the last of them first");
    for run in [failed, again, done] {
        assert_gone(&bench, run).await;
    }
    assert!(is_there(&bench, parent).await && is_there(&bench, child_id).await, "the child is still queued");
}

async fn dead_letters_go_by_when_they_were_resolved(bench: Bench) {
    let (early, late, open) = (
        ended(&bench, RunStatus::Failed).await,
        ended(&bench, RunStatus::Failed).await,
        ended(&bench, RunStatus::Failed).await,
    );
    bench.storage.resolve(early, "ann", None).await.unwrap();
    bench.clock.set(START_US + 55 * DAY);
    bench.storage.resolve(late, "ann", None).await.unwrap();
    let cutoffs = thirty();
    assert_eq!(bench.storage.forgettable_dead_letters(cutoffs).await.unwrap(), 1);
    assert_eq!(bench.storage.forgettable_runs(cutoffs, None).await.unwrap().runs, [early], "as if it were gone");
    assert_eq!(forget(&bench, cutoffs).await, (1, 1));
    let left = bench.storage.dead_letters(DeadLetterFilter { resolved: true, limit: 9, ..DeadLetterFilter::default() });
    let left: Vec<RunId> = left.await.unwrap().iter().map(|letter| letter.run_id).collect();
    assert_eq!(left, [open, late], "both are as old as the one that went, but nobody dealt with them before");
    assert!(!is_there(&bench, early).await && is_there(&bench, late).await);
    let cutoffs = days(30, Some(1), START_US + 60 * DAY);
    assert_eq!(forget(&bench, cutoffs).await, (1, 1));
}

async fn a_run_without_its_dead_letter_is_not_repeated(bench: Bench) {
    let failed = ended(&bench, RunStatus::Failed).await;
    let again = repeated(&bench, failed, RunStatus::Cancelled).await;
    bench.storage.resolve(failed, "ann", None).await.unwrap();
    let letters = RetentionPolicy { runs_days: None, dead_letters_resolved_days: Some(30) };
    let cutoffs = letters.cutoffs(Timestamp::from_micros(START_US + 60 * DAY));
    assert_eq!(forget(&bench, cutoffs).await, (1, 0));
    for run in [failed, again] {
        let refused = bench.storage.submit(repetition(&bench, run)).await.unwrap_err();
        assert_eq!(refused.code, "not_repeatable", "its failure would leave no dead letter");
    }
}

async fn long_logs_go_in_pieces(bench: Bench) {
    let run = bench.running().await;
    for at in 0..9 {
        let lines = (0..1_000).map(|line_at| line(START_US + at * 1_000 + line_at)).collect();
        bench.storage.append_log(run, lines).await.unwrap();
    }
    bench.storage.conclude(bench.ended(run, RunStatus::Completed)).await.unwrap();
    let mut pieces = 0;
    loop {
        pieces += 1;
        let gone = bench.storage.forget_runs(thirty(), vec![run]).await.unwrap();
        if !gone.more {
            assert_eq!(gone.runs, 1);
            break;
        }
        assert!(is_there(&bench, run).await);
    }
    assert_eq!(pieces, 3, "no transaction deletes more than 4,000 lines");
    assert_gone(&bench, run).await;
    let none = bench.storage.forget_runs(thirty(), vec![run]).await.unwrap();
    assert_eq!((none.runs, none.more), (0, false));
}

async fn inputs_are_unnamed_once_nobody_reads_them(bench: Bench) {
    // The attempts of every run of the bench read 201.
    let (one, other) = (ended(&bench, RunStatus::Completed).await, ended(&bench, RunStatus::Completed).await);
    let mut waiting = bench.new_run();
    let kept = WorkInput::Kept { file_name: "b.csv".to_owned(), digest: digest(9) };
    waiting.spec.inputs.insert("file".to_owned(), kept);
    bench.storage.submit(waiting).await.unwrap();
    let unnamed = async || bench.storage.unnamed_inputs(vec![digest(201), digest(9), digest(8)]).await.unwrap();
    assert_eq!(unnamed().await, [digest(8)]);
    let gone = bench.storage.forget_runs(thirty(), vec![one]).await.unwrap();
    assert_eq!((gone.runs, gone.inputs), (1, vec![digest(201)]));
    assert_eq!(unnamed().await, [digest(8)], "another run has read it too");
    bench.storage.forget_runs(thirty(), vec![other]).await.unwrap();
    assert_eq!(unnamed().await, [digest(8), digest(201)], "and what is queued will read the third");
    assert_eq!(bench.storage.wanted_inputs().await.unwrap().into_iter().collect::<Vec<_>>(), [digest(9)]);
}

async fn every_reference_to_a_run_is_looked_at(bench: Bench) {
    let mut references = match bench.server {
        None => {
            let sql = "SELECT m.name || '.' || f.\"from\" FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f \
                       WHERE m.type = 'table' AND f.\"table\" IN ('runs', 'attempts') AND f.seq = 0";
            bench.values(sql).await
        }
        Some(_) => {
            let sql = "SELECT c.conrelid::regclass::text || '.' || a.attname \
                       FROM pg_constraint AS c \
                       JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
                       WHERE c.contype = 'f' AND c.confrelid::regclass::text IN ('runs', 'attempts')";
            bench.values(sql).await
        }
    };
    references.sort();
    let known = [
        "attempts.run_id",
        "capture_stages.run_id",
        "captures.run_id",
        "completed_inputs.run_id",
        "dead_letters.retry_run_id",
        "dead_letters.run_id",
        "idempotency_keys.run_id",
        "leases.run_id",
        "quality_results.run_id",
        "reject_files.run_id",
        "rejects.run_id",
        "run_captures.run_id",
        "run_events.run_id",
        "run_inputs.run_id",
        "run_logs.run_id",
        "run_stages.run_id",
        "runs.dead_letter_of",
        "runs.parent_run_id",
        "runs.retry_of",
        "source_cursors.run_id",
    ];
    assert_eq!(references, known, "a new reference keeps a run, or is deleted with it: see `read::retention`");
    // One of them is a file of rejects.
    let run = bench.running().await;
    let file = RejectFile { path: format!("{run}.parquet"), bytes: 9, rows: 9, codes: Default::default() };
    let rejects = Rejects { file: Some(file), ..Rejects::default() };
    bench.storage.conclude(Conclusion { rejects, ..bench.ended(run, RunStatus::Completed) }).await.unwrap();
    let held = bench.queued().await;
    let exclusive = vec![Exclusive { key: "a".to_owned(), slots: 1 }];
    bench.storage.start(Start { exclusive, ..bench.start(held, 1) }).await.unwrap();
    let page = bench.storage.forgettable_runs(thirty(), None).await.unwrap();
    assert_eq!((page.runs, page.rejects), (vec![run], vec![format!("{run}.parquet")]));
    assert_eq!(forget(&bench, thirty()).await, (0, 1));
    assert_eq!(bench.number("SELECT COUNT(*) FROM reject_files").await, 0);
}
