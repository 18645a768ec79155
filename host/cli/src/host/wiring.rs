//! What every host is made of, whether it owns a data folder or only rehearses: an orchestrator over storage, lake and
//! runtime, with the plugins of a folder installed.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use lake::LocalLake;
use model::failure::{Failure, FailureKind};
use model::policy::BulkheadPolicy;
use model::ports::{Components, FoundPlugin};
use orchestrator::{Concurrency, LeasePolicy, Orchestrator, Parts, PluginPolicy, Versions};
use runtime::{Allocation, Look, Measured, Occupied, PluginsFolder, Runtime, RuntimeConfig, WASMTIME_VERSION};
use storage::Storage;

use super::components::{KeptComponents, found_at};
use crate::config::Config;
use crate::secrets::SecretPlaces;
use crate::system::{OsEntropy, SystemClock};

/// The parts that differ from host to host.
pub(super) struct Wiring {
    pub(super) storage: Arc<Storage>,
    pub(super) lake: LocalLake,
    pub(super) lease: LeasePolicy,
    /// Where compiled components and kept versions are.
    pub(super) data: PathBuf,
    /// Whether compiled components are only looked for there.
    pub(super) cache_read_only: bool,
    /// Told of each run that ended, and where instances get their memory from.
    pub(super) metrics: Option<api::Metrics>,
}

/// An orchestrator, and the plugins folder that it works with.
pub(super) struct Wired {
    pub(super) orchestrator: Orchestrator,
    pub(super) folder: PluginsFolder,
    pub(super) components: Arc<dyn Components>,
}

impl Wiring {
    /// Loads the plugins of a folder and decides which are active.
    ///
    /// # Errors
    ///
    /// `bad_folder` if the folder cannot be read; `bad_config` if the configuration names what no plugin has; those of
    /// the ledger.
    pub(super) async fn start(self, plugins: PathBuf, config: &Config) -> Result<Wired, Failure> {
        let (wired, found) = self.assemble(plugins, config).await?;
        wired.orchestrator.install(found).await?;
        Ok(wired)
    }

    /// As [`Wiring::start`], and records nothing.
    pub(super) async fn rehearse(self, plugins: PathBuf, config: &Config) -> Result<Orchestrator, Failure> {
        let (wired, found) = self.assemble(plugins, config).await?;
        wired.orchestrator.rehearse(found).await?;
        Ok(wired.orchestrator)
    }

    async fn assemble(self, plugins: PathBuf, config: &Config) -> Result<(Wired, Vec<FoundPlugin>), Failure> {
        let runtime = runtime(self.data.join("cache"), self.cache_read_only, config)?;
        if let Some(metrics) = &self.metrics {
            report_allocation(metrics, runtime.allocation())?;
            report_guests(metrics, &runtime)?;
        }
        let folder = PluginsFolder::new(Arc::clone(&runtime), plugins);
        let (folder, look) = look(folder).await;
        let found: Vec<FoundPlugin> = look?.loaded.into_iter().map(|(place, loaded)| found_at(place, loaded)).collect();
        check_names(config, &found)?;
        let components: Arc<dyn Components> =
            Arc::new(KeptComponents { runtime: Arc::clone(&runtime), data: self.data, keeps: !self.cache_read_only });
        let orchestrator = Orchestrator::new(Parts {
            states: self.storage.clone(),
            ledger: self.storage,
            lake: Arc::new(self.lake),
            invoker: runtime,
            components: Arc::clone(&components),
            clock: Arc::new(SystemClock),
            timer: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            secrets: Arc::new(SecretPlaces),
            limits: config.limits.clone(),
            policies: policies(config),
            severities: config.severities.clone(),
            retry: config.retry.clone(),
            policy: config.policy.clone(),
            bulkheads: bulkheads(config),
            concurrency: Concurrency::for_cores(cores()),
            lanes: config.lanes.clone(),
            lease: self.lease,
            swap: config.swap.clone(),
            host: format!("{} (process {})", env!("CARGO_PKG_NAME"), std::process::id()),
            versions: Versions { host: env!("CARGO_PKG_VERSION").to_owned(), wasmtime: WASMTIME_VERSION.to_owned() },
            ended: self.metrics.map(|metrics| metrics.listener()),
            advanced: None,
        });
        Ok((Wired { orchestrator, folder, components }, found))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// A runtime that compiles components for this machine, and finds in the cache what was compiled before.
pub(super) fn runtime(cache: PathBuf, cache_read_only: bool, config: &Config) -> Result<Arc<Runtime>, Failure> {
    let runtime = Runtime::open(RuntimeConfig {
        cache_dir: Some(cache),
        cache_read_only,
        limits: config.limits.clone(),
        stack_bytes: config.stack_bytes,
        guests_memory_bytes: config.guests_memory_bytes,
        ..RuntimeConfig::for_cores(cores())
    })?;
    Ok(Arc::new(runtime))
}

/// Looks at a plugins folder from where blocking is allowed.
pub(super) async fn look(mut folder: PluginsFolder) -> (PluginsFolder, Result<Look, Failure>) {
    let looked = tokio::task::spawn_blocking(move || {
        let look = folder.look(Instant::now());
        (folder, look)
    });
    // Loading does not panic, and nobody stops it.
    looked.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Loads the components of a folder, and holds the configuration against what they offer.
///
/// # Errors
///
/// `bad_folder` if the folder cannot be read; `bad_config` if the configuration names what no plugin has.
pub(super) async fn components(
    runtime: &Arc<Runtime>,
    plugins: PathBuf,
    config: &Config,
) -> Result<Vec<FoundPlugin>, Failure> {
    let (_, look) = look(PluginsFolder::new(Arc::clone(runtime), plugins)).await;
    let found: Vec<FoundPlugin> = look?.loaded.into_iter().map(|(place, loaded)| found_at(place, loaded)).collect();
    check_names(config, &found)?;
    Ok(found)
}

fn check_names(config: &Config, found: &[FoundPlugin]) -> Result<(), Failure> {
    let manifests: Vec<_> = found.iter().filter_map(|found| found.manifest.clone()).collect();
    for warning in config.check_names(&manifests)? {
        tracing::warn!("{warning}");
    }
    Ok(())
}

pub(super) fn policies(config: &Config) -> BTreeMap<String, PluginPolicy> {
    let policy = |plugin: &crate::config::PluginConfig| PluginPolicy {
        limits: plugin.limits.clone(),
        grants: plugin.grants.clone(),
    };
    config.plugins.iter().map(|(name, plugin)| (name.clone(), policy(plugin))).collect()
}

fn bulkheads(config: &Config) -> BTreeMap<String, BulkheadPolicy> {
    let plugins = config.plugins.iter();
    plugins.filter_map(|(name, plugin)| plugin.bulkhead.map(|bulkhead| (name.clone(), bulkhead))).collect()
}

/// Says in the metrics whether instances come from the pool; the runtime has logged why, if they do not.
fn report_allocation(metrics: &api::Metrics, allocation: &Allocation) -> Result<(), Failure> {
    let pooled = match allocation {
        Allocation::Pooled => 1.0,
        Allocation::OnDemand { .. } => 0.0,
    };
    let help = "1 if instances come from a pool reserved at the start, 0 if each is mapped by itself, which is slower.";
    metrics.gauge("spine_instance_pool", help, move || pooled).map_err(no_metrics)
}

/// Shows what guests occupy, and what they measured.
fn report_guests(metrics: &api::Metrics, runtime: &Arc<Runtime>) -> Result<(), Failure> {
    let gauge = |name: &str, help: &str, of: fn(Occupied) -> u64| {
        let runtime = Arc::clone(runtime);
        #[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes")]
        metrics.gauge(name, help, move || of(runtime.occupied()) as f64).map_err(no_metrics)
    };
    gauge("spine_instances_live", "Guests that are there now; handles are theirs and go with them.", |occupied| {
        occupied.instances
    })?;
    gauge("spine_guest_memory_bytes", "Bytes of the memories and tables of guests.", |occupied| occupied.memory_bytes)?;
    gauge("spine_held_bytes", "Bytes of the batches held for guests.", |occupied| occupied.held_bytes)?;
    let runtime = Arc::clone(runtime);
    metrics
        .series(move || {
            let series = |measured: Measured| {
                let Measured { plugin, metric, labels, value } = measured;
                let own = [("plugin".to_owned(), plugin), ("metric".to_owned(), metric)];
                (own.into_iter().chain(labels).collect(), value)
            };
            runtime.measured().into_iter().map(series).collect()
        })
        .map_err(no_metrics)
}

fn no_metrics(error: impl Display) -> Failure {
    Failure::new(FailureKind::Internal, "metrics", error.to_string())
}
