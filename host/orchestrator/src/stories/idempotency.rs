//! Work that was done before: append does it again and publishes it, state does it again, input does not.

use futures::future::join_all;
use model::failure::{Failure, FailureKind};
use model::ports::{Engine, RunRequest};
use model::run::{RunReport, RunStatus};

use crate::testing::{Bench, daily, found, text};

const SCRIPT: &str = "rows_in 2\nrejected 1\ncapture 1 1 a";

fn of(name: &str, script: &str) -> RunRequest {
    RunRequest { name: name.to_owned(), ..daily(script) }
}

async fn run(bench: &Bench, name: &str) -> RunReport {
    bench.orchestrator.submit(of(name, SCRIPT)).await.unwrap()
}

/// The runs that say which run had done the same.
fn spared(bench: &Bench) -> Vec<Option<model::RunId>> {
    bench.ledger.state().conclusions.iter().map(|it| it.same_as).collect()
}

#[tokio::test]
async fn append_publishes_the_same_content_again_and_again() {
    let bench = Bench::new().await;
    for revision in 1..=3 {
        let report = run(&bench, "d.each").await;
        assert_eq!(
            (report.status, report.unchanged, report.captures[0].revision),
            (RunStatus::Completed, false, Some(revision))
        );
    }
    assert_eq!((bench.invoker.calls(), bench.ledger.revisions("1").len()), (3, 3));
}

#[tokio::test]
async fn state_does_the_work_and_publishes_what_differs() {
    let bench = Bench::new().await;
    let (first, again) = (run(&bench, "d.daily").await, run(&bench, "d.daily").await);
    assert_eq!((first.unchanged, again.unchanged), (false, true));
    assert_eq!((bench.invoker.calls(), bench.ledger.revisions("1").len()), (2, 1));
    assert_eq!(spared(&bench), [None, None]);
}

#[tokio::test]
async fn input_spares_the_work_and_says_which_run_did_it() {
    let bench = Bench::new().await;
    let (first, again) = (run(&bench, "d.once").await, run(&bench, "d.once").await);
    assert_eq!((again.status, again.unchanged, bench.invoker.calls()), (RunStatus::Completed, true, 1));
    assert_eq!(again.captures[0].capture_id, first.captures[0].capture_id);
    assert_eq!((again.rows_in, again.rows_out, again.rejected), (first.rows_in, first.rows_out, first.rejected));
    let third = run(&bench, "d.once").await;
    assert_eq!(spared(&bench), [None, Some(first.run_id), Some(first.run_id)]);
    assert_eq!((third.unchanged, bench.lake.written.lock().unwrap().len()), (true, 1));
}

#[tokio::test]
async fn input_does_the_work_where_anything_differs() {
    let bench = Bench::new().await;
    run(&bench, "d.once").await;
    let note = |note: &str| {
        let mut request = of("d.once", SCRIPT);
        request.params.insert("note".to_owned(), text(note));
        request
    };
    let renamed = || {
        let mut request = of("d.once", SCRIPT);
        request.files.get_mut("file").unwrap().file_name = "other.txt".to_owned();
        request
    };
    let others = [of("d.once", "rows_in 1\ncapture 2 1 b"), note("a"), renamed()];
    for (at, request) in others.into_iter().enumerate() {
        bench.orchestrator.submit(request).await.unwrap();
        assert_eq!(bench.invoker.calls(), at + 2);
    }
    bench.orchestrator.submit(RunRequest { force: true, ..of("d.once", SCRIPT) }).await.unwrap();
    assert_eq!(
        (bench.invoker.calls(), bench.ledger.revisions("1").len()),
        (5, 2),
        "force is asked for to have it done"
    );
    bench.orchestrator.submit(RunRequest { dry_run: true, ..of("d.once", SCRIPT) }).await.unwrap();
    assert_eq!(bench.invoker.calls(), 6, "a dry run reads and checks");
    // Another version of the plugin.
    bench.orchestrator.install(vec![found("d.wasm", b"d2", crate::testing::MANIFEST)]).await.unwrap();
    run(&bench, "d.once").await;
    assert_eq!(bench.invoker.calls(), 7);
    run(&bench, "d.once").await;
    assert_eq!(bench.invoker.calls(), 7);
}

#[tokio::test]
async fn input_does_the_work_again_once_its_captures_are_not_the_latest() {
    let bench = Bench::new().await;
    run(&bench, "d.once").await;
    bench.orchestrator.submit(of("d.daily", "rows_in 1\ncapture 1 1 b")).await.unwrap();
    let again = run(&bench, "d.once").await;
    assert_eq!((again.unchanged, again.captures[0].revision, bench.invoker.calls()), (false, Some(3), 3));
}

#[tokio::test]
async fn of_many_at_once_one_does_the_work() {
    let bench = Bench::new().await;
    let gate = bench.invoker.close_gate();
    let all = join_all((0..4).map(|_| bench.orchestrator.submit(of("d.once", SCRIPT))));
    let (reports, ()) = tokio::join!(all, async {
        bench.invoker.entered(1).await;
        gate.add_permits(4);
    });
    let reports: Vec<RunReport> = reports.into_iter().map(Result::unwrap).collect();
    assert!(reports.iter().all(|report| report.status == RunStatus::Completed));
    assert_eq!(reports.iter().filter(|report| report.unchanged).count(), 3);
    assert_eq!((bench.invoker.calls(), bench.ledger.revisions("1").len()), (1, 1));
}

#[tokio::test]
async fn after_a_failure_the_work_is_done_and_after_a_restart_it_is_known() {
    let bench = Bench::new().await;
    bench.invoker.fails_next(Failure::new(FailureKind::Pipeline, "trap", "unreachable"));
    assert_eq!(run(&bench, "d.once").await.status, RunStatus::Failed);
    let second = run(&bench, "d.once").await;
    assert_eq!((second.status, second.unchanged, bench.invoker.calls()), (RunStatus::Completed, false, 2));
    let next = bench.again().await;
    let third = next.submit(of("d.once", SCRIPT)).await.unwrap();
    assert_eq!((third.unchanged, bench.invoker.calls()), (true, 2));
    assert_eq!(spared(&bench), [None, None, Some(second.run_id)]);
}

#[tokio::test]
async fn what_a_secret_is_part_of_is_never_known_to_be_the_same() {
    let bench = Bench::new().await;
    for _ in 0..2 {
        let mut request = of("d.once", SCRIPT);
        request.params.insert("token".to_owned(), text("hunter22"));
        bench.orchestrator.submit(request).await.unwrap();
    }
    assert_eq!(bench.invoker.calls(), 2);
}
