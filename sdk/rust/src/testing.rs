//! A host in memory: plugins tested, and measured, as native code.
//!
//! It keeps what the contract says of tables, batches and writers, and reads delimited text and JSON well enough for
//! small test files. It is not the host's reader: what counts in production is tested through the component.

mod backend;
mod memory_host;
mod state;
mod table;
mod text;

pub use memory_host::{LogLine, MemoryHost};

#[cfg(test)]
mod tests;
