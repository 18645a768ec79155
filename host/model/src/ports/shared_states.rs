//! Small states that processes share: of circuit breakers, of rate limits.

use std::fmt::Debug;

use serde_json::Value;

use crate::failure::Failure;

/// What kind of thing a state belongs to. Of each kind, every key has one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SharedKind {
    Breaker,
    RateLimit,
}

impl SharedKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::RateLimit => "rate_limit",
        }
    }
}

/// A state as it was when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedState {
    /// From 1; each change adds 1.
    pub version: u64,
    pub state: Value,
}

/// States that outlive the process, changed by comparing and swapping: of several who read one version, one changes it,
/// and the others read again.
#[async_trait::async_trait]
pub trait SharedStates: Debug + Send + Sync {
    /// None where nobody stored one yet.
    async fn load(&self, kind: SharedKind, key: &str) -> Result<Option<SharedState>, Failure>;

    /// Stores `state` if the stored version still is `expected`, or if there is none where that is none. Returns whether
    /// it was stored; nothing was changed otherwise.
    async fn swap(&self, kind: SharedKind, key: &str, expected: Option<u64>, state: Value) -> Result<bool, Failure>;
}
