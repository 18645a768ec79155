//! How a host is, check by check: the thresholds, as functions of what was counted.
//!
//! Only counts decide, so the same ledger is judged alike by a command, over HTTP and in tests. A check that cannot be
//! made is unhealthy, and hides no other. Nothing here asks a ledger: [`crate::ports::examine`] does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Open dead letters from which on a host is degraded, and unhealthy.
pub const DEAD_LETTERS: Threshold = Threshold { degraded: 10, unhealthy: 50 };

/// Leases that expired and that nobody freed, likewise.
pub const EXPIRED_LEASES: Threshold = Threshold { degraded: 5, unhealthy: 10 };

/// A run that nobody carries out is stale after so long, and very stale after so long.
pub const STALE_AFTER: [Duration; 2] = [Duration::from_secs(30 * 60), Duration::from_secs(60 * 60)];

/// Stale runs from which on a host is degraded; very stale ones from which on it is unhealthy.
pub const STALE_RUNS: Threshold = Threshold { degraded: 1, unhealthy: 5 };

/// Failed runs in percent of those that ended well or badly.
pub const FAILURE_PERCENT: Threshold = Threshold { degraded: 10, unhealthy: 25 };

/// The time that the failure rate is about.
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60 * 60);

/// With fewer ends the rate says little: it makes no host unhealthy then, and degrades one only if more than one run
/// failed.
pub const FAILURE_SAMPLE_MIN: u64 = 10;

/// Two numbers that are not to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    pub degraded: u64,
    pub unhealthy: u64,
}

impl Threshold {
    const fn judge(self, count: u64) -> HealthStatus {
        if count >= self.unhealthy {
            HealthStatus::Unhealthy
        } else if count >= self.degraded {
            HealthStatus::Degraded
        } else {
            HealthStatus::Healthy
        }
    }
}

/// How something is; the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    Healthy,
    /// It works, and somebody should look.
    Degraded,
    Unhealthy,
}

impl HealthStatus {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    /// What HTTP answers with: a degraded host still serves.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Healthy | Self::Degraded => 200,
            Self::Unhealthy => 503,
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    pub name: String,
    pub status: HealthStatus,
    /// What was found, in words.
    pub detail: String,
    /// What to do about it; none where there is nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl HealthCheck {
    pub fn new(name: &str, status: HealthStatus, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status, detail: detail.into(), hint: None }
    }

    pub fn healthy(name: &str, detail: impl Into<String>) -> Self {
        Self::new(name, HealthStatus::Healthy, detail)
    }

    /// A check that could not be made.
    pub fn failed(name: &str, failure: &Failure) -> Self {
        Self::new(name, HealthStatus::Unhealthy, format!("{}: {failure}", failure.code))
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Says what to do unless it is healthy.
    #[must_use]
    fn hint_unless_healthy(self, hint: &str) -> Self {
        if self.status == HealthStatus::Healthy { self } else { self.hint(hint) }
    }
}

/// How everything is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// That of the worst check.
    pub status: HealthStatus,
    pub checks: Vec<HealthCheck>,
}

impl Health {
    pub fn of(checks: Vec<HealthCheck>) -> Self {
        let worst = checks.iter().map(|check| check.status).max();
        Self { status: worst.unwrap_or(HealthStatus::Healthy), checks }
    }
}

/// Open dead letters.
pub fn dead_letters(open: Result<u64, Failure>) -> HealthCheck {
    const NAME: &str = "dead_letters";
    match open {
        Err(failure) => HealthCheck::failed(NAME, &failure),
        Ok(open) => HealthCheck::new(NAME, DEAD_LETTERS.judge(open), format!("{open} open"))
            .hint_unless_healthy("look at them with `spine-host dlq list`; replay them or resolve them"),
    }
}

/// Runs that are at work by the ledger and that nobody carries out: stale ones, and among them the very stale.
pub fn stale_runs(counts: Result<[u64; 2], Failure>) -> HealthCheck {
    const NAME: &str = "stale_runs";
    let [minutes, many_minutes] = STALE_AFTER.map(|after| after.as_secs() / 60);
    match counts {
        Err(failure) => HealthCheck::failed(NAME, &failure),
        Ok([stale, very_stale]) => {
            let status = match (STALE_RUNS.judge(stale), STALE_RUNS.judge(very_stale)) {
                (_, HealthStatus::Unhealthy) => HealthStatus::Unhealthy,
                (HealthStatus::Healthy, _) => HealthStatus::Healthy,
                (HealthStatus::Degraded | HealthStatus::Unhealthy, _) => HealthStatus::Degraded,
            };
            let detail = format!(
                "{stale} at work for more than {minutes} minutes without anybody who carries them out, {very_stale} for \
                 more than {many_minutes}"
            );
            HealthCheck::new(NAME, status, detail)
                .hint_unless_healthy("start a host: it ends them as interrupted, or takes them up again")
        }
    }
}

/// Runs that ended badly, of those that ended well or badly within [`FAILURE_WINDOW`].
pub fn failure_rate(ends: Result<Ends, Failure>) -> HealthCheck {
    const NAME: &str = "failure_rate";
    let Ends { completed, failed } = match ends {
        Err(failure) => return HealthCheck::failed(NAME, &failure),
        Ok(ends) => ends,
    };
    let judged = completed.saturating_add(failed);
    if judged == 0 {
        return HealthCheck::healthy(NAME, "no run ended in the last hour");
    }
    // In whole numbers: 10 of 100 are 10 percent, not almost.
    let reaches = |percent: u64| u128::from(failed) * 100 >= u128::from(judged) * u128::from(percent);
    let is_sample = judged >= FAILURE_SAMPLE_MIN;
    let status = match () {
        () if is_sample && reaches(FAILURE_PERCENT.unhealthy) => HealthStatus::Unhealthy,
        () if (is_sample || failed > 1) && reaches(FAILURE_PERCENT.degraded) => HealthStatus::Degraded,
        () => HealthStatus::Healthy,
    };
    let few = if is_sample { "" } else { ", too few to tell more" };
    let detail = format!("{failed} of {judged} runs that ended in the last hour failed{few}");
    HealthCheck::new(NAME, status, detail)
        .hint_unless_healthy("look at them with `spine-host runs list --status failed`")
}

/// Leases that expired and are still there. One that is held is as it should be.
pub fn leases(counts: Result<LeaseCounts, Failure>) -> HealthCheck {
    const NAME: &str = "leases";
    match counts {
        Err(failure) => HealthCheck::failed(NAME, &failure),
        Ok(LeaseCounts { held, expired }) => {
            let detail = format!("{held} held, {expired} expired that nobody freed");
            HealthCheck::new(NAME, EXPIRED_LEASES.judge(expired), detail)
                .hint_unless_healthy("look at them with `spine-host locks list`; `locks release` frees one")
        }
    }
}

/// Whether the ledger answers.
pub fn database(answered: Result<(), Failure>) -> HealthCheck {
    const NAME: &str = "database";
    match answered {
        Err(failure) => HealthCheck::failed(NAME, &failure).hint("`spine-host doctor` looks closer"),
        Ok(()) => HealthCheck::healthy(NAME, "answers"),
    }
}

/// Runs that ended in some time. Cancelled ones are neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    pub completed: u64,
    /// Failed, dead-lettered or timed out.
    pub failed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    pub held: u64,
    pub expired: u64,
}

#[cfg(test)]
mod tests;
