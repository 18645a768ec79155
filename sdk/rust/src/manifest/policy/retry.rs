//! When a failed call is made again.

use super::super::json::Object;
use super::{fraction, number};

/// How the waits between calls grow.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Backoff {
    Exponential { base_ms: u64, factor: Option<f64>, max_ms: Option<u64> },
    Linear { base_ms: u64, step_ms: u64, max_ms: Option<u64> },
    Constant { delay_ms: u64 },
    None,
}

/// When a failed call is made again. Only a failure that is retryable ever is.
///
/// ```
/// use spine_sdk::prelude::Retry;
///
/// // After half a second, one, two, four, but never more than three; seven calls in all.
/// let patient = Retry::exponential(500).max_ms(3_000).attempts(7);
/// let never = Retry::never();
/// # assert_ne!(patient, never);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Retry {
    strategy: Backoff,
    attempts: Option<u64>,
    jitter: Option<f64>,
}

impl Retry {
    const fn of(strategy: Backoff) -> Self {
        Self { strategy, attempts: None, jitter: None }
    }

    /// Each wait is twice the one before, from this many milliseconds on; see [`Retry::factor`], [`Retry::max_ms`].
    pub const fn exponential(base_ms: u64) -> Self {
        Self::of(Backoff::Exponential { base_ms, factor: None, max_ms: None })
    }

    /// Each wait is `step_ms` milliseconds longer than the one before.
    pub const fn linear(base_ms: u64, step_ms: u64) -> Self {
        Self::of(Backoff::Linear { base_ms, step_ms, max_ms: None })
    }

    /// Each wait is the same, in milliseconds.
    pub const fn constant(delay_ms: u64) -> Self {
        Self::of(Backoff::Constant { delay_ms })
    }

    /// One call and no other.
    pub const fn never() -> Self {
        Self::of(Backoff::None)
    }

    /// Calls in all, up to 100; 0 means 1.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts as u64);
        self
    }

    /// From 0 to 1, of up to three decimals: a wait of `d` becomes one between `d - jitter * d` and `d + jitter * d`.
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Of exponential waits: by how much each is longer, 1 to 100. The others have none.
    pub const fn factor(mut self, by: f64) -> Self {
        if let Backoff::Exponential { base_ms, max_ms, .. } = self.strategy {
            self.strategy = Backoff::Exponential { base_ms, factor: Some(by), max_ms };
        }
        self
    }

    /// The longest wait in milliseconds, of those that grow.
    pub const fn max_ms(mut self, longest: u64) -> Self {
        let max_ms = Some(longest);
        self.strategy = match self.strategy {
            Backoff::Exponential { base_ms, factor, .. } => Backoff::Exponential { base_ms, factor, max_ms },
            Backoff::Linear { base_ms, step_ms, .. } => Backoff::Linear { base_ms, step_ms, max_ms },
            other @ (Backoff::Constant { .. } | Backoff::None) => other,
        };
        self
    }

    pub(super) fn write(&self, retry: &mut Object<'_>) {
        number(retry, "attempts_max", self.attempts);
        match self.strategy {
            Backoff::Exponential { base_ms, factor, max_ms } => retry.object("strategy", |it| {
                it.object("exponential", |it| {
                    number(it, "base_ms", Some(base_ms));
                    fraction(it, "factor", factor);
                    number(it, "max_ms", max_ms);
                });
            }),
            Backoff::Linear { base_ms, step_ms, max_ms } => retry.object("strategy", |it| {
                it.object("linear", |it| {
                    number(it, "base_ms", Some(base_ms));
                    number(it, "step_ms", Some(step_ms));
                    number(it, "max_ms", max_ms);
                });
            }),
            Backoff::Constant { delay_ms } => retry.object("strategy", |it| {
                it.object("constant", |it| number(it, "delay_ms", Some(delay_ms)));
            }),
            Backoff::None => retry.text("strategy", "none"),
        }
        fraction(retry, "jitter", self.jitter);
    }
}
