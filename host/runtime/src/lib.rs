//! Runs plugins: the only crate that knows Wasmtime and WIT.
//!
//! [`Runtime::open`] makes one engine, [`Runtime::load_folder`] and [`Runtime::load`] turn files into checked
//! components (every reason at once when one is refused), [`PluginsFolder`] and [`FolderWatch`] notice when the files
//! change, and the runtime itself is the orchestrator's
//! [`model::ports::Invoker`]: each attempt gets a fresh instance that can reach nothing but its workbench.
//!
//! Promises: no input (bytes of a component, what a guest does, a foreign cache file) makes this crate panic or hang,
//! and every limit of [`model::limits::Limits`] that is enforced here names its configuration key when it strikes.
//! Limits: no warm instances; a host call of the workbench that blocks for ever is abandoned a short
//! while after the deadline, and its workbench with it.

mod admission;
mod attempt;
mod bindings;
mod capabilities;
mod config;
mod contract;
mod discover;
mod engine;
mod failures;
mod folder;
mod hosting;
mod invoke;
mod linking;
mod loading;
mod meters;
mod plugin;
mod report;
mod runtime;
#[cfg(test)]
mod testing;
mod watch;

pub use attempt::Occupied;
pub use config::RuntimeConfig;
pub use discover::{Found, discover};
pub use engine::Allocation;
pub use folder::{Look, PluginsFolder};
pub use loading::Loaded;
pub use meters::Measured;
pub use runtime::{Runtime, WASMTIME_VERSION};
pub use watch::{FolderWatch, WatchMode};
