//! When an attempt must stop: its deadline, or somebody's wish.

use std::fmt;
use std::time::{Duration, Instant};

use model::ports::Cancel;

/// How often a guest that waits in the host is looked at. One that computes is looked at with every epoch tick.
const GLANCE: Duration = Duration::from_millis(10);

/// The deadline of an attempt and its cancel flag.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    deadline: Instant,
    wall_clock: Duration,
    cancel: Cancel,
}

/// Why an attempt was stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    WallClock { limit: Duration },
    Cancelled,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WallClock { limit } => write!(f, "stopped after {} s", limit.as_secs_f64()),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl std::error::Error for Stopped {}

impl Watch {
    /// A watch that ends `wall_clock` from now, or when `cancel` says so.
    pub(crate) fn starting_now(wall_clock: Duration, cancel: Cancel) -> Self {
        let now = Instant::now();
        // A limit beyond what the clock can express is as good as a century.
        let deadline = now.checked_add(wall_clock).unwrap_or_else(|| now + Duration::from_secs(3_000_000_000));
        Self { deadline, wall_clock, cancel }
    }

    /// An error once the attempt must stop.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.cancel.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        if Instant::now() >= self.deadline {
            return Err(Stopped::WallClock { limit: self.wall_clock });
        }
        Ok(())
    }

    /// Ends when the attempt must stop.
    pub(crate) async fn stopped(&self) -> Stopped {
        loop {
            if let Err(stopped) = self.check() {
                return stopped;
            }
            tokio::time::sleep(GLANCE.min(self.deadline.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// Works until it is done or the attempt must stop. What is left of the work is dropped then; a host call that
    /// blocks its thread cannot be stopped.
    pub(crate) async fn until_stopped<W: Future>(&self, work: W) -> Result<W::Output, Stopped> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            stopped = self.stopped() => Err(stopped),
        }
    }
}
