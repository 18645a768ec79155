//! The log of a run: it grows while the run goes on, and each line has its number.

use model::Timestamp;
use model::ports::{Interrupted, Ledger};
use model::run::{Conclusion, LogLine, RunStatus};

use super::places::on_both;
use super::support::{Bench, START_US};

on_both! {
    a_log_grows_while_the_run_goes_on_and_its_conclusion_adds_the_rest,
    a_run_that_has_ended_says_nothing_more,
    the_log_of_an_interrupted_run_is_there_up_to_its_last_batch,
}

fn lines(messages: std::ops::Range<i64>) -> Vec<LogLine> {
    let line = |number: i64| LogLine {
        at: Timestamp::from_micros(START_US + number),
        level: "info".to_owned(),
        origin: "guest".to_owned(),
        message: format!("line {number}"),
        fields: vec![("n".to_owned(), number.to_string())],
    };
    messages.map(line).collect()
}

async fn a_log_grows_while_the_run_goes_on_and_its_conclusion_adds_the_rest(bench: Bench) {
    let (run, other) = (bench.running().await, bench.running().await);
    let (one, two) =
        tokio::join!(bench.storage.append_log(run, lines(0..3)), bench.storage.append_log(other, lines(0..1)),);
    one.and(two).unwrap();
    bench.storage.append_log(run, lines(3..5)).await.unwrap();
    assert_eq!(bench.storage.logs(run).await.unwrap(), lines(0..5));
    assert_eq!(bench.storage.logs_after(run, 4).await.unwrap(), lines(4..5));
    let conclusion = Conclusion { logs: lines(5..7), ..bench.ended(run, RunStatus::Completed) };
    bench.storage.conclude(conclusion).await.unwrap();
    assert_eq!(bench.storage.logs(run).await.unwrap(), lines(0..7));
    assert_eq!(bench.storage.logs(other).await.unwrap(), lines(0..1));
    let gaps = "SELECT COUNT(*) FROM (SELECT run_id FROM run_logs GROUP BY run_id HAVING MAX(seq) <> COUNT(*)) AS gaps";
    assert_eq!(bench.number(gaps).await, 0);
}

async fn a_run_that_has_ended_says_nothing_more(bench: Bench) {
    let (ended, open) = (bench.running().await, bench.running().await);
    bench.storage.append_log(ended, lines(0..1)).await.unwrap();
    bench.storage.conclude(bench.ended(ended, RunStatus::Completed)).await.unwrap();
    let (late, fine, unknown) = tokio::join!(
        bench.storage.append_log(ended, lines(1..2)),
        bench.storage.append_log(open, lines(0..1)),
        bench.storage.append_log(bench.new_run().run_id, lines(0..1)),
    );
    assert_eq!(late.unwrap_err().code, "illegal_transition");
    assert_eq!(unknown.unwrap_err().code, "bad_id");
    fine.unwrap();
    assert_eq!(bench.storage.logs(ended).await.unwrap(), lines(0..1));
}

async fn the_log_of_an_interrupted_run_is_there_up_to_its_last_batch(bench: Bench) {
    let run = bench.running().await;
    bench.storage.append_log(run, lines(0..2)).await.unwrap();
    let bench = bench.reopen().await;
    bench.storage.recover(Interrupted::Fail).await.unwrap();
    assert_eq!(bench.storage.logs(run).await.unwrap(), lines(0..2));
}
