//! What is kept no longer goes in small pieces, once at a time, every day.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::ports::{Forgotten, Page, RetentionLedger, Shelves};
use model::retention::{Cutoffs, RetentionPolicy};
use model::{Digest, RunId, Timestamp};

use crate::Retention;
use crate::retention::EVERY;
use crate::testing::HandClock;

/// Three runs that ended, of which the first is referred to by the others; each has read an input of its number.
#[derive(Debug, Default)]
struct Old {
    gone: Mutex<BTreeSet<u8>>,
    letters: Mutex<u64>,
    asked: Mutex<Vec<Cutoffs>>,
    /// The disk of the ledger is full for so many calls.
    full: Mutex<u32>,
}

fn run(number: u8) -> RunId {
    RunId::new(Timestamp::from_micros(i64::from(number)), [number; 10])
}

fn input(number: u8) -> Digest {
    Digest::new([number; 32])
}

#[async_trait::async_trait]
impl RetentionLedger for Old {
    async fn forgettable_dead_letters(&self, _: Cutoffs) -> Result<u64, Failure> {
        Ok(*self.letters.lock().unwrap())
    }

    async fn forget_dead_letters(&self, cutoffs: Cutoffs) -> Result<u64, Failure> {
        self.asked.lock().unwrap().push(cutoffs);
        let mut full = self.full.lock().unwrap();
        if *full > 0 {
            *full -= 1;
            return Err(Failure::new(FailureKind::Storage, "no_space", "the disk is full"));
        }
        let mut letters = self.letters.lock().unwrap();
        let some = (*letters).min(2);
        *letters -= some;
        Ok(some)
    }

    async fn forgettable_runs(&self, _: Cutoffs, after: Option<(Timestamp, RunId)>) -> Result<Page, Failure> {
        let gone = self.gone.lock().unwrap().clone();
        let numbers: &[u8] = if gone.len() == 2 { &[1] } else { &[3, 2] };
        let next = numbers
            .iter()
            .copied()
            .find(|number| !gone.contains(number) && after.is_none_or(|(_, last)| run(*number) < last));
        let page = |number: u8| Page {
            runs: vec![run(number)],
            rejects: vec![format!("{}.parquet", run(number))],
            next: Some((Timestamp::from_micros(i64::from(number)), run(number))),
        };
        Ok(next.map(page).unwrap_or_default())
    }

    async fn forget_runs(&self, _: Cutoffs, runs: Vec<RunId>) -> Result<Forgotten, Failure> {
        let number = (1..=3).find(|number| run(*number) == runs[0]).unwrap();
        self.gone.lock().unwrap().insert(number);
        Ok(Forgotten { runs: 1, inputs: vec![input(number)], more: false })
    }

    async fn unnamed_inputs(&self, inputs: Vec<Digest>) -> Result<Vec<Digest>, Failure> {
        // Somebody else reads the second.
        Ok(inputs.into_iter().filter(|digest| *digest != input(2)).collect())
    }
}

#[derive(Debug, Default)]
struct Files {
    sweeps: Mutex<u32>,
    removed: Mutex<Vec<String>>,
}

impl Shelves for Files {
    fn begin_sweep(&self) {
        *self.sweeps.lock().unwrap() += 1;
    }

    fn remove_inputs(&self, inputs: &[Digest]) -> Result<u64, Failure> {
        self.removed.lock().unwrap().extend(inputs.iter().map(ToString::to_string));
        Ok(inputs.len() as u64)
    }

    fn remove_rejects(&self, paths: &[String]) -> Result<u64, Failure> {
        self.removed.lock().unwrap().extend(paths.iter().cloned());
        Ok(paths.len() as u64)
    }
}

fn days(days: Option<u32>) -> RetentionPolicy {
    RetentionPolicy { runs_days: days, dead_letters_resolved_days: None }
}

fn retention(policy: RetentionPolicy, ledger: &Arc<Old>, files: &Arc<Files>, clock: &HandClock) -> Retention {
    Retention::new(policy, ledger.clone(), files.clone(), Arc::new(clock.clone()))
}

#[tokio::test]
async fn a_sweep_goes_on_until_nothing_is_left_and_removes_what_nobody_names() {
    let (ledger, files, clock) = (Arc::new(Old::default()), Arc::new(Files::default()), HandClock::new());
    *ledger.letters.lock().unwrap() = 5;
    let retention = retention(days(Some(30)), &ledger, &files, &clock);
    assert_eq!(*files.sweeps.lock().unwrap(), 1, "before any work it is known what is being kept");
    let rehearsed = retention.rehearse().await.unwrap();
    assert_eq!((rehearsed.dry_run, rehearsed.dead_letters, rehearsed.runs), (true, 5, 2));
    assert!(files.removed.lock().unwrap().is_empty() && ledger.gone.lock().unwrap().is_empty());

    let report = retention.sweep().await.unwrap();
    assert_eq!((report.dead_letters, report.runs, report.reject_files, report.input_files), (5, 3, 3, 2));
    let removed = files.removed.lock().unwrap().clone();
    let mut expected: Vec<String> = [3, 2, 1].map(|number| format!("{}.parquet", run(number))).into();
    expected.extend([1, 3].map(|number| input(number).to_string()));
    assert_eq!(removed, expected, "rejects before their runs, inputs in the end");
    let again = retention.sweep().await.unwrap();
    assert_eq!((again.runs, again.dead_letters, again.input_files), (0, 0, 0));
}

#[tokio::test]
async fn without_days_nothing_is_ever_looked_at() {
    let (ledger, files, clock) = (Arc::new(Old::default()), Arc::new(Files::default()), HandClock::new());
    let retention = retention(days(None), &ledger, &files, &clock);
    assert_eq!(retention.sweep().await.unwrap().runs, 0);
    retention.daily(Arc::new(clock.clone())).await;
    assert!(ledger.asked.lock().unwrap().is_empty() && *files.sweeps.lock().unwrap() == 0);
}

#[tokio::test]
async fn a_host_sweeps_every_day_also_after_a_sweep_that_failed() {
    let (ledger, files, clock) = (Arc::new(Old::default()), Arc::new(Files::default()), HandClock::new());
    *ledger.full.lock().unwrap() = 1;
    let retention = retention(days(Some(30)), &ledger, &files, &clock);
    let timer = Arc::new(clock.clone());
    let daily = tokio::spawn(async move { retention.daily(timer).await });
    let sweeps = async |count: usize| {
        while ledger.asked.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    };
    sweeps(1).await;
    clock.advance(EVERY - Duration::from_secs(60));
    tokio::task::yield_now().await;
    assert_eq!(ledger.asked.lock().unwrap().len(), 1, "not before a day is over");
    clock.advance(Duration::from_secs(60));
    sweeps(2).await;
    while ledger.gone.lock().unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    let asked = ledger.asked.lock().unwrap().clone();
    let between = asked[1].runs_before.unwrap().as_micros() - asked[0].runs_before.unwrap().as_micros();
    assert!(between >= i64::try_from(EVERY.as_micros()).unwrap(), "each by its own time");
    daily.abort();
}
