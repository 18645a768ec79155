//! When a target that keeps failing is left alone, and how it is taken back.

use serde::{Deserialize, Serialize};

use super::POLICY_MS_MAX;
use super::number::{Checks, Number, Thousandths};

/// When a circuit breaker opens and closes.
///
/// The default: opens at 5 failures in a row, tries again after 30 s with one call at a time, closes at the second
/// success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerPolicy {
    pub rule: BreakerRule,
    /// How long an open breaker lets nothing through, in milliseconds.
    pub recovery_ms: u64,
    /// Calls that a half-open breaker lets through at one time.
    pub probes: u32,
    /// Calls that have to succeed before a half-open breaker closes.
    pub successes: u32,
    /// After this time a probe that was never heard of again counts as dead and its place is free, in milliseconds.
    pub probe_lease_ms: u64,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        // The lease is the default of `limits.wall_clock`: no call lives longer.
        let rule = BreakerRule::Consecutive { failures: FAILURES };
        Self { rule, recovery_ms: 30_000, probes: 1, successes: 2, probe_lease_ms: 300_000 }
    }
}

/// What opens a breaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BreakerRule {
    /// So many failures in a row; a success begins the count anew.
    Consecutive { failures: u32 },
    /// At least `percent` of the calls of the window failed, and there were at least `calls_min` of them.
    Rate { percent: Thousandths, window: RateWindow, calls_min: u32 },
}

/// The calls that a rate is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateWindow {
    /// The latest so many.
    Calls(u32),
    /// Those that ended in the latest so many milliseconds.
    Ms(u64),
}

/// [`BreakerPolicy`] as it is written. An empty one is the default policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<BreakerRuleSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_ms: Option<Number>,
    /// 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Number>,
    /// 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successes: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_lease_ms: Option<Number>,
}

/// [`BreakerRule`] as it is written: `"none"` for no breaker, or `{ consecutive = { failures = 3 } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BreakerRuleSpec {
    Consecutive {
        /// 1 to 1,000.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failures: Option<Number>,
    },
    /// One of `window_calls` and `window_ms`; with neither, the latest 20 calls.
    Rate {
        /// Above 0, to 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<Number>,
        /// 1 to 1,000: the outcome of each is kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window_calls: Option<Number>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window_ms: Option<Number>,
        /// 1 to 1,000.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calls_min: Option<Number>,
    },
    None,
}

/// Of a rule that leaves it out.
const FAILURES: u32 = 5;

/// `percent`, window and `calls_min` of a rule that leaves them out.
const RATE: (Thousandths, RateWindow, u32) = (Thousandths::new(50_000), RateWindow::Calls(20), 10);

/// Most calls that a rule looks back on.
const CALLS_MAX: u64 = 1_000;

/// Most probes, and most successes before a breaker closes.
const PROBES_MAX: u64 = 100;

impl BreakerSpec {
    pub(super) fn over(&self, base: Option<BreakerPolicy>, checks: &mut Checks<'_>) -> Option<BreakerPolicy> {
        let base = base.unwrap_or_default();
        let policy = BreakerPolicy {
            recovery_ms: checks.whole("recovery_ms", self.recovery_ms, base.recovery_ms, 1..=POLICY_MS_MAX),
            probes: checks.whole("probes", self.probes, base.probes, 1..=PROBES_MAX),
            successes: checks.whole("successes", self.successes, base.successes, 1..=PROBES_MAX),
            probe_lease_ms: checks.whole("probe_lease_ms", self.probe_lease_ms, base.probe_lease_ms, 1..=POLICY_MS_MAX),
            rule: base.rule,
        };
        match &self.rule {
            None => Some(policy),
            Some(spec) => {
                let rule = spec.over(&policy.rule, &mut checks.of("rule"))?;
                Some(BreakerPolicy { rule, ..policy })
            }
        }
    }
}

impl BreakerRuleSpec {
    fn over(&self, base: &BreakerRule, checks: &mut Checks<'_>) -> Option<BreakerRule> {
        match self {
            Self::Consecutive { failures } => {
                let old = match base {
                    BreakerRule::Consecutive { failures } => *failures,
                    BreakerRule::Rate { .. } => FAILURES,
                };
                let failures = checks.of("consecutive").whole("failures", *failures, old, 1..=CALLS_MAX);
                Some(BreakerRule::Consecutive { failures })
            }
            Self::Rate { percent, window_calls, window_ms, calls_min } => {
                let mut checks = checks.of("rate");
                let (old_percent, old_window, old_min) = match base {
                    BreakerRule::Rate { percent, window, calls_min } => (*percent, *window, *calls_min),
                    BreakerRule::Consecutive { .. } => RATE,
                };
                let percents = Thousandths::new(1)..=Thousandths::new(100_000);
                let percent = checks.exact("percent", *percent, old_percent, percents);
                let window = window(*window_calls, *window_ms, old_window, &mut checks);
                if let (Some(calls), Some(least)) = (window_calls, calls_min)
                    && least.0 > calls.0
                {
                    checks.refuse("calls_min", least, format!("at most window_calls, which is {calls}"));
                }
                let calls_min = checks.whole("calls_min", *calls_min, old_min, 1..=CALLS_MAX);
                Some(BreakerRule::Rate { percent, window, calls_min })
            }
            Self::None => None,
        }
    }
}

fn window(calls: Option<Number>, ms: Option<Number>, old: RateWindow, checks: &mut Checks<'_>) -> RateWindow {
    if calls.is_some() && ms.is_some() {
        checks.refuse("window_ms", "written beside window_calls", "one of the two");
    }
    let in_calls = checks.whole("window_calls", calls, 20, 1..=CALLS_MAX);
    let in_ms = checks.whole("window_ms", ms, 60_000, 1..=POLICY_MS_MAX);
    match (calls, ms) {
        (Some(_), _) => RateWindow::Calls(in_calls),
        (None, Some(_)) => RateWindow::Ms(in_ms),
        (None, None) => old,
    }
}
