//! When an attempt must stop: its deadline, the processor time it may take, its calls, or somebody's wish.

use std::fmt;
use std::time::{Duration, Instant};

use model::limits::Limits;
use model::ports::Cancel;

use super::cpu::CpuTime;
use super::journal::Journal;

/// How often a guest that waits in the host is looked at. One that computes is looked at with every epoch tick.
const GLANCE: Duration = Duration::from_millis(10);

/// What a guest that computes gets to be stopped by a tick of the epoch, before it is dropped wherever it is.
const LAST_GLANCES: Duration = Duration::from_millis(30);

/// What ends an attempt from outside.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    deadline: Instant,
    wall_clock: Duration,
    cpu: CpuTime,
    cpu_max: Duration,
    calls_max: u64,
    journal: Journal,
    cancel: Cancel,
}

/// Why an attempt was stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    WallClock { limit: Duration },
    CpuTime { limit: Duration },
    HostCalls { limit: u64 },
    Cancelled,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WallClock { limit } => write!(f, "stopped after {} s", limit.as_secs_f64()),
            Self::CpuTime { limit } => write!(f, "stopped after {} s of computing", limit.as_secs_f64()),
            Self::HostCalls { limit } => write!(f, "stopped after {limit} calls of the host"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl std::error::Error for Stopped {}

impl Watch {
    /// A watch over limits that count from now, and over calls that `journal` counts; or `cancel` ends it.
    pub(crate) fn starting_now(limits: &Limits, journal: Journal, cancel: Cancel) -> Self {
        let (now, wall_clock) = (Instant::now(), limits.wall_clock);
        // A limit beyond what the clock can express is as good as a century.
        let deadline = now.checked_add(wall_clock).unwrap_or_else(|| now + Duration::from_secs(3_000_000_000));
        let (cpu, cpu_max, calls_max) = (CpuTime::default(), limits.cpu_time, limits.host_calls);
        Self { deadline, wall_clock, cpu, cpu_max, calls_max, journal, cancel }
    }

    /// An error once the attempt must stop.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.cancel.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        if self.cpu.used() >= self.cpu_max {
            return Err(Stopped::CpuTime { limit: self.cpu_max });
        }
        if Instant::now() >= self.deadline {
            return Err(Stopped::WallClock { limit: self.wall_clock });
        }
        // Calls of the contract are refused one by one; this is for those that have no way to say so.
        if self.journal.host_calls() > self.calls_max {
            return Err(Stopped::HostCalls { limit: self.calls_max });
        }
        Ok(())
    }

    /// Processor time so far.
    pub(crate) fn cpu_used(&self) -> Duration {
        self.cpu.used()
    }

    /// Ends when the attempt must stop.
    pub(crate) async fn stopped(&self) -> Stopped {
        loop {
            if let Err(stopped) = self.check() {
                // A guest that computes is stopped by the next tick, and then it is known where it was.
                tokio::time::sleep(LAST_GLANCES).await;
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
            done = self.cpu.counting(work) => Ok(done),
            stopped = self.stopped() => Err(stopped),
        }
    }
}
