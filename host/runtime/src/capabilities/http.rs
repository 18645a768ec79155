//! HTTP requests of guests: one sender in the host for all of them.
//!
//! A request is checked against manifest and grants ([`permit`]), its host is resolved once and connected to where it was
//! checked ([`connect`]), redirects are followed here and each is checked anew ([`send`]). Servers are tried again, left
//! alone and not asked too often by the rules of their grant, which all attempts share ([`Upstreams`]). What came of each
//! call is kept with the inputs of the run ([`exchange`]), so that a replay is served the same without the network.
//!
//! Limits: HTTP/1.1, a connection for each exchange, whole bodies in memory. A try that a redirect
//! leads to another server is a call of that server too, with its rules but without tries of its own.
//!
//! [`Upstreams`]: model::ports::Upstreams

mod addresses;
mod connect;
mod exchange;
mod permit;
mod request;
mod send;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::grants::HttpGrant;
use model::manifest::CapabilitySpec;
use model::ports::{Exchanges, InputBytes, KeptInput, Outside, Patient};
use model::secret::Secrets;
use model::{Failure, FailureKind};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub(crate) use connect::Network;
pub(crate) use exchange::Fetched;
pub(crate) use request::{Asked, HEADER_BYTES_MAX, HEADERS_MAX, Redirects, is_of_the_connection};

use self::exchange::{Recorder, not_recorded};
use self::permit::Permits;
use self::request::{Request, target};
use self::send::{BodyLimit, Line, Received};
use super::secrets::Vault;

/// How many requests one attempt may make, and of how many bytes their answers may be together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) calls: u64,
    pub(crate) bytes: u64,
}

/// The requests of one attempt.
#[derive(Debug)]
pub(crate) struct Egress {
    line: Line,
    vault: Arc<Vault>,
    secrets: Secrets,
    answers: Answers,
    /// Whether only what changes nothing may be sent.
    is_dry: bool,
    /// Where exchanges go on: not on the guests' threads.
    host: Option<Handle>,
    plugin: String,
    left: Budget,
    all: Budget,
    /// How often each request was made so far.
    seen: BTreeMap<String, u64>,
}

/// Who answers.
#[derive(Debug)]
enum Answers {
    Live,
    /// By name.
    Recorded(BTreeMap<String, KeptInput>),
}

impl Egress {
    /// Those of an attempt of `plugin`, whose manifest asks for `asked`.
    pub(crate) fn new(
        (plugin, asked): (&str, &[CapabilitySpec]),
        outside: Outside,
        (vault, secrets): (Arc<Vault>, Secrets),
        (network, host): (Arc<Network>, Handle),
        budget: Budget,
    ) -> Self {
        let Outside { grants, exchanges, upstreams, dry_run, .. } = outside;
        let permits = Arc::new(Permits { plugin: plugin.to_owned(), asked: asked.to_vec(), grants });
        let answers = match exchanges {
            Exchanges::Live => Answers::Live,
            Exchanges::Recorded(kept) => {
                Answers::Recorded(kept.into_iter().map(|kept| (kept.file_name.clone(), kept)).collect())
            }
        };
        Self {
            line: Line { network, permits, vault: Arc::clone(&vault), upstreams },
            vault,
            secrets,
            answers,
            is_dry: dry_run,
            host: Some(host),
            plugin: plugin.to_owned(),
            left: budget,
            all: budget,
            seen: BTreeMap::new(),
        }
    }

    /// No requests and no secrets: what a guest has that runs outside of any attempt.
    pub(crate) fn closed() -> Self {
        let vault = Arc::new(Vault::default());
        let none = Budget { calls: 0, bytes: 0 };
        let line = Line {
            network: Arc::new(Network::of_this_machine()),
            permits: Arc::default(),
            vault: Arc::clone(&vault),
            upstreams: Arc::new(Patient),
        };
        Self {
            line,
            vault,
            secrets: Secrets::default(),
            answers: Answers::Live,
            is_dry: true,
            host: None,
            plugin: String::new(),
            left: none,
            all: none,
            seen: BTreeMap::new(),
        }
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Carries out a request. Returns what the guest gets, and what is to be kept of it.
    pub(crate) async fn fetch(&mut self, asked: Asked) -> (Result<Fetched, Failure>, Option<InputBytes>) {
        let Some(calls) = self.left.calls.checked_sub(1) else {
            return (Err(self.used_up(&format!("makes more than {} requests", self.all.calls), "http_calls")), None);
        };
        self.left.calls = calls;
        let name = {
            let recorder = Recorder { vault: &self.vault, secrets: &self.secrets };
            let number = self.seen.entry(recorder.key(&asked)).or_default();
            *number += 1;
            recorder.name(&asked, *number)
        };
        if let Answers::Recorded(kept) = &self.answers {
            let recorder = Recorder { vault: &self.vault, secrets: &self.secrets };
            let Some(kept) = kept.get(&name) else {
                return (Err(not_recorded(&recorder.key(&asked), "it was not made so often")), None);
            };
            let again = InputBytes { file_name: name, bytes: Arc::clone(&kept.bytes) };
            return (recorder.read(&kept.bytes, &asked), Some(again));
        }
        let outcome = self.sent(&asked).await.map(|received| self.for_the_guest(received));
        let outcome = outcome.map_err(|failure| self.failure_for_the_guest(failure));
        if let Ok(fetched) = &outcome {
            self.left.bytes = self.left.bytes.saturating_sub(fetched.body.len() as u64);
        }
        let kept = Recorder { vault: &self.vault, secrets: &self.secrets }.write(name, &asked, &outcome);
        (outcome, Some(kept))
    }

    /// Checks a request and has it sent on the host's threads.
    async fn sent(&self, asked: &Asked) -> Result<Received, Failure> {
        let request = Request::parse(asked)?;
        let grant = self.line.permits.check(&request.method, &request.url)?;
        if self.is_dry && !request.method.is_safe() {
            return Err(not_in_a_dry_run(&request));
        }
        let (scheme, host, port) = target(&request.url)?;
        self.vault.check(|text| request.mentions(text), (scheme, &host, port))?;
        if request.body.len() as u64 > grant.request_bytes {
            let message = format!(
                "the body of a request of plugin `{}` has {} bytes and may have {}, the `request_bytes` of its grant",
                self.plugin,
                request.body.len(),
                grant.request_bytes
            );
            return Err(Failure::new(FailureKind::Pipeline, "too_large", message));
        }
        let limit = if self.left.bytes < grant.response_bytes {
            let (plugin, left) = (&self.plugin, self.left.bytes);
            let key = format!("`limits.http_bytes` of plugin `{plugin}`, of which {left} are left to this attempt");
            BodyLimit { bytes: self.left.bytes, key }
        } else {
            BodyLimit { bytes: grant.response_bytes, key: "the `response_bytes` of its grant".to_owned() }
        };
        let time = asked.timeout_ms.unwrap_or(u64::MAX).min(grant.timeout_ms);
        let call = Call {
            line: self.line.clone(),
            upstream: format!("{}://{host}:{port}", scheme.name()),
            request,
            grant,
            limit,
            time: Duration::from_millis(time),
        };
        let Some(host) = &self.host else {
            let message = "no request is sent outside of any run";
            return Err(Failure::new(FailureKind::Pipeline, "no_run", message));
        };
        let mut task = AbortOnDrop(host.spawn(call.carry_out()));
        (&mut task.0).await.unwrap_or_else(|ended| {
            Err(Failure::new(FailureKind::Internal, "panicked", format!("a request was not carried out: {ended}")))
        })
    }

    fn for_the_guest(&self, received: Received) -> Fetched {
        let Received { status, headers, body, url } = received;
        let mask = |text: String| String::from_utf8_lossy(&self.vault.mask(text.into_bytes())).into_owned();
        let headers = headers.into_iter().map(|(name, value)| (name, mask(value))).collect();
        Fetched { status, headers, body: self.vault.mask(body), url: mask(url) }
    }

    /// A server may have said a secret in an address that a failure names.
    fn failure_for_the_guest(&self, mut failure: Failure) -> Failure {
        let mask = |text: &mut String| {
            let masked = self.vault.mask(std::mem::take(text).into_bytes());
            *text = String::from_utf8_lossy(&masked).into_owned();
        };
        failure.texts_mut().for_each(mask);
        failure
    }

    fn used_up(&self, does: &str, key: &str) -> Failure {
        let plugin = &self.plugin;
        let message = format!(
            "plugin `{plugin}` {does} in one attempt: raise `limits.{key}` (for all plugins, or under \
             [plugins.{plugin}.limits])"
        );
        Failure::new(FailureKind::Pipeline, "http_limit", message)
    }
}

/// One request with the rules of its server.
struct Call {
    line: Line,
    /// Scheme, host and port: what breaker and rate limit belong to.
    upstream: String,
    request: Request,
    grant: HttpGrant,
    limit: BodyLimit,
    time: Duration,
}

impl Call {
    /// Tries until it works, the rules say that it is enough, or trying again is no use.
    async fn carry_out(self) -> Result<Received, Failure> {
        let rules = &self.grant.upstream;
        let mut calls = 0;
        loop {
            let upstreams = &self.line.upstreams;
            let pass = upstreams.begin(&self.upstream, rules).await?;
            let mut is_elsewhere = false;
            let tried = self.line.exchange(&self.request, &self.grant, &self.limit, self.time, &mut is_elsewhere).await;
            let failure = match &tried {
                Ok(received) => of_status(received.status, &received.url, |name| received.header(name)),
                Err(failure) => Some(failure.clone()),
            };
            // A server that redirects works, whatever becomes of it elsewhere.
            upstreams.end(&self.upstream, rules, pass, failure.as_ref().filter(|_| !is_elsewhere)).await;
            calls += 1;
            let again = failure.filter(|_| self.request.is_idempotent());
            match again.and_then(|failure| upstreams.retry_after(rules, &failure, calls)) {
                Some(wait) => upstreams.pause(wait).await,
                None => return tried,
            }
        }
    }
}

/// A rehearsal leaves nothing behind, at other people's servers either.
fn not_in_a_dry_run(request: &Request) -> Failure {
    let message = format!(
        "a dry run sends GET, HEAD and OPTIONS only, which change nothing: {} to `{}` is not sent",
        request.method,
        send::shown(&request.url)
    );
    Failure::new(FailureKind::Auth, "dry_run", message)
}

/// What a status says about its server, where it says something. The guest gets the response all the same.
pub(super) fn of_status<'a>(status: u16, url: &str, header: impl Fn(&str) -> Option<&'a str>) -> Option<Failure> {
    let said = || format!("`{url}` answered {status}");
    let failure = match status {
        // It works, and has enough of us.
        429 => Failure::new(FailureKind::Orchestration, "rate_limited", said()).retryable(true),
        502..=504 => Failure::new(FailureKind::Source, "unavailable", said()).retryable(true),
        500..=599 => Failure::new(FailureKind::Network, "unavailable", said()).retryable(false),
        _ => return None,
    };
    Some(Failure { retry_after_ms: retry_after(header), ..failure })
}

/// The header `Retry-After` in milliseconds: seconds, or a time by the clock of the server.
fn retry_after<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<u64> {
    let text = header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let date = |text: &str| httpdate::parse_http_date(text.trim()).ok();
    let (until, now) = (date(text)?, date(header("date")?)?);
    Some(u64::try_from(until.duration_since(now).unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

/// A task that ends when nobody waits for it any more: a guest that is stopped leaves no request behind.
struct AbortOnDrop(JoinHandle<Result<Received, Failure>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
