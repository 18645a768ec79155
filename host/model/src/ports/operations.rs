//! What an operator changes by hand.

use std::fmt::Debug;

use super::leases::Lease;
use crate::failure::Failure;
use crate::ids::{Digest, RunId};
use crate::plugin::PluginRecord;
use crate::retention::RetentionReport;
use crate::shadow::{Budget, ShadowReport};

/// Interventions, carried out by whoever owns the ledger.
#[async_trait::async_trait]
pub trait Operations: Debug + Send + Sync {
    /// Closes the breaker of this name, and lets runs that wait for it ask again.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name, `no_breaker` if its policy names none.
    async fn reset_breaker(&self, name: &str) -> Result<(), Failure>;

    /// Opens the breaker of this name until somebody resets it.
    ///
    /// # Errors
    ///
    /// As [`Operations::reset_breaker`].
    async fn open_breaker(&self, name: &str) -> Result<(), Failure>;

    /// Frees the leases of a key, or that of one run. With `force` also those that have not expired: a run that is at
    /// work loses it, is stopped, and can write nothing more.
    ///
    /// # Errors
    ///
    /// `bad_id` if there is no such lease, `lease_held` if one has not expired and `force` is not given; nothing was
    /// changed then.
    async fn release_lease(&self, key: &str, run: Option<RunId>, force: bool) -> Result<Vec<Lease>, Failure>;

    /// Forgets what is older than the operator wants it kept, or says what that would be.
    ///
    /// # Errors
    ///
    /// Those of the ledger; what was forgotten before stays forgotten.
    async fn retain(&self, dry_run: bool) -> Result<RetentionReport, Failure>;

    /// Makes an earlier version of a plugin active again: `to`, or the one that was active before. The version that is
    /// active now is held back until somebody rolls back to it.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name; `not_kept` if there is no such version; `plugin_refused` with every reason
    /// why it cannot be active now.
    async fn roll_back(&self, plugin: &str, to: Option<Digest>) -> Result<PluginRecord, Failure>;

    /// Runs a component on the inputs of the last runs of the active version of its name, and compares the data, the
    /// checks and the costs. Nothing is published. With a budget it is promoted if it is within.
    ///
    /// # Errors
    ///
    /// `plugin_refused` with every reason if it cannot be active; `unknown_name` if no version of its name is active;
    /// `usage` for a number of runs out of range.
    async fn shadow(&self, component: Candidate) -> Result<ShadowReport, Failure>;

    /// Makes a version active that was compared, or was active before, as [`Operations::roll_back`] does.
    ///
    /// # Errors
    ///
    /// `not_kept` if there is no such version; `plugin_refused` with every reason why it cannot be active now.
    async fn promote(&self, digest: Digest) -> Result<PluginRecord, Failure>;

    /// Approves what a pending version of a plugin asks for; it becomes active.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name; `not_pending` if no version waits, or not that one; `plugin_refused` with
    /// every reason why it cannot be active all the same.
    async fn approve(&self, plugin: &str, digest: Option<Digest>) -> Result<PluginRecord, Failure>;
}

/// A component that somebody wants to see beside the active version.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub file_name: String,
    pub bytes: Vec<u8>,
    /// Recorded runs to compare on: 1 to [`crate::shadow::SHADOW_RUNS_MAX`].
    pub last: u32,
    /// What it may change and cost to be promoted at once; without one it is not.
    pub budget: Option<Budget>,
}
