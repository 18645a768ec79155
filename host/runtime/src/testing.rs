//! Stand-ins for this crate's tests: a workbench in memory, and components written by hand.

mod bench;
mod components;

pub(crate) use bench::Bench;
pub(crate) use components::{MANIFEST, component, component_text};
