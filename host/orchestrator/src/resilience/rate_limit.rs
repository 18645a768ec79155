//! Rate limits: so many calls in so much time, for one thing, for each of many keys, or for several things at once.
//!
//! A [`Limit`] is a policy and what is left of it, and serialises as both, so that it survives a restart and is
//! shared through the ledger. Whoever has it in hand alone (`&mut`, behind a mutex or in a transaction) may ask. Nobody
//! waits in here: the queue has those who wait ask one after the other, the first in line first.
//!
//! The crate `governor` counts the same way as the token bucket, but keeps its one number in an atomic of the process,
//! as nanoseconds since the limiter was made, and lets nobody read or set it: no restart and no other process shares
//! it. It knows no rate of zero, no fraction of a call that is left, no window, and no several limits that are charged
//! together or not at all.

mod composite;
mod keyed;
mod sliding_window;
mod token_bucket;

pub use composite::Composite;
pub use keyed::Keyed;
pub use sliding_window::SlidingWindow;
pub use token_bucket::TokenBucket;

use std::time::Duration;

use model::policy::{RateLimitPolicy, Thousandths};
use model::{Failure, FailureKind, Timestamp};
use serde::{Deserialize, Serialize};

use super::micros;

/// The answer to somebody who wants to make `n` calls now. All of them or none.
///
/// `n` is never negative: its type has no such number, and a policy with one is refused. No calls are always granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    Granted,
    /// Not before this time has passed; then, if nobody else took them.
    Wait(Duration),
    /// Too few are left and none come back: the rate is 0.
    Never,
    /// More than the limit ever lets through at one time, which is `most`.
    Impossible {
        most: u32,
    },
}

impl Grant {
    /// A refusal as a failure of what wanted to call `target`: retryable if waiting helps. None if it was granted.
    pub fn refusal(self, target: &str) -> Option<Failure> {
        match self {
            Self::Granted => None,
            Self::Wait(after) => {
                let failure = rate_limited(target, "has no calls left for now").retryable(true);
                Some(Failure { retry_after_ms: Some(micros::ms_rounded_up(after)), ..failure })
            }
            Self::Never => Some(rate_limited(target, "has no calls left, and its rate of 0 gives none back")),
            Self::Impossible { most } => {
                Some(rate_limited(target, &format!("never allows more than {most} calls at one time")))
            }
        }
    }
}

fn rate_limited(target: &str, why: &str) -> Failure {
    let message = format!("the rate limit of `{target}` {why}");
    Failure::new(FailureKind::Orchestration, "rate_limited", message).detail("target", target)
}

/// A rate limit in force: its policy, and what it remembers of the calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    TokenBucket(TokenBucket),
    SlidingWindow(SlidingWindow),
    All(Composite),
}

impl Limit {
    /// Nothing is used yet.
    pub fn new(policy: &RateLimitPolicy, now: Timestamp) -> Self {
        match policy {
            RateLimitPolicy::TokenBucket { per_second, capacity } => {
                Self::TokenBucket(TokenBucket::full(*per_second, *capacity, now))
            }
            RateLimitPolicy::SlidingWindow { calls, window_ms } => {
                Self::SlidingWindow(SlidingWindow::empty(*calls, *window_ms))
            }
            RateLimitPolicy::All(policies) => {
                Self::All(Composite::new(policies.iter().map(|policy| Self::new(policy, now)).collect()))
            }
        }
    }

    /// Puts `policy` in force from `now` on. What was used stays used, unless the limit becomes one of the other kind,
    /// which begins unused.
    pub fn change(&mut self, policy: &RateLimitPolicy, now: Timestamp) {
        match (self, policy) {
            (Self::TokenBucket(bucket), RateLimitPolicy::TokenBucket { per_second, capacity }) => {
                bucket.change(*per_second, *capacity, now);
            }
            (Self::SlidingWindow(window), RateLimitPolicy::SlidingWindow { calls, window_ms }) => {
                window.change(*calls, *window_ms);
            }
            (Self::All(limits), RateLimitPolicy::All(policies)) if limits.limits().len() == policies.len() => {
                limits.limits_mut().iter_mut().zip(policies).for_each(|(limit, policy)| limit.change(policy, now));
            }
            (limit, policy) => *limit = Self::new(policy, now),
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> RateLimitPolicy {
        match self {
            Self::TokenBucket(bucket) => bucket.policy(),
            Self::SlidingWindow(window) => window.policy(),
            Self::All(limits) => RateLimitPolicy::All(limits.limits().iter().map(Self::policy).collect()),
        }
    }

    /// Whether [`Limit::take`] would grant `n` calls; takes none.
    pub fn check(&mut self, n: u32, now: Timestamp) -> Grant {
        match self {
            _ if n == 0 => Grant::Granted,
            Self::TokenBucket(bucket) => bucket.check(n, now),
            Self::SlidingWindow(window) => window.check(n, now),
            Self::All(limits) => limits.check(n, now),
        }
    }

    /// Takes `n` calls, or none of them.
    pub fn take(&mut self, n: u32, now: Timestamp) -> Grant {
        let grant = self.check(n, now);
        if grant == Grant::Granted {
            self.charge(n, now);
        }
        grant
    }

    /// Calls that may be made at `now`, to the thousandth below: 2.5 are two, and half of another.
    pub fn left(&mut self, now: Timestamp) -> Thousandths {
        match self {
            Self::TokenBucket(bucket) => bucket.left(now),
            Self::SlidingWindow(window) => Thousandths::new(u64::from(window.left(now)) * 1_000),
            Self::All(limits) => {
                limits.limits_mut().iter_mut().map(|limit| limit.left(now)).min().unwrap_or(Thousandths::new(0))
            }
        }
    }

    /// Whether it remembers nothing that a new one would not: it may be forgotten.
    pub fn is_unused(&mut self, now: Timestamp) -> bool {
        match self {
            Self::TokenBucket(bucket) => bucket.is_full(now),
            Self::SlidingWindow(window) => window.is_empty(now),
            Self::All(limits) => limits.limits_mut().iter_mut().all(|limit| limit.is_unused(now)),
        }
    }

    /// Takes calls that [`Limit::check`] granted at the same time.
    fn charge(&mut self, n: u32, now: Timestamp) {
        match self {
            _ if n == 0 => {}
            Self::TokenBucket(bucket) => bucket.charge(n),
            Self::SlidingWindow(window) => window.charge(n, now),
            Self::All(limits) => limits.charge(n, now),
        }
    }
}

#[cfg(test)]
mod tests;
