//! A whole host in one process: storage, lake, runtime and orchestrator, wired together.

mod authors;
mod backfills;
mod changes;
mod cleaning;
mod components;
mod developing;
mod finding;
mod looking;
mod operations;
mod orders;
mod rehearsal;
mod scratch;
mod serving;
mod trial;
mod watching;
mod wiring;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lake::LocalLake;
use model::failure::{Failure, FailureKind};
use model::plugin::PluginState;
use model::ports::Components;
use orchestrator::{Orchestrator, Retention};
use runtime::PluginsFolder;
use storage::Storage;

use crate::config::Config;
use crate::ledger::LedgerPlace;
use crate::owner::{self, OwnerLock};
use crate::system::SystemClock;

use wiring::{Wired, Wiring};

pub(crate) use authors::{check_component, make_component};
pub(crate) use backfills::{BackfillOrder, NamedItem, backfill};
pub(crate) use changes::{cancel, is_left, replay, resolve, retry, why};
pub(crate) use developing::{DevOrder, develop};
pub(crate) use looking::{grants, plugins};
pub(crate) use operations::{Intervened, Intervention, intervene};
pub(crate) use orders::{Order, Verdict, judge, run};
pub(crate) use serving::serve;
pub(crate) use trial::{TestOrder, Tested, TestedRun, cases_beside, test};

/// Where a host lives and what its operator decided.
#[derive(Clone, Debug)]
pub struct HostOptions {
    pub plugins: PathBuf,
    /// Exists; see [`data_folder`].
    pub data: PathBuf,
    pub config: Config,
}

/// The owner of a data folder, with its plugins loaded.
#[derive(Debug)]
pub struct Host {
    pub storage: Arc<Storage>,
    pub orchestrator: Orchestrator,
    /// Where versions are kept.
    pub(crate) components: Arc<dyn Components>,
    /// The plugins folder as it was loaded; none once somebody follows it.
    pub(crate) folder: Option<PluginsFolder>,
    pub metrics: api::Metrics,
    pub(crate) place: LedgerPlace,
    /// Forgets what is kept no longer.
    pub(crate) retention: Retention,
    /// Largest input that any plugin may be given.
    pub(crate) input_bytes_max: u64,
    /// How long opening took.
    pub load: Duration,
    /// Last, so that the folder is let go when everything else has ended.
    pub(crate) lock: OwnerLock,
}

impl Host {
    /// Opens everything, cleans up after an owner that died, and loads the plugins.
    ///
    /// # Errors
    ///
    /// `bad_folder` if the plugins folder cannot be read or the database is gone from beside its captures; `bad_config` if
    /// the configuration names what no plugin has; those of the database.
    pub async fn open(options: HostOptions, lock: OwnerLock) -> Result<Self, Failure> {
        let began = std::time::Instant::now();
        let HostOptions { plugins, data, config } = options;
        let place = LedgerPlace::of(&config, &data)?;

        // The lake first: it makes the folders that the catalog names.
        let lake = LocalLake::open_shared(place.lake(), &data)?;
        cleaning::check_ledger(&place, &lake)?;
        let storage = Arc::new(place.open().await?);
        cleaning::clean(&storage, &lake, &place).await?;
        for path in components::clean(&data)? {
            tracing::warn!(path, "removed a component that was not kept whole");
        }

        let metrics = api::Metrics::new(env!("CARGO_PKG_VERSION"))
            .map_err(|error| Failure::new(FailureKind::Internal, "metrics", error.to_string()))?;
        let input_bytes_max = config.input_bytes_max();
        let retention =
            Retention::new(config.retention, storage.clone(), Arc::new(lake.clone()), Arc::new(SystemClock));
        let wiring = Wiring {
            storage: Arc::clone(&storage),
            lake,
            lease: place.lease(),
            data,
            cache_read_only: false,
            metrics: Some(metrics.clone()),
        };
        let Wired { orchestrator, folder, components } = wiring.start(plugins, &config).await?;
        let load = began.elapsed();
        Ok(Self {
            storage,
            orchestrator,
            components,
            folder: Some(folder),
            metrics,
            place,
            retention,
            input_bytes_max,
            load,
            lock,
        })
    }

    /// How many components are active, and how many are not.
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for plugin in self.orchestrator.plugins() {
            match plugin.state {
                PluginState::Active | PluginState::Draining | PluginState::Quarantined => counts.active += 1,
                PluginState::Pending => counts.pending += 1,
                PluginState::Refused => counts.refused += 1,
            }
        }
        counts
    }
}

/// How many components are served, are refused, and wait for an operator.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    active: usize,
    refused: usize,
    pending: usize,
}

/// Makes the data folder, for its user only, and returns its canonical path.
///
/// # Errors
///
/// `bad_folder` (exit code 2) if it is no folder that this user may write.
pub(crate) fn data_folder(path: &Path) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| path.canonicalize())
        .map_err(|error| owner::unusable_folder(path, &error))
}
