//! Leases: what one run at a time may hold, or a few, each for a time; and the workers whose runs hold them.
//!
//! Expired means that the time has come: now >= expiry. An expired lease is nobody's: whoever comes next takes it over,
//! and its owner can neither extend nor release it. Each take-over has a greater token than all before it, so that the
//! writes of an owner who was late are told from those of the present one.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind};
use crate::ids::{RunId, WorkerId};
use crate::run::RunStatus;
use crate::time::Timestamp;

/// What only so many runs may hold at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusive {
    pub key: String,
    /// From 1; 0 counts as 1. Who asks decides: more holders that others let in stay.
    pub slots: u32,
}

/// A process that carries runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    pub id: WorkerId,
    /// Where it is, for people.
    pub host: String,
    pub started_at: Timestamp,
}

/// A wish for a slot of a key. The owner of a lease is a run and the worker that carries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    pub key: String,
    /// See [`Exclusive::slots`].
    pub slots: u32,
    pub run: RunId,
    pub worker: WorkerId,
    pub until: Timestamp,
}

/// A lease that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// Of this key; 1 is the first.
    pub token: u64,
}

/// Why a lease was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub key: String,
    /// Of those who hold the key, the one whose lease expires first.
    pub by: RunId,
    pub until: Timestamp,
}

impl From<Held> for Failure {
    fn from(held: Held) -> Self {
        let Held { key, by, until } = held;
        let message = format!("`{key}` is held by run `{by}`, until {until} at least unless it ends; try again then");
        let failure = Self::new(FailureKind::Orchestration, "lease_held", message).retryable(true);
        failure.detail("lease", key).detail("holder", by.to_string())
    }
}

/// The refusal of a write about a run that is not the writer's any more.
pub fn lost(run: RunId) -> Failure {
    let message = format!(
        "run `{run}` is not this worker's any more: its lease expired, and the run was given up or taken over; nothing \
         was written"
    );
    Failure::new(FailureKind::Orchestration, "lost", message)
}

/// The refusal to begin a run that another worker keeps.
pub fn kept(run: RunId, by: WorkerId) -> Failure {
    let message = format!("run `{run}` is kept by worker `{by}`, which is alive and begins it; nothing was written");
    Failure::new(FailureKind::Orchestration, "kept", message)
}

/// A lease, held or expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub key: String,
    pub run: RunId,
    pub worker: WorkerId,
    pub token: u64,
    pub acquired_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What becomes of runs whose worker died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// Back to the queue, while calls are left that their policies allow; else they fail.
    Requeue,
    /// They end as failed, with the code `interrupted`.
    Fail,
}

/// A run that nobody carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    pub run: RunId,
    /// `queued` or `failed`.
    pub became: RunStatus,
}

/// The table of leases. Runs take and free theirs as they start and end ([`super::Ledger::start`]); this is for whoever
/// looks, and for work that is no run's start.
#[async_trait::async_trait]
pub trait Leases: Debug + Send + Sync {
    /// Takes a slot, or extends the lease that this owner has; it never becomes shorter.
    async fn acquire(&self, request: LeaseRequest) -> Result<Result<Acquired, Held>, Failure>;

    /// Extends a lease of this owner; false if it is not the owner's, or has expired.
    async fn extend(&self, key: &str, run: RunId, worker: WorkerId, until: Timestamp) -> Result<bool, Failure>;

    /// Frees a lease of this owner; false if it is not the owner's, or has expired.
    async fn free(&self, key: &str, run: RunId, worker: WorkerId) -> Result<bool, Failure>;

    /// Removes what has expired, and returns how many. Nothing depends on it: who takes a lease over removes it too.
    async fn clean_expired(&self) -> Result<u64, Failure>;

    /// The leases that have not expired, the newest first.
    async fn leases(&self) -> Result<Vec<Lease>, Failure>;

    /// Who holds a key; of several the one whose lease expires first.
    async fn holder(&self, key: &str) -> Result<Option<Lease>, Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_learns_what_is_held_and_by_whom() {
        let by = RunId::new(Timestamp::from_micros(1), [1; 10]);
        let failure = Failure::from(Held { key: "d.p|day=1".to_owned(), by, until: Timestamp::from_micros(2) });
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Orchestration, "lease_held"));
        assert!(failure.retryable && !lost(by).retryable);
        let details = [("lease".to_owned(), "d.p|day=1".to_owned()), ("holder".to_owned(), by.to_string())];
        assert_eq!(failure.details, details);
    }
}
