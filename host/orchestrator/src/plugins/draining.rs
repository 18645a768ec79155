//! Versions that another one took the place of: served until nobody uses them any more, but not for ever.

use std::sync::{Arc, MutexGuard, PoisonError};

use model::plugin::{PluginEventKind, PluginRecord, PluginState};
use model::ports::Registration;
use model::{Digest, Timestamp};

use super::lifecycle::event;
use super::{Entry, Version};
use crate::orchestrator::{Orchestrator, Shared};

/// A version that drains.
#[derive(Clone, Debug)]
pub(crate) struct Draining {
    record: PluginRecord,
    version: Arc<Version>,
}

impl Orchestrator {
    pub(super) fn draining(&self) -> Vec<PluginRecord> {
        self.shared.draining().iter().map(|draining| draining.record.clone()).collect()
    }

    /// Lets the runs that began on a version end on it, for as long as the operator allows and for as many versions.
    pub(super) fn drain_version(&self, entry: &Entry) {
        let Some(version) = entry.version.clone() else { return };
        let record = PluginRecord { state: PluginState::Draining, ..entry.record.clone() };
        let draining = Draining { record, version: Arc::clone(&version) };
        {
            let mut all = self.shared.draining();
            let same_name = all.iter().filter(|it| it.record.name == draining.record.name);
            let too_many = same_name.count().saturating_sub(self.shared.parts.swap.draining_max.saturating_sub(1));
            let oldest = all.iter().filter(|it| it.record.name == draining.record.name).take(too_many);
            oldest.for_each(|oldest| oldest.version.retire());
            all.push(draining.clone());
        }
        let deadline = self.shared.parts.swap.deadline(self.shared.parts.clock.now());
        tokio::spawn(drained(Arc::clone(&self.shared), draining, deadline));
    }
}

impl Shared {
    fn draining(&self) -> MutexGuard<'_, Vec<Draining>> {
        self.lifecycle.draining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees a version that is neither active nor drains, and that nobody visits.
    pub(crate) async fn release_unless_in_use(&self, digest: &Digest) {
        // Nobody makes it active meanwhile.
        let _turn = self.lifecycle.turn.lock().await;
        let set = self.lifecycle.current();
        let is_active = set.entries.iter().any(|it| it.is_active() && it.record.digest.as_ref() == Some(digest));
        let drains = self.draining().iter().any(|it| &it.version.plugin.digest == digest);
        if !is_active && !drains {
            self.lifecycle.visits.unless_visited(digest, || self.parts.components.forget(digest));
        }
    }
}

/// Waits until nobody uses a version, or its time is up, and frees it.
async fn drained(shared: Arc<Shared>, Draining { record, version }: Draining, deadline: Timestamp) {
    let is_unused = tokio::select! {
        biased;
        is_unused = version.unused() => is_unused,
        () = shared.parts.timer.until(deadline) => false,
    };
    if !is_unused {
        version.retire();
        tracing::warn!(plugin.name = %record.name, plugin.version = %record.version, "its time to drain is up: what still runs on it is begun again on the version that is active now");
    }
    shared.draining().retain(|it| !Arc::ptr_eq(&it.version, &version));
    shared.release_unless_in_use(&version.plugin.digest).await;
    let at: Timestamp = shared.parts.clock.now();
    let events = event(&record, PluginEventKind::Drained, String::new(), at).into_iter().collect();
    if let Err(failure) = shared.parts.ledger.register(Registration { events, ..Registration::default() }).await {
        tracing::warn!(plugin.name = %record.name, code = %failure.code, "the history does not tell that it has drained: {failure}");
    }
}
