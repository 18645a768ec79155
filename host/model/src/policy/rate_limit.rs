//! How many calls may start in how much time.

use serde::{Deserialize, Serialize};

use super::POLICY_MS_MAX;
use super::number::{Checks, Number, Thousandths};

/// How many calls may start. The default lets 10 a second through, and 20 at once after a pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RateLimitPolicy {
    /// A stock of `capacity` calls, full at first, that refills continuously with `per_second`. A rate of 0 never
    /// refills it: there are `capacity` calls and then none.
    TokenBucket { per_second: Thousandths, capacity: u32 },
    /// At most `calls` in any `window_ms` milliseconds.
    SlidingWindow { calls: u32, window_ms: u64 },
    /// Each of these has to let a call through; what one refuses, no other is charged for.
    All(Vec<RateLimitPolicy>),
}

impl Default for RateLimitPolicy {
    fn default() -> Self {
        Self::TokenBucket { per_second: BUCKET.0, capacity: BUCKET.1 }
    }
}

/// `per_second` and `capacity`.
const BUCKET: (Thousandths, u32) = (Thousandths::new(10_000), 20);
/// `calls` and `window_ms`.
const WINDOW: (u32, u64) = (10, 1_000);

/// [`RateLimitPolicy`] as it is written: `"none"`, `{ token_bucket = { per_second = 2, capacity = 5 } }`, or several as
/// `{ all = [{ token_bucket = { per_second = 2 } }, { sliding_window = { calls = 1000, window_ms = 86400000 } }] }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RateLimitSpec {
    TokenBucket {
        /// 0 to 1,000,000.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per_second: Option<Number>,
        /// 1 to 1,000,000.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capacity: Option<Number>,
    },
    SlidingWindow {
        /// 1 to 10,000: when each of them was is kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calls: Option<Number>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window_ms: Option<Number>,
    },
    /// One to [`LIMITS_MAX`], none of them of this kind. They stand for themselves: nothing is taken over from the layer
    /// below.
    All(Vec<RateLimitSpec>),
    None,
}

const LIMITS_MAX: usize = 8;

const PER_SECOND_MAX: u64 = 1_000_000;
const CAPACITY_MAX: u64 = 1_000_000;
const WINDOW_CALLS_MAX: u64 = 10_000;

impl RateLimitSpec {
    pub(super) fn over(&self, base: Option<RateLimitPolicy>, checks: &mut Checks<'_>) -> Option<RateLimitPolicy> {
        match self {
            Self::TokenBucket { per_second, capacity } => {
                let mut checks = checks.of("token_bucket");
                let (old_rate, old_capacity) = match base {
                    Some(RateLimitPolicy::TokenBucket { per_second, capacity }) => (per_second, capacity),
                    Some(RateLimitPolicy::SlidingWindow { .. } | RateLimitPolicy::All(_)) | None => BUCKET,
                };
                let rates = Thousandths::new(0)..=Thousandths::new(PER_SECOND_MAX * 1_000);
                let per_second = checks.exact("per_second", *per_second, old_rate, rates);
                let capacity = checks.whole("capacity", *capacity, old_capacity, 1..=CAPACITY_MAX);
                Some(RateLimitPolicy::TokenBucket { per_second, capacity })
            }
            Self::SlidingWindow { calls, window_ms } => {
                let mut checks = checks.of("sliding_window");
                let (old_calls, old_window) = match base {
                    Some(RateLimitPolicy::SlidingWindow { calls, window_ms }) => (calls, window_ms),
                    Some(RateLimitPolicy::TokenBucket { .. } | RateLimitPolicy::All(_)) | None => WINDOW,
                };
                let calls = checks.whole("calls", *calls, old_calls, 1..=WINDOW_CALLS_MAX);
                let window_ms = checks.whole("window_ms", *window_ms, old_window, 1..=POLICY_MS_MAX);
                Some(RateLimitPolicy::SlidingWindow { calls, window_ms })
            }
            Self::All(limits) => {
                if limits.is_empty() || limits.len() > LIMITS_MAX {
                    checks.refuse("all", format!("a list of {}", limits.len()), format!("1 to {LIMITS_MAX} limits"));
                }
                let mut all = Vec::with_capacity(limits.len());
                for (at, limit) in limits.iter().enumerate() {
                    match limit {
                        Self::All(_) | Self::None => {
                            checks.refuse(&format!("all[{at}]"), "no limit", "`token_bucket` or `sliding_window`");
                        }
                        Self::TokenBucket { .. } | Self::SlidingWindow { .. } => {
                            all.extend(limit.over(None, &mut checks.of(&format!("all[{at}]"))));
                        }
                    }
                }
                Some(RateLimitPolicy::All(all))
            }
            Self::None => None,
        }
    }
}
