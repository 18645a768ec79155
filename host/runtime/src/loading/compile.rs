//! Bytes of a component to machine code, through the cache.

use model::Digest;
use model::plugin::Finding;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::{Cache, TrustedCode};

/// A component that can be linked.
pub(super) struct Compiled {
    pub(super) component: Component,
    pub(super) from_cache: bool,
}

/// Takes the component from the cache, or compiles and keeps it. Takes seconds for large components.
pub(super) fn component(
    engine: &Engine,
    cache: Option<&Cache>,
    digest: &Digest,
    bytes: &[u8],
) -> Result<Compiled, Box<Finding>> {
    if let Some(code) = cache.and_then(|cache| cache.get(digest)) {
        match load(engine, &code) {
            Ok(component) => return Ok(Compiled { component, from_cache: true }),
            Err(error) => tracing::warn!(%digest, error = format!("{error:#}"), "a cached component is rebuilt"),
        }
    }
    let code = engine.precompile_component(bytes).map(TrustedCode::compiled).map_err(|error| {
        Finding::error(
            "not_a_component",
            format!("the file begins like a component but is not a valid one: {error:#}"),
            "copy it again if it was cut off; or it uses WebAssembly that this host turns off (threads, relaxed SIMD, \
             component-model async)",
        )
    })?;
    let component = load(engine, &code).map_err(|error| {
        Finding::error(
            "too_large",
            format!("the component needs more than this host has room for in one instance: {error:#}"),
            "use fewer or smaller memories and tables",
        )
    })?;
    if let Some(cache) = cache {
        cache.put(digest, &code);
    }
    Ok(Compiled { component, from_cache: false })
}

#[expect(unsafe_code, reason = "precompiled code is the only way to start without compiling; see the safety comment")]
fn load(engine: &Engine, code: &TrustedCode) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` asks that the bytes be what `precompile_component` returned. `TrustedCode` is made in two
    // places only: from that very call above, and by the cache from a private file of this user whose SHA-256, over
    // component, engine and content, is the one we wrote. Wasmtime checks version and settings itself.
    unsafe { Component::deserialize(engine, code.bytes()) }
}
