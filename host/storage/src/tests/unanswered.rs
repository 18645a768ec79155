//! Commits that nobody answers: the server is asked what became of them.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use model::FailureKind;
use model::ports::{Interrupted, Ledger, Submission};
use private_postgres::Database;

use super::support::{Bench, Counter};
use crate::Storage;

/// How the server says that a transaction was committed.
const COMMITTED: &[u8] = b"COMMIT\0";

/// Between a host and the server: loses the answers to so many commits, and the connection with each.
struct Line {
    /// Where its socket is.
    folder: tempfile::TempDir,
    to_lose: Arc<AtomicU32>,
}

impl Line {
    fn to(database: &Database) -> Self {
        let (folder, to_lose) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU32::new(0)));
        let (listener, server) = (UnixListener::bind(socket(folder.path())).unwrap(), socket(&folder_of(database)));
        let losing = Arc::clone(&to_lose);
        std::thread::spawn(move || {
            for host in listener.incoming().map_while(Result::ok) {
                let server = UnixStream::connect(&server).unwrap();
                let (from_host, to_server) = (host.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || carry(&from_host, &to_server, |_| true));
                let losing = Arc::clone(&losing);
                let is_told = move |bytes: &[u8]| {
                    let is_answer = bytes.windows(COMMITTED.len()).any(|seen| seen == COMMITTED);
                    !is_answer
                        || losing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
                };
                std::thread::spawn(move || carry(&server, &host, is_told));
            }
        });
        Self { folder, to_lose }
    }

    /// The ledger of the bench, from behind the line.
    async fn ledger(&self, bench: &Bench) -> Storage {
        let database = bench.server.as_ref().unwrap();
        let url = database.url().replace(&encoded(&folder_of(database)), &encoded(self.folder.path()));
        let ids = Arc::new(Counter::default());
        let storage = Storage::open_database(&url, bench.folder.path(), bench.clock.clone(), ids).await.unwrap();
        storage.recover(Interrupted::Fail).await.unwrap();
        storage
    }
}

/// Carries what comes from one end to the other, until an end closes, or is to be told nothing more.
fn carry(mut from: &UnixStream, mut to: &UnixStream, is_told: impl Fn(&[u8]) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !is_told(&buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        drop(end.shutdown(Shutdown::Both));
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join(".s.PGSQL.5432")
}

/// The folder of the server's socket, which its URL has in percent signs.
fn folder_of(database: &Database) -> PathBuf {
    let url = database.url();
    let host = url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
    let bytes = host.split('%').skip(1).map(|digits| u8::from_str_radix(digits, 16).unwrap());
    String::from_utf8(bytes.collect()).unwrap().into()
}

fn encoded(folder: &Path) -> String {
    folder.to_str().unwrap().bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Has the server end a connection in so many commits, before anything of them is there.
fn hanging_up(commits: u32) -> String {
    format!(
        r"
        CREATE SEQUENCE commits;
        CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('commits') <= {commits} THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER hang_up AFTER INSERT ON runs
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hang_up();
        "
    )
}

#[tokio::test]
async fn a_commit_that_was_made_and_not_answered_is_not_made_twice() {
    let Some(bench) = Bench::on_postgres().await else { return };
    let line = Line::to(bench.server.as_ref().unwrap());
    let ledger = line.ledger(&bench).await;
    for round in 1..=3 {
        line.to_lose.store(round, Ordering::SeqCst);
        assert_eq!(ledger.submit(bench.new_run()).await.unwrap(), Submission::New);
        assert_eq!(line.to_lose.swap(0, Ordering::SeqCst), round - 1, "one answer was lost, and nothing was repeated");
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM runs").await, 3);
}

#[tokio::test]
async fn a_commit_that_was_not_made_is_made_again() {
    let Some(bench) = Bench::on_postgres().await else { return };
    let server = bench.server.as_ref().unwrap();
    server.run(&hanging_up(2)).unwrap();
    let run = bench.new_run();
    let id = run.run_id;
    assert_eq!(bench.storage.submit(run).await.unwrap(), Submission::New);
    assert_eq!(bench.event_names(id).await, ["created", "queued"]);
    assert_eq!(bench.number("SELECT COUNT(*) FROM runs").await, 1);
}

#[tokio::test]
async fn a_server_that_loses_every_commit_is_out_of_reach() {
    let Some(bench) = Bench::on_postgres().await else { return };
    let server = bench.server.as_ref().unwrap();
    server.run(&hanging_up(3)).unwrap();
    let failure = bench.storage.submit(bench.new_run()).await.unwrap_err();
    let found = (failure.kind, failure.code.as_str(), failure.retryable);
    assert_eq!(found, (FailureKind::Database, "unreachable", true), "{failure:?}");
    assert_eq!(bench.storage.submit(bench.new_run()).await.unwrap(), Submission::New, "the next group is written");
    assert_eq!(bench.number("SELECT COUNT(*) FROM runs").await, 1);
}
