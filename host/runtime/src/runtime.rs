//! The runtime: one engine, the components that may run, and the threads that guests run on.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use model::plugin::Finding;
use model::ports::{Invocation, Invoked, Invoker};
use model::{Digest, Failure, FailureKind};
use tokio::task::JoinHandle;
use tracing::Instrument as _;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::admission::Admission;
use crate::attempt::{HostState, Journal, Occupied, Stopped, Watch};
use crate::capabilities::http::Network;
use crate::engine::{self, Allocation, INSTANCES_MAX};
use crate::invoke::Among;
use crate::loading::{Cache, Loader};
use crate::meters::Measured;
use crate::plugin::Plugin;
use crate::{Found, Loaded, RuntimeConfig, discover, failures, invoke, linking};

/// The version of Wasmtime that runs the plugins, for the record of a run.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// How long after its deadline an attempt that is stuck in a host call is given up.
const GRACE: Duration = Duration::from_secs(2);

/// Runs plugins. Shared by everybody who loads or invokes; drop the last one to stop the guests' threads.
#[derive(Debug)]
pub struct Runtime {
    parts: Parts,
    plugins: RwLock<HashMap<Digest, Arc<Plugin>>>,
    admission: Admission,
    guests: Guests,
    network: Arc<Network>,
    among: Among,
    config: RuntimeConfig,
}

struct Parts {
    engine: Engine,
    allocation: Allocation,
    linker: Linker<HostState>,
    cache: Option<Cache>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("allocation", &self.allocation)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// The threads that guests run on: their own, so that no guest can keep the host from its work.
#[derive(Debug)]
struct Guests(Option<tokio::runtime::Runtime>);

impl Guests {
    fn start(threads: usize) -> std::io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads.max(1)).thread_name("guest").enable_time();
        Ok(Self(Some(builder.build()?)))
    }

    /// None only while being dropped.
    fn handle(&self) -> Option<&tokio::runtime::Handle> {
        self.0.as_ref().map(tokio::runtime::Runtime::handle)
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waiting for the threads is not allowed where the last user may be an async task.
            runtime.shutdown_background();
        }
    }
}

impl Runtime {
    /// Sets up the engine, the cache and the guests' threads. A cache folder that cannot be trusted is reported and not
    /// used; an address space too short for the instance pool is reported in [`Runtime::allocation`].
    pub fn open(config: RuntimeConfig) -> Result<Self, Failure> {
        let (engine, allocation) = engine::build(config.stack_bytes)?;
        let linker = linking::linker(&engine)?;
        let cache = config.cache_dir.as_deref().and_then(|folder| {
            if config.cache_read_only {
                return Cache::open_read_only(folder, &engine).ok();
            }
            let opened = Cache::open(folder, &engine);
            opened.inspect_err(|reason| tracing::warn!(reason, "components are compiled at every start")).ok()
        });
        let guests = Guests::start(config.guest_threads).map_err(|error| {
            Failure::new(FailureKind::Internal, "threads", format!("could not start the guests' threads: {error}"))
        })?;
        Ok(Self {
            parts: Parts { engine, allocation, linker, cache },
            plugins: RwLock::default(),
            admission: Admission::new(INSTANCES_MAX, config.guests_memory_bytes),
            guests,
            network: Arc::new(Network::of_this_machine()),
            among: Among::default(),
            config,
        })
    }

    /// What guests occupy now. Nothing, once every attempt has ended.
    pub fn occupied(&self) -> Occupied {
        self.among.occupancy.now()
    }

    /// The last value of everything that plugins measured.
    pub fn measured(&self) -> Vec<Measured> {
        self.among.meters.all()
    }

    /// Where instances get their memory from.
    pub fn allocation(&self) -> &Allocation {
        &self.parts.allocation
    }

    /// Loads one component; one without errors can be invoked by its digest from then on. Blocks for as long as
    /// compiling takes, so call it from where blocking is allowed.
    pub fn load(&self, file: &Path) -> Loaded {
        self.with_loader(file, |loader| loader.load_file(file))
    }

    /// As [`Runtime::load`] with the bytes at hand; `file` only says where they came from.
    pub fn load_bytes(&self, file: &Path, bytes: &[u8]) -> Loaded {
        self.with_loader(file, |loader| loader.load_bytes(file, bytes))
    }

    /// Loads every component of a folder, several at a time, in order of path. One that does not load has its reasons
    /// and does not touch the others. Only the folder itself can fail: `bad_folder`. Blocks.
    pub fn load_folder(&self, folder: &Path) -> Result<Vec<Loaded>, Failure> {
        let found = discover(folder)?;
        Ok(self.several(&found, |found| self.load_found(found, &[])))
    }

    /// Whether attempts may be invoked on this version.
    pub fn knows(&self, digest: &Digest) -> bool {
        self.plugin(digest).is_some()
    }

    /// Frees a version: no attempt is invoked on it any more. Those that are at work go on.
    pub fn forget(&self, digest: &Digest) {
        self.plugins.write().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }

    /// Has several threads work on the items, and returns what they make of them in the order of the items.
    pub(crate) fn several<T: Sync, L: Send>(&self, items: &[T], work: impl Fn(&T) -> L + Sync) -> Vec<L> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(items.len()));
        let work = || {
            while let Some((place, item)) = take(&next, items) {
                let result = work(item);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
            }
        };
        std::thread::scope(|scope| {
            let helpers = self.config.compile_parallel.max(1).min(items.len()).saturating_sub(1);
            for _ in 0..helpers {
                scope.spawn(work);
            }
            work();
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// Loads what was found, unless it holds what it held `before`.
    pub(crate) fn load_found(&self, found: &Found, known: &[&Loaded]) -> Loaded {
        if let Some(problem) = &found.problem {
            let message = format!("`{}`: {problem}", found.file.display());
            let hint = "check that this user may read it, or remove it from the folder";
            return Loaded::refused(&found.file, None, vec![Finding::error("unreadable", message, hint)]);
        }
        self.with_loader(&found.file, |loader| {
            let (digest, bytes) = match loader.read(&found.file) {
                Ok(read) => read,
                Err(refused) => return (refused, None),
            };
            let is_same =
                |known: &&&Loaded| known.digest == Some(digest) && (self.knows(&digest) || !known.is_usable());
            match known.iter().find(is_same) {
                Some(known) => ((*known).clone(), None),
                None => loader.load(&found.file, digest, &bytes),
            }
        })
    }

    fn plugin(&self, digest: &Digest) -> Option<Arc<Plugin>> {
        self.plugins.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    fn with_loader(&self, file: &Path, load: impl FnOnce(&Loader<'_>) -> (Loaded, Option<Plugin>)) -> Loaded {
        let Some(guests) = self.guests.handle() else {
            return Loaded::refused(file, None, Vec::new());
        };
        let loader = Loader {
            engine: &self.parts.engine,
            linker: &self.parts.linker,
            cache: self.parts.cache.as_ref(),
            guests,
            limits: &self.config.limits,
            component_bytes: self.config.component_bytes,
        };
        let (loaded, plugin) = load(&loader);
        if let Some(plugin) = plugin {
            let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
            plugins.insert(plugin.digest, Arc::new(plugin));
        }
        loaded
    }
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    items.get(place).map(|item| (place, item))
}

#[async_trait::async_trait]
impl Invoker for Runtime {
    /// Must be called within a Tokio runtime with time enabled, and with I/O for guests that send requests. Dropping the future stops the guest.
    async fn invoke(&self, invocation: Invocation) -> Invoked {
        let Invocation { secrets, started_at, limits, log, .. } = &invocation;
        let journal = Journal::hiding(secrets.clone(), *started_at, limits, log.clone());
        let (name, wall_clock) = (invocation.plugin.clone(), invocation.limits.wall_clock);
        let not_begun = Duration::ZERO;
        let (Some(plugin), Some(guests)) = (self.plugin(&invocation.digest), self.guests.handle()) else {
            let message = format!("no component `{}` with the digest {} is loaded", name, invocation.digest);
            let failure = Failure::new(FailureKind::Orchestration, "plugin_not_loaded", message);
            return invoke::invoked(Err(failure), Some(invocation.workbench), &journal, not_begun);
        };
        let _place = match self.admission.place(invocation.limits.memory_bytes, &invocation.cancel).await {
            Ok(place) => place,
            Err(stopped) => {
                let failure = failures::stopped_failure(&name, stopped);
                return invoke::invoked(Err(failure), Some(invocation.workbench), &journal, not_begun);
            }
        };
        // Within the caller's span, which says whose attempt it is.
        let span = tracing::error_span!("attempt", attempt = invocation.attempt);
        let watch = Watch::starting_now(&invocation.limits, journal.clone(), invocation.cancel.clone());
        let engine = self.parts.engine.clone();
        // Requests go on where the caller is: its runtime has sockets, that of the guests has none.
        let host = (Arc::clone(&self.network), tokio::runtime::Handle::current());
        let watching = (watch.clone(), journal.clone());
        let attempt = invoke::carry_out(engine, plugin, invocation, host, watching, self.among.clone());
        let mut attempt = AbortOnDrop(guests.spawn(attempt.instrument(span)));
        let failure = match tokio::time::timeout(wall_clock.saturating_add(GRACE), &mut attempt.0).await {
            Ok(Ok(invoked)) => return invoked,
            Ok(Err(ended)) => Failure::new(
                FailureKind::Internal,
                "host_panic",
                format!("the host failed while it worked for plugin `{name}`: {ended}; please report this"),
            ),
            Err(_) => failures::of_stopped(&name, Stopped::WallClock { limit: wall_clock }, &journal)
                .detail("stuck", "a host call did not return; what the attempt wrote is lost"),
        };
        invoke::invoked(Err(failure), None, &journal, watch.cpu_used())
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop(JoinHandle<Invoked>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
