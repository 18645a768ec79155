//! How many calls may begin.

use super::super::json::Object;
use super::{fraction, number};

/// How many calls may begin in how much time. Runs beyond it wait for theirs.
///
/// ```
/// use spine_sdk::prelude::RateLimit;
///
/// // Ten at once after a pause, and two a second from then on.
/// let bursts = RateLimit::per_second(2.0, 10);
/// // Never more than a hundred in any hour.
/// let hourly = RateLimit::in_any(3_600_000, 100);
/// # assert_ne!(bursts, hourly);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct RateLimit(Rate);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rate {
    TokenBucket { per_second: f64, capacity: u64 },
    SlidingWindow { calls: u64, window_ms: u64 },
}

impl RateLimit {
    /// A stock of `capacity` calls that refills with `per_second`, of up to three decimals.
    pub const fn per_second(per_second: f64, capacity: u32) -> Self {
        Self(Rate::TokenBucket { per_second, capacity: capacity as u64 })
    }

    /// At most `calls`, up to 10,000, in any so many milliseconds.
    pub const fn in_any(window_ms: u64, calls: u32) -> Self {
        Self(Rate::SlidingWindow { calls: calls as u64, window_ms })
    }

    pub(super) fn write(&self, limit: &mut Object<'_>) {
        match self.0 {
            Rate::TokenBucket { per_second, capacity } => limit.object("token_bucket", |it| {
                fraction(it, "per_second", Some(per_second));
                number(it, "capacity", Some(capacity));
            }),
            Rate::SlidingWindow { calls, window_ms } => limit.object("sliding_window", |it| {
                number(it, "calls", Some(calls));
                number(it, "window_ms", Some(window_ms));
            }),
        }
    }
}
