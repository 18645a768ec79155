//! What a host does for runs that nobody has: it ends or queues again those of dead workers, and adopts queued ones.
//!
//! Every host of a ledger does so every [`TEND_EVERY`], and each run is one host's. A host adopts what it has the plugin
//! for, and no more than it will soon get to: what it leaves, the others take.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use model::failure::Failure;
use model::ports::{Adoption, Interrupted, Reaped, RecordedRun};
use model::run::RunStatus;
use model::{Manifest, RunId, WorkerId};

use crate::Orchestrator;
use crate::backfill::OF_SEVERAL;
use crate::dispatcher::{Closing, LetGo, Traveller};
use crate::lease::after;
use crate::orchestrator::Shared;

/// How often a host looks for runs that nobody has. A run of a host that died is at work again, or has failed, so long
/// after its lease expired, and somebody's little later.
pub const TEND_EVERY: Duration = Duration::from_secs(2);

/// How many runs may wait for a place before a host adopts no more, and how many it adopts in one transaction.
const ADOPTED_MAX: u32 = 256;

/// What came of one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Runs whose worker died.
    pub reaped: Vec<Reaped>,
    /// Queued runs that this host took up.
    pub adopted: Vec<RunId>,
}

impl Orchestrator {
    /// Ends or queues again the runs of workers that died, and adopts queued runs that nobody keeps, unless many wait
    /// here already.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn tend(&self, policy: Interrupted) -> Result<Tended, Failure> {
        self.shared.begin_to_tend();
        let reaped = self.shared.parts.ledger.reap(policy).await?;
        for Reaped { run, became } in &reaped {
            tracing::warn!(run.id = %run, became = became.name(), "interrupted: who carried it out is gone");
            debug_assert!(matches!(became, RunStatus::Queued | RunStatus::Failed), "{became:?}");
        }
        let waiting = u32::try_from(self.shared.dispatcher.in_line()).unwrap_or(u32::MAX);
        // What was at work already goes on here however many wait: it is older than they are.
        let again = reaped.iter().filter(|reaped| reaped.became == RunStatus::Queued).count();
        let again = u32::try_from(again).unwrap_or(u32::MAX);
        let adopted = match ADOPTED_MAX.saturating_sub(waiting).max(again) {
            0 => Vec::new(),
            most => self.adopt(most).await?.adopted,
        };
        Ok(Tended { reaped, adopted })
    }

    /// Adopts every queued run that nobody keeps: those that an earlier owner of the ledger left. Returns the runs; one
    /// whose plugin is not there, or whose secret is lost, stays queued.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn resume(&self) -> Result<Vec<RunId>, Failure> {
        let mut resumed = Vec::new();
        loop {
            let mut batch = self.adopt(ADOPTED_MAX).await?;
            resumed.append(&mut batch.adopted);
            if !batch.is_full {
                return Ok(resumed);
            }
        }
    }

    /// Tends every [`TEND_EVERY`] from now on, until this host stops. Called once.
    pub fn keep_tending(&self, policy: Interrupted) {
        self.shared.begin_to_tend();
        tokio::spawn(keep_tending(Arc::downgrade(&self.shared), policy));
    }

    /// Takes no new runs, and returns when the live ones have ended. Those that wait for a time are given up: they stay
    /// queued in the ledger, for whoever adopts them.
    pub async fn drain(&self) {
        self.stop(Closing::Later).await;
    }

    /// As [`Orchestrator::drain`], but gives up every run that waits: for a host that others share the ledger with.
    pub async fn hand_over(&self) {
        self.stop(Closing::Waiting).await;
    }

    async fn stop(&self, closing: Closing) {
        self.shared.leave();
        let let_go = self.shared.dispatcher.close(closing);
        self.shared.give_up(let_go).await;
        self.shared.drained().await;
        for worker in self.shared.heart.told() {
            if let Err(failure) = self.shared.parts.ledger.leave(worker).await {
                tracing::warn!(code = %failure.code, "what this host kept is adopted once its worker expires: {failure}");
            }
        }
    }

    async fn adopt(&self, most: u32) -> Result<Batch, Failure> {
        let (parts, heart) = (&self.shared.parts, &self.shared.heart);
        let worker = heart.keeper().worker;
        let of_runs = std::iter::once(OF_SEVERAL.to_owned());
        let names = self.manifests().iter().flat_map(|manifest| names(manifest)).chain(of_runs).collect();
        let but = self.shared.not_to_adopt();
        let mut found = parts.ledger.adopt(Adoption { worker, until: heart.until(), names, but, most }).await?;
        // A backfill finds its items at work.
        found.sort_by_key(|queued| queued.spec.kind.is_of_runs());
        let is_full = found.len() as u64 >= u64::from(most);
        let (mut adopted, mut unfit) = (Vec::new(), Vec::new());
        for queued in found {
            let run = queued.run_id;
            match self.take_up(queued, worker).await {
                Ok(true) => adopted.push(run),
                // It was submitted here just now.
                Ok(false) => {}
                Err(failure) => {
                    tracing::warn!(run.id = %run, code = %failure.code, "the run stays queued: {failure}");
                    unfit.push((run, Some(worker)));
                }
            }
        }
        self.shared.leave_alone(unfit.iter().map(|(run, _)| *run));
        self.shared.give_up(unfit).await;
        Ok(Batch { adopted, is_full })
    }

    /// False if it is here already.
    async fn take_up(&self, queued: RecordedRun, keeper: WorkerId) -> Result<bool, Failure> {
        if self.shared.live.find(queued.run_id).is_some() {
            return Ok(false);
        }
        if queued.spec.kind.is_of_runs() {
            return self.resume_backfill(queued, keeper).map(|()| true);
        }
        let RecordedRun { run_id, spec, status: _, attempt, not_before, created_at, started_at } = queued;
        let job = self.recorded_job(run_id, spec, created_at).await?;
        let span = job.span();
        let seat = self.shared.enter(&job, span.clone())?;
        let course = job.course(attempt, started_at, Some(keeper));
        let let_go = self.shared.dispatcher.enqueue(Traveller { job, course, seat, span }, not_before);
        if let_go.is_some() {
            self.shared.give_up(vec![(run_id, Some(keeper))]).await;
        }
        Ok(true)
    }
}

struct Batch {
    adopted: Vec<RunId>,
    /// Whether there may be more.
    is_full: bool,
}

fn names(manifest: &Manifest) -> Vec<String> {
    let pipelines = manifest.pipelines.iter().map(|it| it.name.clone());
    let sources = manifest.sources.iter().map(|it| it.name.clone());
    pipelines.chain(sources).chain(manifest.tasks.iter().map(|it| it.name.clone())).collect()
}

impl Shared {
    /// Has the ledger record that these queued runs are nobody's.
    pub(crate) async fn give_up(&self, let_go: Vec<LetGo>) {
        let mut by_worker: BTreeMap<WorkerId, Vec<RunId>> = BTreeMap::new();
        for (run, worker) in let_go {
            if let Some(worker) = worker {
                by_worker.entry(worker).or_default().push(run);
            }
        }
        for (worker, runs) in by_worker {
            if let Err(failure) = self.parts.ledger.give_up(worker, runs).await {
                tracing::warn!(code = %failure.code, "queued runs are adopted once this worker expires: {failure}");
            }
        }
    }
}

async fn keep_tending(shared: Weak<Shared>, policy: Interrupted) {
    loop {
        let Some(this) = shared.upgrade() else { return };
        let next = this.parts.timer.until(after(this.parts.clock.now(), TEND_EVERY));
        let leaving = this.leaving();
        drop(this);
        tokio::select! {
            biased;
            () = leaving => return,
            () = next => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        if let Err(failure) = (Orchestrator { shared }).tend(policy).await {
            tracing::warn!(code = %failure.code, "runs that nobody has are looked for again later: {failure}");
        }
    }
}
