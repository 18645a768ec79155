//! How many runs go on and wait at one time: of each lane, and of each plugin.

use std::collections::BTreeMap;

use model::policy::BulkheadPolicy;
use model::work::Lane;
use model::{Failure, FailureKind};

/// Fewest places of a lane of which one is left to others.
const SHARED_PLACES_MIN: usize = 3;

/// How many runs may be carried out at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    lanes: BTreeMap<Lane, usize>,
    /// By plugin; one that is not named here has all of its lanes, but for the last of a lane that has three or more.
    plugins: BTreeMap<String, BulkheadPolicy>,
}

impl Places {
    /// `default` runs in the default lane, half as many of backfills, one slow one; each at least one.
    pub fn new(default: usize) -> Self {
        let places = |lane: &Lane| match lane {
            Lane::Default => default.max(1),
            Lane::Backfill => (default / 2).max(1),
            Lane::Slow => 1,
        };
        Self { lanes: Lane::ALL.iter().map(|lane| (*lane, places(lane))).collect(), plugins: BTreeMap::new() }
    }

    #[must_use]
    pub fn lane(mut self, lane: Lane, places: usize) -> Self {
        self.lanes.insert(lane, places.max(1));
        self
    }

    /// The bulkhead of a plugin: it never has more runs than that, however many places are free, and only so many wait.
    #[must_use]
    pub fn plugin(mut self, plugin: &str, bulkhead: BulkheadPolicy) -> Self {
        self.plugins.insert(plugin.to_owned(), bulkhead);
        self
    }

    pub fn of_lane(&self, lane: Lane) -> usize {
        self.lanes.get(&lane).copied().unwrap_or(1)
    }

    /// Runs of a plugin that may go on.
    pub(super) fn of_plugin(&self, plugin: &str) -> usize {
        // A bulkhead without places would hold its runs for ever.
        self.plugins.get(plugin).map_or(usize::MAX, |bulkhead| bulkhead.runs.max(1) as usize)
    }

    /// Runs of a plugin that may go on in a lane. One that has no bulkhead leaves a place of a lane with several to the
    /// others: its runs may be without end.
    pub(super) fn of_plugin_in(&self, plugin: &str, lane: Lane) -> usize {
        let places = self.of_lane(lane);
        if self.plugins.contains_key(plugin) || places < SHARED_PLACES_MIN { places } else { places - 1 }
    }

    /// Runs of a plugin that may go on or wait.
    pub(super) fn room_of_plugin(&self, plugin: &str) -> usize {
        let waiting = self.plugins.get(plugin).map_or(usize::MAX, |bulkhead| bulkhead.waiting as usize);
        self.of_plugin(plugin).saturating_add(waiting)
    }
}

/// No room: so many runs of the plugin go on, and so many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadFull {
    pub running: usize,
    pub waiting: usize,
}

impl BulkheadFull {
    /// As the refusal of a run of `plugin`; it may be asked for again.
    pub fn failure(self, plugin: &str) -> Failure {
        let Self { running, waiting } = self;
        let message = format!("`{plugin}` has {running} runs going on and {waiting} waiting, and room for no more");
        Failure::new(FailureKind::Orchestration, "bulkhead_full", message).retryable(true).detail("plugin", plugin)
    }
}
