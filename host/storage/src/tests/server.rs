//! What only a server has: several processes at once, connections that break, databases of others.

use std::sync::Arc;

use model::FailureKind;
use model::failure::Failure;
use model::ports::{AsOf, Interrupted, Ledger, NewRun, Submission};
use model::reject::{Reject, Rejects};
use model::run::{CaptureOutcome, Conclusion, LogLine, RunStatus};
use model::work::WorkSpec;
use sqlx::Connection;

use super::places::{open_at, server};
use super::support::{Bench, Counter, digest, hand_clock};
use crate::place::{Place, Server};
use crate::{Storage, migrations, open as opening};

/// Ends every connection to the database but the one that asks for it.
const HANG_UP: &str = r"
    SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
";

/// Has changes of `runs` fail with a code, as often as is said.
fn failing(event: &str, times: u32, code: &str) -> String {
    format!(
        r"
        CREATE SEQUENCE tries;
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'made to fail' USING ERRCODE = '{code}'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER fail BEFORE {event} ON runs EXECUTE FUNCTION fail();
        "
    )
}

fn of_the_winner<T>(answers: [Result<T, Failure>; 2]) -> (T, Failure) {
    match answers {
        [Ok(won), Err(lost)] | [Err(lost), Ok(won)] => (won, lost),
        [Ok(_), Ok(_)] => panic!("both won"),
        [Err(one), Err(other)] => panic!("both lost: {one}; {other}"),
    }
}

#[tokio::test]
async fn of_two_processes_with_the_same_key_one_is_new() {
    let Some(one) = Bench::on_postgres().await else { return };
    let two = one.another().await;
    for round in 0..20 {
        let keyed = |bench: &Bench| {
            let key = Some(format!("key\0{round}"));
            let run = bench.new_run();
            let spec = WorkSpec { idempotency_key: key, ..run.spec };
            NewRun { spec, request_hash: Some(digest(1)), ..run }
        };
        let (first, second) = (keyed(&one), keyed(&two));
        let ids = [first.run_id, second.run_id];
        let answers = tokio::join!(one.storage.submit(first), two.storage.submit(second));
        let winner = match (answers.0.unwrap(), answers.1.unwrap()) {
            (Submission::New, Submission::Existing(run)) | (Submission::Existing(run), Submission::New) => run,
            other => panic!("{other:?}"),
        };
        assert!(ids.contains(&winner));
        assert_eq!(two.storage.submit(keyed(&two)).await.unwrap(), Submission::Existing(winner));
    }
    assert_eq!(one.number("SELECT COUNT(*) FROM runs").await, 20);
}

#[tokio::test]
async fn a_run_starts_and_ends_in_one_process() {
    let Some(one) = Bench::on_postgres().await else { return };
    let two = one.another().await;
    for _ in 0..10 {
        let run = one.queued().await;
        let (a, b) = tokio::join!(one.storage.start(one.start(run, 1)), two.storage.start(two.start(run, 1)));
        assert_eq!(of_the_winner([a, b]).1.code, "illegal_transition");
        let (a, b) = tokio::join!(
            one.storage.conclude(one.ended(run, RunStatus::Completed)),
            two.storage.conclude(two.ended(run, RunStatus::Cancelled)),
        );
        let (report, lost) = of_the_winner([a, b]);
        assert_eq!(lost.code, "illegal_transition");
        assert_eq!(one.event_names(run).await[3..], [report.status.name()]);
        assert_eq!(one.storage.report(run).await.unwrap(), Some(report));
    }
}

#[tokio::test]
async fn lines_of_two_processes_come_into_one_log_without_a_gap() {
    let Some(one) = Bench::on_postgres().await else { return };
    let two = one.another().await;
    let run = one.running().await;
    let line = LogLine {
        at: one.start(run, 1).started_at,
        level: "info".to_owned(),
        origin: "host".to_owned(),
        message: "here".to_owned(),
        fields: Vec::new(),
    };
    for _ in 0..10 {
        let (a, b) = tokio::join!(
            one.storage.append_log(run, vec![line.clone(); 3]),
            two.storage.append_log(run, vec![line.clone(); 2]),
        );
        a.and(b).unwrap();
    }
    assert_eq!(one.number("SELECT COUNT(*) FROM run_logs").await, 50);
    assert_eq!(one.number("SELECT MAX(seq) FROM run_logs").await, 50);
}

#[tokio::test]
async fn snapshots_of_several_processes_follow_each_other() {
    let Some(one) = Bench::on_postgres().await else { return };
    let (two, three) = (one.another().await, one.another().await);
    for content in 1..=10 {
        let published = tokio::join!(
            one.publish(vec![one.staged("2021-01-27", content, 3)]),
            two.publish(vec![two.staged("2021-01-28", content, 3)]),
            three.publish(vec![three.staged("2021-01-29", content, 0)]),
        );
        for concluded in [published.0, published.1, published.2] {
            assert_eq!(concluded.unwrap().records[0].revision, Some(u64::from(content)));
        }
    }
    assert_eq!(one.number("SELECT COUNT(*) FROM ducklake_snapshot").await, 31);
    assert_eq!(one.number("SELECT MAX(snapshot_id) FROM ducklake_snapshot").await, 30);
    let unordered = r"
        SELECT COUNT(*)
        FROM ducklake_snapshot AS earlier
        JOIN ducklake_snapshot AS later ON later.snapshot_id = earlier.snapshot_id + 1
        WHERE later.snapshot_time <= earlier.snapshot_time
    ";
    assert_eq!(one.number(unordered).await, 0);
    let files = "SELECT MAX(data_file_id) + 1 - COUNT(*) FROM ducklake_data_file";
    assert_eq!(one.number(files).await, 0, "ids of files have no gap");
    assert_eq!(one.number("SELECT next_row_id FROM ducklake_table_stats").await, 60);
    assert_eq!(one.storage.foreign_snapshots().await.unwrap(), Vec::<u64>::new());
}

#[tokio::test]
async fn of_two_processes_that_correct_the_same_partition_one_conflicts() {
    let Some(one) = Bench::on_postgres().await else { return };
    let two = one.another().await;
    let conclusion = |bench: &Bench, run| Conclusion {
        captures: vec![CaptureOutcome::Publish { staged: bench.staged("2021-01-28", 1, 3), expected_head: None }],
        ..bench.ended(run, RunStatus::Completed)
    };
    let (a, b) = (one.running().await, two.running().await);
    let (a, b) = tokio::join!(one.storage.conclude(conclusion(&one, a)), two.storage.conclude(conclusion(&two, b)));
    let (_, lost) = of_the_winner([a, b]);
    assert_eq!((lost.code.as_str(), lost.retryable), ("conflict", true));
}

#[tokio::test]
async fn runs_of_other_processes_are_left_alone() {
    let Some(bench) = Bench::on_postgres().await else { return };
    let run = bench.running().await;
    let other = bench.another().await;
    assert!(other.storage.recover(Interrupted::Fail).await.unwrap().is_empty());
    assert_eq!(bench.storage.report(run).await.unwrap().unwrap().status, RunStatus::Running);
}

#[tokio::test]
async fn several_processes_may_be_the_first() {
    let Some(server) = server() else { return };
    let (folder, clock) = (tempfile::tempdir().unwrap(), hand_clock());
    let open = || open_at(Some(&server), &folder, &clock);
    let (a, b, c) = tokio::join!(open(), open(), open());
    for storage in [a, b, c] {
        assert_eq!(storage.unwrap().catalog(AsOf::Latest).await.unwrap().snapshot.id, 0);
    }
}

#[tokio::test]
async fn a_lost_connection_is_replaced() {
    let Some(bench) = Bench::on_postgres().await else { return };
    let run = bench.queued().await;
    bench.server.as_ref().unwrap().run(HANG_UP).unwrap();
    bench.storage.start(bench.start(run, 1)).await.unwrap();
    bench.server.as_ref().unwrap().run(HANG_UP).unwrap();
    assert_eq!(bench.storage.report(run).await.unwrap().unwrap().status, RunStatus::Running);
    assert_eq!(bench.event_names(run).await, ["created", "queued", "started"]);
}

#[tokio::test]
async fn a_group_that_met_others_is_repeated_and_in_the_end_given_back() {
    let Some(bench) = Bench::on_postgres().await else { return };
    let server = bench.server.as_ref().unwrap();
    for (times, code) in [(2, "40001"), (9, "40P01"), (3, "57014"), (10, "40001")] {
        server.run(&failing("INSERT", times, code)).unwrap();
        let answer = bench.storage.submit(bench.new_run()).await;
        match times {
            10 => {
                let failure = answer.unwrap_err();
                assert_eq!((failure.code.as_str(), failure.retryable), ("contention", true));
            }
            _ => assert_eq!(answer.unwrap(), Submission::New),
        }
        server.run("DROP TRIGGER fail ON runs; DROP FUNCTION fail; DROP SEQUENCE tries").unwrap();
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM run_events").await, 6, "nothing was written twice");
}

#[tokio::test]
async fn a_full_disk_of_the_server_fails_all_that_was_to_be_committed() {
    let Some(bench) = Bench::on_postgres().await else { return };
    let (one, two) = (bench.running().await, bench.running().await);
    let server = bench.server.as_ref().unwrap();
    server.run(&failing("UPDATE", 1_000, "53100")).unwrap();
    let reject = Reject { code: "bad_field".to_owned(), message: "no number".to_owned(), line: None, raw: None };
    let rejects = Rejects { rows: vec![reject], file: None };
    let conclusion = Conclusion { rejects, ..bench.ended(one, RunStatus::Completed) };
    let answers = tokio::join!(
        bench.storage.conclude(conclusion),
        bench.storage.conclude(bench.ended(two, RunStatus::Completed)),
    );
    for failure in [answers.0.unwrap_err(), answers.1.unwrap_err()] {
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Storage, "no_space"));
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM rejects").await, 0);
    server.run("DROP TRIGGER fail ON runs").unwrap();
    for run in [one, two] {
        bench.storage.conclude(bench.ended(run, RunStatus::Failed)).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_may_not_be_written_can_be_read() {
    let Some(bench) = Bench::on_postgres().await else { return };
    let (server, run) = (bench.server.as_ref().unwrap(), bench.queued().await);
    server.run(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", server.name())).unwrap();
    let failure = bench.open().await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Database, "read_only"), "{failure}");
    let reader = bench.open_read_only().await.unwrap();
    assert_eq!(reader.report(run).await.unwrap().unwrap().status, RunStatus::Queued);
    reader.catalog(AsOf::Instant(model::Clock::now(&*bench.clock))).await.unwrap();
}

#[tokio::test]
async fn nobody_who_answers_is_told_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://spine:s3cret@127.0.0.1:1/ledger";
    let clock = hand_clock();
    let owning = Storage::open_database(url, folder.path(), clock.clone(), Arc::new(Counter::default())).await;
    let reading = Storage::open_database_read_only(url, clock).await;
    for failure in [owning.unwrap_err(), reading.unwrap_err()] {
        let found = (failure.kind, failure.code.as_str(), failure.retryable, failure.exit_code());
        assert_eq!(found, (FailureKind::Database, "unreachable", true, 4));
        assert!(failure.message.contains("postgres://spine@127.0.0.1:1/ledger"), "{failure}");
        assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
    }
}

#[tokio::test]
async fn databases_that_are_no_ledger_are_refused_or_waited_for() {
    let Some(server) = server() else { return };
    let (folder, clock) = (tempfile::tempdir().unwrap(), hand_clock());
    let nothing = server.url().replace(server.name(), "nothing_of_the_kind");
    let failure = Storage::open_database_read_only(&nothing, clock.clone()).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_config", 2), "{failure}");
    assert!(failure.message.contains("has no database of that name; create it"), "{failure}");

    let empty = Storage::open_database_read_only(&server.url(), clock.clone()).await.unwrap_err();
    assert_eq!((empty.code.as_str(), empty.retryable, empty.exit_code()), ("unreachable", true, 4), "{empty}");

    let place = Place::Server(Server::parse(&server.url()).unwrap());
    let mut connection = opening::writing(&place).await.unwrap();
    migrations::migrate_to(20_261_123_000_004, &mut connection).await;
    connection.close().await.unwrap();
    let older = Storage::open_database_read_only(&server.url(), clock.clone()).await.unwrap_err();
    assert_eq!((older.code.as_str(), older.retryable), ("unreachable", true));
    assert!(older.message.contains("try again"), "{older}");
    open_at(Some(&server), &folder, &clock).await.unwrap();
    Storage::open_database_read_only(&server.url(), clock.clone()).await.unwrap();

    let others = super::places::server().unwrap();
    others.run("CREATE TABLE invoices (id BIGINT)").unwrap();
    let owning = open_at(Some(&others), &folder, &clock).await.unwrap_err();
    let reading = Storage::open_database_read_only(&others.url(), clock).await.unwrap_err();
    for failure in [owning, reading] {
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_config", 2), "{failure}");
    }
}
