//! What a worker of the matrix does: one kind of work, and then the rest of what is there until all has ended.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use model::ports::{
    BackfillRequest, BackfillWork, DeadLetterFilter, DeadLetters, Engine, Ledger, ParamValue, RunRequest,
};
use model::run::RunStatus;
use model::work::Routing;
use model::{Failure, RunId};

use crate::body::{BAD, FLAKY, SLOW, WORK};
use crate::host::{Host, Opening, is_server, request};
use crate::kill::KillAt;
use crate::operator;
use crate::system::after;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Leaves runs at work and queued ones behind, for the others to find.
    Seeds,
    Completes,
    /// Fails once, and is tried again.
    Retries,
    Fails,
    Cancels,
    TimesOut,
    /// Fails, and is repeated as a new run.
    Repeats,
    /// Fails, and somebody resolves its dead letter.
    Resolves,
    /// A capture waits for somebody, who releases it.
    Judges,
    /// As [`Play::Judges`], but discards it.
    Discards,
    /// Fails, and is repeated until no repetition is left.
    UsesUp,
    /// Asks for other runs.
    Backfills,
    /// A lease is taken, extended and taken away.
    Holds,
    /// What is old is forgotten.
    Forgets,
    /// Another version of the plugin comes.
    Registers,
    /// Only takes up what is there.
    Adopts,
    /// Goes in order.
    Leaves,
}

impl Play {
    pub const ALL: [Self; 17] = [
        Self::Seeds,
        Self::Completes,
        Self::Retries,
        Self::Fails,
        Self::Cancels,
        Self::TimesOut,
        Self::Repeats,
        Self::Resolves,
        Self::Judges,
        Self::Discards,
        Self::UsesUp,
        Self::Backfills,
        Self::Holds,
        Self::Forgets,
        Self::Registers,
        Self::Adopts,
        Self::Leaves,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Completes => "completes",
            Self::Retries => "retries",
            Self::Fails => "fails",
            Self::Cancels => "cancels",
            Self::TimesOut => "times_out",
            Self::Repeats => "repeats",
            Self::Resolves => "resolves",
            Self::Judges => "judges",
            Self::Discards => "discards",
            Self::UsesUp => "uses_up",
            Self::Backfills => "backfills",
            Self::Holds => "holds",
            Self::Forgets => "forgets",
            Self::Registers => "registers",
            Self::Adopts => "adopts",
            Self::Leaves => "leaves",
        }
    }
}

impl FromStr for Play {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|play| play.name() == name).ok_or_else(|| format!("no play is called {name}"))
    }
}

/// Plays it, and returns once every run has ended and this worker has gone.
///
/// # Errors
///
/// Those of the ledger.
pub async fn play(play: Play, ledger: &str, folder: &std::path::Path, kill: &Arc<KillAt>) -> Result<(), Failure> {
    if matches!(play, Play::Seeds | Play::Adopts) {
        kill.arm();
    }
    let host = Host::open(Opening { ledger, folder, faults: kill.clone(), runs: 2, tells: false }).await?;
    host.tend();
    act(play, &host, folder, kill).await?;
    host.finish().await?;
    if play == Play::Leaves {
        kill.arm();
    }
    host.orchestrator.drain().await;
    if is_server(ledger) {
        // Whoever died before is forgotten too.
        host.outlive().await?;
    }
    host.storage.close().await;
    Ok(())
}

async fn act(play: Play, host: &Host, folder: &std::path::Path, kill: &KillAt) -> Result<(), Failure> {
    let engine = &host.orchestrator;
    match play {
        Play::Seeds => {
            for key in ["seed-1", "seed-2", "seed-3", "seed-4"] {
                engine.spawn(request(WORK, key)).await?;
            }
        }
        Play::Completes => {
            kill.arm();
            let mut asked = request(WORK, "work");
            // Long enough for its process to say at least once that it is alive.
            asked.params.insert("beats".to_owned(), ParamValue::Text("2".to_owned()));
            engine.submit(asked).await?;
        }
        Play::Retries => {
            kill.arm();
            engine.submit(request(FLAKY, "flaky")).await?;
        }
        Play::Fails => {
            kill.arm();
            engine.submit(request(BAD, "bad")).await?;
        }
        Play::Cancels => {
            kill.arm();
            let run = engine.spawn(request(SLOW, "slow")).await?.run_id;
            until_at_work(host, run).await?;
            // A run that is a dead worker's still is cancelled once somebody has taken it up.
            while engine.wait(run, Duration::from_millis(30)).await?.is_some_and(|it| !it.status.is_terminal()) {
                engine.cancel(run).await?;
            }
        }
        Play::TimesOut => {
            kill.arm();
            let deadline = Some(after(Duration::from_millis(100)));
            let asked = RunRequest { routing: Routing { deadline, ..Routing::default() }, ..request(SLOW, "late") };
            let report = engine.submit(asked).await?;
            assert_eq!(report.status, RunStatus::TimedOut);
        }
        Play::Repeats => {
            let run = engine.submit(request(BAD, "bad")).await?;
            std::fs::write(folder.join("cured"), "").unwrap();
            kill.arm();
            if run.status == RunStatus::Failed {
                engine.retry(run.run_id).await?;
            }
        }
        Play::Resolves => {
            engine.submit(request(BAD, "bad")).await?;
            kill.arm();
            let filter = DeadLetterFilter { name: Some(BAD.to_owned()), limit: 10, ..DeadLetterFilter::default() };
            for letter in host.storage.dead_letters(filter).await? {
                host.storage.resolve(letter.run_id, "ann", None).await?;
            }
        }
        Play::Judges => operator::judges(&host.storage, kill, true).await?,
        Play::Discards => operator::judges(&host.storage, kill, false).await?,
        Play::UsesUp => uses_up(host, kill).await?,
        Play::Backfills => {
            kill.arm();
            let item = |at: u32| {
                let asked = request(WORK, &format!("item-{at}"));
                BackfillWork { name: asked.name, params: asked.params, ..BackfillWork::default() }
            };
            let items = (0..3).map(item).collect();
            let key = Some("backfill".to_owned());
            engine.backfill(BackfillRequest { items, key, ..BackfillRequest::default() }).await?;
        }
        Play::Holds => operator::holds(&host.storage, kill).await?,
        Play::Forgets => operator::forgets(&host.storage, kill).await?,
        Play::Registers => operator::registers(host, kill).await?,
        Play::Adopts | Play::Leaves => {}
    }
    Ok(())
}

/// Repeats a run that fails until its dead letter is used up. The last repetition is the one to die in.
async fn uses_up(host: &Host, kill: &KillAt) -> Result<(), Failure> {
    let first = host.orchestrator.submit(request(BAD, "bad")).await?.run_id;
    let filter = DeadLetterFilter { resolved: true, limit: 10, ..DeadLetterFilter::default() };
    loop {
        host.finish().await?;
        let letters = host.storage.dead_letters(filter.clone()).await?;
        let letter = letters.iter().find(|letter| letter.run_id == first);
        // Whoever died before left it in some state; a run that is not the first of its chain has none.
        let Some(letter) = letter else { return Ok(()) };
        if !letter.can_retry() {
            let first = Ledger::report(&*host.storage, first).await?.map(|report| report.status);
            assert_eq!(first, Some(RunStatus::DeadLettered));
            return Ok(());
        }
        if letter.retries + 1 == letter.retries_max {
            kill.arm();
        }
        host.orchestrator.retry(letter.retry_run_id.unwrap_or(first)).await?;
    }
}

async fn until_at_work(host: &Host, run: RunId) -> Result<(), Failure> {
    loop {
        match host.orchestrator.wait(run, Duration::ZERO).await? {
            Some(report) if report.status == RunStatus::Queued => {}
            _ => return Ok(()),
        }
        host.round().await;
    }
}
