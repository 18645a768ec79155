//! What has to be true of a ledger once all has ended, whoever was killed when.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use model::ports::{DeadLetter, DeadLetterFilter, DeadLetters, Leases, Ledger, ListLimit, RunFilter, RunPage};
use model::run::{RunEvent, RunKind, RunReport, RunStatus};
use model::{Partition, RunId};
use storage::Storage;

use crate::host::is_server;
use crate::system::System;
use crate::witness::{self, Told};

/// A run with all that happened to it.
#[derive(Clone, Debug)]
pub struct Story {
    pub report: RunReport,
    pub events: Vec<RunEvent>,
}

impl Story {
    pub fn key(&self) -> &str {
        self.report.params["key"].as_str().unwrap_or_default()
    }

    fn count(&self, event: &str) -> usize {
        self.events.iter().filter(|it| it.event == event).count()
    }
}

/// Opens a ledger to read.
pub async fn reader(ledger: &str) -> Storage {
    let clock = Arc::new(System);
    match is_server(ledger) {
        true => Storage::open_database_read_only(ledger, clock).await.unwrap(),
        false => Storage::open_read_only(Path::new(ledger), clock).await.unwrap(),
    }
}

/// Every run, the oldest first.
pub async fn stories(storage: &Storage) -> Vec<Story> {
    let mut filter = RunFilter { limit: ListLimit::new(200).unwrap(), ..RunFilter::default() };
    let mut stories = Vec::new();
    loop {
        let RunPage { runs, next } = storage.runs(&filter).await.unwrap();
        for run in runs {
            let report = storage.report(run.run_id).await.unwrap().unwrap();
            stories.push(Story { report, events: storage.events(run.run_id).await.unwrap() });
        }
        match next {
            Some(_) => filter.before = next,
            None => break,
        }
    }
    stories.reverse();
    stories
}

/// Holds all of it against the ledger and the notes of the bodies; panics where something is wrong.
pub async fn audit(storage: &Storage, folder: &Path) -> Vec<Story> {
    let stories = stories(storage).await;
    assert!(!stories.is_empty());
    stories.iter().for_each(one);
    let notes = std::fs::read_to_string(folder.join("notes")).unwrap_or_default();
    once(&stories, &notes);
    fenced(&stories, &witness::told(folder));
    let filter = DeadLetterFilter { resolved: true, limit: 10_000, ..DeadLetterFilter::default() };
    letters(&stories, &storage.dead_letters(filter).await.unwrap());
    assert_eq!(storage.leases().await.unwrap(), [], "no lease is left");
    revisions(storage).await;
    stories
}

/// One run: ended, events without a gap, each of them legal after the one before, and the last one its status.
fn one(story: &Story) {
    let Story { report, events } = story;
    let run = report.run_id;
    assert!(report.status.is_terminal(), "{run} has not ended: {:?}", report.status);
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>(), "{run}: events have a gap");
    let mut status: Option<RunStatus> = None;
    let mut attempts = 0;
    for RunEvent { event, .. } in events {
        let next = match event.as_str() {
            "created" => RunStatus::Pending,
            "queued" | "retry_scheduled" | "requeued" => RunStatus::Queued,
            "started" => {
                attempts += 1;
                RunStatus::Running
            }
            // They tell of what was done about the run, and leave it as it is.
            "retried" | "resolved" | "quarantined" | "released" | "discarded" => continue,
            end => RunStatus::from_name(end).unwrap_or_else(|| panic!("{run}: what is `{end}`?")),
        };
        match status {
            None => assert_eq!(next, RunStatus::Pending, "{run} begins with `{event}`"),
            Some(before) => assert!(before.may_become(next), "{run}: {before:?} became {next:?}: {events:?}"),
        }
        status = Some(next);
    }
    assert_eq!(status, Some(report.status), "{run}: its events end elsewhere");
    assert_eq!(attempts, report.attempt, "{run}: each attempt has its event");
    assert!(story.count("completed") <= 1, "{run} completed twice");
}

/// Of one key one run completed at most, and what completed was noted by the body that did it.
fn once(stories: &[Story], notes: &str) {
    let mut completed: BTreeMap<&str, RunId> = BTreeMap::new();
    let noted: BTreeSet<&str> = notes.lines().filter_map(|line| line.rsplit_once(' ')).map(|(who, _)| who).collect();
    let is_body = |story: &&Story| story.report.kind == RunKind::Task;
    for story in stories.iter().filter(is_body).filter(|story| story.report.status == RunStatus::Completed) {
        let RunReport { run_id, attempt, .. } = &story.report;
        if let Some(other) = completed.insert(story.key(), *run_id) {
            panic!("the key `{}` completed in {other} and in {run_id}", story.key());
        }
        assert!(noted.contains(format!("{run_id} {attempt}").as_str()), "nobody did what {run_id} says");
    }
}

/// Of the attempts of a run one was told that it had ended the run, at most: whoever was late was refused. An attempt that
/// was killed before it heard the answer has noted none.
fn fenced(stories: &[Story], told: &[Told]) {
    let attempts: BTreeMap<String, u32> =
        stories.iter().map(|story| (story.report.run_id.to_string(), story.report.attempt)).collect();
    let mut ended: BTreeSet<&str> = BTreeSet::new();
    for Told { run, attempt, .. } in told.iter().filter(|told| told.answer == "recorded") {
        assert!(ended.insert(run), "{run} was ended twice");
        assert_eq!(attempts.get(run).map(u32::to_string).as_ref(), Some(attempt), "{run}: an early attempt ended it");
    }
}

/// Nothing waits that somebody has released, and each revision is there once.
async fn revisions(storage: &Storage) {
    assert_eq!(storage.quarantined().await.unwrap(), [], "a capture waits that was released");
    let captures = storage.captures(&"k.t".parse().unwrap(), &Partition::default()).await.unwrap();
    let mut revisions: Vec<u64> = captures.iter().filter_map(|capture| capture.revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=revisions.len() as u64).collect::<Vec<_>>(), "{captures:?}");
}

/// A failed run has one dead letter, which its repetitions share, and which a repetition that completed resolved.
fn letters(stories: &[Story], letters: &[DeadLetter]) {
    let by_run: BTreeMap<RunId, &DeadLetter> = letters.iter().map(|letter| (letter.run_id, letter)).collect();
    assert_eq!(by_run.len(), letters.len());
    let failed = |status| matches!(status, RunStatus::Failed | RunStatus::DeadLettered);
    let first = |story: &&Story| story.report.lineage.retry_of.is_none() && failed(story.report.status);
    let owed: BTreeSet<RunId> = stories.iter().filter(first).map(|story| story.report.run_id).collect();
    assert_eq!(by_run.keys().copied().collect::<BTreeSet<_>>(), owed, "dead letters are lost, or too many");
    for story in stories.iter().filter(|story| story.report.status == RunStatus::Completed) {
        if let Some(letter) = story.report.lineage.retry_of.and_then(|run| by_run.get(&run)) {
            assert!(letter.resolved_by.is_some(), "{} was repeated well, and waits for somebody", letter.run_id);
        }
    }
}
