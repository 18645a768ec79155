//! One request on the wire and what came back: redirects followed by us, each checked anew, sizes and time bounded.
//!
//! A connection serves one exchange. Bodies are read up to their limit, and unpacked up to it as well.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap,
    HeaderValue, LOCATION, USER_AGENT,
};
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use model::grants::HttpGrant;
use model::ports::Upstreams;
use model::{Failure, FailureKind};
use url::Url;

use super::connect::Network;
use super::of_status;
use super::permit::Permits;
use super::request::{Redirects, Request, header_mentions, parse_url, target};
use crate::capabilities::secrets::Vault;

/// Bytes of the head of a response: status line and headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Headers of a response.
const HEADERS_MAX: usize = 200;

/// Most times a body may grow when it is unpacked. Market data shrinks 3 to 30 times.
const RATIO_MAX: u64 = 200;

/// Below this size nobody minds the ratio: a short body of one repeated line is no bomb.
const RATIO_FREE_BYTES: u64 = 16 * 1024 * 1024;

/// What one attempt sends with.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) network: Arc<Network>,
    pub(super) permits: Arc<Permits>,
    pub(super) vault: Arc<Vault>,
    pub(super) upstreams: Arc<dyn Upstreams>,
}

/// A response as it came, unpacked, with the values of secrets still in it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The address that answered in the end.
    pub(super) url: String,
}

impl Received {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// How much of a body is taken, and what says so.
#[derive(Clone, Debug)]
pub(super) struct BodyLimit {
    pub(super) bytes: u64,
    /// What to raise: `the grant's response_bytes`.
    pub(super) key: String,
}

impl Line {
    /// Sends a request within the time of its grant and follows redirects. `is_elsewhere` becomes true once one leads to
    /// another server than the guest named.
    ///
    /// # Errors
    ///
    /// `not_granted`, `address_denied`: what was asked for or where it leads is not allowed. Of kind `network` or `source`:
    /// the server.
    pub(super) async fn exchange(
        &self,
        request: &Request,
        grant: &HttpGrant,
        limit: &BodyLimit,
        time: Duration,
        is_elsewhere: &mut bool,
    ) -> Result<Received, Failure> {
        let done = tokio::time::timeout(time, self.followed(request.clone(), grant, limit, is_elsewhere)).await;
        done.unwrap_or_else(|_| {
            let message = format!(
                "`{}` did not answer within {} ms, the `timeout` of its grant or of the request",
                shown(&request.url),
                time.as_millis()
            );
            Err(Failure::new(FailureKind::Network, "timeout", message).retryable(true))
        })
    }

    async fn followed(
        &self,
        mut request: Request,
        first: &HttpGrant,
        limit: &BodyLimit,
        is_elsewhere: &mut bool,
    ) -> Result<Received, Failure> {
        let mut grant = first.clone();
        let mut redirects = 0;
        let unpack = !request.headers.iter().any(|(name, _)| name == ACCEPT_ENCODING);
        loop {
            // Somewhere else than where the guest sent it, nothing of a secret is sent.
            let (head, body) = match *is_elsewhere {
                true => self.hop(&request, &grant, unpack).await?,
                false => self.once(&request, &grant, unpack, false).await?,
            };
            let location = redirection(head.status, &head.headers);
            let is_followed = request.redirects == Redirects::Followed && first.redirects > 0;
            let Some(location) = location.filter(|_| is_followed) else {
                return self.read(&request, head, body, limit, unpack).await;
            };
            if redirects == first.redirects {
                let message = format!(
                    "`{}` redirects further than {redirects} times, the `redirects` of its grant",
                    shown(&request.url)
                );
                return Err(Failure::new(FailureKind::Source, "too_many_redirects", message));
            }
            redirects += 1;
            let from = shown(&request.url);
            let next = request.url.join(&location).map_err(|error| error.to_string());
            let next = next.and_then(|next| parse_url(next.as_str()).map_err(|failure| failure.message));
            let next = next.map_err(|why| bad_response(&request.url, &format!("it redirects to no address: {why}")))?;
            *is_elsewhere |= next.origin() != request.url.origin();
            request = self.redirected(request, next, head.status, *is_elsewhere)?;
            grant = self.permits.check(&request.method, &request.url).map_err(|failure| {
                let message = format!("{}; `{from}` redirects there", failure.message);
                Failure { message, ..failure }
            })?;
        }
    }

    /// One request to a server that another one redirects to, by the rules of its own grant.
    async fn hop(&self, request: &Request, grant: &HttpGrant, unpack: bool) -> Result<(Head, Incoming), Failure> {
        let (scheme, host, port) = target(&request.url)?;
        let (upstream, rules) = (format!("{}://{host}:{port}", scheme.name()), &grant.upstream);
        let pass = self.upstreams.begin(&upstream, rules).await?;
        let tried = self.once(request, grant, unpack, true).await;
        let failure = match &tried {
            Ok((head, _)) => of_status(head.status.as_u16(), &shown(&request.url), |name| {
                head.headers.get(name).and_then(|value| value.to_str().ok())
            }),
            Err(failure) => Some(failure.clone()),
        };
        self.upstreams.end(&upstream, rules, pass, failure.as_ref()).await;
        tried
    }

    /// The request that follows a redirect.
    fn redirected(
        &self,
        request: Request,
        to: Url,
        status: StatusCode,
        is_elsewhere: bool,
    ) -> Result<Request, Failure> {
        let Request { mut method, mut headers, mut body, url, redirects } = request;
        let becomes_get = match status {
            StatusCode::SEE_OTHER => method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
            _ => false,
        };
        if becomes_get {
            method = Method::GET;
            body.clear();
            headers.retain(|(name, _)| !matches!(name, &CONTENT_TYPE | &CONTENT_ENCODING));
        }
        if is_elsewhere {
            let is_secret = |value: &str| self.vault.is_mentioned(|text| header_mentions(value, text));
            headers.retain(|(name, value)| !matches!(name, &AUTHORIZATION | &COOKIE) && !is_secret(value));
            if self.vault.is_mentioned(|text| memchr::memmem::find(&body, text.as_bytes()).is_some()) {
                let message =
                    format!("`{}` redirects a request with a secret in its body to another server", shown(&url));
                return Err(Failure::new(FailureKind::Auth, "not_granted", message));
            }
        }
        Ok(Request { method, url: to, headers, body, redirects })
    }

    /// One request to one server, up to the head of its response.
    async fn once(
        &self,
        request: &Request,
        grant: &HttpGrant,
        unpack: bool,
        is_elsewhere: bool,
    ) -> Result<(Head, Incoming), Failure> {
        let (scheme, host, port) = target(&request.url)?;
        let connection = self.network.connect((scheme, &host, port), grant).await?;
        let lost = |error: hyper::Error| lost(&request.url, &error);
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(connection.0))
            .await
            .map_err(lost)?;
        // Ends with the exchange: sender and body hold the other ends.
        tokio::spawn(connection);
        let wire = self.on_the_wire(request, unpack, is_elsewhere)?;
        let (head, body) = sender.send_request(wire).await.map_err(lost)?.into_parts();
        Ok((Head { status: head.status, headers: head.headers }, body))
    }

    /// The request with the values of secrets in it; without them for a server that the guest did not name.
    fn on_the_wire(
        &self,
        request: &Request,
        unpack: bool,
        is_elsewhere: bool,
    ) -> Result<hyper::Request<Full<Bytes>>, Failure> {
        let Request { method, url, headers, body, .. } = request;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}{query}", url.path());
        let (path, body) = match is_elsewhere {
            true => (path, body.clone()),
            false => (self.vault.fill_path(&path), self.vault.fill_body(body.clone())),
        };
        let host = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let host = format!("{}{host}", url.host_str().unwrap_or_default());
        let mut wire = hyper::Request::builder().method(method).uri(path).header(HOST, host);
        for (name, value) in headers {
            let value = if is_elsewhere { value.clone() } else { self.vault.fill_header(value) };
            // Not even in the text of an error: it may be a secret.
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| bad_request(&format!("a secret in the header `{name}` holds what no header may")))?;
            value.set_sensitive(true);
            wire = wire.header(name, value);
        }
        if unpack {
            wire = wire.header(ACCEPT_ENCODING, "gzip");
        }
        if !headers.iter().any(|(name, _)| name == USER_AGENT) {
            wire = wire.header(USER_AGENT, "spine-host");
        }
        wire.body(Full::new(Bytes::from(body))).map_err(|error| bad_request(&error.to_string()))
    }

    async fn read(
        &self,
        request: &Request,
        head: Head,
        mut body: Incoming,
        limit: &BodyLimit,
        unpack: bool,
    ) -> Result<Received, Failure> {
        let url = &request.url;
        let Head { status, mut headers } = head;
        if request.method != Method::HEAD && body.size_hint().exact().is_some_and(|announced| announced > limit.bytes) {
            return Err(too_large(url, limit));
        }
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| lost(url, &error))?.into_data() else { continue };
            if bytes.len() as u64 + data.len() as u64 > limit.bytes {
                return Err(too_large(url, limit));
            }
            bytes.extend_from_slice(&data);
        }
        let is_packed = headers.get(CONTENT_ENCODING).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"gzip"));
        if unpack && is_packed && !bytes.is_empty() {
            let (url, limit) = (url.clone(), limit.clone());
            let unpacked = tokio::task::spawn_blocking(move || unpacked(&url, &bytes, &limit)).await;
            bytes = unpacked.map_err(|error| Failure::new(FailureKind::Internal, "panicked", error.to_string()))??;
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Ok(Received { status: status.as_u16(), headers, body: bytes, url: url.as_str().to_owned() })
    }
}

/// The head of a response.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

/// Where a response sends the request on.
fn redirection(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let redirects = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = headers.get(LOCATION).filter(|_| redirects)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// A gzip unpacked, within the limit and the ratio.
fn unpacked(url: &Url, packed: &[u8], limit: &BodyLimit) -> Result<Vec<u8>, Failure> {
    let ratio_max = RATIO_FREE_BYTES.max((packed.len() as u64).saturating_mul(RATIO_MAX));
    let mut from = flate2::read::MultiGzDecoder::new(packed);
    let mut bytes = Vec::new();
    loop {
        let read = from.by_ref().take(1024 * 1024).read_to_end(&mut bytes);
        let read = read.map_err(|error| bad_response(url, &format!("its gzip is damaged or cut: {error}")))?;
        let size = bytes.len() as u64;
        if size > limit.bytes {
            return Err(too_large(url, limit));
        }
        if size > ratio_max {
            let message = format!(
                "what `{}` sends is past the ratio limit: it unpacks to more than {RATIO_MAX} times its size",
                shown(url)
            );
            return Err(Failure::new(FailureKind::Source, "too_large", message));
        }
        if read == 0 {
            return Ok(bytes);
        }
    }
}

/// An address without its query, in which there may be more than everybody should see.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    model::brief(url.as_str()).into_owned()
}

fn too_large(url: &Url, limit: &BodyLimit) -> Failure {
    let message = format!(
        "what `{}` sends is larger than {} bytes: ask for less, or raise {}",
        shown(url),
        limit.bytes,
        limit.key
    );
    Failure::new(FailureKind::Source, "too_large", message)
}

fn bad_response(url: &Url, why: &str) -> Failure {
    Failure::new(FailureKind::Source, "bad_response", format!("the answer of `{}` makes no sense: {why}", shown(url)))
}

fn bad_request(why: &str) -> Failure {
    Failure::new(FailureKind::Pipeline, "bad_request", format!("a request cannot be sent: {why}"))
}

/// The exchange broke off, or what came is no HTTP.
fn lost(url: &Url, error: &hyper::Error) -> Failure {
    if error.is_parse() {
        return bad_response(url, &error.to_string());
    }
    let message = format!("the exchange with `{}` broke off: {error}", shown(url));
    Failure::new(FailureKind::Network, "network", message).because(error).retryable(true)
}
