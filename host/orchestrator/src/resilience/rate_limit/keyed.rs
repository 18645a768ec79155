//! One limit for each of many keys, all with the same policy.

use std::collections::BTreeMap;

use model::Timestamp;
use model::policy::RateLimitPolicy;
use serde::{Deserialize, Serialize};

use super::{Grant, Limit};

/// Limits by key, such as the name of a publisher. A key begins unused at its first call.
///
/// Keys that are unused again are forgotten every so many questions, so memory follows the traffic of the latest time
/// and not all keys that ever were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyed {
    policy: RateLimitPolicy,
    limits: BTreeMap<String, Limit>,
    /// Questions between two cleanings.
    clean_every: u32,
    asked: u32,
}

/// Questions between two cleanings, unless said otherwise.
const CLEAN_EVERY: u32 = 1_000;

impl Keyed {
    pub fn new(policy: RateLimitPolicy) -> Self {
        Self { policy, limits: BTreeMap::new(), clean_every: CLEAN_EVERY, asked: 0 }
    }

    /// Cleans at every `questions`-th question; 0 means 1.
    #[must_use]
    pub fn cleaned_every(self, questions: u32) -> Self {
        Self { clean_every: questions, ..self }
    }

    /// Takes `n` calls of `key`, or none of them.
    pub fn take(&mut self, key: &str, n: u32, now: Timestamp) -> Grant {
        let grant = match self.limits.get_mut(key) {
            Some(limit) => limit.take(n, now),
            None => {
                let mut limit = Limit::new(&self.policy, now);
                let grant = limit.take(n, now);
                self.limits.insert(key.to_owned(), limit);
                grant
            }
        };
        self.asked = self.asked.saturating_add(1);
        if self.asked >= self.clean_every {
            self.clean(now);
        }
        grant
    }

    /// Puts `policy` in force for every key, as [`Limit::change`] does.
    pub fn change(&mut self, policy: RateLimitPolicy, now: Timestamp) {
        self.limits.values_mut().for_each(|limit| limit.change(&policy, now));
        self.policy = policy;
    }

    /// Forgets the keys that are unused at `now`.
    pub fn clean(&mut self, now: Timestamp) {
        self.asked = 0;
        self.limits.retain(|_, limit| !limit.is_unused(now));
    }

    /// The keys that are remembered, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.limits.keys().map(String::as_str)
    }
}
