//! What a call has to pass before it begins: the circuit breaker of its target, and its rate limit.
//!
//! The target is the pipeline, source or task, by its name, or a server that requests of guests go to (`servers`). Breakers and limits are states of the ledger, shared by
//! every process that has it open, and changed by comparing and swapping: one that lost a race looks again. A policy
//! that names neither costs no call of the ledger.
//!
//! Who is refused for a time need not be asked about again before it: a name that is shut is remembered here, so
//! however many runs wait, one of them asks. A breaker that another process resets is therefore open here for up to its
//! `recovery_ms` longer.

mod operators;
mod turn;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::policy::{BreakerPolicy, Policy, RateLimitPolicy};
use model::ports::{SharedKind, SharedStates};
use model::{Clock, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::resilience::breaker::{Admission, Breaker, CallId, Outcome, Phase, circuit_open};
use crate::resilience::rate_limit::{Grant, Limit};

pub use operators::{BreakerReport, LimitReport, stored_breaker, stored_limit};
pub(crate) use turn::AtGate;

/// Races for one state that are lost before it is given up. Each of them was won by another process.
const RACES_MAX: u32 = 100;

/// Held by the one who changes a state.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// The way to the breakers and limits.
#[derive(Debug)]
pub(crate) struct Gate {
    states: Arc<dyn SharedStates>,
    clock: Arc<dyn Clock>,
    /// Names that let nobody through for a time.
    shut: Mutex<BTreeMap<String, Refusal>>,
    /// Each is held while its state is changed: the runs of this process do not race each other.
    turns: Mutex<BTreeMap<(SharedKind, String), Turn>>,
}

/// The answer to a call that wants to begin.
#[derive(Debug)]
pub(crate) enum Entry {
    /// It may; its end has to be told to [`Gate::leave`].
    Admitted(Pass),
    /// Not before a time, at which it may ask again.
    Refused(Refusal),
    /// Not at all, until somebody does something about it.
    Never(Failure),
}

/// A call that was let through.
#[derive(Debug)]
#[must_use]
pub(crate) struct Pass {
    call: CallId,
    /// Whether it tries whether the target works again.
    is_probe: bool,
}

impl Pass {
    /// A pass whose parts somebody kept meanwhile.
    pub(crate) fn of(call: CallId, is_probe: bool) -> Self {
        Self { call, is_probe }
    }

    pub(crate) fn into_parts(self) -> (CallId, bool) {
        (self.call, self.is_probe)
    }
}

/// A refusal that time ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) until: Timestamp,
    pub(crate) by: Refuser,
    /// What a run ends with that cannot wait so long.
    pub(crate) failure: Failure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refuser {
    Breaker,
    RateLimit,
}

impl Gate {
    pub(crate) fn new(states: Arc<dyn SharedStates>, clock: Arc<dyn Clock>) -> Self {
        Self { states, clock, shut: Mutex::default(), turns: Mutex::default() }
    }

    /// Asks for `call` of the work with this name. The limit is charged once the breaker lets it through, unless it was
    /// charged for this call before.
    ///
    /// # Errors
    ///
    /// Those of the ledger; `locked` if other processes changed the state all the time.
    pub(crate) async fn enter(
        &self,
        name: &str,
        policy: &Policy,
        call: CallId,
        is_charged: bool,
    ) -> Result<Entry, Failure> {
        if policy.breaker.is_none() && policy.rate_limit.is_none() {
            return Ok(Entry::Admitted(Pass { call, is_probe: false }));
        }
        if let Some(refusal) = self.shut_until(name) {
            return Ok(Entry::Refused(refusal));
        }
        let mut is_probe = false;
        if let Some(breaker) = &policy.breaker {
            match self.admit(name, breaker, &call).await? {
                Admission::Allowed => {}
                Admission::Probe => is_probe = true,
                Admission::Refused { retry_after } => {
                    let failure = circuit_open(name, retry_after);
                    let Some(after) = retry_after else { return Ok(Entry::Never(failure)) };
                    return Ok(Entry::Refused(self.shut(name, after, Refuser::Breaker, failure)));
                }
            }
        }
        let pass = Pass { call, is_probe };
        let Some(limit) = policy.rate_limit.as_ref().filter(|_| !is_charged) else { return Ok(Entry::Admitted(pass)) };
        let taken = self.take(name, limit).await;
        if taken != Ok(Grant::Granted) {
            self.withdraw(name, &pass).await?;
        }
        let grant = taken?;
        match (grant.refusal(name), grant) {
            (None, _) => Ok(Entry::Admitted(pass)),
            (Some(failure), Grant::Wait(after)) => {
                Ok(Entry::Refused(self.shut(name, after, Refuser::RateLimit, failure)))
            }
            (Some(failure), _) => Ok(Entry::Never(failure)),
        }
    }

    /// Records how a call ended. Returns whether others that the breaker refused may ask again.
    ///
    /// # Errors
    ///
    /// As [`Gate::enter`]. The place of a probe comes back with its lease then.
    pub(crate) async fn leave(
        &self,
        name: &str,
        policy: &Policy,
        pass: Pass,
        outcome: Outcome,
    ) -> Result<bool, Failure> {
        let Some(policy) = &policy.breaker else { return Ok(false) };
        let changed = |breaker: &mut Breaker| {
            let now = self.clock.now();
            breaker.record(policy, &pass.call, outcome, now);
            breaker.phase(now)
        };
        let phase = self.change(SharedKind::Breaker, name, Breaker::default, changed).await?;
        let may_ask = pass.is_probe && phase != Phase::Open;
        if may_ask {
            self.open_up(name);
        }
        Ok(may_ask)
    }

    /// Takes back that a call was let through: it does not begin now, and is asked for again. Its limit stays charged.
    /// Returns as [`Gate::leave`].
    ///
    /// # Errors
    ///
    /// As [`Gate::leave`].
    pub(crate) async fn give_back(&self, name: &str, pass: Pass) -> Result<bool, Failure> {
        self.withdraw(name, &pass).await?;
        if pass.is_probe {
            self.open_up(name);
        }
        Ok(pass.is_probe)
    }

    async fn admit(&self, name: &str, policy: &BreakerPolicy, call: &CallId) -> Result<Admission, Failure> {
        let admitted = |breaker: &mut Breaker| breaker.admit(policy, call, self.clock.now());
        self.change(SharedKind::Breaker, name, Breaker::default, admitted).await
    }

    /// Gives the place of a call back that was not made after all.
    async fn withdraw(&self, name: &str, pass: &Pass) -> Result<(), Failure> {
        if !pass.is_probe {
            return Ok(());
        }
        let withdrawn = |breaker: &mut Breaker| breaker.withdraw(&pass.call);
        self.change(SharedKind::Breaker, name, Breaker::default, withdrawn).await
    }

    async fn take(&self, name: &str, policy: &RateLimitPolicy) -> Result<Grant, Failure> {
        let new = || Limit::new(policy, self.clock.now());
        let taken = |limit: &mut Limit| {
            let now = self.clock.now();
            let mut charged = limit.clone();
            charged.change(policy, now);
            let grant = charged.take(1, now);
            if grant == Grant::Granted {
                // A refusal changes nothing, so it need not be stored.
                *limit = charged;
            }
            grant
        };
        self.change(SharedKind::RateLimit, name, new, taken).await
    }

    /// Changes a state, however many others do. One that is not there, or that nobody can read, is `new`.
    async fn change<S, T>(
        &self,
        kind: SharedKind,
        name: &str,
        new: impl Fn() -> S,
        change: impl Fn(&mut S) -> T,
    ) -> Result<T, Failure>
    where
        S: Clone + PartialEq + Serialize + DeserializeOwned,
    {
        let turn = self.turn(kind, name);
        let _turn = turn.lock().await;
        for _ in 0..RACES_MAX {
            let (seen, version) = self.load(kind, name, &new).await?;
            let mut state = seen.clone();
            let answer = change(&mut state);
            if state == seen {
                return Ok(answer);
            }
            let state = serde_json::to_value(&state).map_err(|error| {
                let message = format!("the {} of `{name}` cannot be written as JSON", kind.name());
                Failure::new(FailureKind::Internal, "not_json", message).because(&error)
            })?;
            if self.states.swap(kind, name, version, state).await? {
                return Ok(answer);
            }
        }
        let message = format!("other processes change the {} of `{name}` all the time", kind.name());
        Err(Failure::new(FailureKind::Database, "locked", message).retryable(true))
    }

    async fn load<S: DeserializeOwned>(
        &self,
        kind: SharedKind,
        name: &str,
        new: impl Fn() -> S,
    ) -> Result<(S, Option<u64>), Failure> {
        let Some(stored) = self.states.load(kind, name).await? else { return Ok((new(), None)) };
        let state = serde_json::from_value(stored.state).unwrap_or_else(|error| {
            // Of another version of this program. It must not keep the work from ever running again.
            tracing::warn!(name, kind = kind.name(), "a shared state cannot be read and begins anew: {error}");
            new()
        });
        Ok((state, Some(stored.version)))
    }

    fn shut(&self, name: &str, after: Duration, by: Refuser, failure: Failure) -> Refusal {
        // Somebody who asks at once again would ask for ever.
        let micros = i64::try_from(after.as_micros()).unwrap_or(i64::MAX).max(1);
        let refusal = Refusal { until: self.clock.now().plus_micros(micros), by, failure };
        self.names().insert(name.to_owned(), refusal.clone());
        refusal
    }

    fn shut_until(&self, name: &str) -> Option<Refusal> {
        let now = self.clock.now();
        let mut names = self.names();
        let refusal = names.get(name)?;
        if now < refusal.until {
            return Some(refusal.clone());
        }
        names.remove(name);
        None
    }

    fn turn(&self, kind: SharedKind, name: &str) -> Turn {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry((kind, name.to_owned())).or_default())
    }

    fn open_up(&self, name: &str) {
        self.names().remove(name);
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Refusal>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
