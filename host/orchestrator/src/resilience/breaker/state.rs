//! What the ledger stores of a breaker.

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Counted, Outcome};

/// Where a breaker is, with what it has to remember there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BreakerState {
    /// Every call goes through and is counted.
    Closed { counted: Counted },
    /// No call goes through before `until`; without one, before somebody resets it.
    Open { since: Timestamp, until: Option<Timestamp> },
    /// A few calls at a time try whether the target works again.
    HalfOpen { since: Timestamp, probes: Vec<Probe>, successes: u32 },
}

impl BreakerState {
    pub const fn phase(&self) -> Phase {
        match self {
            Self::Closed { .. } => Phase::Closed,
            Self::Open { .. } => Phase::Open,
            Self::HalfOpen { .. } => Phase::HalfOpen,
        }
    }
}

impl Default for BreakerState {
    fn default() -> Self {
        Self::Closed { counted: Counted::default() }
    }
}

/// A call that a half-open breaker let through and that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    pub call: CallId,
    /// From then on its process counts as dead.
    pub lease_until: Timestamp,
}

/// Names one call of one run, such as `run_0198.../2`; no other call has this name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub String);

/// The name of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Closed,
    Open,
    HalfOpen,
}

impl Phase {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What a breaker saw since it exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerStats {
    /// Calls that ended well, badly, and without saying anything about the target.
    pub successful: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// Calls that were refused.
    pub rejected: u64,
    /// Changes from one phase to another.
    pub transitions: u64,
    pub last_success_at: Option<Timestamp>,
    pub last_failure_at: Option<Timestamp>,
    pub last_transition_at: Option<Timestamp>,
}

impl BreakerStats {
    /// Calls that went through and ended.
    pub const fn total(&self) -> u64 {
        self.successful.saturating_add(self.failed).saturating_add(self.cancelled)
    }

    /// Failed calls in percent of those that ended well or badly; 0 where there are none.
    pub fn failure_rate(&self) -> f64 {
        match self.successful.saturating_add(self.failed) {
            0 => 0.0,
            judged => self.failed as f64 * 100.0 / judged as f64,
        }
    }

    pub(super) fn count(&mut self, outcome: Outcome, now: Timestamp) {
        match outcome {
            Outcome::Succeeded => {
                self.successful = self.successful.saturating_add(1);
                self.last_success_at = Some(now);
            }
            Outcome::Failed => {
                self.failed = self.failed.saturating_add(1);
                self.last_failure_at = Some(now);
            }
            Outcome::Cancelled => self.cancelled = self.cancelled.saturating_add(1),
        }
    }
}
