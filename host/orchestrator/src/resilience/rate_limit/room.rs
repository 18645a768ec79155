//! A waiting room before a limit: whoever has to wait is served in the order of coming.
//!
//! Nothing sleeps in here. Whoever drives it asks [`RateLimiter::poll`] who may go now and when to ask again, and lets
//! them go; so no lock is held while somebody waits. The one who came first is served first, however much it wants:
//! those behind it wait even if there is enough for them, or many small ones would keep a large one out for ever. Who
//! could never be served is told so instead of waiting.
//!
//! Limits: the order holds among those of one process. Processes that share limits through the ledger share the rate,
//! not the queue.

use std::collections::VecDeque;
use std::time::Duration;

use model::{Failure, Timestamp};

use super::{Composite, Grant, impossible, never, rate_limited};

/// Limits with a waiting room.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    limits: Composite,
    waiting: VecDeque<(Ticket, u32)>,
    waiting_max: usize,
    next: u64,
}

/// A place in the waiting room. No two of one limiter are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What became of somebody who came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// May go at once; the calls are taken.
    Granted,
    /// Waits until [`RateLimiter::poll`] names the ticket, or until it leaves.
    Waits(Ticket),
}

/// Why somebody who came, or waited, will not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// So many wait already, and no more may.
    Full { waiting: usize },
    /// As [`Grant::Never`].
    Never,
    /// As [`Grant::Impossible`].
    Impossible { most: u32 },
}

impl Refusal {
    /// As a failure of what wanted to call `target`: only a full room is worth another try.
    pub fn failure(self, target: &str) -> Failure {
        match self {
            Self::Full { waiting } => {
                rate_limited(target, &format!("has {waiting} waiting and room for no more")).retryable(true)
            }
            Self::Never => never(target),
            Self::Impossible { most } => impossible(target, most),
        }
    }
}

/// What changed in the waiting room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// May go, in the order of coming; their calls are taken.
    pub granted: Vec<Ticket>,
    /// Would wait for ever, since the limits were changed.
    pub refused: Vec<(Ticket, Refusal)>,
    /// When to poll again; none if nobody waits.
    pub look_again: Option<Duration>,
}

impl RateLimiter {
    /// At most `waiting_max` may wait.
    pub fn new(limits: Composite, waiting_max: usize) -> Self {
        Self { limits, waiting: VecDeque::new(), waiting_max, next: 0 }
    }

    /// Asks for `n` calls: at once, or by waiting behind those who wait already.
    ///
    /// After [`Entered::Waits`], [`RateLimiter::poll`] says when to look.
    ///
    /// # Errors
    ///
    /// Nobody waits for what cannot come, or behind a full room.
    pub fn enter(&mut self, n: u32, now: Timestamp) -> Result<Entered, Refusal> {
        match self.limits.check(n, now) {
            Grant::Impossible { most } => return Err(Refusal::Impossible { most }),
            Grant::Never => return Err(Refusal::Never),
            Grant::Granted if self.waiting.is_empty() => {
                self.limits.take(n, now);
                return Ok(Entered::Granted);
            }
            Grant::Granted | Grant::Wait(_) => {}
        }
        let waiting = self.waiting.len();
        if waiting >= self.waiting_max {
            return Err(Refusal::Full { waiting });
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push_back((ticket, n));
        Ok(Entered::Waits(ticket))
    }

    /// Serves those who waited, as far as it goes at `now`.
    pub fn poll(&mut self, now: Timestamp) -> Polled {
        let mut polled = Polled::default();
        while let Some((ticket, n)) = self.waiting.front().copied() {
            match self.limits.take(n, now) {
                Grant::Granted => polled.granted.push(ticket),
                Grant::Never => polled.refused.push((ticket, Refusal::Never)),
                Grant::Impossible { most } => polled.refused.push((ticket, Refusal::Impossible { most })),
                Grant::Wait(wait) => {
                    polled.look_again = Some(wait);
                    break;
                }
            }
            self.waiting.pop_front();
        }
        polled
    }

    /// Gives up a place, in any order; returns whether it was still there. Those behind may then go: poll.
    pub fn leave(&mut self, ticket: Ticket) -> bool {
        let place = self.waiting.iter().position(|(waiting, _)| *waiting == ticket);
        place.is_some_and(|place| self.waiting.remove(place).is_some())
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The limits, to store them, or to put what another process stored in their place.
    pub fn limits_mut(&mut self) -> &mut Composite {
        &mut self.limits
    }
}
