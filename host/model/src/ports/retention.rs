//! Forgetting what is old enough, in pieces so small that nobody waits long for them.

use std::fmt::Debug;

use crate::failure::Failure;
use crate::ids::{Digest, RunId};
use crate::retention::Cutoffs;
use crate::time::Timestamp;

/// The ledger as retention sees it.
///
/// A run may go once it has ended before its cutoff and nothing refers to it: no capture in any state or stage of one, no key under which
/// it completed, no cursor of a source, no other run, no dead letter, no lease. Children go before what they refer to.
#[async_trait::async_trait]
pub trait RetentionLedger: Debug + Send + Sync {
    /// How many dead letters [`RetentionLedger::forget_dead_letters`] would forget.
    async fn forgettable_dead_letters(&self, cutoffs: Cutoffs) -> Result<u64, Failure>;

    /// Forgets some dead letters that were resolved before their cutoff. Returns how many: 0 once none are left.
    async fn forget_dead_letters(&self, cutoffs: Cutoffs) -> Result<u64, Failure>;

    /// Runs that may go, the last ended first, beginning after the end of the page before; an empty page is the last. A
    /// run that others refer to may go once these are forgotten: whoever begins anew then finds it.
    async fn forgettable_runs(&self, cutoffs: Cutoffs, after: Option<(Timestamp, RunId)>) -> Result<Page, Failure>;

    /// Forgets these runs with their events, logs, attempts and findings, as far as they still may go, and as many rows
    /// as one transaction should have. A run whose row is still there has lost the beginning of its log at most.
    async fn forget_runs(&self, cutoffs: Cutoffs, runs: Vec<RunId>) -> Result<Forgotten, Failure>;

    /// Those of the inputs that no run names any more.
    async fn unnamed_inputs(&self, inputs: Vec<Digest>) -> Result<Vec<Digest>, Failure>;
}

/// Some runs that may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub runs: Vec<RunId>,
    /// Their files under `rejects/`.
    pub rejects: Vec<String>,
    /// Where the next page begins; none if there is none, or nothing behind this one.
    pub next: Option<(Timestamp, RunId)>,
}

/// What one transaction forgot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub runs: u64,
    /// What these runs read.
    pub inputs: Vec<Digest>,
    /// Whether there is more of the same runs.
    pub more: bool,
}

/// The files that rows of the ledger name. Calls block.
pub trait Shelves: Debug + Send + Sync {
    /// What is kept from now on, and was since the call before, is safe from [`Shelves::remove_inputs`]. To be called
    /// once before any work, and with each sweep.
    fn begin_sweep(&self);

    /// Removes kept inputs, but those that somebody has asked to keep meanwhile. Returns how many there were.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if a file cannot be removed.
    fn remove_inputs(&self, inputs: &[Digest]) -> Result<u64, Failure>;

    /// Removes files under `rejects/`; one that is gone already is as good.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if a file cannot be removed.
    fn remove_rejects(&self, paths: &[String]) -> Result<u64, Failure>;
}
