//! What every host is made of, whether it owns a data folder or only rehearses: an orchestrator over storage, lake and
//! runtime, with the plugins of a folder installed.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use lake::LocalLake;
use model::failure::{Failure, FailureKind};
use model::plugin::PluginRecord;
use model::ports::RunListener;
use orchestrator::{Concurrency, FoundPlugin, Orchestrator, Parts, PluginPolicy};
use runtime::{Loaded, Runtime, RuntimeConfig};
use storage::Storage;

use crate::config::Config;
use crate::system::{OsEntropy, SystemClock};

/// The parts that differ from host to host.
pub(super) struct Wiring {
    pub(super) storage: Arc<Storage>,
    pub(super) lake: LocalLake,
    /// Where compiled components are kept.
    pub(super) cache: PathBuf,
    /// Where compiled components are only looked for.
    pub(super) cache_behind: Option<PathBuf>,
    /// Told of each run that ended.
    pub(super) ended: Option<RunListener>,
}

impl Wiring {
    /// Loads the plugins of a folder and decides which are active. Returns all of them.
    ///
    /// # Errors
    ///
    /// `bad_folder` if the folder cannot be read; `bad_config` if the configuration names what no plugin has; those of
    /// the ledger.
    pub(super) async fn start(
        self,
        plugins: PathBuf,
        config: &Config,
    ) -> Result<(Orchestrator, Vec<PluginRecord>), Failure> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let runtime = Arc::new(Runtime::open(RuntimeConfig {
            cache_dir: Some(self.cache),
            cache_behind: self.cache_behind,
            limits: config.limits.clone(),
            ..RuntimeConfig::for_cores(cores)
        })?);
        let loading = Arc::clone(&runtime);
        let loaded = tokio::task::spawn_blocking(move || loading.load_folder(&plugins))
            .await
            .map_err(|error| Failure::new(FailureKind::Internal, "panicked", error.to_string()))??;
        let manifests: Vec<_> = loaded.iter().filter_map(|loaded| loaded.manifest.clone()).collect();
        for warning in config.check_names(&manifests)? {
            tracing::warn!("{warning}");
        }
        let orchestrator = Orchestrator::new(Parts {
            ledger: self.storage,
            lake: Arc::new(self.lake),
            invoker: runtime,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            limits: config.limits.clone(),
            policies: policies(config),
            severities: config.severities.clone(),
            concurrency: Concurrency::for_cores(cores),
            ended: self.ended,
        });
        let installed = orchestrator.install(loaded.into_iter().map(found).collect()).await?;
        Ok((orchestrator, installed))
    }
}

fn found(loaded: Loaded) -> FoundPlugin {
    let Loaded { file, digest, manifest, findings, .. } = loaded;
    FoundPlugin { file, digest, manifest, findings }
}

fn policies(config: &Config) -> BTreeMap<String, PluginPolicy> {
    let policy = |plugin: &crate::config::PluginConfig| PluginPolicy {
        limits: plugin.limits.clone(),
        folders: plugin.folders.clone(),
    };
    config.plugins.iter().map(|(name, plugin)| (name.clone(), policy(plugin))).collect()
}
