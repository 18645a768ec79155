//! This process as a worker: it says that it is alive while it carries runs out, and hears which of them it has lost.
//!
//! A run that the ledger does not count as this worker's any more is stopped: whatever it did, the ledger would not take
//! it. Heartbeats that fail are tried again at the next one's time; when the leases would have expired twice over, every
//! run stops, as another process may have begun it again long ago.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::ports::{Cancel, Entropy, Ledger, Worker};
use model::run::Claim;
use model::{Clock, RunId, Timer, Timestamp, WorkerId};

use crate::identity;
use crate::lease::{LeasePolicy, after};
use crate::parts::Parts;

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
    is_beating: bool,
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
            inner: Mutex::new(Inner { worker, watched: BTreeMap::new(), is_beating: false, heard }),
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
        let now = self.clock.now();
        let mut inner = self.inner();
        inner.watched.insert(run, Attempt { claim, cancel, is_lost: Arc::clone(&is_lost) });
        if !inner.is_beating {
            inner.is_beating = true;
            inner.heard = now;
            let first = after(now, self.policy.beat);
            tokio::spawn(beat(Arc::downgrade(self), Arc::clone(&self.timer), first));
        }
        drop(inner);
        Watched { heart: Arc::clone(self), run, claim, is_lost }
    }

    /// Says once that this worker is alive. Returns when to do so again; none if it has nothing at work.
    async fn once(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let (worker, watched) = {
            let mut inner = self.inner();
            if inner.watched.is_empty() {
                inner.is_beating = false;
                return None;
            }
            (inner.worker.clone(), inner.watched.clone())
        };
        // One, but for a moment after it was renewed.
        let ids: BTreeSet<WorkerId> = watched.values().map(|attempt| attempt.claim.worker).collect();
        for id in ids {
            let its = watched.iter().filter(|(_, attempt)| attempt.claim.worker == id);
            match self.ledger.heartbeat(&Worker { id, ..worker.clone() }, after(now, self.policy.ttl)).await {
                Ok(runs) => {
                    self.inner().heard = now;
                    if self.lose(its.filter(|(run, _)| !runs.contains(run))) && runs.is_empty() {
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
            inner.worker = worker;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn worker(clock: &dyn Clock, entropy: &dyn Entropy, host: &str) -> Worker {
    Worker { id: identity::worker_id(clock, entropy), host: host.to_owned(), started_at: clock.now() }
}

/// Ends when nothing is at work, or with the orchestrator.
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
