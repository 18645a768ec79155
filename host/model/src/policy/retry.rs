//! How often a call is made, and how long it waits in between.

use serde::{Deserialize, Serialize};

use super::number::{Checks, Number, Problem, Thousandths};
use super::{ATTEMPTS_MAX, POLICY_MS_MAX};

/// When a failed call is made again. Only a retryable failure ever is.
///
/// The default: 3 calls in all, waiting 1 s and 2 s in between, give or take a quarter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// Calls in all; 0 means 1. See [`RetryPolicy::calls_max`].
    pub attempts_max: u32,
    pub strategy: Backoff,
    /// From 0 to 1: a wait of `d` becomes one between `d - jitter * d` and `d + jitter * d`, never above the cap.
    pub jitter: Thousandths,
}

impl RetryPolicy {
    /// One call and no other.
    pub const NEVER: Self = Self { attempts_max: 1, strategy: Backoff::None, jitter: Thousandths::new(0) };

    /// Calls that one run may make: at least 1, and 1 without a backoff.
    pub const fn calls_max(&self) -> u32 {
        match self.strategy {
            Backoff::None => 1,
            Backoff::Exponential { .. } | Backoff::Linear { .. } | Backoff::Constant { .. } => {
                if self.attempts_max == 0 { 1 } else { self.attempts_max }
            }
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts_max: 3, strategy: Backoff::EXPONENTIAL, jitter: Thousandths::new(250) }
    }
}

/// How the waits grow, in milliseconds before jitter; the n-th wait follows the (n + 1)-th call, from n = 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Backoff {
    /// `base_ms * factor^n`, at most `max_ms`.
    Exponential { base_ms: u64, factor: Thousandths, max_ms: u64 },
    /// `base_ms + step_ms * n`, at most `max_ms`.
    Linear { base_ms: u64, step_ms: u64, max_ms: u64 },
    /// Always `delay_ms`.
    Constant { delay_ms: u64 },
    /// No second call.
    None,
}

impl Backoff {
    /// 1 s, 2 s, 4 s... at most 60 s.
    pub const EXPONENTIAL: Self =
        Self::Exponential { base_ms: EXPONENTIAL.0, factor: EXPONENTIAL.1, max_ms: EXPONENTIAL.2 };
    /// 1 s, 2 s, 3 s... at most 30 s.
    pub const LINEAR: Self = Self::Linear { base_ms: LINEAR.0, step_ms: LINEAR.1, max_ms: LINEAR.2 };
    /// 1 s.
    pub const CONSTANT: Self = Self::Constant { delay_ms: CONSTANT };
}

/// `base_ms`, `factor` and `max_ms`.
const EXPONENTIAL: (u64, Thousandths, u64) = (1_000, Thousandths::new(2_000), 60_000);
/// `base_ms`, `step_ms` and `max_ms`.
const LINEAR: (u64, u64, u64) = (1_000, 1_000, 30_000);
/// `delay_ms`.
const CONSTANT: u64 = 1_000;

/// [`RetryPolicy`] as it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySpec {
    /// 0 to [`ATTEMPTS_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<BackoffSpec>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Number>,
}

/// [`Backoff`] as it is written: `"none"`, or `{ exponential = { base_ms = 500 } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BackoffSpec {
    Exponential {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_ms: Option<Number>,
        /// 1 to 100: waits never shrink.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        factor: Option<Number>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_ms: Option<Number>,
    },
    Linear {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_ms: Option<Number>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step_ms: Option<Number>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_ms: Option<Number>,
    },
    Constant {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay_ms: Option<Number>,
    },
    None,
}

impl RetrySpec {
    /// Lays this over `base`; `place` is what problems are named by.
    ///
    /// # Errors
    ///
    /// Every problem at once.
    pub fn resolve(&self, base: RetryPolicy, place: &str) -> Result<RetryPolicy, Vec<Problem>> {
        let mut problems = Vec::new();
        let policy = self.over(base, &mut Checks::new(place, &mut problems));
        if problems.is_empty() { Ok(policy) } else { Err(problems) }
    }

    pub(super) fn over(&self, base: RetryPolicy, checks: &mut Checks<'_>) -> RetryPolicy {
        let attempts = u64::from(ATTEMPTS_MAX);
        let attempts_max = checks.whole("attempts_max", self.attempts_max, base.attempts_max, 0..=attempts);
        let fraction = Thousandths::new(0)..=Thousandths::new(1_000);
        let jitter = checks.exact("jitter", self.jitter, base.jitter, fraction);
        let strategy = match &self.strategy {
            Some(spec) => spec.over(base.strategy, &mut checks.of("strategy")),
            None => base.strategy,
        };
        RetryPolicy { attempts_max, strategy, jitter }
    }
}

impl BackoffSpec {
    fn over(&self, base: Backoff, checks: &mut Checks<'_>) -> Backoff {
        let from_zero = || 0..=POLICY_MS_MAX;
        match self {
            Self::Exponential { base_ms, factor, max_ms } => {
                let mut checks = checks.of("exponential");
                let (old_base, old_factor, old_max) = match base {
                    Backoff::Exponential { base_ms, factor, max_ms } => (base_ms, factor, max_ms),
                    Backoff::Linear { .. } | Backoff::Constant { .. } | Backoff::None => EXPONENTIAL,
                };
                let factors = Thousandths::new(1_000)..=Thousandths::new(100_000);
                let base = checks.whole("base_ms", *base_ms, old_base, 1..=POLICY_MS_MAX);
                let factor = checks.exact("factor", *factor, old_factor, factors);
                let max = checks.whole("max_ms", *max_ms, old_max, 1..=POLICY_MS_MAX);
                cap_above_base(&mut checks, *base_ms, *max_ms, max);
                Backoff::Exponential { base_ms: base, factor, max_ms: max }
            }
            Self::Linear { base_ms, step_ms, max_ms } => {
                let mut checks = checks.of("linear");
                let (old_base, old_step, old_max) = match base {
                    Backoff::Linear { base_ms, step_ms, max_ms } => (base_ms, step_ms, max_ms),
                    Backoff::Exponential { .. } | Backoff::Constant { .. } | Backoff::None => LINEAR,
                };
                let base = checks.whole("base_ms", *base_ms, old_base, from_zero());
                let step = checks.whole("step_ms", *step_ms, old_step, from_zero());
                let max = checks.whole("max_ms", *max_ms, old_max, 1..=POLICY_MS_MAX);
                cap_above_base(&mut checks, *base_ms, *max_ms, max);
                Backoff::Linear { base_ms: base, step_ms: step, max_ms: max }
            }
            Self::Constant { delay_ms } => {
                let old = match base {
                    Backoff::Constant { delay_ms } => delay_ms,
                    Backoff::Exponential { .. } | Backoff::Linear { .. } | Backoff::None => CONSTANT,
                };
                Backoff::Constant { delay_ms: checks.of("constant").whole("delay_ms", *delay_ms, old, from_zero()) }
            }
            Self::None => Backoff::None,
        }
    }
}

/// A cap below the first wait is a slip of whoever wrote that wait, under a cap of their own or of the layer below;
/// where an operator's cap is below an author's base, the cap decides.
fn cap_above_base(checks: &mut Checks<'_>, base_ms: Option<Number>, max_ms: Option<Number>, cap: u64) {
    match (base_ms, max_ms) {
        (Some(base), Some(max)) if max.0 < base.0 => {
            checks.refuse("max_ms", max, format!("at least base_ms, which is {base}"));
        }
        #[expect(clippy::cast_precision_loss, reason = "a day has fewer milliseconds than a float has whole numbers")]
        (Some(base), None) if base.0 > cap as f64 => {
            checks.refuse("base_ms", base, format!("at most max_ms, which is {cap}; give that too"));
        }
        (Some(_) | None, Some(_) | None) => {}
    }
}
