//! What components are linked against: the contract, all of WASI 0.2 with `wasi:http` for clients, and a refusal for the WASI that is not ours.

pub(crate) mod wasi;

use model::{Failure, FailureKind};
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use crate::attempt::HostState;
use crate::bindings::Domain;
use crate::capabilities::clock::{ClockAndTable, VirtualClocks};
use crate::capabilities::wasi_http;
use crate::hosting::share_columns;

/// Makes the linker that all components share.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<HostState>, Failure> {
    build(engine).map_err(|error| {
        Failure::new(FailureKind::Internal, "linker", format!("could not set up the host's interfaces: {error:#}"))
    })
}

fn build(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    linker.allow_shadowing(true);
    wasmtime_wasi::p2::bindings::clocks::monotonic_clock::add_to_linker::<HostState, VirtualClocks>(
        &mut linker,
        |state| ClockAndTable { clock: &state.clock, table: &mut state.table },
    )?;
    linker.allow_shadowing(false);
    wasi_http::add_to_linker(&mut linker)?;
    Domain::add_to_linker::<HostState, HasSelf<HostState>>(&mut linker, |state| state)?;
    linker.allow_shadowing(true);
    share_columns(&mut linker)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// Binds the imports of a component whose names were checked. An error is a sentence about an import.
pub(crate) fn link(linker: &Linker<HostState>, component: &Component) -> Result<InstancePre<HostState>, String> {
    let engine = linker.engine();
    let foreign = wasi::Foreign::of(engine, component);
    let linked = if foreign.is_empty() {
        linker.instantiate_pre(component)
    } else {
        let mut linker = linker.clone();
        wasi::deny(&mut linker, &foreign).and_then(|()| linker.instantiate_pre(component))
    };
    linked.map_err(|error| format!("{error:#}"))
}
