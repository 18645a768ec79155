//! Several limits at once: all of them grant, or none is charged.

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Grant, Limit};

/// Limits that a call has to pass together, such as one of the publisher and one of the plugin.
///
/// Both steps, asking all and charging all, happen while the caller alone has it: what one refuses, no other was
/// charged for, also where many ask at one time. An empty one grants everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Composite {
    limits: Vec<Limit>,
}

impl Composite {
    pub fn new(limits: Vec<Limit>) -> Self {
        Self { limits }
    }

    /// Whether [`Composite::take`] would grant `n` calls; takes none.
    ///
    /// The strictest answer: impossible before never before the longest wait.
    pub fn check(&mut self, n: u32, now: Timestamp) -> Grant {
        self.limits.iter_mut().map(|limit| limit.check(n, now)).fold(Grant::Granted, stricter)
    }

    /// Takes `n` calls of every limit, or none of any.
    pub fn take(&mut self, n: u32, now: Timestamp) -> Grant {
        let grant = self.check(n, now);
        if grant == Grant::Granted {
            self.charge(n, now);
        }
        grant
    }

    /// Takes calls that [`Composite::check`] granted at the same time.
    pub(super) fn charge(&mut self, n: u32, now: Timestamp) {
        self.limits.iter_mut().for_each(|limit| limit.charge(n, now));
    }

    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    pub fn limits_mut(&mut self) -> &mut [Limit] {
        &mut self.limits
    }
}

fn stricter(one: Grant, other: Grant) -> Grant {
    match (one, other) {
        (Grant::Granted, grant) | (grant, Grant::Granted) => grant,
        (Grant::Wait(one), Grant::Wait(other)) => Grant::Wait(one.max(other)),
        (Grant::Wait(_), grant) | (grant, Grant::Wait(_)) => grant,
        (Grant::Never, grant) | (grant, Grant::Never) => grant,
        (Grant::Impossible { most: one }, Grant::Impossible { most: other }) => {
            Grant::Impossible { most: one.min(other) }
        }
    }
}
