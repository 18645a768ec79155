//! The world outside of an attempt, as far as it was granted: addresses, secrets, and the servers at the other end.
//!
//! `runtime` sends what a guest asks for; what the servers at the other end put up with is known to all attempts together
//! and belongs to `orchestrator`, which offers it as [`Upstreams`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::lake::KeptInput;
use crate::failure::{Failure, FailureKind};
use crate::grants::{Grants, SecretSource, Upstream};
use crate::secret::SecretValue;

/// The beginning of the names under which exchanges are kept: `http:GET https://api.example.com/v1/days#1`.
pub const EXCHANGE: &str = "http:";

/// What one attempt may reach, and how.
#[derive(Clone, Debug)]
pub struct Outside {
    /// What is both asked for and granted.
    pub grants: Grants,
    /// The values of the secrets that are granted, by name; read when the attempt began.
    pub secrets: BTreeMap<String, SecretValue>,
    pub exchanges: Exchanges,
    pub upstreams: Arc<dyn Upstreams>,
    /// Whether only requests that change nothing are sent: GET, HEAD, OPTIONS.
    pub dry_run: bool,
}

impl Outside {
    /// Nothing at all.
    pub fn nothing() -> Self {
        let (grants, secrets, exchanges) = (Grants::default(), BTreeMap::new(), Exchanges::Live);
        Self { grants, secrets, exchanges, upstreams: Arc::new(Patient), dry_run: false }
    }
}

/// Who answers the requests of a guest.
#[derive(Clone, Debug)]
pub enum Exchanges {
    /// The network. What was sent and what came back is kept with the inputs of the run.
    Live,
    /// Those of an earlier attempt, as they were kept: each request gets what came back for the same one then, and one
    /// that was not made then fails with `not_recorded`. Nothing is sent.
    Recorded(Vec<KeptInput>),
}

/// Retries, breakers and rate limits of servers, by scheme, host and port. Attempts, plugins and hosts that share a ledger
/// share them.
#[async_trait::async_trait]
pub trait Upstreams: Debug + Send + Sync {
    /// Asks for one call, and waits for its turn if that comes soon.
    ///
    /// # Errors
    ///
    /// `circuit_open` or `rate_limited`, with the time to wait; those of the ledger.
    async fn begin(&self, upstream: &str, rules: &Upstream) -> Result<UpstreamCall, Failure>;

    /// Tells how a call ended: none if it ended well, or by what is not the server's fault.
    async fn end(&self, upstream: &str, rules: &Upstream, call: UpstreamCall, failure: Option<&Failure>);

    /// How long to wait before another try after `calls` calls, the last of which ended with `failure`; none: give up.
    fn retry_after(&self, rules: &Upstream, failure: &Failure, calls: u32) -> Option<Duration>;

    /// Waits.
    async fn pause(&self, time: Duration);
}

/// A call that was let through. Its end has to be told, or it counts as one that nobody heard of again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct UpstreamCall {
    pub id: String,
    /// Whether it tries whether the server works again.
    pub is_probe: bool,
}

/// Servers that put up with everything, and nobody tries again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patient;

#[async_trait::async_trait]
impl Upstreams for Patient {
    async fn begin(&self, _: &str, _: &Upstream) -> Result<UpstreamCall, Failure> {
        Ok(UpstreamCall { id: String::new(), is_probe: false })
    }

    async fn end(&self, _: &str, _: &Upstream, _: UpstreamCall, _: Option<&Failure>) {}

    fn retry_after(&self, _: &Upstream, _: &Failure, _: u32) -> Option<Duration> {
        None
    }

    async fn pause(&self, _: Duration) {}
}

/// There are none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

impl SecretReader for NoSecrets {
    fn read(&self, source: &SecretSource) -> Result<SecretValue, Failure> {
        let message = format!("this host reads no secrets, not {}", source.place());
        Err(Failure::new(FailureKind::Config, "secret_unreadable", message))
    }
}

/// Reads values of secrets. `cli` implements it: nobody else reads the environment or starts programs.
pub trait SecretReader: Debug + Send + Sync {
    /// The value as it is now, without a line end after it. Blocks.
    ///
    /// # Errors
    ///
    /// `secret_unreadable` if it is not there, is empty or is no text. The message does not quote it.
    fn read(&self, source: &SecretSource) -> Result<SecretValue, Failure>;
}
