//! Room for the runs of one plugin: so many go on, so many wait, one more is refused.
//!
//! A bulkhead keeps one plugin from taking every place of the host. It only counts: whoever drives it starts the runs
//! it names. Counted are the runs themselves, not entries and exits, so a run that leaves twice frees one place.
//!
//! Limits: one process. What several processes hold at one time is a lease of the ledger.

use std::collections::{BTreeSet, VecDeque};

use model::policy::BulkheadPolicy;
use model::{Failure, FailureKind, RunId};

/// The runs of one plugin.
#[derive(Clone, Debug, Default)]
pub struct Bulkhead {
    running: BTreeSet<RunId>,
    waiting: VecDeque<RunId>,
}

/// What became of a run that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It may go on.
    Runs,
    /// It waits behind `ahead` others, until [`Bulkhead::leave`] or [`Bulkhead::fill`] names it.
    Waits { ahead: usize },
}

/// No room: so many runs of the plugin go on, and so many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadFull {
    pub running: usize,
    pub waiting: usize,
}

impl BulkheadFull {
    /// As a failure of a run of `plugin`; it may be tried again.
    pub fn failure(self, plugin: &str) -> Failure {
        let Self { running, waiting } = self;
        let message = format!("`{plugin}` has {running} runs going on and {waiting} waiting, and room for no more");
        Failure::new(FailureKind::Orchestration, "bulkhead_full", message).retryable(true).detail("plugin", plugin)
    }
}

impl Bulkhead {
    /// Gives `run` a place. A run that has one keeps it.
    ///
    /// # Errors
    ///
    /// [`BulkheadFull`] where neither a place nor one to wait is free.
    pub fn enter(&mut self, policy: &BulkheadPolicy, run: RunId) -> Result<Place, BulkheadFull> {
        if self.running.contains(&run) {
            return Ok(Place::Runs);
        }
        if let Some(ahead) = self.waiting.iter().position(|waiting| *waiting == run) {
            return Ok(Place::Waits { ahead });
        }
        let (running, waiting) = (self.running.len(), self.waiting.len());
        if waiting == 0 && running < places(policy) {
            self.running.insert(run);
            return Ok(Place::Runs);
        }
        if waiting < policy.waiting as usize {
            self.waiting.push_back(run);
            return Ok(Place::Waits { ahead: waiting });
        }
        Err(BulkheadFull { running, waiting })
    }

    /// Takes the place of `run` back, whether it went on or waited; returns the runs that may go on now, in the order
    /// of coming. A run without a place changes nothing.
    pub fn leave(&mut self, policy: &BulkheadPolicy, run: RunId) -> Vec<RunId> {
        if !self.running.remove(&run) {
            self.waiting.retain(|waiting| *waiting != run);
        }
        self.fill(policy)
    }

    /// The runs that may go on now, in the order of coming: after a policy with more places came into force.
    pub fn fill(&mut self, policy: &BulkheadPolicy) -> Vec<RunId> {
        let free = places(policy).saturating_sub(self.running.len()).min(self.waiting.len());
        let next: Vec<RunId> = self.waiting.drain(..free).collect();
        self.running.extend(&next);
        next
    }

    pub fn running(&self) -> usize {
        self.running.len()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody has a place: then it may be forgotten.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }
}

/// A policy without places would hold its runs for ever.
fn places(policy: &BulkheadPolicy) -> usize {
    policy.runs.max(1) as usize
}

#[cfg(test)]
mod tests;
