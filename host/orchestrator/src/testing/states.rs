//! States that processes share, in memory.

use std::collections::BTreeMap;

use model::failure::{Failure, FailureKind};
use model::ports::{SharedKind, SharedState, SharedStates};
use serde_json::Value;

use super::FakeLedger;

#[derive(Debug, Default)]
pub(crate) struct Shared {
    states: BTreeMap<(SharedKind, String), SharedState>,
    /// Calls so far.
    calls: usize,
    /// Swaps that another process is going to win.
    races: usize,
    /// What the next reads fail with.
    fails: Vec<Failure>,
}

impl FakeLedger {
    /// How often shared states were read or changed.
    pub(crate) fn shared_calls(&self) -> usize {
        self.shared.lock().unwrap().calls
    }

    pub(crate) fn shared_state(&self, kind: SharedKind, key: &str) -> Option<Value> {
        self.shared.lock().unwrap().states.get(&(kind, key.to_owned())).map(|stored| stored.state.clone())
    }

    pub(crate) fn set_shared_state(&self, kind: SharedKind, key: &str, state: Value) {
        let stored = SharedState { version: 1_000, state };
        self.shared.lock().unwrap().states.insert((kind, key.to_owned()), stored);
    }

    /// Has nobody answer those who read, so often.
    pub(crate) fn states_are_away(&self, reads: usize) {
        let away = Failure::new(FailureKind::Database, "unreachable", "nobody answers").retryable(true);
        self.shared.lock().unwrap().fails = vec![away; reads];
    }

    /// Has the ledger be damaged for those who read, so often.
    pub(crate) fn states_fail(&self, reads: usize) {
        self.shared.lock().unwrap().fails =
            vec![Failure::new(FailureKind::Database, "corrupt", "it is damaged"); reads];
    }

    /// Has another process be faster, so often.
    pub(crate) fn loses_races(&self, races: usize) {
        self.shared.lock().unwrap().races = races;
    }
}

#[async_trait::async_trait]
impl SharedStates for FakeLedger {
    async fn load(&self, kind: SharedKind, key: &str) -> Result<Option<SharedState>, Failure> {
        let mut shared = self.shared.lock().unwrap();
        shared.calls += 1;
        if let Some(failure) = shared.fails.pop() {
            return Err(failure);
        }
        Ok(shared.states.get(&(kind, key.to_owned())).cloned())
    }

    async fn swap(&self, kind: SharedKind, key: &str, expected: Option<u64>, state: Value) -> Result<bool, Failure> {
        let mut shared = self.shared.lock().unwrap();
        shared.calls += 1;
        if shared.races > 0 {
            shared.races -= 1;
            return Ok(false);
        }
        let place = (kind, key.to_owned());
        let version = shared.states.get(&place).map(|stored| stored.version);
        if version != expected {
            return Ok(false);
        }
        shared.states.insert(place, SharedState { version: version.unwrap_or(0) + 1, state });
        Ok(true)
    }
}
