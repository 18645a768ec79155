//! Who may begin: as many guests at one time as the pool has places for, and as much memory as all of them may take.
//!
//! Counted is what a guest may grow to by its limits, not what it has: whoever was let in finds the memory that was
//! promised to it. Guests wait in the order in which they came, so a large one is not passed by small ones for ever.

use model::ports::Cancel;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::attempt::Stopped;

const MIB: u64 = 1 << 20;

/// Places and memory that are left.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Semaphore,
    /// In MiB.
    memory: Semaphore,
    memory_mib: u32,
}

/// Room for one guest, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    _place: SemaphorePermit<'a>,
    _memory: SemaphorePermit<'a>,
}

impl Admission {
    pub(crate) fn new(places: usize, memory_bytes: u64) -> Self {
        let memory_mib = mib(memory_bytes).max(1);
        let memory = usize::try_from(memory_mib).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { places: Semaphore::new(places), memory: Semaphore::new(memory), memory_mib }
    }

    /// Waits for room for a guest that may grow to so many bytes, for as long as nobody cancels. One that may have more
    /// than there is for all waits until it is alone.
    pub(crate) async fn place(&self, memory_bytes: u64, cancel: &Cancel) -> Result<Place<'_>, Stopped> {
        let wanted = mib(memory_bytes).min(self.memory_mib);
        let room = async {
            // In this order for everybody, so that nobody waits for a place with memory that another one needs.
            let place = self.places.acquire().await;
            Some(Place { _place: place.ok()?, _memory: self.memory.acquire_many(wanted).await.ok()? })
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Stopped::Cancelled),
            // The semaphores are never closed.
            room = room => room.ok_or(Stopped::Cancelled),
        }
    }
}

/// Whole MiB, begun ones included.
fn mib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn now<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn a_guest_waits_until_the_memory_that_it_may_take_is_there() {
        let (admission, cancel) = (Admission::new(8, 100 * MIB), Cancel::default());
        let first = admission.place(60 * MIB, &cancel).await.unwrap();
        let mut second = pin!(admission.place(60 * MIB, &cancel));
        assert!(now(second.as_mut()).is_none(), "120 of 100");
        let mut third = pin!(admission.place(MIB, &cancel));
        assert!(now(third.as_mut()).is_none(), "it came later");
        drop(first);
        assert!(now(second.as_mut()).is_some_and(|room| room.is_ok()));
        assert!(now(third.as_mut()).is_some_and(|room| room.is_ok()));
    }

    #[tokio::test]
    async fn one_that_may_have_more_than_all_is_alone_and_whoever_is_cancelled_waits_no_longer() {
        let (admission, cancel) = (Admission::new(8, 100 * MIB), Cancel::default());
        let large = admission.place(u64::MAX, &cancel).await.unwrap();
        let waits = Cancel::default();
        let mut small = pin!(admission.place(1, &waits));
        assert!(now(small.as_mut()).is_none());
        waits.cancel();
        assert!(matches!(now(small.as_mut()), Some(Err(Stopped::Cancelled))));
        drop(large);
        assert!(admission.place(1, &cancel).await.is_ok());
    }
}
