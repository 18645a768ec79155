//! Limits at given times.

mod buckets;
mod properties;
mod several;
mod windows;

use super::*;

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// So many milliseconds after the start.
fn at(ms: i64) -> Timestamp {
    START.plus_micros(ms * 1_000)
}

fn bucket_policy(per_second: u64, capacity: u32) -> RateLimitPolicy {
    RateLimitPolicy::TokenBucket { per_second: Thousandths::new(per_second * 1_000), capacity }
}

fn window_policy(calls: u32, seconds: u64) -> RateLimitPolicy {
    RateLimitPolicy::SlidingWindow { calls, window_ms: seconds * 1_000 }
}

fn bucket(per_second: u64, capacity: u32) -> Limit {
    Limit::new(&bucket_policy(per_second, capacity), START)
}

fn window(calls: u32, seconds: u64) -> Limit {
    Limit::new(&window_policy(calls, seconds), START)
}

fn wait(ms: u64) -> Grant {
    Grant::Wait(Duration::from_millis(ms))
}

fn left(limit: &mut Limit, ms: i64) -> f64 {
    limit.left(at(ms)).get() as f64 / 1_000.0
}
