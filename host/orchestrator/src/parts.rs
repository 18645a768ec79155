//! What an orchestrator is made of: the ports it drives, and what the operator decided.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::limits::Limits;
use model::policy::{BulkheadPolicy, PolicySpec, RetryPolicy};
use model::ports::{Components, Entropy, Invoker, Lake, Ledger, RunListener, SecretReader, SharedStates};
use model::quality::Severity;
use model::run::RunReport;
use model::stage::StageListener;
use model::work::Lane;
use model::{Clock, DatasetName, Grants, Timer, Timestamp};

use crate::lease::LeasePolicy;
use crate::queue::Places;

/// Everything [`crate::Orchestrator::new`] needs.
#[derive(Clone, Debug)]
pub struct Parts {
    pub ledger: Arc<dyn Ledger>,
    /// Where breakers and rate limits are kept; in the same ledger.
    pub states: Arc<dyn SharedStates>,
    pub lake: Arc<dyn Lake>,
    pub invoker: Arc<dyn Invoker>,
    pub components: Arc<dyn Components>,
    pub clock: Arc<dyn Clock>,
    pub timer: Arc<dyn Timer>,
    pub entropy: Arc<dyn Entropy>,
    /// Reads the secrets that are granted.
    pub secrets: Arc<dyn SecretReader>,
    /// For plugins without a policy of their own.
    pub limits: Limits,
    /// By plugin name.
    pub policies: BTreeMap<String, PluginPolicy>,
    /// `[quality."domain.dataset".CHECK]`: severities that the operator decided otherwise than the plugin.
    pub severities: BTreeMap<(DatasetName, String), Severity>,
    /// `[retry]`: how often a run is tried whose pipeline says nothing else.
    pub retry: RetryPolicy,
    /// `[policy."domain.name"]`, over what the manifest declares for the name.
    pub policy: BTreeMap<String, PolicySpec>,
    /// `[plugins.NAME.bulkhead]`, by plugin name.
    pub bulkheads: BTreeMap<String, BulkheadPolicy>,
    pub concurrency: Concurrency,
    /// `[lanes]`: places of the lanes that have others than follow from `concurrency`.
    pub lanes: BTreeMap<Lane, usize>,
    pub lease: LeasePolicy,
    pub swap: SwapPolicy,
    /// Where this process is, in words: who looks at its leases wants to know.
    pub host: String,
    /// Recorded with each attempt.
    pub versions: Versions,
    /// Told of each run that ended, dry runs left out.
    pub ended: Option<RunListener>,
    /// Told of each stage that a capture reached.
    pub advanced: Option<StageListener>,
}

impl Parts {
    /// Tells who wants to hear of every end.
    pub(crate) fn told(&self, report: &RunReport) {
        if let Some(listener) = &self.ended {
            (listener.0)(report);
        }
    }

    pub(crate) fn places(&self) -> Places {
        let places = Places::new(self.lanes.get(&Lane::Default).copied().unwrap_or(self.concurrency.runs));
        let places = self.lanes.iter().fold(places, |places, (lane, runs)| places.lane(*lane, *runs));
        self.bulkheads.iter().fold(places, |places, (plugin, bulkhead)| places.plugin(plugin, *bulkhead))
    }
}

/// What carries runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    pub host: String,
    pub wasmtime: String,
}

/// What the operator decided about one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginPolicy {
    pub limits: Limits,
    /// What it does not ask for is not handed to it.
    pub grants: Grants,
}

/// How versions of plugins follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwapPolicy {
    /// How long the runs that began on a version may go on after another took its place. `swap.drain`.
    pub drain: Duration,
    /// Versions of one plugin that drain at one time; with one more the oldest is retired. `swap.draining_max`.
    pub draining_max: usize,
    /// Traps in a row that put a version into quarantine. `swap.quarantine_after`.
    pub quarantine_after: u32,
    /// How long the first quarantine lasts; each in a row lasts twice as long. `swap.quarantine_for`.
    pub quarantine_for: Duration,
}

impl Default for SwapPolicy {
    fn default() -> Self {
        // To drain takes no longer than an attempt may, by the default of `limits.wall_clock`.
        let drain = Duration::from_secs(300);
        Self { drain, draining_max: 8, quarantine_after: 5, quarantine_for: Duration::from_secs(30) }
    }
}

impl SwapPolicy {
    pub(crate) fn deadline(&self, now: Timestamp) -> Timestamp {
        now.plus_micros(i64::try_from(self.drain.as_micros()).unwrap_or(i64::MAX))
    }
}

/// How much happens at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// Runs that are carried out; more wait in the queue.
    pub runs: usize,
    /// Capture files that one run writes at one time.
    pub writers: usize,
}

impl Concurrency {
    /// The defaults on a machine with this many cores.
    pub const fn for_cores(cores: usize) -> Self {
        let cores = if cores == 0 { 1 } else { cores };
        // Twice the cores: a run also waits for its disk and for the ledger's commit.
        Self { runs: cores * 2, writers: cores }
    }
}
