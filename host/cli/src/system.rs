//! The ambient sources that everything else takes as parameters: the system clock, the system's randomness, and variables
//! that an operator names.

use std::ffi::OsString;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::ports::Entropy;
use model::{Clock, Timer, Timestamp};

/// How long a wait goes on before it looks at the clock again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time of this machine is read")]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp::from_micros(micros)
    }
}

impl Timer for SystemClock {
    fn until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = *self;
        Box::pin(async move {
            loop {
                let left = at.as_micros().saturating_sub(clock.now().as_micros());
                match u64::try_from(left) {
                    // Looked at again now and then: somebody may set the clock meanwhile.
                    Ok(left) if left > 0 => tokio::time::sleep(Duration::from_micros(left).min(LOOK_AGAIN)).await,
                    Ok(_) | Err(_) => return,
                }
            }
        })
    }
}

/// A variable of the environment; none if it is not set.
#[expect(clippy::disallowed_methods, reason = "the one place where a variable is read that no argument is for")]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Random bytes of the operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place where ambient randomness is read")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::Rng::fill_bytes(&mut rand::rng(), bytes);
    }
}
