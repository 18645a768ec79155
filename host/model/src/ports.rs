//! What the host crates offer each other. Each seam has a production implementation in one crate and a stand-in in
//! the orchestrator's tests.

mod components;
mod dead_letters;
mod engine;
mod invoker;
mod keepers;
mod lake;
mod leases;
mod ledger;
mod operations;
mod outside;
mod retention;
mod runs;
mod shared_states;
mod sight;
mod tables;
mod vitals;

pub use components::{Components, FoundPlugin, NoComponents};
pub use dead_letters::{DEAD_LETTER_RETRIES_MAX, DeadLetter, DeadLetterFilter, DeadLetters};
pub use engine::{
    BackfillRequest, BackfillWork, Engine, GivenFile, ParamValue, Quarantine, RunListener, RunRequest, Standing,
};
pub use invoker::{Answer, Cancel, Invocation, Invoked, Invoker, LogSink, PluginCheck, Progress, Work};
pub use keepers::{Adoption, Heard, Keeper};
pub use lake::{Finished, InputBytes, KeptInput, Lake, Prepared, PreparedData, SavedFiles, WorkOrder};
pub use leases::{Acquired, Exclusive, Held, Interrupted, Lease, LeaseRequest, Leases, Reaped, Worker, kept, lost};
pub use ledger::{
    AsOf, Incumbent, Ledger, NewRun, PluginStanding, RecordedAttempt, RecordedRun, Registration, Requeue, Start,
    Submission,
};
pub use operations::{Candidate, Operations};
pub use outside::{EXCHANGE, Exchanges, NoSecrets, Outside, Patient, SecretReader, UpstreamCall, Upstreams};
pub use retention::{Forgotten, Page, RetentionLedger, Shelves};
pub use runs::{ListLimit, RunFilter, RunPage, Runs};
pub use shared_states::{SharedKind, SharedState, SharedStates};
pub use sight::{Glances, Outlook, SIGHT, Sight};
pub use tables::{
    Blob, Buffers, DataError, Field, FileEntry, RejectedRow, SharedBuffers, TableBatch, TableReader, TableWriter,
    Workbench,
};
pub use vitals::{LaneCounts, Vitals, WorkCounts, examine};

/// Random bytes as a parameter. Production asks the operating system in `cli`; tests count.
pub trait Entropy: Send + Sync + std::fmt::Debug {
    fn fill(&self, bytes: &mut [u8]);
}
