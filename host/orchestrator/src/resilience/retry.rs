//! Whether a failed call is made again, and when.
//!
//! The failure decides whether trying again can help (`retryable`) and how long it must not happen (`retry_after_ms`);
//! the policy decides how often and how long otherwise. Nothing waits here: a run that waits is a row of the ledger
//! with the time it may start again, so a restart forgets none.

use std::time::Duration;

use model::policy::{Backoff, POLICY_MS_MAX, RetryPolicy};
use model::{Failure, Timestamp};
use serde::Serialize;

use super::micros;

/// What follows a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The same run makes another call, no earlier than `after` from now.
    Retry { after: Duration },
    /// This failure is the run's.
    GiveUp { why: GiveUp },
}

/// Why there is no other call. In JSON its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GiveUp {
    /// The same call would fail the same way.
    NotRetryable,
    /// The policy allows no further call.
    AttemptsUsed,
    /// The next call could not start before the run's deadline.
    Deadline,
    /// The failure asks to wait longer than 24 hours: better known as failed than waiting unseen.
    RetryAfterTooLong,
}

/// Decides what follows `failure`, the end of the `calls`-th call of a run (from 1).
///
/// `unit` is a random number from 0 to 1. The wait is the policy's, or what the failure asks for if that is longer:
/// the policy's cap does not shorten it. With a `deadline`, the next call has to start before it.
pub fn decide(
    policy: &RetryPolicy,
    failure: &Failure,
    calls: u32,
    unit: f64,
    now: Timestamp,
    deadline: Option<Timestamp>,
) -> Decision {
    if !failure.retryable {
        return Decision::GiveUp { why: GiveUp::NotRetryable };
    }
    if calls >= policy.calls_max() {
        return Decision::GiveUp { why: GiveUp::AttemptsUsed };
    }
    let asked_ms = failure.retry_after_ms.unwrap_or(0);
    if asked_ms > POLICY_MS_MAX {
        return Decision::GiveUp { why: GiveUp::RetryAfterTooLong };
    }
    let after = delay_micros(policy, calls, unit).max(micros::of_ms(asked_ms));
    if deadline.is_some_and(|deadline| micros::after(now, after) >= deadline) {
        return Decision::GiveUp { why: GiveUp::Deadline };
    }
    Decision::Retry { after: micros::duration(after) }
}

/// How long to wait after the `calls`-th call (from 1), in whole microseconds.
///
/// `unit` is a random number from 0 to 1: 0 is the shortest wait of the jitter, 1 the longest, 0.5 the middle. The
/// jitter ends at the cap, so that many runs at the cap are still spread. The wait never shrinks as `calls` grows with
/// the same `unit`; any number of calls is safe to ask about.
pub fn delay(policy: &RetryPolicy, calls: u32, unit: f64) -> Duration {
    micros::duration(delay_micros(policy, calls, unit))
}

fn delay_micros(policy: &RetryPolicy, calls: u32, unit: f64) -> u64 {
    let (middle, cap) = without_jitter(&policy.strategy, calls.saturating_sub(1));
    let reach = u128::from(middle) * u128::from(policy.jitter.get()) / 1_000;
    let reach = u64::try_from(reach).unwrap_or(u64::MAX);
    let shortest = middle.saturating_sub(reach);
    let longest = middle.saturating_add(reach).min(cap);
    shortest + share(longest - shortest, unit)
}

/// The wait before jitter after call `n` (from 0), and what no wait exceeds; microseconds.
fn without_jitter(strategy: &Backoff, n: u32) -> (u64, u64) {
    match *strategy {
        Backoff::Exponential { base_ms, factor, max_ms } => {
            let cap = micros::of_ms(max_ms);
            (exponential(micros::of_ms(base_ms), factor.get(), cap, n), cap)
        }
        Backoff::Linear { base_ms, step_ms, max_ms } => {
            let cap = micros::of_ms(max_ms);
            let grown = micros::of_ms(step_ms).saturating_mul(u64::from(n));
            (micros::of_ms(base_ms).saturating_add(grown).min(cap), cap)
        }
        Backoff::Constant { delay_ms } => (micros::of_ms(delay_ms), u64::MAX),
        Backoff::None => (0, 0),
    }
}

/// `base` times `thousandths / 1000`, `n` times over, at most `cap`.
///
/// Whole numbers at each step, so that the result is the same on every machine. It ends after as many steps as it
/// takes to reach the cap, some 20,000 for the smallest factor and the widest range that a policy may name.
fn exponential(base: u64, thousandths: u64, cap: u64, n: u32) -> u64 {
    let mut wait = base.min(cap);
    for _ in 0..n {
        let next = u128::from(wait) * u128::from(thousandths) / 1_000;
        let next = u64::try_from(next).unwrap_or(u64::MAX).min(cap);
        if next <= wait {
            break;
        }
        wait = next;
    }
    wait
}

/// The `unit`-th part of `range`; a number that is none counts as one half.
fn share(range: u64, unit: f64) -> u64 {
    const STEPS: u32 = 32;
    let unit = if unit.is_nan() { 0.5 } else { unit.clamp(0.0, 1.0) };
    let steps = (unit * (1_u64 << STEPS) as f64) as u64;
    u64::try_from((u128::from(range) * u128::from(steps)) >> STEPS).unwrap_or(range)
}

#[cfg(test)]
mod tests;
