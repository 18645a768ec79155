//! SQL over what was published: latest, as of a snapshot, and every revision.
//!
//! [`query`] answers one SELECT from one [`CatalogView`], so an answer is of exactly one snapshot. Each dataset of the
//! view is two tables: `domain.dataset` (the latest capture of every partition) and `domain.dataset_history` (every
//! published capture). Both have the dataset's columns, then `_capture_id`, `_run_id`, `_revision` and `_captured_at`.
//!
//! Promises: it only reads, and only files that the view names; memory, time and rows are limited; the same SQL over
//! the same view gives the same rows in the same order (`now()`, `random()` and `uuid()` apart), because everything
//! runs in one partition.
//!
//! Limits: memory is what DataFusion's operators and the collected answer hold. What one function call makes for one
//! batch (8,192 rows), or for a constant while the query is planned, is not counted here: the functions that turn a
//! number into that many bytes are left out, and whoever gives a query a process of its own watches what the process
//! holds ([`QueryLimits::resident_bytes`]).

mod answer;
mod catalog;
mod checked;
mod constants;
mod dates;
mod errors;
mod extent;
mod literals;
mod names;
mod numbers;
mod run;
mod session;
mod statement;
mod store;
mod sums;
mod table;
mod value;

#[cfg(test)]
mod tests;

use std::time::Duration;

use model::{Failure, FailureKind};

pub use answer::QueryAnswer;
pub use extent::extent;
pub use run::query;
pub(crate) use value::json_text_of;

/// What one query may use. A query that reaches a limit fails and names it; nothing is cut off silently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Memory of the operators and of the answer together. Nothing is spilled to disk. `limits.query_memory_bytes`.
    pub memory_bytes: u64,
    /// From the call to the answer, planning included. `limits.query_wall_clock`.
    pub wall_clock: Duration,
    /// Rows of the answer. `limits.query_rows`.
    pub rows: u64,
}

impl QueryLimits {
    /// What a process that answers this one query may hold in all: beside the limit there are its code, pages of the
    /// files that are being read, and the batch at work.
    pub const fn resident_bytes(&self) -> u64 {
        self.memory_bytes.saturating_add(512 * 1024 * 1024)
    }

    /// The failure of a query that needs more memory than it may use.
    pub fn out_of_memory(&self) -> Failure {
        let bytes = self.memory_bytes;
        let message =
            format!("the query needs more than {bytes} bytes of memory: select fewer rows or columns, or aggregate");
        Failure::new(FailureKind::Validation, "query_memory", message)
            .detail("limit", "limits.query_memory_bytes")
            .detail("value", bytes.to_string())
    }

    /// The defaults: 1 GiB, 60 seconds, 1,000,000 rows.
    pub const fn standard() -> Self {
        Self { memory_bytes: 1024 * 1024 * 1024, wall_clock: Duration::from_secs(60), rows: 1_000_000 }
    }
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self::standard()
    }
}
