//! At most so many calls in any stretch of a given length.
//!
//! Remembers when each call was, so it is exact at every instant; a policy bounds how many that are. A call is
//! forgotten once it is as old as the window is long.

use std::collections::VecDeque;

use model::Timestamp;
use model::policy::RateLimitPolicy;
use serde::{Deserialize, Serialize};

use super::super::micros;
use super::Grant;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlidingWindow {
    calls: u32,
    window_ms: u64,
    /// When calls were and how many, the oldest first.
    taken: VecDeque<(Timestamp, u32)>,
}

impl SlidingWindow {
    pub(super) fn empty(calls: u32, window_ms: u64) -> Self {
        Self { calls, window_ms, taken: VecDeque::new() }
    }

    pub(super) fn policy(&self) -> RateLimitPolicy {
        RateLimitPolicy::SlidingWindow { calls: self.calls, window_ms: self.window_ms }
    }

    /// A longer window does not remember what the shorter one forgot.
    pub(super) fn change(&mut self, calls: u32, window_ms: u64) {
        self.calls = calls;
        self.window_ms = window_ms;
    }

    pub(super) fn check(&mut self, n: u32, now: Timestamp) -> Grant {
        self.forget(now);
        if n > self.calls {
            return Grant::Impossible { most: self.calls };
        }
        // So many have to be forgotten first.
        let surplus = (self.count() + u64::from(n)).saturating_sub(u64::from(self.calls));
        if surplus == 0 {
            return Grant::Granted;
        }
        let mut forgotten = 0;
        let last = self.taken.iter().find(|(_, calls)| {
            forgotten += u64::from(*calls);
            forgotten >= surplus
        });
        let free_at = last.map_or(now, |(at, _)| micros::after(*at, micros::of_ms(self.window_ms)));
        Grant::Wait(micros::duration(micros::between(now, free_at)))
    }

    pub(super) fn charge(&mut self, n: u32, now: Timestamp) {
        match self.taken.back_mut() {
            // Also where another process with a clock slightly ahead was before: the later time is the safe one.
            Some((at, calls)) if *at >= now => *calls = calls.saturating_add(n),
            _ => self.taken.push_back((now, n)),
        }
    }

    pub(super) fn left(&mut self, now: Timestamp) -> u32 {
        self.forget(now);
        let count = u32::try_from(self.count()).unwrap_or(u32::MAX);
        self.calls.saturating_sub(count)
    }

    pub(super) fn is_empty(&mut self, now: Timestamp) -> bool {
        self.forget(now);
        self.taken.is_empty()
    }

    fn count(&self) -> u64 {
        self.taken.iter().map(|(_, calls)| u64::from(*calls)).sum()
    }

    fn forget(&mut self, now: Timestamp) {
        let window = micros::of_ms(self.window_ms);
        if self.taken.back().is_some_and(|(at, _)| micros::was_set_back(*at, now)) {
            self.taken.iter_mut().for_each(|(at, _)| *at = (*at).min(now));
        }
        while self.taken.front().is_some_and(|(at, _)| micros::between(*at, now) >= window) {
            self.taken.pop_front();
        }
    }
}
