//! How long processors have worked for an attempt.
//!
//! Counted is what the thread of the guest spends on it, by the operating system's clock of that thread: the guest's code
//! and the host calls that it makes, such as parsing the rows it asks for. Waiting for others is not counted, nor is the
//! time in which the thread had no processor. Compiled into a host without such a clock it counts the time that passes.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time spent so far; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuTime(Arc<AtomicU64>);

impl CpuTime {
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Works and counts meanwhile. A guest gives its thread back with every tick of the epoch, so the count lags behind
    /// by no more than a tick, and by the host call that is being carried out.
    pub(crate) async fn counting<W: Future>(&self, work: W) -> W::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            let before = thread_time();
            let polled = work.as_mut().poll(context);
            let spent = thread_time().saturating_sub(before);
            self.0.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            polled
        })
        .await
    }
}

/// What the processors have spent on this thread.
#[cfg(unix)]
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos))
}

#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn computing_is_counted_and_waiting_is_not() {
        let cpu = CpuTime::default();
        cpu.counting(tokio::time::sleep(Duration::from_millis(60))).await;
        let waited = cpu.used();
        assert!(waited < Duration::from_millis(30), "{waited:?}");
        cpu.counting(async {
            let before = thread_time();
            while thread_time() - before < Duration::from_millis(40) {
                std::hint::spin_loop();
            }
        })
        .await;
        let worked = cpu.used() - waited;
        assert!(worked >= Duration::from_millis(40), "{worked:?}");
    }
}
