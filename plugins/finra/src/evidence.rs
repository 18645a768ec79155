//! What an attempt saw of its input that its rows do not say: file names, empty days, the tiers a file named.
//!
//! One instance serves one attempt, and its checks run in the same instance after the work; so the work leaves its
//! observations here and the checks find them. A check that finds none was called without the work, and says so
//! instead of passing.

use std::cell::RefCell;
use std::thread::LocalKey;

use spine_sdk::prelude::*;

/// A place for observations of one kind.
pub(crate) type Evidence<T> = LocalKey<RefCell<Vec<T>>>;

/// Forgets what an earlier run on this thread saw; only native tests run two in one instance.
pub(crate) fn clear<T>(evidence: &'static Evidence<T>) {
    evidence.with_borrow_mut(Vec::clear);
}

pub(crate) fn add<T>(evidence: &'static Evidence<T>, seen: T) {
    evidence.with_borrow_mut(|all| all.push(seen));
}

/// What was seen, or the error `no_evidence`.
pub(crate) fn read<T: Clone>(evidence: &'static Evidence<T>) -> Result<Vec<T>, Error> {
    let seen = evidence.with_borrow(Vec::clone);
    if seen.is_empty() {
        let message = "this check judges files that its own attempt has read, but this instance has read none: \
                       run it after the pipeline, in the same instance";
        return Err(Error::internal("no_evidence", message));
    }
    Ok(seen)
}
