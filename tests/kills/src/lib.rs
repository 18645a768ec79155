//! A light host, made to be killed: the real orchestrator on the real ledger, with a body in the same process.
//!
//! The binary `worker` runs it; the tests start workers, kill them at every step of the ledger's writer or at random,
//! and hold what the ledger says afterwards against [`audit`]. Nothing here knows components, files or Arrow.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a harness fails where it stands, reads the clock of the machine, and tells its test what it does"
)]

pub mod audit;
pub mod body;
pub mod host;
pub mod kill;
mod lake;
mod operator;
pub mod steps;
pub mod swarm;
pub mod system;
pub mod witness;
