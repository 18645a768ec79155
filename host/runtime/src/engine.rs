//! The one engine of a process: deterministic code, instances from a pool where the address space allows it, and an
//! operating system thread that ticks the epoch so that no guest can keep a core.

use std::time::Duration;

use model::{Failure, FailureKind};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// Instances alive at one time; more attempts wait for a place.
pub(crate) const INSTANCES_MAX: usize = 64;

/// How often running guests are interrupted to look at their deadline and to let others run.
const TICK: Duration = Duration::from_millis(10);

/// Of the stack that a guest runs on: for host calls that are made at its greatest depth.
const HOST_STACK_BYTES: usize = 4 << 20;

const MIB: usize = 1 << 20;

/// Where instances get their memory from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Reserved once: an instance costs some tens of microseconds.
    Pooled,
    /// Mapped for each instance, a few times slower, because the pool could not be reserved.
    OnDemand { reason: String },
}

/// Makes the engine and starts its ticker. Fails only if not even the plain allocator can be set up.
pub(crate) fn build(stack_bytes: usize) -> Result<(Engine, Allocation), Failure> {
    let (engine, allocation) = match Engine::new(&config(stack_bytes, Some(pool()))) {
        Ok(engine) => (engine, Allocation::Pooled),
        Err(pooled) => {
            let reason = format!("{pooled:#}");
            tracing::warn!(
                reason,
                "instances are mapped one by one, which is slower: the pool for them could not be reserved; \
                 if `ulimit -v` is set, raise it"
            );
            let engine = Engine::new(&config(stack_bytes, None)).map_err(|error| {
                Failure::new(FailureKind::Internal, "engine", format!("could not set up the engine: {error:#}"))
            })?;
            (engine, Allocation::OnDemand { reason })
        }
    };
    start_ticker(&engine)?;
    Ok((engine, allocation))
}

fn config(stack_bytes: usize, pool: Option<PoolingAllocationConfig>) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        // Determinism: equal inputs give equal bytes on every machine. Threads are not even compiled in.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .max_wasm_stack(stack_bytes)
        .async_stack_size(stack_bytes.saturating_add(HOST_STACK_BYTES));
    if let Some(pool) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn pool() -> PoolingAllocationConfig {
    let instances = u32::try_from(INSTANCES_MAX).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // An interpreter's component holds a handful of core modules, mostly adapters without a memory of their own. Each
    // place has room for what `Limits::standard` allows, so no component takes the room of others.
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances * 32)
        .total_memories(instances * 4)
        .total_tables(instances * 8)
        .total_gc_heaps(instances)
        .max_memories_per_module(4)
        .max_tables_per_module(8)
        .table_elements(100_000)
        .max_component_instance_size(4 * MIB)
        .max_core_instance_size(4 * MIB)
        // Clearing pages by hand is faster than giving them back and faulting them in again, if the kernel says which
        // ones were used. Where it cannot, all of the first part would be cleared each time: an instance of a small
        // Rust guest takes 39 us with 64 KiB and 55 us with 1 MiB.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(if PoolingAllocationConfig::is_pagemap_scan_available() {
            4 * MIB
        } else {
            64 * 1024
        })
        .table_keep_resident(64 * 1024);
    pool
}

/// Ticks until the last user of the engine is gone.
fn start_ticker(engine: &Engine) -> Result<(), Failure> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map(drop)
        .map_err(|error| {
            Failure::new(FailureKind::Internal, "engine", format!("could not start the epoch thread: {error}"))
        })
}
