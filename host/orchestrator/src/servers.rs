//! Retries, breakers and rate limits of the servers that guests send requests to.
//!
//! The same gate as that of runs, under names that no run has: `https://api.example.com:443`. So they are states of the
//! ledger, hosts share them, and `breakers` and `limits` show them.

use std::sync::Arc;
use std::time::Duration;

use model::grants::Upstream;
use model::policy::Policy;
use model::ports::{Entropy, UpstreamCall, Upstreams};
use model::{Clock, Failure, RunId, Timer};

use crate::gate::{Entry, Gate, Pass, Refuser};
use crate::identity;
use crate::lease::after;
use crate::parts::Parts;
use crate::resilience::breaker::{CallId, Outcome};
use crate::resilience::retry::{Decision, decide};

/// Longest time that one request waits for its turn at a rate limit. A run whose turn comes later had better wait in the
/// queue.
const TURN_WAIT_MAX: Duration = Duration::from_secs(60);

/// The servers at the other end.
#[derive(Debug)]
pub(crate) struct Servers {
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    entropy: Arc<dyn Entropy>,
}

impl Servers {
    /// Those behind the gate of this process, which operators change.
    pub(crate) fn new(gate: Arc<Gate>, parts: &Parts) -> Self {
        Self {
            gate,
            clock: Arc::clone(&parts.clock),
            timer: Arc::clone(&parts.timer),
            entropy: Arc::clone(&parts.entropy),
        }
    }

    /// A name that no other call has.
    fn call(&self) -> CallId {
        let id: RunId = identity::run_id(&*self.clock, &*self.entropy);
        CallId(format!("request/{id}"))
    }
}

fn policy(rules: &Upstream) -> Policy {
    let Upstream { retry, breaker, rate_limit } = rules.clone();
    Policy { retry, breaker, rate_limit, ..Policy::default() }
}

#[async_trait::async_trait]
impl Upstreams for Servers {
    async fn begin(&self, upstream: &str, rules: &Upstream) -> Result<UpstreamCall, Failure> {
        let (policy, call) = (policy(rules), self.call());
        let give_up = after(self.clock.now(), TURN_WAIT_MAX);
        loop {
            match self.gate.enter(upstream, &policy, call.clone(), false).await? {
                Entry::Admitted(pass) => {
                    let (CallId(id), is_probe) = pass.into_parts();
                    return Ok(UpstreamCall { id, is_probe });
                }
                Entry::Refused(refusal) if refusal.by == Refuser::RateLimit && refusal.until <= give_up => {
                    self.timer.until(refusal.until).await;
                }
                Entry::Refused(refusal) => return Err(refusal.failure),
                Entry::Never(failure) => return Err(failure),
            }
        }
    }

    async fn end(&self, upstream: &str, rules: &Upstream, call: UpstreamCall, failure: Option<&Failure>) {
        let outcome = failure.map_or(Outcome::Succeeded, Outcome::of);
        let pass = Pass::of(CallId(call.id), call.is_probe);
        if let Err(failure) = self.gate.leave(upstream, &policy(rules), pass, outcome).await {
            tracing::warn!(upstream, code = %failure.code, "the breaker was not told how a request ended: {failure}");
        }
    }

    fn retry_after(&self, rules: &Upstream, failure: &Failure, calls: u32) -> Option<Duration> {
        let unit = identity::unit(&*self.entropy);
        match decide(&rules.retry, failure, calls, unit, self.clock.now(), None) {
            Decision::Retry { after } if after <= TURN_WAIT_MAX => Some(after),
            Decision::Retry { .. } | Decision::GiveUp { .. } => None,
        }
    }

    async fn pause(&self, time: Duration) {
        self.timer.until(after(self.clock.now(), time)).await;
    }
}

#[cfg(test)]
mod tests {
    use model::FailureKind;
    use model::policy::{BreakerPolicy, BreakerRule, RateLimitPolicy, RetryPolicy};

    use super::*;
    use crate::testing::Bench;

    const NAME: &str = "https://a.org:443";

    fn servers(bench: &Bench) -> Arc<dyn Upstreams> {
        bench.upstreams()
    }

    fn rules(failures: u32) -> Upstream {
        let breaker = BreakerPolicy { rule: BreakerRule::Consecutive { failures }, ..BreakerPolicy::default() };
        Upstream { retry: RetryPolicy::default(), breaker: Some(breaker), rate_limit: None }
    }

    #[tokio::test]
    async fn a_server_that_keeps_failing_is_left_alone_and_tried_again() {
        let bench = Bench::empty(|_| {});
        let (servers, rules) = (servers(&bench), rules(2));
        let failed = Failure::new(FailureKind::Network, "network", "reset");
        for _ in 0..2 {
            let call = servers.begin(NAME, &rules).await.unwrap();
            servers.end(NAME, &rules, call, Some(&failed)).await;
        }
        let refused = servers.begin(NAME, &rules).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.retryable), ("circuit_open", true));
        assert!(servers.begin("https://b.org:443", &rules).await.is_ok(), "another server is another breaker");
        bench.clock.advance(Duration::from_secs(31));
        let probe = servers.begin(NAME, &rules).await.unwrap();
        assert!(probe.is_probe);
        assert_eq!(servers.begin(NAME, &rules).await.unwrap_err().code, "circuit_open");
        servers.end(NAME, &rules, probe, None).await;
        assert!(servers.begin(NAME, &rules).await.is_ok());
    }

    #[tokio::test]
    async fn a_turn_that_comes_late_is_a_failure_and_one_that_comes_soon_is_waited_for() {
        let bench = Bench::empty(|_| {});
        let servers = servers(&bench);
        let limit = |window_ms| Upstream {
            rate_limit: Some(RateLimitPolicy::SlidingWindow { calls: 1, window_ms }),
            breaker: None,
            ..Upstream::default()
        };
        assert!(servers.begin(NAME, &limit(3_600_000)).await.is_ok());
        let late = servers.begin(NAME, &limit(3_600_000)).await.unwrap_err();
        assert_eq!((late.code.as_str(), late.retry_after_ms.is_some()), ("rate_limited", true));

        assert!(servers.begin("https://b.org:443", &limit(1_000)).await.is_ok());
        let soon = limit(1_000);
        let waits = servers.begin("https://b.org:443", &soon);
        let (call, ()) = tokio::join!(waits, async { bench.clock.advance(Duration::from_secs(2)) });
        assert!(call.is_ok());
    }

    #[test]
    fn a_request_is_tried_again_as_often_as_the_rules_say_and_no_later_than_a_minute() {
        let bench = Bench::empty(|_| {});
        let servers = servers(&bench);
        let failed = Failure::new(FailureKind::Network, "network", "reset").retryable(true);
        assert!(servers.retry_after(&rules(5), &failed, 1).is_some());
        assert_eq!(servers.retry_after(&rules(5), &failed, 3), None);
        let asked = Failure { retry_after_ms: Some(61_000), ..failed.clone() };
        assert_eq!(servers.retry_after(&rules(5), &asked, 1), None);
        assert_eq!(servers.retry_after(&rules(5), &failed.retryable(false), 1), None);
    }
}
