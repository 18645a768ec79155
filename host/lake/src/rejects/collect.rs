//! Takes the rejects of one attempt as they come, in whatever order, and hands them over in theirs.
//!
//! Memory is bounded: what is held grows to a few MiB and then goes to the spool. A disk that fails does not stop the
//! one who rejects; the end of the attempt says so. A dry run writes nothing: of its rejects the first are held, in order
//! of line, and the others counted.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::RunId;
use model::failure::{Failure, Reading};
use model::limits::Limits;
use model::reject::{LEDGER_ROWS_MAX, REPORT_BYTES_MAX, Reject, Rejects};

use super::spool::{Spool, merged};
use super::{Entry, FOLDER, Place, RejectStore, file};

/// Rejects held in memory, and bytes of their text, before they go to the spool.
const HELD_MAX: usize = 32 * 1024;
const HELD_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Most codes that are counted each; guests may invent any number.
const CODES_MAX: usize = 256;
const OTHER_CODES: &str = "other";

/// The rejects of one attempt, shared by everybody who rejects.
#[derive(Debug)]
pub(crate) struct Collector {
    run: RunId,
    attempt: u32,
    /// None for a dry run, which counts alike and holds only what its report shows.
    store: Option<Arc<RejectStore>>,
    rows_max: u64,
    bytes_max: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rejected: u64,
    codes: BTreeMap<String, u64>,
    kept: u64,
    kept_bytes: u64,
    held: Vec<Entry>,
    held_bytes: u64,
    spool: Option<Spool>,
    failed: Option<Failure>,
}

/// What became of the rejects of an attempt.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) rejects: Rejects,
    pub(crate) rejected: u64,
    /// How many of these a limit dropped.
    pub(crate) cut: u64,
}

impl Collector {
    pub(crate) fn new(run: RunId, attempt: u32, store: Option<Arc<RejectStore>>, limits: &Limits) -> Self {
        Self { run, attempt, store, rows_max: limits.rejects, bytes_max: limits.reject_bytes, state: Mutex::default() }
    }

    /// Counts a reject of the input at `place`, and keeps it if there is room.
    pub(crate) fn add(&self, place: Place, reject: Reject) {
        let mut state = self.state();
        let has_room = self.room_in(&state);
        state.count(&reject.code);
        if !has_room {
            return;
        }
        let bytes = reject.text_bytes();
        state.kept += 1;
        state.kept_bytes += bytes;
        state.held_bytes += bytes;
        state.held.push(Entry { place, reject });
        if self.store.is_none() {
            if state.held.len() >= 2 * LEDGER_ROWS_MAX || state.held_bytes >= 2 * REPORT_BYTES_MAX {
                state.hold_the_first();
            }
        } else if (state.held.len() >= HELD_MAX || state.held_bytes >= HELD_BYTES_MAX)
            && let Err(error) = self.spill(&mut state)
        {
            state.failed = Some(unkept(&error));
        }
    }

    /// Whether one more would be kept: else its text need not be looked up.
    pub(crate) fn has_room(&self) -> bool {
        self.room_in(&self.state())
    }

    /// Rejects so far.
    pub(crate) fn rejected(&self) -> u64 {
        self.state().rejected
    }

    /// Keeps what came for good: few are handed over, more are in a file that is whole and durable.
    ///
    /// # Errors
    ///
    /// Of kind `storage`: why the disk did not take them, `no_space` among others.
    pub(crate) fn finish(&self) -> Result<Kept, Failure> {
        let mut state = std::mem::take(&mut *self.state());
        if self.store.is_none() {
            state.hold_the_first();
        }
        let State { rejected, codes, kept, mut held, spool, failed, .. } = state;
        if let Some(failure) = failed {
            return Err(failure);
        }
        held.sort_by_key(Entry::order);
        let rejects = match &self.store {
            Some(store) if spool.is_some() || held.len() > LEDGER_ROWS_MAX => {
                let all = merged(spool.as_ref(), held).map_err(|error| unkept(&error))?;
                Rejects { rows: Vec::new(), file: Some(file::write(store, (self.run, self.attempt), all, codes)?) }
            }
            _ => Rejects { rows: held.into_iter().map(|entry| entry.reject).collect(), file: None },
        };
        Ok(Kept { rejects, rejected, cut: rejected - kept })
    }

    fn room_in(&self, state: &State) -> bool {
        state.failed.is_none() && state.kept < self.rows_max && state.kept_bytes < self.bytes_max
    }

    fn spill(&self, state: &mut State) -> io::Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let mut held = std::mem::take(&mut state.held);
        state.held_bytes = 0;
        held.sort_by_key(Entry::order);
        let spool = match &mut state.spool {
            Some(spool) => spool,
            None => state.spool.insert(Spool::create(store, self.run)?),
        };
        spool.append(&held)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets go of all but the first in order that a report shows. What is let go of would not be among the first of more
    /// rejects either.
    fn hold_the_first(&mut self) {
        self.held.sort_by_key(Entry::order);
        self.held.truncate(LEDGER_ROWS_MAX);
        let mut bytes = 0;
        let fitting = self.held.iter().take_while(|entry| {
            bytes += entry.reject.text_bytes();
            bytes <= REPORT_BYTES_MAX
        });
        let fitting = fitting.count().max(1);
        self.held.truncate(fitting);
        self.held_bytes = self.held.iter().map(|entry| entry.reject.text_bytes()).sum();
    }

    fn count(&mut self, code: &str) {
        self.rejected += 1;
        if let Some(count) = self.codes.get_mut(code) {
            *count += 1;
        } else {
            let code = if self.codes.len() < CODES_MAX { code } else { OTHER_CODES };
            *self.codes.entry(code.to_owned()).or_default() += 1;
        }
    }
}

fn unkept(error: &io::Error) -> Failure {
    Failure::io(Reading::Own, "keep rejects under", FOLDER, error)
}
