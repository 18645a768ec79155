//! A breaker with its policy, driven by hand.

mod cases;
mod properties;
mod rates;

use super::*;

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A breaker with its policy, at a time in milliseconds since the start.
struct Bench {
    policy: BreakerPolicy,
    breaker: Breaker,
    calls: u32,
}

impl Bench {
    fn new(policy: BreakerPolicy) -> Self {
        Self { policy, breaker: Breaker::default(), calls: 0 }
    }

    /// Opened by the failures that the default policy counts, at 0.
    fn open(policy: BreakerPolicy) -> Self {
        let mut bench = Self::new(policy);
        (0..5).for_each(|_| bench.call(0, Outcome::Failed));
        assert_eq!(bench.phase(0), Phase::Open);
        bench
    }

    fn ask(&mut self, call: &str, ms: i64) -> Admission {
        self.breaker.admit(&self.policy, &id(call), at(ms))
    }

    fn end(&mut self, call: &str, ms: i64, outcome: Outcome) {
        self.breaker.record(&self.policy, &id(call), outcome, at(ms));
    }

    /// A call that is let through and ends at once.
    fn call(&mut self, ms: i64, outcome: Outcome) {
        self.calls += 1;
        let call = format!("call {}", self.calls);
        let admission = self.ask(&call, ms);
        assert!(matches!(admission, Admission::Allowed | Admission::Probe), "{admission:?} at {ms}");
        self.end(&call, ms, outcome);
    }

    fn phase(&self, ms: i64) -> Phase {
        self.breaker.phase(at(ms))
    }
}

fn at(ms: i64) -> Timestamp {
    START.plus_micros(ms * 1_000)
}

fn id(call: &str) -> CallId {
    CallId(call.to_owned())
}

fn refused(ms: u64) -> Admission {
    Admission::Refused { retry_after: Some(Duration::from_millis(ms)) }
}
