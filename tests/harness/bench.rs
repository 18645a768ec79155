//! What the benches share: medians, ratios taken in one run, and attempts without an orchestrator.
//!
//! Times on a shared machine drift by more than what is measured, so the two sides of a ratio are always measured in
//! turns, and ratios are of medians.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::catalog::{CatalogView, Snapshot};
use model::limits::Limits;
use model::manifest::CheckedBy;
use model::ports::{
    Cancel, Invocation, Invoked, Invoker, KeptInput, LogSink, Outside, PluginCheck, Work, WorkOrder, Workbench,
};
use model::secret::Secrets;
use model::{DatasetName, Digest, Manifest, RunId, Timestamp};
use runtime::{Runtime, RuntimeConfig};
use serde_json::Value;

// Linked for its allocator: what is measured is to run as it runs in the host.
use cli as _;

use crate::target_folder;

/// The middle of some times; the upper one of two.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Measures two things in turns, after one turn that does not count, and returns the median of each. What is measured
/// says itself how long it took, so that preparations can be left out.
pub fn in_turns(
    rounds: usize,
    mut one: impl FnMut() -> Duration,
    mut other: impl FnMut() -> Duration,
) -> (Duration, Duration) {
    one();
    other();
    let (ones, others) = (0..rounds).map(|_| (one(), other())).unzip();
    (median(ones), median(others))
}

/// How long `work` takes; its result is dropped after the clock has stopped.
pub fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    let result = work();
    let took = began.elapsed();
    drop(result);
    took
}

/// Prints `ratio WHAT: VALUE (bar BAR)`, the line that a bench is read by.
pub fn ratio(what: &str, value: f64, bar: &str) {
    say(&format!("ratio {what}: {value:.2} (bar {bar})"));
}

/// As [`ratio`] for an absolute time.
pub fn time(what: &str, value: Duration, bar: &str) {
    say(&format!("time {what}: {} (bar {bar})", readable(value)));
}

/// Prints a line.
pub fn say(line: &str) {
    use std::io::Write;
    // Nobody is left to be told that nobody reads.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A time with three digits or so.
pub fn readable(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        0.0..1e3 => format!("{micros:.1} us"),
        1e3..1e6 => format!("{:.2} ms", micros / 1e3),
        _ => format!("{:.3} s", micros / 1e6),
    }
}

/// One time divided by another.
pub fn quotient(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// A runtime with the machine code of earlier benches and tests, as a host has it that was started before.
pub fn runtime() -> Runtime {
    let cache_dir = Some(target_folder().join("test-cache"));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Runtime::open(RuntimeConfig { cache_dir, ..RuntimeConfig::for_cores(cores) }).unwrap()
}

/// A component that a runtime has loaded.
#[derive(Clone, Debug)]
pub struct Component {
    pub manifest: Arc<Manifest>,
    pub digest: Digest,
}

/// Loads a component, which must be in order.
pub fn load(runtime: &Runtime, file: &Path) -> Component {
    let loaded = runtime.load(file);
    assert!(loaded.is_usable(), "{}: {:?}", file.display(), loaded.findings);
    Component { manifest: loaded.manifest.unwrap(), digest: loaded.digest.unwrap() }
}

impl Component {
    /// Leave to write all datasets, with nothing published so far.
    pub fn order(&self, params: Value, inputs: BTreeMap<String, KeptInput>) -> WorkOrder {
        let every_format: Vec<String> = self.manifest.formats.iter().map(|format| format.name.clone()).collect();
        WorkOrder {
            attempt: 1,
            run_id: RunId::new(Timestamp::from_micros(0), [0; 10]),
            manifest: Arc::clone(&self.manifest),
            formats: inputs.keys().map(|name| (name.clone(), every_format.clone())).collect(),
            inputs,
            params,
            outputs: self.manifest.datasets.iter().map(|dataset| dataset.name.clone()).collect(),
            folders: BTreeMap::new(),
            outlook: model::ports::Outlook::live(),
            catalog: Arc::new(CatalogView {
                snapshot: Snapshot { id: 0, at: Timestamp::from_micros(0) },
                datasets: Vec::new(),
            }),
            limits: Limits::standard(),
            dry_run: false,
            secrets: model::secret::Secrets::default(),
        }
    }

    /// The plugin's own checks of a dataset.
    pub fn checks(&self, dataset: &DatasetName) -> Vec<PluginCheck> {
        let checks = self.manifest.dataset(dataset).into_iter().flat_map(|dataset| &dataset.checks);
        let own = checks.filter(|check| check.by == CheckedBy::Plugin);
        own.map(|check| PluginCheck { dataset: dataset.clone(), spec: check.clone() }).collect()
    }

    /// Carries out one attempt, as the orchestrator asks for it.
    pub async fn invoke(
        &self,
        runtime: &Runtime,
        work: Work,
        checks: Vec<PluginCheck>,
        params: String,
        workbench: Box<dyn Workbench>,
    ) -> Invoked {
        let started_at = Timestamp::from_micros(1_611_792_000_000_000);
        let invocation = Invocation {
            plugin: self.manifest.name.clone(),
            digest: self.digest,
            work,
            checks,
            run_id: RunId::new(started_at, [0; 10]),
            attempt: 1,
            params,
            secrets: Secrets::default(),
            outside: Outside::nothing(),
            started_at,
            seed: [0; 32],
            limits: Limits::standard(),
            workbench,
            cancel: Cancel::default(),
            progress: None,
            log: LogSink::none(),
        };
        runtime.invoke(invocation).await
    }
}

/// Threads for what waits, as the host has them.
pub fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// A folder on the disk that holds the build results: `/tmp` may be memory. What benches before this one left, since
/// nothing drops what is static, goes now.
pub fn folder() -> tempfile::TempDir {
    let place = target_folder().join("bench");
    match std::fs::remove_dir_all(&place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", place.display()),
        _ => std::fs::create_dir(&place).unwrap(),
    }
    tempfile::tempdir_in(place).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let times = [5, 1, 9, 2, 4].map(Duration::from_millis).to_vec();
        assert_eq!(median(times), Duration::from_millis(4));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }

    #[test]
    fn times_are_shown_in_the_unit_that_fits() {
        assert_eq!(readable(Duration::from_nanos(33_400)), "33.4 us");
        assert_eq!(readable(Duration::from_micros(24_000)), "24.00 ms");
        assert_eq!(readable(Duration::from_millis(1_180)), "1.180 s");
    }
}
