//! `kill -9` at every step of the ledger's writer, for every command that changes a state, on both databases.
//!
//! One case: a worker leaves runs behind; a second one takes them up, works, and is killed at the step; a third one
//! finishes. Then the ledger has to hold what [`kills::audit`] says. The short form takes a sample, SPINE_SOAK=1 all.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it fails where it stands, says how long it took, and the environment says whether all of it is wanted"
)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use kills::audit;
use kills::kill::Step;
use kills::steps::Play;
use private_postgres::Database;

/// What is played, and the lane of the writer in which it dies.
const CELLS: &[(Play, &str)] = &[
    (Play::Completes, "submit"),
    (Play::Completes, "start"),
    (Play::Completes, "append_log"),
    (Play::Completes, "conclude"),
    (Play::Completes, "swap"),
    (Play::Completes, "heartbeat"),
    (Play::Retries, "requeue"),
    (Play::Fails, "conclude"),
    (Play::Cancels, "conclude"),
    (Play::TimesOut, "conclude"),
    (Play::Repeats, "submit"),
    (Play::Repeats, "conclude"),
    (Play::Resolves, "resolve"),
    (Play::UsesUp, "submit"),
    (Play::UsesUp, "conclude"),
    (Play::Backfills, "submit"),
    (Play::Backfills, "start"),
    (Play::Backfills, "conclude"),
    (Play::Judges, "judge"),
    (Play::Discards, "judge"),
    (Play::Holds, "acquire"),
    (Play::Holds, "change_lease"),
    (Play::Holds, "release"),
    (Play::Forgets, "forget_dead_letters"),
    (Play::Forgets, "forget_runs"),
    (Play::Registers, "register"),
    (Play::Adopts, "reap"),
    (Play::Adopts, "adopt"),
    (Play::Leaves, "give_up"),
];

/// How many cases go on at one time.
const AT_ONCE: usize = 3;

/// No worker takes so long.
const HANG: Duration = Duration::from_secs(60);

/// Of the cases the short form takes each so many-th: with 29 cells and 4 steps another step of most cells.
const SAMPLE: usize = 13;

#[test]
fn a_kill_at_any_step_loses_nothing_on_sqlite() {
    matrix(None);
}

#[test]
fn a_kill_at_any_step_loses_nothing_on_postgres() {
    match private_postgres::shared() {
        Ok(cluster) => matrix(Some(&|| cluster.database())),
        Err(absent) => println!("skipped: {}", absent.0),
    }
}

fn matrix(server: Option<&(dyn Fn() -> Database + Sync)>) {
    let all: Vec<(Play, &str, Step)> =
        CELLS.iter().flat_map(|(play, lane)| Step::ALL.map(|step| (*play, *lane, step))).collect();
    let is_long = std::env::var_os("SPINE_SOAK").is_some();
    let cases: Vec<_> = if is_long { all } else { all.into_iter().step_by(SAMPLE).collect() };
    let (count, began) = (cases.len(), Instant::now());
    let left = Mutex::new(cases.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((play, lane, step)) = { left.lock().unwrap().next() } {
                    case(play, lane, step, server);
                }
            });
        }
    });
    println!("{count} kills in {:?}", began.elapsed());
}

fn case(play: Play, lane: &str, step: Step, server: Option<&(dyn Fn() -> Database + Sync)>) {
    let folder = tempfile::tempdir().unwrap();
    let database = server.map(|database| database());
    let ledger = match &database {
        Some(database) => database.url(),
        None => folder.path().join("spine.db").display().to_string(),
    };
    let what = format!("{} killed in {lane} at {}", play.name(), step.name());
    let seeds = worker(&ledger, folder.path(), &[Play::Seeds.name(), "conclude", Step::Begin.name(), "1"]);
    assert_eq!(seeds.signal(), Some(9), "{what}: nothing is left behind ({seeds})");
    let killed = worker(&ledger, folder.path(), &[play.name(), lane, step.name(), "1"]);
    assert_eq!(killed.signal(), Some(9), "{what}: it did not come to that ({killed})");
    let finishes = worker(&ledger, folder.path(), &[play.name()]);
    assert!(finishes.success(), "{what}: the next worker ended with {finishes}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stories = runtime.block_on(async {
        let storage = audit::reader(&ledger).await;
        let stories = audit::audit(&storage, folder.path()).await;
        storage.close().await;
        stories
    });
    assert!(stories.len() >= 2, "{what}: what was committed before is there");
    if let Some(database) = database {
        let left = "DO $$ BEGIN ASSERT (SELECT COUNT(*) FROM workers) = 0; END $$";
        database.run(left).unwrap_or_else(|refused| panic!("{what}: a worker is left behind: {}", refused.0));
    }
}

fn worker(ledger: &str, folder: &Path, words: &[&str]) -> ExitStatus {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command.arg(ledger).arg(folder).args(words).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let (id, (ends, ended)) = (child.id().to_string(), mpsc::channel());
    std::thread::spawn(move || ends.send(child.wait().unwrap()));
    ended.recv_timeout(HANG).unwrap_or_else(|_| {
        drop(Command::new("kill").args(["-KILL", &id]).status());
        panic!("the worker of {words:?} hangs");
    })
}
