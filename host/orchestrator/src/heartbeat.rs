//! This process as a worker: it says that it is alive while it carries runs out or keeps queued ones, and hears which of
//! them it has lost.
//!
//! A run that the ledger does not count as this worker's any more is stopped: whatever it did, the ledger would not take
//! it. Heartbeats that fail are tried again at the next one's time; when the leases would have expired twice over, every
//! run stops, as another process may have begun it again long ago.

mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::ports::{Cancel, Entropy, Heard, Ledger, Worker};
use model::run::Claim;
use model::{Clock, RunId, Timer, Timestamp, WorkerId};

use crate::identity;
use crate::lease::{LeasePolicy, after};
use crate::parts::Parts;

use kept::Keeping;
pub(crate) use kept::Kept;

/// The worker of this process, and the attempts that it has at work.
#[derive(Debug)]
pub(crate) struct Heart {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    entropy: Arc<dyn Entropy>,
    policy: LeasePolicy,
    host: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    worker: Worker,
    watched: BTreeMap<RunId, Attempt>,
    /// The queued runs that this process keeps, by the order in which they came.
    kept: BTreeMap<u64, Keeping>,
    /// Counts them.
    drawn: u64,
    is_beating: bool,
    /// Whether the ledger was told of the worker, and is told again in time.
    is_known: bool,
    /// Every worker that the ledger was told of.
    told: BTreeSet<WorkerId>,
    /// When the ledger last heard of this worker.
    heard: Timestamp,
}

#[derive(Clone, Debug)]
struct Attempt {
    claim: Claim,
    cancel: Cancel,
    is_lost: Arc<AtomicBool>,
}

/// An attempt that is kept alive and may be lost; no longer once this is dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    heart: Arc<Heart>,
    run: RunId,
    claim: Claim,
    is_lost: Arc<AtomicBool>,
}

impl Watched {
    /// Whether it was stopped because another worker may have the run.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut inner = self.heart.inner();
        if inner.watched.get(&self.run).is_some_and(|attempt| attempt.claim == self.claim) {
            inner.watched.remove(&self.run);
        }
    }
}

impl Inner {
    fn new(worker: Worker, heard: Timestamp) -> Self {
        let (watched, kept) = (BTreeMap::new(), BTreeMap::new());
        Self { worker, watched, kept, drawn: 0, is_beating: false, is_known: false, told: BTreeSet::new(), heard }
    }

    /// The names of this process: the present one, and those under which it has something still.
    fn names(&self) -> BTreeSet<WorkerId> {
        let at_work = self.watched.values().map(|attempt| attempt.claim.worker);
        let kept = self.kept.values().map(|keeping| keeping.worker);
        at_work.chain(kept).chain([self.worker.id]).collect()
    }
}

impl Heart {
    pub(crate) fn new(parts: &Parts) -> Arc<Self> {
        let worker = worker(&*parts.clock, &*parts.entropy, &parts.host);
        let heard = worker.started_at;
        Arc::new(Self {
            ledger: Arc::clone(&parts.ledger),
            clock: Arc::clone(&parts.clock),
            timer: Arc::clone(&parts.timer),
            entropy: Arc::clone(&parts.entropy),
            policy: parts.lease,
            host: parts.host.clone(),
            inner: Mutex::new(Inner::new(worker, heard)),
        })
    }

    /// Who begins attempts now.
    pub(crate) fn worker(&self) -> WorkerId {
        self.inner().worker.id
    }

    /// Until when what begins now is this worker's.
    pub(crate) fn until(&self) -> Timestamp {
        after(self.clock.now(), self.policy.ttl)
    }

    /// Keeps an attempt alive that has just begun, and stops it if it is lost.
    pub(crate) fn watch(self: &Arc<Self>, run: RunId, claim: Claim, cancel: Cancel) -> Watched {
        let is_lost = Arc::new(AtomicBool::new(false));
        let mut inner = self.inner();
        inner.watched.insert(run, Attempt { claim, cancel, is_lost: Arc::clone(&is_lost) });
        self.begin_to_beat(&mut inner, claim.worker);
        drop(inner);
        Watched { heart: Arc::clone(self), run, claim, is_lost }
    }

    /// The ledger was told of a worker just now: from now on it is told again and again.
    fn begin_to_beat(self: &Arc<Self>, inner: &mut Inner, worker: WorkerId) {
        if inner.worker.id == worker {
            inner.is_known = true;
        }
        inner.told.insert(worker);
        if !inner.is_beating {
            let now = self.clock.now();
            (inner.is_beating, inner.heard) = (true, now);
            let first = after(now, self.policy.beat);
            tokio::spawn(beat(Arc::downgrade(self), Arc::clone(&self.timer), first));
        }
    }

    /// Says once that this worker is alive. Returns when to do so again; none if it has nothing.
    pub(crate) async fn once(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let (worker, watched, kept) = {
            let mut inner = self.inner();
            if inner.watched.is_empty() && inner.kept.is_empty() {
                (inner.is_beating, inner.is_known) = (false, false);
                return None;
            }
            (inner.worker.clone(), inner.watched.clone(), inner.kept.clone())
        };
        let at_work = watched.values().map(|attempt| attempt.claim.worker);
        // One, but for a time after it was renewed.
        let ids: BTreeSet<WorkerId> = at_work.chain(kept.values().map(|keeping| keeping.worker)).collect();
        for id in ids {
            let its = watched.iter().filter(|(_, attempt)| attempt.claim.worker == id);
            match self.ledger.heartbeat(&Worker { id, ..worker.clone() }, after(now, self.policy.ttl)).await {
                Ok(Heard { at_work, kept: still }) => {
                    self.inner().heard = now;
                    let has_nothing = at_work.is_empty() && still.is_empty();
                    let (at_work, still) = (BTreeSet::from_iter(at_work), BTreeSet::from_iter(still));
                    let gone = kept.iter().filter(|(_, it)| it.worker == id && !still.contains(&it.run));
                    let any_gone = self.inner().let_go(gone);
                    let any_lost = self.lose(its.filter(|(run, _)| !at_work.contains(run)));
                    if has_nothing && (any_gone || any_lost) {
                        self.renew(id);
                    }
                }
                Err(failure) => {
                    tracing::warn!(code = %failure.code, "the ledger was not told that this host is alive: {failure}");
                    let heard = self.inner().heard;
                    if now >= after(heard, self.policy.ttl.saturating_mul(2)) {
                        self.lose(its);
                    }
                }
            }
        }
        Some(after(now, self.policy.beat))
    }

    /// Stops those of these attempts that are still at work. Whether there was one.
    fn lose<'a>(&self, attempts: impl Iterator<Item = (&'a RunId, &'a Attempt)>) -> bool {
        let inner = self.inner();
        let mut any = false;
        for (run, attempt) in attempts {
            if inner.watched.get(run).is_some_and(|now| now.claim == attempt.claim) {
                tracing::error!(run.id = %run, "the run is not this host's any more and is stopped");
                attempt.is_lost.store(true, Ordering::SeqCst);
                attempt.cancel.cancel();
                any = true;
            }
        }
        any
    }

    /// A worker that was given up is not brought back: what begins from now on is a new one's.
    pub(crate) fn renew(&self, dead: WorkerId) {
        let worker = worker(&*self.clock, &*self.entropy, &self.host);
        let mut inner = self.inner();
        if inner.worker.id == dead {
            (inner.worker, inner.is_known) = (worker, false);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn worker(clock: &dyn Clock, entropy: &dyn Entropy, host: &str) -> Worker {
    Worker { id: identity::worker_id(clock, entropy), host: host.to_owned(), started_at: clock.now() }
}

/// Ends when there is nothing at work and nothing kept, or with the orchestrator.
async fn beat(heart: Weak<Heart>, timer: Arc<dyn Timer>, first: Timestamp) {
    let mut next = first;
    loop {
        timer.until(next).await;
        let Some(heart) = heart.upgrade() else { return };
        match heart.once().await {
            Some(at) => next = at,
            None => return,
        }
    }
}
