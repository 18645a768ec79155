//! Clock and randomness of this machine.

use std::io::Read;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::ports::Entropy;
use model::{Clock, Timer, Timestamp};

#[derive(Clone, Copy, Debug, Default)]
pub struct System;

/// The time so much later than now.
pub(crate) fn after(by: Duration) -> Timestamp {
    System.now().plus_micros(i64::try_from(by.as_micros()).unwrap())
}

impl Clock for System {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    }
}

impl Timer for System {
    fn until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let left = at.as_micros().saturating_sub(self.now().as_micros()).max(0);
        Box::pin(tokio::time::sleep(Duration::from_micros(left.unsigned_abs())))
    }
}

impl Entropy for System {
    fn fill(&self, bytes: &mut [u8]) {
        std::fs::File::open("/dev/urandom").unwrap().read_exact(bytes).unwrap();
    }
}
