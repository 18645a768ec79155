//! Decides what runs next and what becomes of it. Knows only the ports of `model`: no SQL, no Arrow, no Wasmtime.
//!
//! [`Orchestrator`] takes a request, finds the plugin that offers the name, checks the parameters, records the run and
//! carries it out: keep the inputs, prepare a workbench, invoke the guest, finish, judge, and have the ledger publish
//! or quarantine what was delivered. Once a run is recorded, every way it can go ends in its report.
//!
//! [`resilience`] holds the rules of retries, circuit breakers and rate limits, as data and functions that know neither
//! clock nor database; `gate` asks them before a call begins, with states that the ledger keeps.
//!
//! A failed attempt is followed by another where its failure may pass by itself and the policy allows it; until then
//! the run is a queued row of the ledger, not a task. [`queue`] decides who goes next.
//!
//! Several processes may share a ledger: what a run holds alone is a lease there, each queued run has a keeper, and each
//! process says that it is alive. What nobody has is adopted ([`Orchestrator::keep_tending`]).
//!
//! Plugins change while runs are carried out: `plugins/lifecycle` puts versions in place of each other, and each attempt
//! is pinned to the one that is active when it begins.
//!
//! A backfill is a run whose work is other runs: `backfill` asks for them, and goes on where an earlier process left it.
//!
//! Limits: schedules are not here yet.

mod attempt;
mod backfill;
mod blocking;
mod conceal;
mod dispatcher;
mod elsewhere;
mod gate;
mod grants;
mod heartbeat;
mod idempotency;
mod identity;
mod inputs;
mod job;
mod lease;
mod live;
mod log;
mod orchestrator;
mod outside;
mod params;
mod parts;
mod patience;
mod pinning;
mod plugins;
mod policies;
mod publish;
mod quarantine;
pub mod queue;
mod replay;
mod report;
pub mod resilience;
pub mod retention;
mod servers;
mod shadow;
mod stages;
mod tend;
mod trap;
mod verdict;

#[cfg(test)]
mod stories;
#[cfg(test)]
mod testing;

pub use gate::{BreakerReport, LimitReport, stored_breaker, stored_limit};
pub use lease::LeasePolicy;
pub use orchestrator::Orchestrator;
pub use parts::{Concurrency, Parts, PluginPolicy, SwapPolicy, Versions};
pub use plugins::{granted, look};
pub use retention::Retention;
pub use tend::{TEND_EVERY, Tended};
