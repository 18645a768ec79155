//! What the writer can do: one file for each command, and the rows they share.

pub(crate) mod append_log;
pub(crate) mod conclude;
pub(crate) mod dead_letters;
pub(crate) mod events;
pub(crate) mod findings;
pub(crate) mod held;
pub(crate) mod judge;
pub(crate) mod keepers;
pub(crate) mod leases;
pub(crate) mod reap;
pub(crate) mod register;
pub(crate) mod release;
pub(crate) mod requeue;
pub(crate) mod retention;
pub(crate) mod shared_states;
pub(crate) mod start;
pub(crate) mod submit;
pub(crate) mod workers;

use std::collections::HashSet;

use model::failure::{Failure, FailureKind};
use model::{RunId, run::RunStatus};
use serde::Serialize;

use crate::failure::internal;

/// Rows as the one JSON text that a set-based statement takes apart again.
pub(crate) fn json<T: Serialize + ?Sized>(rows: &T) -> Result<String, Failure> {
    serde_json::to_string(rows).map_err(|error| internal("not_json", "a row cannot be written as JSON").because(&error))
}

/// Databases count in signed 64 bits. A count beyond them is a lie of a guest, and no reason to lose the run.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Makes the writer try commands one by one if two of them are about the same run: together they would be one row.
pub(crate) fn distinct(runs: impl IntoIterator<Item = RunId>) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    match runs.into_iter().find(|run| !seen.insert(*run)) {
        None => Ok(()),
        Some(run) => Err(internal("same_run", format!("two commands of one group are about `{run}`"))),
    }
}

pub(crate) fn unknown_run(run: RunId) -> Failure {
    Failure::new(FailureKind::Validation, "bad_id", format!("no run `{run}` in this data folder"))
}

pub(crate) fn illegal(run: RunId, from: RunStatus, to: &str) -> Failure {
    let message = format!("run `{run}` is {} and cannot become {to}; nothing was changed", from.name());
    Failure::new(FailureKind::Orchestration, "illegal_transition", message)
}
