//! How much the host keeps for one guest, and which batches end with the next `next` of their reader.

use std::collections::{BTreeMap, BTreeSet};

use model::ports::DataError;

use crate::attempt::{LimitReached, Share};

/// The account of one attempt. Batches are named by their place in the resource table.
#[derive(Debug)]
pub(crate) struct Held {
    plugin: String,
    used: Share,
    limit: u64,
    readers: u64,
    passing: BTreeMap<ReaderId, BTreeSet<u32>>,
}

/// A reader for as long as the attempt lasts; unlike a place in the table it is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReaderId(u64);

impl Held {
    /// `used` has nothing of what is held yet.
    pub(crate) fn new(plugin: &str, limit: u64, used: Share) -> Self {
        Self { plugin: plugin.to_owned(), used, limit, readers: 0, passing: BTreeMap::new() }
    }

    pub(super) fn new_reader(&mut self) -> ReaderId {
        self.readers += 1;
        ReaderId(self.readers)
    }

    /// Bytes that may still be held.
    pub(super) const fn room(&self) -> u64 {
        self.limit.saturating_sub(self.used.amount())
    }

    /// Whether `bytes` more may be held.
    pub(super) fn check(&self, bytes: u64) -> Result<(), DataError> {
        if bytes <= self.room() {
            return Ok(());
        }
        Err(LimitReached::held(&self.plugin, self.used.amount(), bytes, self.limit).into())
    }

    pub(super) fn charge(&mut self, bytes: u64) {
        self.used.add(bytes);
    }

    pub(super) fn refund(&mut self, bytes: u64) {
        self.used.give_back(bytes);
    }

    /// `batch` ends with the next `next` of `reader`.
    pub(super) fn pass(&mut self, reader: ReaderId, batch: u32) {
        self.passing.entry(reader).or_default().insert(batch);
    }

    /// `batch` no longer ends with its reader: it was kept, released or dropped.
    pub(super) fn stay(&mut self, reader: ReaderId, batch: u32) {
        if let Some(batches) = self.passing.get_mut(&reader) {
            batches.remove(&batch);
        }
    }

    /// The batches that end now.
    pub(super) fn passed(&mut self, reader: ReaderId) -> BTreeSet<u32> {
        self.passing.remove(&reader).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Occupancy;

    #[test]
    fn what_is_refunded_can_be_charged_again() {
        let mut held = Held::new("p", 100, Occupancy::default().held());
        held.charge(80);
        let error = held.check(21).unwrap_err();
        assert_eq!(error.code, "held_limit");
        assert!(error.message.contains("limits.held_bytes"));
        held.refund(80);
        assert_eq!(held.check(100), Ok(()));
    }

    #[test]
    fn kept_batches_do_not_pass_with_their_reader() {
        let mut held = Held::new("p", 100, Occupancy::default().held());
        let (one, two) = (held.new_reader(), held.new_reader());
        held.pass(one, 1);
        held.pass(one, 2);
        held.pass(two, 3);
        held.stay(one, 1);
        assert_eq!(held.passed(one), BTreeSet::from([2]));
        assert_eq!(held.passed(one), BTreeSet::new());
        assert_eq!(held.passed(two), BTreeSet::from([3]));
    }
}
