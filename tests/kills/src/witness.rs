//! The ledger, with a note of every conclusion: which attempt asked for the end of its run, and what it was told.
//!
//! The notes stand outside of the ledger, so they say what was refused too.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::capture::Head;
use model::catalog::CatalogView;
use model::plugin::{PluginEvent, PluginRecord, PluginRef};
use model::ports::{
    Adoption, AsOf, Heard, Interrupted, Ledger, NewRun, PluginStanding, Reaped, RecordedAttempt, RecordedRun,
    Registration, Requeue, Start, Submission, Worker,
};
use model::reject::Reject;
use model::run::{Conclusion, LogLine, RunReport};
use model::{CaptureId, DatasetName, Digest, Failure, Manifest, Partition, RunId, Timestamp, WorkerId};
use storage::Storage;
use tokio::sync::watch;

/// Where the notes are, in the folder of the workers.
pub const FILE: &str = "conclusions";

#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) storage: Arc<Storage>,
    pub(crate) folder: PathBuf,
    /// Counts the heartbeats that were answered, however.
    pub(crate) beats: watch::Sender<u64>,
}

/// What an attempt was told when it asked for the end of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub run: String,
    pub attempt: String,
    /// `recorded`, or the code of the refusal.
    pub answer: String,
}

/// What was noted by all workers.
pub fn told(folder: &Path) -> Vec<Told> {
    let notes = std::fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    let told = notes.lines().filter_map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        Some(Told { run: words.next()?, attempt: words.next()?, answer: words.next()? })
    });
    told.collect()
}

impl Witness {
    fn note(&self, run: RunId, attempt: u32, answer: &str) {
        let mut notes = OpenOptions::new().create(true).append(true).open(self.folder.join(FILE)).unwrap();
        // One write of one line: several processes do not mix.
        notes.write_all(format!("{run} {attempt} {answer}\n").as_bytes()).unwrap();
    }
}

/// A ledger that hands everything on, notes its conclusions and counts its heartbeats.
macro_rules! witness {
    ($($name:ident($($word:ident: $of:ty),*) -> $answer:ty;)*) => {
        #[async_trait::async_trait]
        impl Ledger for Witness {
            async fn conclude(&self, conclusion: Conclusion) -> Result<RunReport, Failure> {
                let (run, claim) = (conclusion.run_id, conclusion.claim);
                let done = self.storage.conclude(conclusion).await;
                if let Some(claim) = claim {
                    let answer = done.as_ref().err().map_or("recorded", |failure| failure.code.as_str());
                    self.note(run, claim.attempt, answer);
                }
                done
            }

            async fn heartbeat(&self, worker: &Worker, until: Timestamp) -> Result<Heard, Failure> {
                let heard = self.storage.heartbeat(worker, until).await;
                self.beats.send_modify(|beats| *beats += 1);
                heard
            }

            $(async fn $name(&self, $($word: $of),*) -> Result<$answer, Failure> {
                self.storage.$name($($word),*).await
            })*
        }
    };
}

witness! {
    submit(run: NewRun) -> Submission;
    start(start: Start) -> ();
    requeue(requeue: Requeue) -> RunReport;
    reap(policy: Interrupted) -> Vec<Reaped>;
    adopt(adoption: Adoption) -> Vec<RecordedRun>;
    give_up(worker: WorkerId, runs: Vec<RunId>) -> ();
    leave(worker: WorkerId) -> ();
    kept_by(run: RunId) -> Option<WorkerId>;
    children(parent: RunId) -> Vec<RecordedRun>;
    recorded(run: RunId) -> Option<RecordedRun>;
    done_under(input_key: Digest) -> Option<RunId>;
    heads(wanted: Vec<(DatasetName, Partition)>) -> Vec<Option<Head>>;
    held(wanted: Vec<(DatasetName, Partition, Digest)>) -> Vec<Option<CaptureId>>;
    append_log(run: RunId, lines: Vec<LogLine>) -> ();
    report(run: RunId) -> Option<RunReport>;
    catalog(as_of: AsOf) -> Arc<CatalogView>;
    latest() -> Arc<CatalogView>;
    cursor(source: &str) -> Option<Vec<u8>>;
    attempt(run: RunId, number: u32) -> Option<RecordedAttempt>;
    completed_runs(version: Digest, at_most: u32) -> Vec<RunId>;
    plugin_standing() -> PluginStanding;
    plugin_versions(name: &str) -> Vec<PluginRef>;
    plugin_history(name: &str) -> Vec<PluginEvent>;
    rejects(run: RunId, at_most: usize) -> Vec<Reject>;
    check_schema(plugin: &PluginRecord, manifest: &Manifest) -> ();
    register(registration: Registration) -> ();
}
