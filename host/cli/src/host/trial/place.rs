//! A scratch place with one plugin, and hosts in it: each has an empty ledger, and all have the plugin compiled once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lake::query::{QueryLimits, extent, query};
use lake::{LocalLake, RejectReader};
use model::failure::{Failure, Reading};
use model::manifest::DatasetSpec;
use model::plugin::PluginState;
use model::policy::{BackoffSpec, RetryPolicy, RetrySpec};
use model::ports::{AsOf, Engine as _, GivenFile, Ledger as _, ParamValue, RunRequest};
use model::reject::{LEDGER_ROWS_MAX, Reject};
use model::replay::ReplayReport;
use model::run::RunReport;
use model::{Manifest, RunId};
use orchestrator::{LeasePolicy, Orchestrator};
use storage::Storage;

use super::{grants, work};
use crate::args::Global;
use crate::config::Config;
use crate::host::scratch::ScratchFolder;
use crate::host::wiring::Wiring;
use crate::ledger::LedgerPlace;

/// How long one run of a test may take: an author waits for it.
const WALL_CLOCK_MAX: Duration = Duration::from_secs(60);

/// Where a plugin is tried out.
pub(super) struct Trial {
    scratch: ScratchFolder,
    config: Config,
    /// Hosts so far.
    hosts: u32,
}

/// A host with the plugin and an empty ledger.
pub(super) struct TrialHost {
    orchestrator: Orchestrator,
    storage: Arc<Storage>,
    lake: PathBuf,
}

impl Trial {
    /// Puts the component into a scratch place, with what it asks for.
    ///
    /// # Errors
    ///
    /// Those of the configuration; of kind `storage` if there is no place for it.
    pub(super) async fn prepare(global: &Global, component: &Path, manifest: &Manifest) -> Result<Self, Failure> {
        let scratch = ScratchFolder::new("spine-plugin-test-")?;
        let failed =
            |error: std::io::Error| Failure::io(Reading::Own, "copy", &component.display().to_string(), &error);
        for folder in ["plugins", "granted", "kept"] {
            std::fs::create_dir(scratch.path().join(folder)).map_err(failed)?;
        }
        let copy = scratch.path().join("plugins").join(format!("{}.wasm", manifest.name));
        std::fs::copy(component, copy).map_err(failed)?;
        let mut config = global.configuration()?;
        alone(&mut config, manifest);
        grants::grant_what_is_asked(&mut config, manifest, &scratch.path().join("granted"))?;
        Ok(Self { scratch, config, hosts: 0 })
    }

    /// Why a host does not take the plugin, if it does not.
    pub(super) async fn refusal(&mut self) -> Result<Option<String>, Failure> {
        let host = self.host().await?;
        let plugins = host.orchestrator.plugins();
        host.close().await;
        let refused = plugins.iter().find(|plugin| plugin.state != PluginState::Active);
        Ok(refused.map(|plugin| plugin.reasons.join("; ")))
    }

    /// Opens a host that nothing has happened in yet.
    pub(super) async fn host(&mut self) -> Result<TrialHost, Failure> {
        self.hosts += 1;
        let lake = self.scratch.path().join(format!("host-{}", self.hosts));
        std::fs::create_dir(&lake)
            .map_err(|error| Failure::io(Reading::Own, "make", &lake.display().to_string(), &error))?;
        let local = LocalLake::open(&lake)?;
        let storage = Arc::new(LedgerPlace::beside(&lake).open().await?);
        let wiring = Wiring {
            storage: Arc::clone(&storage),
            lake: local,
            lease: LeasePolicy::default(),
            // Apart from the plugins folder: a host keeps versions there, under other names.
            data: self.scratch.path().join("kept"),
            cache_read_only: false,
            metrics: None,
        };
        let wired = wiring.start(self.scratch.path().join("plugins"), &self.config).await?;
        Ok(TrialHost { orchestrator: wired.orchestrator, storage, lake })
    }

    /// The folder that a plugin is granted under this word.
    pub(super) fn granted(&self, word: &str) -> PathBuf {
        grants::folder(&self.scratch.path().join("granted"), word)
    }

    /// Most memory that a guest may have.
    pub(super) fn memory_bytes(&self, plugin: &str) -> u64 {
        self.config.plugins.get(plugin).map_or(self.config.limits.memory_bytes, |plugin| plugin.limits.memory_bytes)
    }
}

/// Each run tells of itself alone: once, within a minute, and whatever came of those before.
fn alone(config: &mut Config, manifest: &Manifest) {
    config.retry = RetryPolicy::NEVER;
    config.swap.quarantine_after = u32::MAX;
    let never = RetrySpec { strategy: Some(BackoffSpec::None), ..RetrySpec::default() };
    for name in work(manifest) {
        config.policy.entry(name.to_owned()).or_default().retry = Some(never.clone());
    }
    // What a configuration says of other plugins has no meaning here.
    config.plugins.retain(|name, _| *name == manifest.name);
    config.policy.retain(|name, _| work(manifest).any(|it| it == name));
    config.severities.retain(|(dataset, _), _| manifest.dataset(dataset).is_some());
    config.limits.wall_clock = config.limits.wall_clock.min(WALL_CLOCK_MAX);
    for plugin in config.plugins.values_mut() {
        plugin.limits.wall_clock = plugin.limits.wall_clock.min(WALL_CLOCK_MAX);
    }
}

impl TrialHost {
    /// Carries a run out. An error means that none was made.
    pub(super) async fn run(
        &self,
        name: &str,
        params: BTreeMap<String, ParamValue>,
        files: BTreeMap<String, GivenFile>,
    ) -> Result<RunReport, Failure> {
        let request = RunRequest { name: name.to_owned(), params, files, ..RunRequest::default() };
        self.orchestrator.submit(request).await
    }

    /// Carries a run out again as it was.
    pub(super) async fn replay(&self, run: RunId) -> Result<ReplayReport, Failure> {
        self.orchestrator.replay(run).await
    }

    /// The rejects of a run, in order.
    pub(super) async fn rejects(&self, run: RunId) -> Result<Vec<Reject>, Failure> {
        let mut rejects = self.storage.rejects(run, LEDGER_ROWS_MAX).await?;
        for rejecting in self.storage.rejecting_runs(Some(run)).await? {
            let Some(file) = rejecting.file else { continue };
            for batch in RejectReader::open(&self.lake, &file.path)? {
                rejects.extend(batch?);
            }
        }
        Ok(rejects)
    }

    /// The published rows of a dataset in order of its key, as CSV.
    pub(super) async fn rows(&self, dataset: &DatasetSpec) -> Result<String, Failure> {
        let quoted = |name: &String| format!("\"{name}\"");
        let columns: Vec<String> = dataset.columns.iter().map(|column| quoted(&column.name)).collect();
        let order: Vec<String> = dataset.partition_by.iter().chain(&dataset.key).map(quoted).collect();
        let sql = format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), dataset.name, order.join(", "));
        let view = self.storage.catalog_for(AsOf::Latest, |dataset| extent(&sql, dataset)).await?;
        let captures = self.lake.join("captures");
        let answer = query(&captures, view, &sql, QueryLimits::standard()).await?;
        let mut text = Vec::new();
        answer
            .write_csv(&mut text)
            .map_err(|error| Failure::io(Reading::Own, "write", "the rows of a dataset", &error))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    pub(super) async fn close(self) {
        self.orchestrator.drain().await;
        self.storage.close().await;
        // Room for the next; what cannot be removed goes with the whole place.
        drop(std::fs::remove_dir_all(&self.lake));
    }
}
