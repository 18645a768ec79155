//! Runs of every kind, and ledgers of versions that knew three of them.

use std::sync::Arc;

use model::ports::{Adoption, Interrupted, Ledger, Reaped, RunFilter, Start};
use model::run::{RunKind, RunStatus};
use model::work::{Lineage, WorkSpec};
use private_postgres::Database;
use sqlx::{AnyConnection, Connection};

use super::places::{on_both, open_at, server};
use super::support::{Bench, HandClock, hand_clock};
use crate::place::{Place, Server};
use crate::{migrations, open as opening};

/// The last version with three kinds.
const BEFORE: i64 = 20_261_126_200_000;

on_both! {
    every_kind_of_run_is_kept,
    a_run_that_asks_for_others_calls_no_plugin_and_outlives_its_worker,
}

async fn every_kind_of_run_is_kept(bench: Bench) {
    for kind in RunKind::ALL {
        let mut run = bench.new_run();
        run.spec = WorkSpec::new("shop.sales", kind);
        bench.storage.submit(run.clone()).await.unwrap();
        assert_eq!(bench.storage.report(run.run_id).await.unwrap().unwrap().kind, kind);
        let listed = bench.storage.runs(&RunFilter { kind: Some(kind), ..RunFilter::default() }).await.unwrap();
        assert_eq!(listed.runs.iter().map(|run| run.run_id).collect::<Vec<_>>(), [run.run_id]);
    }
}

async fn a_run_that_asks_for_others_calls_no_plugin_and_outlives_its_worker(bench: Bench) {
    let mut parent = bench.new_run();
    parent.spec = WorkSpec::new("shop.sales", RunKind::Backfill);
    let id = parent.run_id;
    bench.storage.submit(parent).await.unwrap();
    let start = Start { plugin: None, inputs: Vec::new(), input_hash: None, ..bench.start(id, 1) };
    bench.storage.start(start.clone()).await.unwrap();
    let mut child = bench.new_run();
    child.spec.lineage = Lineage { parent_run_id: Some(id), ..Lineage::default() };
    bench.storage.submit(child.clone()).await.unwrap();
    bench.storage.start(bench.start(child.run_id, 1)).await.unwrap();

    // Its worker is dead, and what it carried out itself fails by policy.
    bench.clock.set(start.lease_until.as_micros());
    let mut reaped = bench.storage.reap(Interrupted::Fail).await.unwrap();
    reaped.sort_by_key(|reaped| reaped.run);
    let became = |run, became| Reaped { run, became };
    assert_eq!(reaped, [became(id, RunStatus::Queued), became(child.run_id, RunStatus::Failed)]);
    let adoption = Adoption {
        worker: super::support::worker(2),
        until: start.lease_until.plus_micros(60_000_000),
        names: vec!["shop.sales".to_owned()],
        but: Vec::new(),
        most: 10,
    };
    let waiting = bench.storage.adopt(adoption).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].run_id, waiting[0].attempt), (1, id, 1));
    let children = bench.storage.children(id).await.unwrap();
    assert_eq!((children.len(), &children[0].spec, children[0].status), (1, &child.spec, RunStatus::Failed));

    let worker = super::support::worker(2);
    let again = Start {
        attempt: 2,
        worker,
        keeper: Some(worker),
        lease_until: start.lease_until.plus_micros(60_000_000),
        ..start
    };
    bench.storage.start(again.clone()).await.unwrap();
    let claim = Some(model::run::Claim { worker: again.worker, attempt: 2 });
    let ended = model::run::Conclusion { claim, ..bench.ended(id, RunStatus::Completed) };
    let report = bench.storage.conclude(ended).await.unwrap();
    assert_eq!((report.status, report.attempt, report.plugin), (RunStatus::Completed, 2, None));
    assert_eq!(bench.event_names(id).await, ["created", "queued", "started", "requeued", "started", "completed"]);
}

/// Runs of an earlier version in every state, with all that belongs to them.
const OLD_ROWS: &str = "
    INSERT INTO runs (run_id, name, kind, status, params, attempt, created_at_us)
    VALUES ('run_00000000000070008000000000000001', 'shop.sales', 'pipeline', 'queued', '{\"a\":1}', 0, 1);
    INSERT INTO runs (
        run_id, name, kind, status, params, attempt, plugin_name, plugin_version, plugin_digest, error,
        created_at_us, started_at_us, finished_at_us, parent_run_id, priority
    )
    VALUES (
        'run_00000000000070008000000000000002', 'shop.count', 'task', 'failed', '{}', 1, 'shop', '1.0.0',
        'sha256:0101010101010101010101010101010101010101010101010101010101010101',
        '{\"kind\":\"pipeline\",\"code\":\"trap\",\"message\":\"x\",\"retryable\":false,\"causes\":[]}',
        2, 3, 4, 'run_00000000000070008000000000000001', 'high'
    );
    INSERT INTO attempts (
        run_id, number, plugin_name, plugin_version, plugin_digest, snapshot_id, started_at_us, finished_at_us, outcome
    )
    VALUES (
        'run_00000000000070008000000000000002', 1, 'shop', '1.0.0',
        'sha256:0101010101010101010101010101010101010101010101010101010101010101', 0, 3, 4, 'failed'
    );
    INSERT INTO run_events (run_id, seq, at_us, event, data)
    VALUES ('run_00000000000070008000000000000002', 1, 2, 'created', '{}');
    INSERT INTO idempotency_keys (idempotency_key, run_id) VALUES ('k', 'run_00000000000070008000000000000001');
    INSERT INTO dead_letters (run_id, created_at_us, retries_max)
    VALUES ('run_00000000000070008000000000000002', 4, 3);
";

#[tokio::test]
async fn a_ledger_of_three_kinds_in_a_file_keeps_every_row_and_takes_the_others() {
    let (folder, clock) = (Arc::new(tempfile::tempdir().unwrap()), hand_clock());
    let path = folder.path().join("spine.db");
    std::fs::write(&path, "").unwrap();
    let connection = opening::writing(&Place::file(&path).unwrap()).await.unwrap();
    let bench = brought_up(connection, None, folder, clock).await;
    assert_eq!(bench.values("PRAGMA integrity_check").await, ["ok"]);
    assert_eq!(bench.number("SELECT COUNT(*) FROM pragma_foreign_key_check").await, 0);
    every_kind_of_run_is_kept_beside_the_old(bench).await;
}

#[tokio::test]
async fn a_ledger_of_three_kinds_on_a_server_keeps_every_row_and_takes_the_others() {
    let Some(server) = server() else { return };
    let (folder, clock) = (Arc::new(tempfile::tempdir().unwrap()), hand_clock());
    let place = Place::Server(Server::parse(&server.url()).unwrap());
    let connection = opening::writing(&place).await.unwrap();
    every_kind_of_run_is_kept_beside_the_old(brought_up(connection, Some(server), folder, clock).await).await;
}

async fn brought_up(
    mut connection: AnyConnection,
    server: Option<Database>,
    folder: Arc<tempfile::TempDir>,
    clock: Arc<HandClock>,
) -> Bench {
    migrations::migrate_to(BEFORE, &mut connection).await;
    sqlx::raw_sql(OLD_ROWS).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let storage = open_at(server.as_ref(), &folder, &clock).await.unwrap();
    Bench { folder, clock, storage, ids: Arc::default(), claims: Arc::default(), server }
}

async fn every_kind_of_run_is_kept_beside_the_old(bench: Bench) {
    let [queued, failed] = ["01", "02"].map(|end| format!("run_000000000000700080000000000000{end}").parse().unwrap());
    let report = bench.storage.report(queued).await.unwrap().unwrap();
    assert_eq!((report.status, report.params, report.plugin), (RunStatus::Queued, serde_json::json!({ "a": 1 }), None));
    let report = bench.storage.report(failed).await.unwrap().unwrap();
    assert_eq!((report.kind, report.status, report.attempt), (RunKind::Task, RunStatus::Failed, 1));
    assert_eq!((report.plugin.unwrap().version.as_str(), report.error.unwrap().code.as_str()), ("1.0.0", "trap"));
    assert_eq!(report.lineage.parent_run_id, Some(queued));
    assert_eq!(bench.event_names(failed).await, ["created"]);
    for table in ["attempts", "idempotency_keys", "dead_letters"] {
        let count = match table {
            "attempts" => "SELECT COUNT(*) FROM attempts",
            "idempotency_keys" => "SELECT COUNT(*) FROM idempotency_keys",
            _ => "SELECT COUNT(*) FROM dead_letters",
        };
        assert_eq!(bench.number(count).await, 1, "{table}");
    }
    // What holds for a run still does: a task without a plugin never began.
    let sql = "UPDATE runs SET plugin_digest = NULL WHERE kind = 'task'";
    let (mut connection, _) = bench.other_writer().await;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap_err();
    sqlx::raw_sql("UPDATE runs SET kind = 'step'").execute(&mut connection).await.unwrap_err();
    drop(connection);
    bench.storage.conclude(bench.ended(queued, RunStatus::Cancelled)).await.unwrap();
    // The same kinds as in a new ledger.
    bench.register(vec![super::support::found(&super::support::manifest(), 1)]).await.unwrap();
    for kind in [RunKind::Workflow, RunKind::Backfill, RunKind::Replay] {
        let mut run = bench.new_run();
        run.spec = WorkSpec::new("shop.sales", kind);
        let id = run.run_id;
        bench.storage.submit(run).await.unwrap();
        assert_eq!(bench.storage.report(id).await.unwrap().unwrap().kind, kind);
    }
}
