//! Policies: how often a call is tried, when its target is left alone, how many run at one time.
//!
//! A manifest declares a [`PolicySpec`] for a pipeline and `spine.toml` another one above it; [`Policy::resolve`] lays
//! them over each other and over the defaults, and names everything that is wrong with them at once. What it returns
//! is in range, so nobody checks it again. A bulkhead is of a whole plugin and stands alone: [`BulkheadSpec`].
//!
//! Plain data: what a policy leads to is decided in `orchestrator::resilience`.

mod breaker;
mod keys;
mod number;
mod rate_limit;
mod retry;
mod slots;

pub use breaker::{BreakerPolicy, BreakerRule, BreakerRuleSpec, BreakerSpec, RateWindow};
pub use keys::PolicyTable;
pub use number::{Number, Problem, Thousandths};
pub use rate_limit::{RateLimitPolicy, RateLimitSpec};
pub use retry::{Backoff, BackoffSpec, RetryPolicy, RetrySpec};
pub use slots::{BulkheadPolicy, BulkheadSpec, ConcurrencyKey, ConcurrencyPolicy, ConcurrencySpec};

use serde::{Deserialize, Deserializer, Serialize};

use number::Checks;

/// Most calls that a policy may allow one run.
pub const ATTEMPTS_MAX: u32 = 100;

/// Longest time that a policy may name, in milliseconds: 24 hours.
///
/// Whoever wants to wait longer wants a schedule, which people can see and change.
pub const POLICY_MS_MAX: u64 = 24 * 3600 * 1000;

/// What is decided for a pipeline: every layer together, in range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub retry: RetryPolicy,
    /// None: no target is ever left alone.
    pub breaker: Option<BreakerPolicy>,
    /// None: calls start as soon as they may otherwise.
    pub rate_limit: Option<RateLimitPolicy>,
    pub concurrency: ConcurrencyPolicy,
    /// Wall clock of one attempt in milliseconds. None: `limits.wall_clock` alone.
    pub timeout_ms: Option<u64>,
}

/// A policy as it is written: whatever is left out is the layer's below, in the end the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencySpec>,
    /// 1 to [`POLICY_MS_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<Number>,
}

impl Policy {
    /// Lays `layers` over the defaults, the weakest first; each comes with the place that its problems are named by,
    /// such as `plugins.finra`, which may be empty.
    ///
    /// A field overrides a field. Where a layer chooses another variant (of a backoff, of a breaker's rule, of a rate
    /// limit), what it leaves out is that variant's default.
    ///
    /// # Errors
    ///
    /// Every problem of every layer, each with what was written and what is allowed.
    pub fn resolve(layers: &[(&str, &PolicySpec)]) -> Result<Self, Vec<Problem>> {
        Self::default().under(layers)
    }

    /// As [`Policy::resolve`], over this policy instead of the defaults.
    ///
    /// # Errors
    ///
    /// As [`Policy::resolve`].
    pub fn under(self, layers: &[(&str, &PolicySpec)]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut policy = self;
        for (place, spec) in layers {
            policy = spec.over(policy, &mut Checks::new(place, &mut problems));
        }
        if problems.is_empty() { Ok(policy) } else { Err(problems) }
    }
}

impl PolicySpec {
    /// Everything that is wrong with this layer; empty if it may be used over any other.
    pub fn problems(&self, place: &str) -> Vec<Problem> {
        Policy::resolve(&[(place, self)]).err().unwrap_or_default()
    }

    /// Reads a policy of a manifest: keys that this host does not know are left out, as everywhere in a manifest, so that
    /// one of a newer SDK still loads. A strategy, rule or kind of limit that it does not know is an error.
    pub(crate) fn of_manifest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let written = Option::<serde_json::Value>::deserialize(deserializer)?;
        let spec = written.map(|written| serde_json::from_value(keys::without_unknown(written)));
        spec.transpose().map_err(serde::de::Error::custom)
    }

    fn over(&self, base: Policy, checks: &mut Checks<'_>) -> Policy {
        let Policy { mut retry, mut breaker, mut rate_limit, mut concurrency, mut timeout_ms } = base;
        if let Some(spec) = &self.retry {
            retry = spec.over(retry, &mut checks.of("retry"));
        }
        if let Some(spec) = &self.breaker {
            breaker = spec.over(breaker, &mut checks.of("breaker"));
        }
        if let Some(spec) = &self.rate_limit {
            rate_limit = spec.over(rate_limit, &mut checks.of("rate_limit"));
        }
        if let Some(spec) = &self.concurrency {
            concurrency = spec.over(concurrency, &mut checks.of("concurrency"));
        }
        if self.timeout_ms.is_some() {
            timeout_ms = Some(checks.whole("timeout_ms", self.timeout_ms, POLICY_MS_MAX, 1..=POLICY_MS_MAX));
        }
        Policy { retry, breaker, rate_limit, concurrency, timeout_ms }
    }
}

#[cfg(test)]
mod tests;
