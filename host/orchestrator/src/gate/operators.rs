//! What an operator sees of breakers and rate limits, and what he may do about them.

use model::Timestamp;
use model::failure::{Failure, FailureKind};
use model::policy::{RateLimitPolicy, Thousandths};
use model::ports::SharedKind;
use serde::Serialize;
use serde_json::Value;

use crate::orchestrator::Orchestrator;
use crate::resilience::breaker::{Breaker, BreakerState, BreakerStats, Phase};
use crate::resilience::rate_limit::{Grant, Limit};

/// The breaker of one pipeline, source or task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakerReport {
    pub name: String,
    pub phase: Phase,
    /// When it came into this phase; none if it was never in another.
    pub since: Option<Timestamp>,
    /// When an open one lets a call through that tries the target; none if it is not open, or until it is reset.
    pub next_probe_at: Option<Timestamp>,
    /// Calls that try the target now.
    pub probes: usize,
    pub stats: BreakerStats,
}

/// The rate limit of one pipeline, source or task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitReport {
    pub name: String,
    pub policy: RateLimitPolicy,
    /// Calls that may begin now, to the thousandth.
    pub left: Thousandths,
    /// When the next one may begin, if none may now; none also if none ever may.
    pub next_at: Option<Timestamp>,
}

impl Orchestrator {
    /// The breakers that the policies of the active plugins name, by name.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn breakers(&self) -> Result<Vec<BreakerReport>, Failure> {
        let mut reports = Vec::new();
        for (name, policy) in self.pipeline_policies() {
            if policy.breaker.is_some() {
                let (breaker, _) = self.shared.gate.load(SharedKind::Breaker, &name, Breaker::default).await?;
                reports.push(report(name, &breaker, self.shared.parts.clock.now()));
            }
        }
        Ok(reports)
    }

    /// The rate limits that the policies of the active plugins name, by name.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn limits(&self) -> Result<Vec<LimitReport>, Failure> {
        let mut reports = Vec::new();
        for (name, policy) in self.pipeline_policies() {
            let Some(policy) = policy.rate_limit else { continue };
            let now = self.shared.parts.clock.now();
            let new = || Limit::new(&policy, now);
            let (mut limit, _) = self.shared.gate.load(SharedKind::RateLimit, &name, new).await?;
            limit.change(&policy, now);
            reports.push(limit_report(name, limit, now));
        }
        Ok(reports)
    }

    /// Closes the breaker of this name, and lets the runs of this process that wait for it ask again.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name, `no_breaker` if its policy names none; those of the ledger.
    pub async fn reset(&self, name: &str) -> Result<BreakerReport, Failure> {
        self.change_breaker(name, Breaker::reset).await
    }

    /// Opens the breaker of this name until it is reset: its runs fail with `circuit_open`, those of this process that
    /// wait for it at once, and are not tried again.
    ///
    /// # Errors
    ///
    /// As [`Orchestrator::reset`].
    pub async fn force_open(&self, name: &str) -> Result<BreakerReport, Failure> {
        self.change_breaker(name, Breaker::force_open).await
    }

    async fn change_breaker(&self, name: &str, change: fn(&mut Breaker, Timestamp)) -> Result<BreakerReport, Failure> {
        if self.policy_of(name)?.breaker.is_none() {
            let message = format!("`{name}` has no circuit breaker: neither its plugin nor `spine.toml` names one");
            return Err(Failure::new(FailureKind::Validation, "no_breaker", message));
        }
        let changed = |breaker: &mut Breaker| {
            let now = self.shared.parts.clock.now();
            change(breaker, now);
            report(name.to_owned(), breaker, now)
        };
        let report = self.shared.gate.change(SharedKind::Breaker, name, Breaker::default, changed).await?;
        // Those who wait hear of it.
        self.shared.gate.open_up(name);
        self.shared.dispatcher.hasten(name);
        Ok(report)
    }
}

/// The breaker of this name as the ledger keeps it, for whoever only reads that; none if another version wrote it.
pub fn stored_breaker(name: &str, state: Value, now: Timestamp) -> Option<BreakerReport> {
    let breaker: Breaker = serde_json::from_value(state).ok()?;
    Some(report(name.to_owned(), &breaker, now))
}

/// The rate limit of this name as the ledger keeps it, with the policy that was in force last; likewise.
pub fn stored_limit(name: &str, state: Value, now: Timestamp) -> Option<LimitReport> {
    let limit: Limit = serde_json::from_value(state).ok()?;
    Some(limit_report(name.to_owned(), limit, now))
}

fn limit_report(name: String, mut limit: Limit, now: Timestamp) -> LimitReport {
    let next_at = match limit.check(1, now) {
        Grant::Wait(after) => Some(now.plus_micros(i64::try_from(after.as_micros()).unwrap_or(i64::MAX))),
        Grant::Granted | Grant::Never | Grant::Impossible { .. } => None,
    };
    LimitReport { name, policy: limit.policy(), left: limit.left(now), next_at }
}

fn report(name: String, breaker: &Breaker, now: Timestamp) -> BreakerReport {
    let (since, next_probe_at, probes) = match breaker.state() {
        BreakerState::Closed { .. } => (breaker.stats().last_transition_at, None, 0),
        BreakerState::Open { since, until } => (Some(*since), until.filter(|until| now < *until), 0),
        BreakerState::HalfOpen { since, probes, .. } => {
            (Some(*since), None, probes.iter().filter(|probe| now < probe.lease_until).count())
        }
    };
    BreakerReport { name, phase: breaker.phase(now), since, next_probe_at, probes, stats: breaker.stats().clone() }
}
