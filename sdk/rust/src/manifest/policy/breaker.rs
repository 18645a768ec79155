//! When a target that keeps failing is left alone.

use super::super::json::Object;
use super::{fraction, number};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Consecutive { failures: u64 },
    Rate { percent: f64, calls: u64, calls_min: Option<u64> },
}

/// When calls are held back because the target keeps failing, and how it is taken back: runs then wait and try again.
///
/// ```
/// use spine_sdk::prelude::Breaker;
///
/// // Half of the latest 20 calls failed, and there were at least 10; a minute later one call tries again.
/// let careful = Breaker::rate(50.0, 20).calls_min(10).recovery_ms(60_000).successes(3);
/// # assert_ne!(careful, Breaker::consecutive(5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Breaker {
    rule: Rule,
    recovery_ms: Option<u64>,
    probes: Option<u64>,
    successes: Option<u64>,
}

impl Breaker {
    /// Opens at so many failures in a row, 1 to 1,000.
    pub const fn consecutive(failures: u32) -> Self {
        let rule = Rule::Consecutive { failures: failures as u64 };
        Self { rule, recovery_ms: None, probes: None, successes: None }
    }

    /// Opens where so many percent of the latest calls failed, of up to 1,000 calls.
    pub const fn rate(percent: f64, latest_calls: u32) -> Self {
        let rule = Rule::Rate { percent, calls: latest_calls as u64, calls_min: None };
        Self { rule, recovery_ms: None, probes: None, successes: None }
    }

    /// Of a rate: it says nothing before there were so many calls.
    pub const fn calls_min(mut self, calls: u32) -> Self {
        if let Rule::Rate { percent, calls: latest, .. } = self.rule {
            self.rule = Rule::Rate { percent, calls: latest, calls_min: Some(calls as u64) };
        }
        self
    }

    /// How long nothing goes through once it is open, in milliseconds.
    pub const fn recovery_ms(mut self, recovery: u64) -> Self {
        self.recovery_ms = Some(recovery);
        self
    }

    /// Calls that try the target at one time after that, 1 to 100.
    pub const fn probes(mut self, calls: u32) -> Self {
        self.probes = Some(calls as u64);
        self
    }

    /// Calls that have to succeed before it closes, 1 to 100.
    pub const fn successes(mut self, calls: u32) -> Self {
        self.successes = Some(calls as u64);
        self
    }

    pub(super) fn write(&self, breaker: &mut Object<'_>) {
        breaker.object("rule", |rule| match self.rule {
            Rule::Consecutive { failures } => {
                rule.object("consecutive", |it| number(it, "failures", Some(failures)));
            }
            Rule::Rate { percent, calls, calls_min } => rule.object("rate", |it| {
                fraction(it, "percent", Some(percent));
                number(it, "window_calls", Some(calls));
                number(it, "calls_min", calls_min);
            }),
        });
        number(breaker, "recovery_ms", self.recovery_ms);
        number(breaker, "probes", self.probes);
        number(breaker, "successes", self.successes);
    }
}
