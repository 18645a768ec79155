//! The queued runs that this worker keeps: said to be alive with it, and let go of if another worker has them.

use std::sync::Arc;

use model::ports::{Cancel, Keeper};
use model::{RunId, WorkerId};

use super::{Heart, Inner};

/// A queued run in the queue of this process.
#[derive(Clone, Debug)]
pub(super) struct Keeping {
    pub(super) run: RunId,
    pub(super) worker: WorkerId,
    pub(super) lost: Cancel,
}

/// A run that is kept until this is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    heart: Arc<Heart>,
    number: u64,
    worker: WorkerId,
    lost: Cancel,
}

impl Kept {
    /// Tells this one from others of the same run.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Asked once another worker has the run.
    pub(crate) fn lost(&self) -> Cancel {
        self.lost.clone()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.heart.inner().kept.remove(&self.number);
    }
}

impl Heart {
    /// Who keeps what is queued from now on.
    pub(crate) fn keeper(&self) -> Keeper {
        let (until, inner) = (self.until(), self.inner());
        Keeper { worker: inner.worker.id, until: (!inner.is_known).then_some(until) }
    }

    /// Keeps a queued run, of which the ledger knows that this worker does.
    pub(crate) fn keep(self: &Arc<Self>, run: RunId, worker: WorkerId) -> Kept {
        let lost = Cancel::default();
        let mut inner = self.inner();
        inner.drawn += 1;
        let number = inner.drawn;
        inner.kept.insert(number, Keeping { run, worker, lost: lost.clone() });
        self.begin_to_beat(&mut inner, worker);
        drop(inner);
        Kept { heart: Arc::clone(self), number, worker, lost }
    }

    /// Whether it is this process, under one of its names.
    pub(crate) fn is_own(&self, worker: WorkerId) -> bool {
        self.inner().names().contains(&worker)
    }

    /// The workers that the ledger was told this process is.
    pub(crate) fn told(&self) -> Vec<WorkerId> {
        self.inner().told.iter().copied().collect()
    }
}

impl Inner {
    /// Lets go of those of these runs that are still kept. Whether there was one.
    pub(super) fn let_go<'a>(&self, runs: impl Iterator<Item = (&'a u64, &'a Keeping)>) -> bool {
        let mut any = false;
        for (number, keeping) in runs.filter(|(number, _)| self.kept.contains_key(number)) {
            tracing::info!(run.id = %keeping.run, number, "another host has the queued run, or it has ended");
            keeping.lost.cancel();
            any = true;
        }
        any
    }
}
