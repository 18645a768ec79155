//! A circuit breaker: leaves a target alone that keeps failing, and takes it back once it works again.
//!
//! ```text
//!  closed ──failures, by the rule──▶ open ──recovery_ms──▶ half open ──successes──▶ closed
//!     ▲                               ▲                        │
//!     └──────────reset────────────────┴────────a failure───────┘
//! ```
//!
//! A [`Breaker`] belongs to a target, not to a process: it is a row of the ledger under the target's name, which
//! processes load, ask and store in one transaction. Everything that can keep it from closing ends by itself: a place
//! of a half-open breaker comes back when its call ends in any way, or when its lease is over because the process died.
//!
//! The policy is a parameter of every question. A changed one moves no breaker by itself: what was counted and the
//! times that were set stay, and the next call that is asked for or ends is judged by the new one. Only a time that
//! lies further ahead than the policy now in force would set it is cut to that, which also heals a clock that was set
//! back.

mod counted;
mod faults;
mod state;

pub use counted::{Counted, Slice};
pub use faults::counts_against_target;
pub use state::{BreakerState, BreakerStats, CallId, Phase, Probe};

use std::time::Duration;

use model::policy::BreakerPolicy;
use model::{Failure, FailureKind, Timestamp};
use serde::{Deserialize, Serialize};

use super::micros;

/// The breaker of one target. [`Breaker::default`] is closed and has counted nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    state: BreakerState,
    stats: BreakerStats,
}

/// Whether a call may go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The breaker is closed.
    Allowed,
    /// The call is one of the few that try whether the target works again. Its end has to be recorded.
    Probe,
    /// No call now. Asking again makes sense after `retry_after`; none: an operator opened it and has to reset it.
    Refused { retry_after: Option<Duration> },
}

/// How a call ended, as far as its target is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Failed,
    /// Nobody knows what the target would have done: the call was cancelled, or ended by what is not its fault.
    Cancelled,
}

impl Outcome {
    /// The outcome of a call that ended with `failure`.
    pub fn of(failure: &Failure) -> Self {
        if counts_against_target(failure) { Self::Failed } else { Self::Cancelled }
    }
}

impl Breaker {
    /// Asks whether `call` may go through.
    ///
    /// Asking again for a call that has a place as a probe gives it the same place and a new lease, so that it may be
    /// repeated when nobody knows whether the answer was stored.
    pub fn admit(&mut self, policy: &BreakerPolicy, call: &CallId, now: Timestamp) -> Admission {
        let admission = match &mut self.state {
            BreakerState::Closed { .. } => Admission::Allowed,
            BreakerState::Open { until: None, .. } => Admission::Refused { retry_after: None },
            BreakerState::Open { until: Some(until), .. } => {
                let until_max = micros::after(now, micros::of_ms(policy.recovery_ms));
                *until = (*until).min(until_max);
                if now < *until {
                    Admission::Refused { retry_after: Some(micros::duration(micros::between(now, *until))) }
                } else {
                    let mut probes = Vec::new();
                    let admission = probe(&mut probes, policy, call, now);
                    self.enter(BreakerState::HalfOpen { since: now, probes, successes: 0 }, now);
                    admission
                }
            }
            BreakerState::HalfOpen { probes, .. } => probe(probes, policy, call, now),
        };
        if matches!(admission, Admission::Refused { .. }) {
            self.stats.rejected = self.stats.rejected.saturating_add(1);
        }
        admission
    }

    /// Records how `call` ended.
    ///
    /// While the breaker is open, and for a call that is no probe of a half-open one, only the statistics change: a
    /// call that began before the breaker opened neither postpones the recovery nor decides it.
    pub fn record(&mut self, policy: &BreakerPolicy, call: &CallId, outcome: Outcome, now: Timestamp) {
        self.stats.count(outcome, now);
        let next = match &mut self.state {
            BreakerState::Closed { counted } => counted.record(&policy.rule, outcome, now).then(|| opened(policy, now)),
            BreakerState::Open { .. } => None,
            BreakerState::HalfOpen { probes, successes, .. } => {
                drop_dead(probes, policy, now);
                let place = probes.iter().position(|probe| &probe.call == call);
                place.and_then(|place| {
                    probes.remove(place);
                    match outcome {
                        Outcome::Succeeded => {
                            *successes = successes.saturating_add(1);
                            (*successes >= policy.successes).then(BreakerState::default)
                        }
                        Outcome::Failed => Some(opened(policy, now)),
                        Outcome::Cancelled => None,
                    }
                })
            }
        };
        if let Some(next) = next {
            self.enter(next, now);
        }
    }

    /// Gives the place of `call` among the probes back: it is not made after all.
    pub fn withdraw(&mut self, call: &CallId) {
        if let BreakerState::HalfOpen { probes, .. } = &mut self.state {
            probes.retain(|probe| &probe.call != call);
        }
    }

    /// Opens the breaker until somebody resets it.
    pub fn force_open(&mut self, now: Timestamp) {
        self.enter(BreakerState::Open { since: now, until: None }, now);
    }

    /// Closes the breaker and forgets what it counted; the statistics stay.
    pub fn reset(&mut self, now: Timestamp) {
        self.enter(BreakerState::default(), now);
    }

    pub fn state(&self) -> &BreakerState {
        &self.state
    }

    /// Where the breaker is at `now`: an open one whose time is over is half open, although no call asked yet.
    pub fn phase(&self, now: Timestamp) -> Phase {
        match &self.state {
            BreakerState::Open { until: Some(until), .. } if now >= *until => Phase::HalfOpen,
            state => state.phase(),
        }
    }

    pub fn stats(&self) -> &BreakerStats {
        &self.stats
    }

    fn enter(&mut self, next: BreakerState, now: Timestamp) {
        if next.phase() != self.state.phase() {
            self.stats.transitions = self.stats.transitions.saturating_add(1);
            self.stats.last_transition_at = Some(now);
        }
        self.state = next;
    }
}

/// The refusal of a call on `target`, as a failure: retryable unless an operator has to act.
pub fn circuit_open(target: &str, retry_after: Option<Duration>) -> Failure {
    let message = match retry_after {
        Some(_) => format!("`{target}` kept failing and is left alone for now"),
        None => format!("an operator opened the breaker of `{target}`; it stays open until it is reset"),
    };
    let mut failure = Failure::new(FailureKind::Orchestration, "circuit_open", message);
    failure.retryable = retry_after.is_some();
    failure.retry_after_ms = retry_after.map(micros::ms_rounded_up);
    failure.detail("target", target)
}

fn opened(policy: &BreakerPolicy, now: Timestamp) -> BreakerState {
    BreakerState::Open { since: now, until: Some(micros::after(now, micros::of_ms(policy.recovery_ms))) }
}

/// Gives `call` a place among the probes of a half-open breaker, if there is one.
fn probe(probes: &mut Vec<Probe>, policy: &BreakerPolicy, call: &CallId, now: Timestamp) -> Admission {
    drop_dead(probes, policy, now);
    let lease_until = micros::after(now, micros::of_ms(policy.probe_lease_ms));
    if let Some(probe) = probes.iter_mut().find(|probe| &probe.call == call) {
        probe.lease_until = lease_until;
        return Admission::Probe;
    }
    // A policy without probes would never close again.
    if probes.len() < policy.probes.max(1) as usize {
        probes.push(Probe { call: call.clone(), lease_until });
        return Admission::Probe;
    }
    // The first place that comes back by itself; most come back sooner, so no longer than a recovery.
    let first = probes.iter().map(|probe| micros::between(now, probe.lease_until)).min().unwrap_or(0);
    let retry_after = first.min(micros::of_ms(policy.recovery_ms));
    Admission::Refused { retry_after: Some(micros::duration(retry_after)) }
}

/// Takes the places of probes back whose lease is over: nobody will record how they ended.
fn drop_dead(probes: &mut Vec<Probe>, policy: &BreakerPolicy, now: Timestamp) {
    let lease_max = micros::after(now, micros::of_ms(policy.probe_lease_ms));
    probes.retain_mut(|probe| {
        probe.lease_until = probe.lease_until.min(lease_max);
        now < probe.lease_until
    });
}

#[cfg(test)]
mod tests;
