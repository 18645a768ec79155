//! Looking through the runs.

use model::RunId;
use model::ports::{Ledger, ListLimit, RunFilter, RunPage};
use model::run::{RunKind, RunStatus};
use model::work::{Lineage, WorkSpec};

use super::places::on_both;
use super::support::Bench;

on_both! {
    runs_are_listed_newest_first_in_pages,
    case_p5_runs_are_listed_by_kind_name_status_and_parent,
    case_p6_of_sixty_runs_a_list_shows_fifty_and_where_to_go_on,
}

fn ids(page: &RunPage) -> Vec<RunId> {
    page.runs.iter().map(|run| run.run_id).collect()
}

async fn runs_are_listed_newest_first_in_pages(bench: Bench) {
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(bench.queued().await);
    }
    bench.storage.conclude(bench.ended(runs[0], RunStatus::Cancelled)).await.unwrap();
    let (limit, name) = (ListLimit::new(2).unwrap(), Some("shop.sales".to_owned()));
    let page = |before, status| RunFilter { limit, before, status, name: name.clone(), ..RunFilter::default() };
    let first = bench.storage.runs(&page(None, None)).await.unwrap();
    assert_eq!((ids(&first), first.next), (vec![runs[4], runs[3]], Some(runs[3])));
    let second = bench.storage.runs(&page(Some(runs[1]), None)).await.unwrap();
    assert_eq!((second.runs.len(), second.next), (1, None));
    let cancelled = bench.storage.runs(&page(None, Some(RunStatus::Cancelled))).await.unwrap();
    assert_eq!(cancelled.runs[0].run_id, runs[0]);
}

async fn case_p5_runs_are_listed_by_kind_name_status_and_parent(bench: Bench) {
    let parent = bench.running().await;
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let mut run = bench.new_run();
        let lineage = Lineage { parent_run_id: Some(parent), ..Lineage::default() };
        run.spec = WorkSpec { lineage, ..WorkSpec::new("shop.count", RunKind::Task) };
        tasks.insert(0, run.run_id);
        bench.storage.submit(run).await.unwrap();
    }
    let all = RunFilter::default;
    let expected = [
        (all(), vec![tasks[0], tasks[1], parent]),
        (RunFilter { kind: Some(RunKind::Task), ..all() }, tasks.clone()),
        (RunFilter { kind: Some(RunKind::Pipeline), ..all() }, vec![parent]),
        (RunFilter { kind: Some(RunKind::Backfill), ..all() }, Vec::new()),
        (RunFilter { name: Some("shop.count".to_owned()), ..all() }, tasks.clone()),
        (RunFilter { status: Some(RunStatus::Running), ..all() }, vec![parent]),
        (RunFilter { parent: Some(parent), ..all() }, tasks.clone()),
        (RunFilter { parent: Some(parent), status: Some(RunStatus::Running), ..all() }, Vec::new()),
        (RunFilter { parent: Some(tasks[0]), ..all() }, Vec::new()),
    ];
    for (filter, runs) in expected {
        let page = bench.storage.runs(&filter).await.unwrap();
        assert_eq!((ids(&page), page.next), (runs, None), "{filter:?}");
    }
}

async fn case_p6_of_sixty_runs_a_list_shows_fifty_and_where_to_go_on(bench: Bench) {
    let mut runs = Vec::new();
    for _ in 0..60 {
        runs.insert(0, bench.queued().await);
    }
    let first = bench.storage.runs(&RunFilter::default()).await.unwrap();
    assert_eq!((ids(&first), first.next), (runs[..50].to_vec(), Some(runs[49])));
    let rest = RunFilter { before: first.next, ..RunFilter::default() };
    let second = bench.storage.runs(&rest).await.unwrap();
    assert_eq!((ids(&second), second.next), (runs[50..].to_vec(), None));
}
