//! Dead letters, and the repetitions that count against them.

use model::ports::{DeadLetter, DeadLetterFilter, DeadLetters, Exclusive, Leases, Ledger, NewRun, Start};
use model::run::RunStatus;
use model::work::Lineage;
use model::{Failure, RunId};

use super::places::on_both;
use super::support::Bench;

on_both! {
    case_x2_a_failed_run_has_a_dead_letter_and_a_cancelled_one_has_none,
    case_x17_a_repetition_that_completes_resolves_it_and_the_run_stays_failed,
    case_d1_d2_p10_repetitions_are_counted_and_end,
    case_d3_it_is_resolved_once_and_who_did_is_kept,
    case_d4_d5_lists_by_name_and_with_the_resolved,
    case_d7_what_is_not_there_is_said,
    case_d6_no_repetitions_means_none,
    case_x5_each_repetition_counts_one,
    only_what_ended_badly_is_repeated,
}

async fn ended(bench: &Bench, status: RunStatus) -> RunId {
    let run = bench.running().await;
    bench.storage.conclude(bench.ended(run, status)).await.unwrap();
    run
}

/// Repeats a run, to this end.
async fn repeated(bench: &Bench, run: RunId, status: RunStatus) -> Result<RunId, Failure> {
    let new = repetition(bench, run);
    let id = new.run_id;
    bench.storage.submit(new).await?;
    bench.storage.start(bench.start(id, 1)).await.unwrap();
    bench.storage.conclude(bench.ended(id, status)).await.unwrap();
    Ok(id)
}

fn repetition(bench: &Bench, run: RunId) -> NewRun {
    let mut new = bench.new_run();
    new.spec.lineage = Lineage { retry_of: Some(run), ..Lineage::default() };
    new
}

async fn letters(bench: &Bench, filter: DeadLetterFilter) -> Vec<DeadLetter> {
    bench.storage.dead_letters(DeadLetterFilter { limit: 100, ..filter }).await.unwrap()
}

async fn open(bench: &Bench) -> Vec<DeadLetter> {
    letters(bench, DeadLetterFilter::default()).await
}

async fn status(bench: &Bench, run: RunId) -> RunStatus {
    bench.storage.report(run).await.unwrap().unwrap().status
}

async fn case_x2_a_failed_run_has_a_dead_letter_and_a_cancelled_one_has_none(bench: Bench) {
    let failed = ended(&bench, RunStatus::Failed).await;
    for other in [RunStatus::Completed, RunStatus::Cancelled, RunStatus::TimedOut] {
        ended(&bench, other).await;
    }
    let letters = open(&bench).await;
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((letter.run_id, letter.retries, letter.retries_max, letter.attempts), (failed, 0, 3, 1));
    assert_eq!(Some(&letter.error), bench.storage.report(failed).await.unwrap().unwrap().error.as_ref());
    assert_eq!(bench.event_names(failed).await, ["created", "queued", "started", "failed"]);
    // What it held alone, the next may hold.
    let wanted = [Exclusive { key: "shop|1".to_owned(), slots: 1 }];
    for _ in 0..2 {
        let run = bench.queued().await;
        let start = Start { exclusive: wanted.to_vec(), ..bench.start(run, 1) };
        bench.storage.start(start).await.unwrap();
        assert_eq!(bench.storage.leases().await.unwrap().len(), 1);
        bench.storage.conclude(bench.ended(run, RunStatus::Failed)).await.unwrap();
        assert_eq!(bench.storage.leases().await.unwrap(), []);
    }
}

async fn case_x17_a_repetition_that_completes_resolves_it_and_the_run_stays_failed(bench: Bench) {
    let failed = ended(&bench, RunStatus::Failed).await;
    let done = repeated(&bench, failed, RunStatus::Completed).await.unwrap();
    assert_eq!(open(&bench).await, []);
    let letter = letters(&bench, DeadLetterFilter { resolved: true, ..DeadLetterFilter::default() }).await.remove(0);
    assert_eq!((letter.retry_run_id, letter.resolved_by.as_deref()), (Some(done), Some("retry")));
    assert_eq!((status(&bench, failed).await, status(&bench, done).await), (RunStatus::Failed, RunStatus::Completed));
    assert_eq!(bench.event_names(failed).await, ["created", "queued", "started", "failed", "retried"]);
    assert_eq!(repeated(&bench, failed, RunStatus::Failed).await.unwrap_err().code, "not_repeatable");
}

async fn case_d1_d2_p10_repetitions_are_counted_and_end(bench: Bench) {
    let failed = ended(&bench, RunStatus::Failed).await;
    let mut last = failed;
    for count in 1..=3 {
        assert_eq!(status(&bench, failed).await, RunStatus::Failed);
        // It does not matter which of the chain is repeated.
        last = repeated(&bench, last, RunStatus::Failed).await.unwrap();
        let letters = open(&bench).await;
        assert_eq!((letters.len(), letters[0].run_id, letters[0].retries), (1, failed, count));
    }
    assert_eq!(status(&bench, failed).await, RunStatus::DeadLettered);
    assert_eq!(bench.event_names(failed).await.last().unwrap(), "dead_lettered");
    for run in [failed, last] {
        let refused = repeated(&bench, run, RunStatus::Completed).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.exit_code()), ("retries_used_up", 3));
    }
    assert_eq!(open(&bench).await[0].retries, 3, "nothing goes past the most");
}

async fn case_d3_it_is_resolved_once_and_who_did_is_kept(bench: Bench) {
    let failed = ended(&bench, RunStatus::Failed).await;
    assert!(bench.storage.resolve(failed, "ann", Some("bad file")).await.unwrap());
    assert!(!bench.storage.resolve(failed, "bob", None).await.unwrap());
    let letter = letters(&bench, DeadLetterFilter { run: Some(failed), resolved: true, ..DeadLetterFilter::default() });
    let letter = letter.await.remove(0);
    assert_eq!((letter.resolved_by.as_deref(), letter.note.as_deref()), (Some("ann"), Some("bad file")));
    assert_eq!(repeated(&bench, failed, RunStatus::Completed).await.unwrap_err().code, "not_repeatable");
}

async fn case_d4_d5_lists_by_name_and_with_the_resolved(bench: Bench) {
    let first = ended(&bench, RunStatus::Failed).await;
    ended(&bench, RunStatus::Failed).await;
    bench.storage.resolve(first, "ann", None).await.unwrap();
    let count = async |filter| letters(&bench, filter).await.len();
    assert_eq!(count(DeadLetterFilter::default()).await, 1);
    assert_eq!(count(DeadLetterFilter { resolved: true, ..DeadLetterFilter::default() }).await, 2);
    let named =
        |name: &str| DeadLetterFilter { name: Some(name.to_owned()), resolved: true, ..DeadLetterFilter::default() };
    assert_eq!(count(named("shop.sales")).await, 2);
    assert_eq!(count(named("shop.returns")).await, 0);
}

async fn case_d7_what_is_not_there_is_said(bench: Bench) {
    let done = ended(&bench, RunStatus::Completed).await;
    let failure = bench.storage.resolve(done, "ann", None).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_id", 2));
    let nobody = bench.new_run().run_id;
    assert_eq!(bench.storage.submit(repetition(&bench, nobody)).await.unwrap_err().code, "bad_id");
}

async fn only_what_ended_badly_is_repeated(bench: Bench) {
    let (queued, running) = (bench.queued().await, bench.running().await);
    let completed = ended(&bench, RunStatus::Completed).await;
    for run in [queued, running, completed] {
        assert_eq!(repeated(&bench, run, RunStatus::Completed).await.unwrap_err().code, "not_repeatable");
    }
    let cancelled = ended(&bench, RunStatus::Cancelled).await;
    for _ in 0..5 {
        repeated(&bench, cancelled, RunStatus::Cancelled).await.unwrap();
    }
}

async fn case_d6_no_repetitions_means_none(bench: Bench) {
    let failed = ended(&bench, RunStatus::Failed).await;
    let (mut connection, _) = bench.other_writer().await;
    sqlx::query("UPDATE dead_letters SET retries_max = 0").execute(&mut connection).await.unwrap();
    let letter = open(&bench).await.remove(0);
    assert_eq!((letter.run_id, letter.retries_max, letter.can_retry()), (failed, 0, false));
    assert_eq!(repeated(&bench, failed, RunStatus::Completed).await.unwrap_err().code, "retries_used_up");
}

async fn case_x5_each_repetition_counts_one(bench: Bench) {
    let failed = ended(&bench, RunStatus::Failed).await;
    for count in 1..=2 {
        repeated(&bench, failed, RunStatus::Failed).await.unwrap();
        assert_eq!(open(&bench).await[0].retries, count);
    }
}
