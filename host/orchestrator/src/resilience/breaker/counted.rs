//! What a closed breaker remembers of its calls, and when that opens it.
//!
//! Bounded whatever the traffic: a count, at most one letter for each call of the window, or a tenth of the window at
//! a time. Only calls that succeeded or failed are remembered.

use model::Timestamp;
use model::policy::{BreakerRule, RateWindow, Thousandths};
use serde::{Deserialize, Serialize};

use super::super::micros;
use super::Outcome;

/// The calls of a closed breaker, in the form that its rule needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Counted {
    /// Failures since the last success.
    Consecutive { failures: u32 },
    /// The latest calls, the oldest first: `.` succeeded, `x` failed.
    Calls { outcomes: String },
    /// The calls of the latest time, the oldest first.
    Slices { slices: Vec<Slice> },
}

/// The calls that ended in one tenth of a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    pub from: Timestamp,
    pub successful: u32,
    pub failed: u32,
}

const SUCCEEDED: char = '.';
const FAILED: char = 'x';

/// A call of a window in time counts for the window and up to a tenth of it longer.
const SLICES: u64 = 10;

impl Default for Counted {
    fn default() -> Self {
        Self::Consecutive { failures: 0 }
    }
}

impl Counted {
    /// Adds a call; returns whether `rule` opens the breaker now. Only a failure ever does.
    ///
    /// Where a rule of another kind counted until now, counting begins anew.
    pub(super) fn record(&mut self, rule: &BreakerRule, outcome: Outcome, now: Timestamp) -> bool {
        let failed = match outcome {
            Outcome::Succeeded => false,
            Outcome::Failed => true,
            Outcome::Cancelled => return false,
        };
        let (judged, bad) = match rule {
            BreakerRule::Consecutive { failures: limit } => {
                let before = if let Self::Consecutive { failures } = self { *failures } else { 0 };
                let failures = if failed { before.saturating_add(1) } else { 0 };
                *self = Self::Consecutive { failures };
                return failed && failures >= *limit;
            }
            BreakerRule::Rate { window: RateWindow::Calls(calls), .. } => self.add_to_calls(failed, *calls),
            BreakerRule::Rate { window: RateWindow::Ms(ms), .. } => self.add_to_slices(failed, *ms, now),
        };
        let BreakerRule::Rate { percent, window, calls_min } = rule else { return false };
        let least = match window {
            // More than the window holds would never be reached.
            RateWindow::Calls(calls) => (*calls_min).min(*calls),
            RateWindow::Ms(_) => *calls_min,
        };
        failed && judged >= u64::from(least) && reaches(*percent, bad, judged)
    }

    /// Returns the calls of the window, and the failed ones among them.
    fn add_to_calls(&mut self, failed: bool, window: u32) -> (u64, u64) {
        if !matches!(self, Self::Calls { .. }) {
            *self = Self::Calls { outcomes: String::new() };
        }
        let Self::Calls { outcomes } = self else { return (0, 0) };
        outcomes.push(if failed { FAILED } else { SUCCEEDED });
        let calls = outcomes.chars().count();
        let surplus = calls.saturating_sub(window.max(1) as usize);
        *outcomes = outcomes.chars().skip(surplus).collect();
        let bad = outcomes.chars().filter(|outcome| *outcome == FAILED).count();
        ((calls - surplus) as u64, bad as u64)
    }

    fn add_to_slices(&mut self, failed: bool, window_ms: u64, now: Timestamp) -> (u64, u64) {
        if !matches!(self, Self::Slices { .. }) {
            *self = Self::Slices { slices: Vec::new() };
        }
        let Self::Slices { slices } = self else { return (0, 0) };
        let window = micros::of_ms(window_ms);
        let width = window.div_ceil(SLICES).max(1);
        // A slice that begins later than now is of a clock that was ahead: there is no telling when it was.
        slices.retain(|slice| {
            micros::between(slice.from, now) < window.saturating_add(width) && !micros::was_set_back(slice.from, now)
        });
        match slices.last_mut() {
            Some(last) if micros::between(last.from, now) < width => last.add(failed),
            _ => {
                let mut slice = Slice { from: now, successful: 0, failed: 0 };
                slice.add(failed);
                slices.push(slice);
            }
        }
        let bad = slices.iter().map(|slice| u64::from(slice.failed)).sum();
        let good: u64 = slices.iter().map(|slice| u64::from(slice.successful)).sum();
        (good + bad, bad)
    }
}

impl Slice {
    fn add(&mut self, failed: bool) {
        let count = if failed { &mut self.failed } else { &mut self.successful };
        *count = count.saturating_add(1);
    }
}

/// Whether `bad` of `judged` calls are at least so many percent.
fn reaches(percent: Thousandths, bad: u64, judged: u64) -> bool {
    u128::from(bad) * 100_000 >= u128::from(judged) * u128::from(percent.get())
}
