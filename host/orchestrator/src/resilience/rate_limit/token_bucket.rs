//! A stock of calls that refills all the time.
//!
//! Counted in billionths of a call: what a rate of thousandths gives in whole microseconds is a whole number of them,
//! so nothing is rounded and nothing drifts, however often somebody asks.

use std::time::Duration;

use model::Timestamp;
use model::policy::{RateLimitPolicy, Thousandths};
use serde::{Deserialize, Serialize};

use super::super::micros;
use super::Grant;

/// One call.
const CALL: u64 = 1_000_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenBucket {
    per_second: Thousandths,
    capacity: u32,
    /// Calls that are left, in billionths.
    level: u64,
    /// When they were.
    at: Timestamp,
}

impl TokenBucket {
    pub(super) fn full(per_second: Thousandths, capacity: u32, now: Timestamp) -> Self {
        Self { per_second, capacity, level: u64::from(capacity) * CALL, at: now }
    }

    pub(super) fn policy(&self) -> RateLimitPolicy {
        RateLimitPolicy::TokenBucket { per_second: self.per_second, capacity: self.capacity }
    }

    /// Refills with the old rate until `now`; what is then above the new capacity is gone.
    pub(super) fn change(&mut self, per_second: Thousandths, capacity: u32, now: Timestamp) {
        self.refill(now);
        self.per_second = per_second;
        self.capacity = capacity;
        self.refill(now);
    }

    pub(super) fn check(&mut self, n: u32, now: Timestamp) -> Grant {
        self.refill(now);
        let wanted = u64::from(n) * CALL;
        if n > self.capacity {
            return Grant::Impossible { most: self.capacity };
        }
        if wanted <= self.level {
            return Grant::Granted;
        }
        match self.per_second.get() {
            0 => Grant::Never,
            // Thousandths of a call a second are billionths a microsecond.
            rate => {
                let refilled_in = (wanted - self.level).div_ceil(rate);
                let behind = micros::between(now, self.at);
                Grant::Wait(Duration::from_micros(refilled_in.saturating_add(behind)))
            }
        }
    }

    pub(super) fn charge(&mut self, n: u32) {
        self.level = self.level.saturating_sub(u64::from(n) * CALL);
    }

    pub(super) fn left(&mut self, now: Timestamp) -> Thousandths {
        self.refill(now);
        Thousandths::new(self.level / (CALL / 1_000))
    }

    pub(super) fn is_full(&mut self, now: Timestamp) -> bool {
        self.refill(now);
        self.level >= u64::from(self.capacity) * CALL
    }

    fn refill(&mut self, now: Timestamp) {
        let passed = u128::from(micros::between(self.at, now));
        let refilled = passed * u128::from(self.per_second.get()) + u128::from(self.level);
        let full = u64::from(self.capacity) * CALL;
        self.level = u64::try_from(refilled).unwrap_or(u64::MAX).min(full);
        if now > self.at || micros::was_set_back(self.at, now) {
            self.at = now;
        }
    }
}
