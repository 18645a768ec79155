//! Versions that are used beside the active ones: by a replay, by a comparison, by a rollback until it is decided.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::Digest;

use crate::orchestrator::Shared;

/// How many uses each version has.
#[derive(Debug, Default)]
pub(crate) struct Visits(Mutex<BTreeMap<Digest, usize>>);

impl Visits {
    /// Does something with a version, unless it has a use; none begins meanwhile.
    pub(super) fn unless_visited(&self, digest: &Digest, then: impl FnOnce()) {
        let visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !visits.contains_key(digest) {
            then();
        }
    }

    fn begin(&self, digest: Digest) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(digest).or_default() += 1;
    }

    fn end(&self, digest: &Digest) {
        let mut visits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = visits.get_mut(digest) else { return };
        *count -= 1;
        if *count == 0 {
            visits.remove(digest);
        }
    }
}

/// A use of a version: nobody frees it meanwhile. Whatever becomes of the use, even if nobody waits for it any more, the
/// version is freed after the last one, unless it is active or drains.
#[derive(Debug)]
pub(crate) struct Visit {
    shared: Arc<Shared>,
    digest: Digest,
}

impl Visit {
    /// To be begun before the version is made ready.
    pub(crate) fn begin(shared: &Arc<Shared>, digest: Digest) -> Self {
        shared.lifecycle.visits.begin(digest);
        Self { shared: Arc::clone(shared), digest }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let (shared, digest) = (Arc::clone(&self.shared), self.digest);
        shared.lifecycle.visits.end(&digest);
        // Without a runtime the process ends.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { shared.release_unless_in_use(&digest).await });
        }
    }
}
