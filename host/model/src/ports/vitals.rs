//! What tells how a host is, and what it has done: counts of the ledger.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;
use crate::health::{self, Ends, FAILURE_WINDOW, Health, LeaseCounts, STALE_AFTER};
use crate::run::RunStatus;
use crate::work::Lane;

/// Counts of the ledger, each by a question of its own: one that cannot be answered hides no other.
#[async_trait::async_trait]
pub trait Vitals: Debug + Send + Sync {
    /// Whether the ledger answers at all, and may be written if this process writes to it.
    async fn answers(&self) -> Result<(), Failure>;

    /// Dead letters that nobody has dealt with.
    async fn open_dead_letters(&self) -> Result<u64, Failure>;

    /// Runs whose attempt has been at work for longer than that, and whose worker is not alive or has lost a lease of
    /// theirs; with `nobody`, whoever they say carries them out.
    ///
    /// A run is not stale because it is long: while its worker says that it is alive, the limits of the run end it.
    async fn stale_runs(&self, longer_than: Duration, nobody: bool) -> Result<u64, Failure>;

    /// Runs that ended within that time until now.
    async fn ends(&self, within: Duration) -> Result<Ends, Failure>;

    async fn lease_counts(&self) -> Result<LeaseCounts, Failure>;

    /// What the ledger holds, and what waits.
    async fn work_counts(&self) -> Result<WorkCounts, Failure>;
}

/// Runs by status, and lanes by what is in them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WorkCounts {
    /// Every status, also of no run.
    pub runs: BTreeMap<RunStatus, u64>,
    /// Every lane, also an empty one.
    pub lanes: BTreeMap<Lane, LaneCounts>,
}

/// What is in a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LaneCounts {
    /// Those that wait, for a place or for their time.
    pub queued: u64,
    pub running: u64,
}

impl WorkCounts {
    /// All runs.
    pub fn total(&self) -> u64 {
        self.runs.values().sum()
    }

    /// Runs of one status.
    pub fn of(&self, status: RunStatus) -> u64 {
        self.runs.get(&status).copied().unwrap_or_default()
    }

    /// Runs that ended badly: failed, dead-lettered or timed out.
    pub fn failed(&self) -> u64 {
        [RunStatus::Failed, RunStatus::DeadLettered, RunStatus::TimedOut].map(|status| self.of(status)).iter().sum()
    }

    /// Failed runs in percent of those that ended well or badly; none where there are none.
    pub fn failure_percent(&self) -> Option<f64> {
        let (completed, failed) = (self.of(RunStatus::Completed), self.failed());
        let judged = completed.saturating_add(failed);
        #[expect(clippy::cast_precision_loss, reason = "no ledger holds 2^53 runs")]
        let percent = |judged: u64| failed as f64 * 100.0 / judged as f64;
        (judged > 0).then(|| percent(judged))
    }
}

/// Makes every check of the work. With `nobody` no process carries runs out, which the ledger alone cannot know where a
/// lock of the system says who owns it.
pub async fn examine(vitals: &dyn Vitals, nobody: bool) -> Health {
    let [minutes, many_minutes] = STALE_AFTER;
    let stale =
        async { Ok([vitals.stale_runs(minutes, nobody).await?, vitals.stale_runs(many_minutes, nobody).await?]) };
    Health::of(vec![
        health::database(vitals.answers().await),
        health::dead_letters(vitals.open_dead_letters().await),
        health::stale_runs(stale.await),
        health::failure_rate(vitals.ends(FAILURE_WINDOW).await),
        health::leases(vitals.lease_counts().await),
    ])
}
