//! The interfaces of `wit/` as the host carries them out: tables in resources, the rest on the workbench.
//!
//! Nothing a guest sends makes these calls panic or trap, with one exception: asking a released batch for its schema or
//! row count, since those calls have no way to return an error and a wrong answer would lose rows.

mod batches;
mod errors;
mod held;
mod host;
mod http;
mod streams;
#[cfg(test)]
mod tests;

pub(crate) use batches::share_columns;
pub(crate) use errors::{failure_of_guest, guest_error};
pub(crate) use held::Held;

#[expect(unreachable_pub, reason = "the generated bindings re-export them")]
pub use batches::Batch;
#[expect(unreachable_pub, reason = "the generated bindings re-export them")]
pub use streams::{Blob, Reader, Writer};

use crate::attempt::HostState;
use crate::bindings::tables;

impl tables::Host for HostState {}

/// Carries out work whose length nothing bounds, such as reading a file. Other guests of this thread move to another
/// one meanwhile, which costs more than most host calls do: work on one batch is done where it is asked for, since it
/// takes no longer than the guest's own code may between two ticks of the epoch.
pub(crate) fn kernel<R>(work: impl FnOnce() -> R) -> R {
    tokio::task::block_in_place(work)
}
