//! A clock that goes by the monotonic time of the process, and ids that differ.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::ports::Entropy;
use model::{Clock, Timer, Timestamp};

/// In November 2023: what day it is makes no difference.
const START_US: i64 = 1_700_000_000_000_000;

/// The time of the bench.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Stopwatch {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(START_US + i64::try_from(self.0.elapsed().as_micros()).unwrap())
    }
}

impl Timer for Stopwatch {
    fn until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let left = at.as_micros() - self.now().as_micros();
        Box::pin(tokio::time::sleep(Duration::from_micros(u64::try_from(left).unwrap_or(0))))
    }
}

/// Counts where a host has random bytes. Spread over all bits, as random ones are.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let spread = count.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        for (byte, from) in bytes.iter_mut().zip(spread.iter().cycle()) {
            *byte = *from;
        }
    }
}
