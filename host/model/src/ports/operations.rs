//! What an operator changes by hand.

use std::fmt::Debug;

use super::leases::Lease;
use crate::failure::Failure;
use crate::ids::{Digest, RunId};
use crate::plugin::PluginRecord;
use crate::retention::RetentionReport;

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

    /// Approves what a pending version of a plugin asks for; it becomes active.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name; `not_pending` if no version waits, or not that one; `plugin_refused` with
    /// every reason why it cannot be active all the same.
    async fn approve(&self, plugin: &str, digest: Option<Digest>) -> Result<PluginRecord, Failure>;
}
