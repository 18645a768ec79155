//! Keepers: which worker has a queued run in its queue.
//!
//! The keeper of a queued run is the worker that is to begin it. While that worker is alive nobody else begins the run;
//! once it has expired, or gave the run up, any other worker may adopt it. A run at work has a worker and no keeper.

use crate::ids::{RunId, WorkerId};
use crate::time::Timestamp;

/// Who keeps a run that is queued from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeper {
    pub worker: WorkerId,
    /// The worker is alive until then at least. None if the ledger knows that it is.
    pub until: Option<Timestamp>,
}

/// A wish for queued runs that nobody keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    pub worker: WorkerId,
    /// The worker is alive until then at least, if it gets a run.
    pub until: Timestamp,
    /// The pipelines, sources and tasks that it can carry out.
    pub names: Vec<String>,
    /// Runs that it has already, and those that it cannot carry out all the same. A run that it keeps by the ledger and
    /// that is not among them it gets too.
    pub but: Vec<RunId>,
    /// How many at most: several that ask in turns share what there is.
    pub most: u32,
}

/// What a worker has, by the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Its runs at work, with every lease that their attempts took; in order.
    pub at_work: Vec<RunId>,
    /// The queued runs that it keeps; in order.
    pub kept: Vec<RunId>,
}
