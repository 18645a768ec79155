//! The virtual clock: it starts where the attempt says and moves by what the guest does alone.
//!
//! Every reading moves it by [`STEP_NS`], so a loop that waits for time to pass ends, and two runs with the same inputs
//! read the same times. A guest that sleeps gets its time at once: the clock jumps to the earliest moment anybody waits
//! for, since nothing outside the guest can happen before.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// What one reading of the clock costs, in nanoseconds of virtual time.
const STEP_NS: u64 = 1_000_000;

/// Wall, monotonic and `host.now-us` clock of one attempt; clones share their time.
#[derive(Clone, Debug)]
pub(crate) struct VirtualClock {
    started_us: i64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Since the start of the attempt.
    elapsed_ns: u64,
    /// Moments that somebody waits for, with how many do.
    awaited: BTreeMap<u64, usize>,
}

impl VirtualClock {
    /// A clock that shows `started_us` microseconds since 1970.
    pub(crate) fn starting_at(started_us: i64) -> Self {
        Self { started_us, state: Arc::default() }
    }

    /// Microseconds since 1970. Advances the clock.
    pub(crate) fn now_us(&self) -> i64 {
        let micros = i64::try_from(self.read_ns() / 1_000).unwrap_or(i64::MAX);
        self.started_us.saturating_add(micros)
    }

    /// As [`VirtualClock::now_us`], and does not advance the clock: for the host itself.
    pub(crate) fn shown_us(&self) -> i64 {
        let micros = i64::try_from(self.lock().elapsed_ns / 1_000).unwrap_or(i64::MAX);
        self.started_us.saturating_add(micros)
    }

    /// Puts WASI's clocks on this one.
    pub(super) fn give(&self, builder: &mut WasiCtxBuilder) {
        builder.wall_clock(self.clone()).monotonic_clock(self.clone());
    }

    fn read_ns(&self) -> u64 {
        let mut state = self.lock();
        let now = state.elapsed_ns;
        state.elapsed_ns = now.saturating_add(STEP_NS);
        now
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostWallClock for VirtualClock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        // WASI's wall clock has no time before 1970.
        Duration::from_micros(u64::try_from(self.now_us()).unwrap_or_default())
    }
}

impl HostMonotonicClock for VirtualClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.read_ns()
    }
}

/// Puts `wasi:clocks/monotonic-clock` on the virtual clock. Wasmtime's own would wait in real time.
#[derive(Debug)]
pub(crate) struct VirtualClocks;

impl HasData for VirtualClocks {
    type Data<'a> = ClockAndTable<'a>;
}

/// What the calls of `wasi:clocks/monotonic-clock` need of a store.
#[derive(Debug)]
pub(crate) struct ClockAndTable<'a> {
    pub(crate) clock: &'a VirtualClock,
    pub(crate) table: &'a mut ResourceTable,
}

impl monotonic_clock::Host for ClockAndTable<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.read_ns())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::resolution(self.clock))
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = self.table.push(Timer { clock: self.clock.clone(), until_ns: when })?;
        subscribe(self.table, timer)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let until_ns = self.clock.read_ns().saturating_add(duration);
        self.subscribe_instant(until_ns)
    }
}

/// Something that becomes ready at a moment of the virtual clock.
struct Timer {
    clock: VirtualClock,
    until_ns: u64,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        wait(&self.clock, self.until_ns).await;
    }
}

/// Waits until the clock shows `until_ns`, moving it there if nobody waits for an earlier moment.
///
/// The first poll only announces the wait (and moves the clock a step, for guests that ask "ready yet?" in a loop): all
/// timers of one `poll` are polled once before any of them may move time, so the earliest wins.
fn wait(clock: &VirtualClock, until_ns: u64) -> impl Future<Output = ()> + '_ {
    let mut announced: Option<Announced<'_>> = None;
    poll_fn(move |context| {
        let mut state = clock.lock();
        if state.elapsed_ns >= until_ns {
            return Poll::Ready(());
        }
        if announced.is_some() && state.awaited.first_key_value().is_some_and(|(first, _)| *first == until_ns) {
            state.elapsed_ns = until_ns;
            return Poll::Ready(());
        }
        if announced.is_none() {
            *state.awaited.entry(until_ns).or_default() += 1;
            state.elapsed_ns = state.elapsed_ns.saturating_add(STEP_NS);
            announced = Some(Announced { clock, until_ns });
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

struct Announced<'a> {
    clock: &'a VirtualClock,
    until_ns: u64,
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        let mut state = self.clock.lock();
        if let Some(waiting) = state.awaited.get_mut(&self.until_ns) {
            *waiting -= 1;
            if *waiting == 0 {
                state.awaited.remove(&self.until_ns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_are_clocks_of_the_attempt_that_all_move_by_the_same_step_with_every_reading() {
        let clock = VirtualClock::starting_at(1_000_000);
        assert_eq!(clock.now_us(), 1_000_000);
        assert_eq!(HostWallClock::now(&clock), Duration::from_micros(1_001_000));
        assert_eq!(HostMonotonicClock::now(&clock.clone()), 2 * STEP_NS);
    }

    #[tokio::test]
    async fn denied_is_real_time_a_long_sleep_takes_none_and_the_earliest_of_two_ends_first() {
        let clock = VirtualClock::starting_at(0);
        let hour = 3_600_000_000_000;
        let first = tokio::select! {
            biased;
            () = wait(&clock, 2 * hour) => "second",
            () = wait(&clock, hour) => "first",
        };
        assert_eq!(first, "first");
        assert_eq!(clock.read_ns(), hour);
        assert!(clock.lock().awaited.is_empty());
    }

    #[test]
    fn asking_again_and_again_whether_a_timer_is_ready_ends() {
        let clock = VirtualClock::starting_at(0);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let asked = (1..=1_000).find(|_| {
            let mut once = std::pin::pin!(wait(&clock, 10 * STEP_NS));
            once.as_mut().poll(&mut context).is_ready()
        });
        assert_eq!(asked, Some(11));
    }
}
