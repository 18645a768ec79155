//! Versions that trapped again and again: left alone for a time that doubles, then tried by one run.
//!
//! Each process judges for itself, from the attempts that it made: a version that traps does so wherever it runs, and a
//! process that has just started may try. A new version begins with a clean record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::plugin::{PluginRecord, PluginState};
use model::policy::{BreakerPolicy, BreakerRule};
use model::{Clock, Digest, Timestamp};

use crate::parts::SwapPolicy;
use crate::resilience::breaker::{Admission, Breaker, BreakerState, CallId, Outcome, Phase};

/// Longest quarantine.
const LONGEST: Duration = Duration::from_secs(3600);

/// Failures that tell that a version is broken, and not its input or its host.
const TRAPS: &[&str] = &[
    "cpu_limit",
    "held_limit",
    "host_calls_limit",
    "memory_limit",
    "stack_limit",
    "table_elements_limit",
    "trapped",
    "wall_clock_limit",
];

/// The versions that trapped lately.
#[derive(Debug)]
pub(crate) struct Quarantine {
    policy: SwapPolicy,
    clock: Arc<dyn Clock>,
    wards: Mutex<BTreeMap<Digest, Ward>>,
}

#[derive(Debug, Default)]
struct Ward {
    breaker: Breaker,
    /// Quarantines in a row.
    strikes: u32,
    last: String,
}

/// What the end of an attempt changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// No attempt begins until then.
    Quarantined {
        until: Timestamp,
        why: String,
    },
    Released,
}

impl Quarantine {
    pub(crate) fn new(policy: SwapPolicy, clock: Arc<dyn Clock>) -> Self {
        Self { policy, clock, wards: Mutex::default() }
    }

    /// Asks for an attempt on a version. The error is when to ask again.
    pub(crate) fn admit(&self, version: &Digest, call: &CallId) -> Result<(), Timestamp> {
        let mut wards = self.wards();
        let Some(ward) = wards.get_mut(version) else { return Ok(()) };
        let now = self.clock.now();
        match ward.breaker.admit(&self.breaker(ward.strikes), call, now) {
            Admission::Allowed | Admission::Probe => Ok(()),
            Admission::Refused { retry_after } => Err(after(now, retry_after.unwrap_or(LONGEST))),
        }
    }

    /// Records how an attempt ended: none for one that went well.
    pub(crate) fn record(&self, version: &Digest, call: &CallId, failure: Option<&Failure>) -> Change {
        let trapped = failure.filter(|failure| TRAPS.contains(&failure.code.as_str()));
        let outcome = match (trapped, failure) {
            (Some(_), _) => Outcome::Failed,
            (None, None) => Outcome::Succeeded,
            // The guest did its work and said what is wrong with its input, or never came to it.
            (None, Some(_)) => Outcome::Cancelled,
        };
        let mut wards = self.wards();
        if trapped.is_none() && !wards.contains_key(version) {
            return Change::Nothing;
        }
        let now = self.clock.now();
        let ward = wards.entry(*version).or_default();
        if let Some(trapped) = trapped {
            ward.last = trapped.message.clone();
        }
        let before = ward.breaker.phase(now);
        ward.breaker.record(&self.breaker(ward.strikes), call, outcome, now);
        match (before, ward.breaker.phase(now)) {
            (Phase::Closed | Phase::HalfOpen, Phase::Open) => {
                ward.strikes = ward.strikes.saturating_add(1);
                let why = ward.last.clone();
                Change::Quarantined { until: ward.until().unwrap_or(now), why }
            }
            (Phase::HalfOpen, Phase::Closed) => {
                wards.remove(version);
                Change::Released
            }
            _ if outcome == Outcome::Succeeded && before == Phase::Closed => {
                // One that works owes nothing for what was before.
                wards.remove(version);
                Change::Nothing
            }
            _ => Change::Nothing,
        }
    }

    /// Gives the place of an attempt back that was not made after all.
    pub(crate) fn withdraw(&self, version: &Digest, call: &CallId) {
        if let Some(ward) = self.wards().get_mut(version) {
            ward.breaker.withdraw(call);
        }
    }

    /// Why no run of a version is taken on now.
    pub(crate) fn refusal(&self, plugin: &str, version: &Digest) -> Option<Failure> {
        let wards = self.wards();
        let ward = wards.get(version)?;
        let now = self.clock.now();
        let until = ward.until().filter(|until| now < *until)?;
        Some(refusal(plugin, until, &ward.last, now))
    }

    /// Shows an active version that is in quarantine as such.
    pub(crate) fn show(&self, record: &mut PluginRecord) {
        let Some(failure) = record.digest.and_then(|digest| self.refusal(&record.name, &digest)) else { return };
        record.state = PluginState::Quarantined;
        record.reasons = vec![format!("{}: {failure}", failure.code)];
    }

    fn breaker(&self, strikes: u32) -> BreakerPolicy {
        let longer = 2_u32.saturating_pow(strikes);
        let recovery = self.policy.quarantine_for.saturating_mul(longer).min(LONGEST);
        BreakerPolicy {
            rule: BreakerRule::Consecutive { failures: self.policy.quarantine_after },
            recovery_ms: u64::try_from(recovery.as_millis()).unwrap_or(u64::MAX),
            probes: 1,
            successes: 1,
            ..BreakerPolicy::default()
        }
    }

    fn wards(&self) -> MutexGuard<'_, BTreeMap<Digest, Ward>> {
        self.wards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ward {
    fn until(&self) -> Option<Timestamp> {
        match self.breaker.state() {
            BreakerState::Open { until, .. } => *until,
            BreakerState::Closed { .. } | BreakerState::HalfOpen { .. } => None,
        }
    }
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    now.plus_micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX).max(1))
}

fn refusal(plugin: &str, until: Timestamp, last: &str, now: Timestamp) -> Failure {
    let message = format!(
        "plugin `{plugin}` trapped again and again and is left alone until {until}; then one run tries it. Roll back with \
         `spine-host plugins rollback {plugin}`, or drop a version in that works. It said last: {last}"
    );
    let mut failure = Failure::new(FailureKind::Pipeline, "plugin_quarantined", message).retryable(true);
    let left = until.as_micros().saturating_sub(now.as_micros());
    failure.retry_after_ms = Some(u64::try_from(left).unwrap_or_default() / 1_000 + 1);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{HandClock, digest};

    fn trap() -> Failure {
        Failure::new(FailureKind::Pipeline, "trapped", "unreachable")
    }

    fn call(number: u32) -> CallId {
        CallId(format!("run/{number}"))
    }

    fn quarantine() -> (Quarantine, HandClock) {
        let clock = HandClock::new();
        let policy =
            SwapPolicy { quarantine_after: 3, quarantine_for: Duration::from_secs(30), ..SwapPolicy::default() };
        (Quarantine::new(policy, Arc::new(clock.clone())), clock)
    }

    #[test]
    fn the_third_trap_in_a_row_shuts_a_version_and_a_run_that_goes_well_opens_it() {
        let (quarantine, clock) = quarantine();
        let version = digest(b"1");
        for number in 1..=2 {
            assert_eq!(quarantine.admit(&version, &call(number)), Ok(()));
            assert_eq!(quarantine.record(&version, &call(number), Some(&trap())), Change::Nothing);
        }
        let change = quarantine.record(&version, &call(3), Some(&trap()));
        assert!(matches!(&change, Change::Quarantined { why, .. } if why == "unreachable"), "{change:?}");
        let until = quarantine.admit(&version, &call(4)).unwrap_err();
        let failure = quarantine.refusal("d", &version).unwrap();
        assert_eq!((failure.code.as_str(), failure.exit_code(), failure.retryable), ("plugin_quarantined", 3, true));
        assert_eq!(quarantine.admit(&digest(b"2"), &call(4)), Ok(()), "another version has a clean record");

        clock.set(until);
        assert_eq!(quarantine.admit(&version, &call(5)), Ok(()));
        assert!(quarantine.admit(&version, &call(6)).is_err(), "one tries it");
        assert_eq!(quarantine.record(&version, &call(5), None), Change::Released);
        assert_eq!(quarantine.admit(&version, &call(6)), Ok(()));
    }

    #[test]
    fn each_quarantine_in_a_row_lasts_twice_as_long_and_none_longer_than_an_hour() {
        let (quarantine, clock) = quarantine();
        let version = digest(b"1");
        (1..=2).for_each(|number| drop(quarantine.record(&version, &call(number), Some(&trap()))));
        let mut lasted = Vec::new();
        for number in 3..14 {
            assert_eq!(quarantine.admit(&version, &call(number)), Ok(()));
            let Change::Quarantined { until, .. } = quarantine.record(&version, &call(number), Some(&trap())) else {
                panic!("{number}")
            };
            lasted.push((until.as_micros() - clock.now().as_micros() + 500_000) / 1_000_000);
            clock.set(until);
        }
        assert_eq!(lasted[..8], [30, 60, 120, 240, 480, 960, 1920, 3600]);
        assert_eq!(lasted[8..], [3600; 3]);
    }

    #[test]
    fn failures_that_are_no_traps_neither_count_nor_forgive_and_a_success_forgives() {
        let (quarantine, _) = quarantine();
        let version = digest(b"1");
        let rejected = Failure::new(FailureKind::Validation, "all_rejected", "no row");
        let trap = trap();
        for failure in [Some(&trap), Some(&trap), Some(&rejected), None, Some(&trap), Some(&trap), Some(&rejected)] {
            assert_eq!(quarantine.record(&version, &call(1), failure), Change::Nothing);
        }
        assert!(matches!(quarantine.record(&version, &call(1), Some(&trap)), Change::Quarantined { .. }));
    }

    #[test]
    fn a_probe_that_was_not_made_gives_its_place_to_the_next() {
        let (quarantine, clock) = quarantine();
        let version = digest(b"1");
        (1..=3).for_each(|number| drop(quarantine.record(&version, &call(number), Some(&trap()))));
        clock.advance(Duration::from_secs(31));
        assert_eq!(quarantine.admit(&version, &call(4)), Ok(()));
        assert!(quarantine.admit(&version, &call(5)).is_err());
        quarantine.withdraw(&version, &call(4));
        assert_eq!(quarantine.admit(&version, &call(5)), Ok(()));
    }
}
