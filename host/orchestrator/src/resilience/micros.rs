//! Durations and instants in whole microseconds, saturating at their ends.

use std::time::Duration;

use model::Timestamp;

/// A clock that is this much behind what a state remembers was set back; less is two machines that disagree.
///
/// Where it was set back, a state forgets that it knew a later time; otherwise it waits until it is that late again,
/// or processes whose clocks differ would each hand out the difference anew.
pub(super) const SET_BACK: Duration = Duration::from_secs(60);

/// `ms` milliseconds in microseconds.
pub(super) fn of_ms(ms: u64) -> u64 {
    ms.saturating_mul(1_000)
}

pub(super) fn duration(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// The instant `micros` after `at`.
pub(super) fn after(at: Timestamp, micros: u64) -> Timestamp {
    at.plus_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// Microseconds from `from` to `to`; 0 where `to` is not later.
pub(super) fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(i128::from(to.as_micros()) - i128::from(from.as_micros())).unwrap_or(0)
}

/// Whether `now` is so much earlier than `remembered` that the clock was set back.
pub(super) fn was_set_back(remembered: Timestamp, now: Timestamp) -> bool {
    duration(between(now, remembered)) > SET_BACK
}

/// In milliseconds for a failure, never less than `duration`.
pub(super) fn ms_rounded_up(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}
