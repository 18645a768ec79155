//! One attempt from inside: the state that a guest's store owns, and how the store is bounded.

mod calls;
mod cpu;
mod journal;
mod limiter;
mod occupancy;
mod reached;
mod stdio;
mod watch;

pub(crate) use journal::{Journal, Severity, as_json, cut};
pub(crate) use limiter::GrowthLimiter;
pub use occupancy::Occupied;
pub(crate) use occupancy::{Occupancy, Share};
pub(crate) use reached::LimitReached;
pub(crate) use stdio::GuestStream;
pub(crate) use watch::{Stopped, Watch};

use std::fmt::Arguments;

use model::limits::Limits;
use model::ports::{Progress, Workbench};
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capabilities::clock::VirtualClock;
use crate::capabilities::http::Egress;
use crate::capabilities::wasi;
use crate::capabilities::wasi_http::WasiHttp;
use crate::hosting::Held;
use crate::meters::Meters;

/// Handles beyond `limits.handles` before Wasmtime itself refuses with a trap; the host's own table refuses first, with
/// an error that the guest can read.
const HANDLES_SPARE: usize = 64;

/// What the guest may know about the attempt it serves.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) plugin: String,
    pub(crate) run_id: String,
    pub(crate) attempt: u32,
    pub(crate) params: String,
}

/// Everything host calls of one instance work on.
pub(crate) struct HostState {
    pub(crate) facts: Facts,
    pub(crate) table: ResourceTable,
    pub(crate) held: Held,
    pub(crate) clock: VirtualClock,
    pub(crate) journal: Journal,
    pub(crate) limiter: GrowthLimiter,
    pub(crate) limits: Limits,
    pub(crate) workbench: Box<dyn Workbench>,
    pub(crate) egress: Egress,
    pub(crate) wasi_http: WasiHttp,
    pub(crate) progress: Option<Progress>,
    pub(crate) meters: Meters,
    wasi: WasiCtx,
    /// Counted for as long as this is there.
    _instance: Share,
}

impl HostState {
    /// A state whose clock starts at `started_us` and whose randomness comes from `seed` alone.
    pub(crate) fn new(
        facts: Facts,
        limits: Limits,
        (started_us, seed): (i64, [u8; 32]),
        journal: Journal,
        workbench: Box<dyn Workbench>,
        egress: Egress,
        progress: Option<Progress>,
    ) -> Self {
        let clock = VirtualClock::starting_at(started_us);
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(limits.handles).unwrap_or(usize::MAX));
        let occupancy = Occupancy::default();
        Self {
            wasi: wasi(&clock, seed, &journal),
            limiter: GrowthLimiter::new(&facts.plugin, &limits, &occupancy),
            held: Held::new(&facts.plugin, limits.held_bytes, occupancy.held()),
            meters: Meters::default(),
            _instance: occupancy.instance(),
            facts,
            table,
            clock,
            journal,
            limits,
            workbench,
            egress,
            wasi_http: WasiHttp::default(),
            progress,
        }
    }

    /// The same, counted among the guests of a host, which keeps what it measures. To be called before anything is done
    /// with it.
    pub(crate) fn among(mut self, occupancy: &Occupancy, meters: &Meters) -> Self {
        self.limiter = GrowthLimiter::new(&self.facts.plugin, &self.limits, occupancy);
        self.held = Held::new(&self.facts.plugin, self.limits.held_bytes, occupancy.held());
        self._instance = occupancy.instance();
        self.meters = meters.clone();
        self
    }

    /// Counts and remembers one call of the host.
    ///
    /// # Errors
    ///
    /// If it is one more than an attempt may make.
    pub(crate) fn called(&self, name: &'static str, arguments: Arguments<'_>) -> Result<(), LimitReached> {
        let limit = self.limits.host_calls;
        match self.journal.called(name, self.clock.shown_us(), arguments) {
            calls if calls > limit => Err(LimitReached::host_calls(&self.facts.plugin, limit)),
            _ => Ok(()),
        }
    }

    /// A store around this state: epoch ticks look at `watch`, memory, handles and copies are bounded.
    pub(crate) fn into_store(self, engine: &Engine, watch: Watch) -> Store<Self> {
        let call_bytes = usize::try_from(self.limits.call_bytes).unwrap_or(usize::MAX);
        let handles = usize::try_from(self.limits.handles).unwrap_or(usize::MAX).saturating_add(HANDLES_SPARE);
        let mut store = Store::new(engine, self);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(call_bytes);
        store.set_max_component_handles(handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            watch.check()?;
            // Wasmtime's own yield wakes itself at once and starves the other tasks of the runtime.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }
}

impl std::fmt::Debug for HostState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostState").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
