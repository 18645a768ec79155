//! What all guests of a process occupy now. It is zero again when the last of them is gone, however it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Three counts; clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Occupancy(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    instances: AtomicU64,
    memory_bytes: AtomicU64,
    held_bytes: AtomicU64,
}

/// What the guests of a host occupy at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupied {
    /// Guests that were begun and are not gone.
    pub instances: u64,
    /// Bytes of their memories and tables.
    pub memory_bytes: u64,
    /// Bytes of the batches that the host holds for them.
    pub held_bytes: u64,
}

impl Occupancy {
    pub(crate) fn now(&self) -> Occupied {
        let counts = &*self.0;
        Occupied {
            instances: counts.instances.load(Ordering::Relaxed),
            memory_bytes: counts.memory_bytes.load(Ordering::Relaxed),
            held_bytes: counts.held_bytes.load(Ordering::Relaxed),
        }
    }

    /// Counts an instance for as long as what is returned lives.
    pub(crate) fn instance(&self) -> Share {
        let mut share = Share { of: self.clone(), what: |counts| &counts.instances, amount: 0 };
        share.add(1);
        share
    }

    /// Nothing yet of the memory of guests.
    pub(crate) fn memory(&self) -> Share {
        Share { of: self.clone(), what: |counts| &counts.memory_bytes, amount: 0 }
    }

    /// Nothing yet of what is held for guests.
    pub(crate) fn held(&self) -> Share {
        Share { of: self.clone(), what: |counts| &counts.held_bytes, amount: 0 }
    }
}

/// One guest's part of a count, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Occupancy,
    what: fn(&Counts) -> &AtomicU64,
    amount: u64,
}

impl Share {
    pub(crate) const fn amount(&self) -> u64 {
        self.amount
    }

    pub(crate) fn add(&mut self, more: u64) {
        self.amount = self.amount.saturating_add(more);
        (self.what)(&self.of.0).fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&mut self, less: u64) {
        let less = less.min(self.amount);
        self.amount -= less;
        (self.what)(&self.of.0).fetch_sub(less, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_dropped_is_given_back() {
        let occupancy = Occupancy::default();
        let (instance, mut memory) = (occupancy.instance(), occupancy.memory());
        memory.add(100);
        memory.give_back(30);
        assert_eq!(occupancy.now(), Occupied { instances: 1, memory_bytes: 70, held_bytes: 0 });
        drop((instance, memory));
        assert_eq!(occupancy.now(), Occupied::default());
    }
}
