//! How often work is tried, when its target is left alone, how often and how long it may run.
//!
//! What is not said is the host's default, and the operator may override each part. The host names what is out of
//! range when it loads the plugin.

mod breaker;
mod rate_limit;
mod retry;

pub use breaker::Breaker;
pub use rate_limit::RateLimit;
pub use retry::Retry;

use serde_json::Value;

use super::json::Object;

/// What a pipeline, source or task asks of the host about its own calls.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// #[derive(Debug)]
/// pub struct Poll;
///
/// impl Task for Poll {
///     const NAME: &'static str = "demo.poll";
///     type Params = NoParams;
///
///     fn spec() -> TaskSpec {
///         TaskSpec::new("Asks the publisher.").policy(
///             Policy::new()
///                 .retry(Retry::exponential(500).attempts(5))
///                 .breaker(Breaker::consecutive(3).recovery_ms(60_000))
///                 .rate_limit(RateLimit::per_second(2.0, 10))
///                 .timeout_ms(30_000),
///         )
///     }
///
///     fn call(&self, _: NoParams, _: &Host) -> Result<Json, Error> {
///         Ok(json!("nothing new"))
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Policy {
    pub retry: Option<Retry>,
    pub breaker: Option<Breaker>,
    pub rate_limit: Option<RateLimit>,
    pub timeout_ms: Option<u64>,
}

impl Policy {
    pub fn new() -> Self {
        Self::default()
    }

    /// When a call that failed, and may succeed later, is made again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// When calls wait because the ones before kept failing.
    pub fn breaker(mut self, breaker: Breaker) -> Self {
        self.breaker = Some(breaker);
        self
    }

    /// How many calls may begin in how much time.
    pub fn rate_limit(mut self, rate_limit: RateLimit) -> Self {
        self.rate_limit = Some(rate_limit);
        self
    }

    /// The wall clock of one call, in milliseconds: 1 to 86,400,000. The limits of the host hold all the same.
    pub fn timeout_ms(mut self, timeout: u64) -> Self {
        self.timeout_ms = Some(timeout);
        self
    }

    pub(crate) fn write(&self, policy: &mut Object<'_>) {
        if let Some(retry) = &self.retry {
            policy.object("retry", |it| retry.write(it));
        }
        if let Some(breaker) = &self.breaker {
            policy.object("breaker", |it| breaker.write(it));
        }
        if let Some(rate_limit) = &self.rate_limit {
            policy.object("rate_limit", |it| rate_limit.write(it));
        }
        number(policy, "timeout_ms", self.timeout_ms);
    }
}

fn number(object: &mut Object<'_>, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        object.raw(name, &value.to_string());
    }
}

/// JSON has no word for what is no number: the host refuses -1 and says where.
fn fraction(object: &mut Object<'_>, name: &str, value: Option<f64>) {
    if let Some(value) = value {
        let value = if value.is_finite() { value } else { -1.0 };
        // As parameters write their defaults, so that a component has one way to write numbers.
        object.raw(name, &Value::from(value).to_string());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::json::object;
    use super::*;

    fn written(policy: &Policy) -> Value {
        serde_json::from_str(&object(|it| policy.write(it))).unwrap()
    }

    #[test]
    fn only_what_was_said_is_written() {
        assert_eq!(written(&Policy::new()), json!({}));
        let policy = Policy::new()
            .retry(Retry::exponential(500).factor(1.5).attempts(5).jitter(0.1).max_ms(9_000))
            .breaker(Breaker::rate(12.5, 20).calls_min(4).probes(2).successes(3).recovery_ms(1_000))
            .rate_limit(RateLimit::per_second(0.5, 3))
            .timeout_ms(60_000);
        let expected = json!({
            "retry": {
                "attempts_max": 5,
                "strategy": { "exponential": { "base_ms": 500, "factor": 1.5, "max_ms": 9000 } },
                "jitter": 0.1,
            },
            "breaker": {
                "rule": { "rate": { "percent": 12.5, "window_calls": 20, "calls_min": 4 } },
                "recovery_ms": 1000, "probes": 2, "successes": 3,
            },
            "rate_limit": { "token_bucket": { "per_second": 0.5, "capacity": 3 } },
            "timeout_ms": 60000,
        });
        assert_eq!(written(&policy), expected);
    }

    #[test]
    fn every_kind_has_its_word() {
        let strategy = |retry: Retry| written(&Policy::new().retry(retry))["retry"]["strategy"].clone();
        assert_eq!(
            strategy(Retry::linear(1, 2).max_ms(3)),
            json!({ "linear": { "base_ms": 1, "step_ms": 2, "max_ms": 3 } })
        );
        assert_eq!(strategy(Retry::constant(7).max_ms(3).factor(2.0)), json!({ "constant": { "delay_ms": 7 } }));
        assert_eq!(strategy(Retry::never().max_ms(3)), json!("none"));
        let breaker = written(&Policy::new().breaker(Breaker::consecutive(3).calls_min(9)));
        assert_eq!(breaker, json!({ "breaker": { "rule": { "consecutive": { "failures": 3 } } } }));
        let limit = written(&Policy::new().rate_limit(RateLimit::in_any(1_000, 9)));
        assert_eq!(limit, json!({ "rate_limit": { "sliding_window": { "calls": 9, "window_ms": 1000 } } }));
        let none = written(&Policy::new().rate_limit(RateLimit::per_second(f64::NAN, 1)));
        assert_eq!(none["rate_limit"]["token_bucket"]["per_second"], json!(-1.0));
    }
}
