//! Who may talk to this server. Checked before a byte of a body is read.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::failure::FailureKind;

use crate::problem::Refusal;

/// What requests are held against.
#[derive(Clone)]
pub(crate) struct Guard {
    token: Arc<str>,
    /// What `Host` may say, in lower case.
    hosts: Arc<[String]>,
}

impl Guard {
    pub(crate) fn new(token: &str, address: SocketAddr, allowed: &[String]) -> Self {
        let port = address.port();
        let mut hosts: Vec<String> = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}")).into();
        hosts.push(address.to_string());
        hosts.extend(allowed.iter().map(|host| host.to_ascii_lowercase()));
        if port == 80 {
            let bare: Vec<String> =
                hosts.iter().filter_map(|host| host.strip_suffix(":80").map(str::to_owned)).collect();
            hosts.extend(bare);
        }
        Self { token: token.into(), hosts: hosts.into() }
    }

    fn check(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        let authority = request.uri().authority().map(|authority| authority.as_str());
        let named = only(headers, header::HOST);
        let known = |host: &str| self.hosts.contains(&host.to_ascii_lowercase());
        if !named.is_some_and(known) || !authority.is_none_or(known) {
            let message = "the `Host` of the request is not this server; use 127.0.0.1 or localhost and its port";
            return Err(forbidden(message));
        }
        if headers.contains_key(header::ORIGIN) {
            let origin = only(headers, header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
            if !origin.is_some_and(known) {
                return Err(forbidden("requests of other web pages are not answered"));
            }
        }
        if !request.uri().path().starts_with("/api/") {
            return Ok(());
        }
        let shown = only(headers, header::AUTHORIZATION).and_then(|value| value.split_once(' '));
        let is_shown = |(scheme, token): (&str, &str)| {
            scheme.eq_ignore_ascii_case("bearer") && same(token.as_bytes(), self.token.as_bytes())
        };
        if !shown.is_some_and(is_shown) {
            let message =
                "the API wants `Authorization: Bearer TOKEN` with the token in `spine.token` of the data folder";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, FailureKind::Auth, "unauthorized", message));
        }
        if request.method() == Method::POST && !is_json(headers) {
            let message = "send `Content-Type: application/json`; nothing else is taken";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Refusal::new(status, FailureKind::Validation, "unsupported_media_type", message));
        }
        Ok(())
    }
}

/// Lets a request through, or answers it with the reason why not.
pub(crate) async fn stand(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::warn!(path = request.uri().path(), ?refusal, "refused a request");
            refusal.into_response()
        }
    }
}

/// The value of a header that must be there exactly once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = only(headers, header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// Compares in a time that does not tell where two secrets of one length differ.
fn same(shown: &[u8], secret: &[u8]) -> bool {
    let differing = shown.iter().zip(secret).fold(0, |differing, (a, b)| black_box(differing | (a ^ b)));
    !secret.is_empty() && shown.len() == secret.len() && differing == 0
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, FailureKind::Auth, "forbidden", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        assert!(same(b"secret", b"secret"));
        for wrong in [&b"secreT"[..], b"secre", b"secrets", b""] {
            assert!(!same(wrong, b"secret"));
        }
        assert!(!same(b"", b""), "a server without a token lets nobody in");
    }
}
