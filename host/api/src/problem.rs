//! Failures as HTTP answers: RFC 9457 `application/problem+json` with our failure inside.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::brief_message;
use model::failure::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The status in words.
    pub title: String,
    pub status: u16,
    /// The message of the failure.
    pub detail: String,
    /// Kind, code, causes: what a command in the same process would have got.
    pub failure: Failure,
}

/// A failure on its way out, with the status it is told with.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    failure: Box<Failure>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, kind: FailureKind, code: &str, message: impl Into<String>) -> Self {
        Self { status, failure: Box::new(Failure::new(kind, code, message)) }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { status: status(&failure), failure: Box::new(failure) }
    }
}

/// What a caller is told with. A status says who has to do something: 4xx the caller, 409 and 429 wait or look first, 5xx
/// the operator of this host. A code that is only ever the end of a run, which its report tells, is 500 here.
fn status(failure: &Failure) -> StatusCode {
    match failure.code.as_str() {
        "unknown_name" | "bad_id" | "not_found" | "not_kept" | "no_breaker" => StatusCode::NOT_FOUND,
        "unauthorized" => StatusCode::UNAUTHORIZED,
        "not_granted" | "address_denied" | "forbidden" => StatusCode::FORBIDDEN,
        "wrong_method" => StatusCode::METHOD_NOT_ALLOWED,
        "too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "unsupported_media_type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        // Too much of this for now.
        "rate_limited" | "bulkhead_full" => StatusCode::TOO_MANY_REQUESTS,
        // What a call depends on does not work, or this host does not yet or not any more.
        "circuit_open" | "plugin_quarantined" | "not_ready" | "unreachable" | "gone" | "interrupted" | "busy"
        | "closed" => StatusCode::SERVICE_UNAVAILABLE,
        "deadline" | "query_timeout" | "timeout" => StatusCode::GATEWAY_TIMEOUT,
        // Not as things stand: a run has ended or is another's, somebody was faster; or the operator of this host has to
        // mend a folder, not the caller.
        "lost" | "kept" | "conflict" | "contention" | "cancelled" | "illegal_transition" | "bad_folder" => {
            StatusCode::CONFLICT
        }
        _ => match failure.exit_code() {
            2 => StatusCode::BAD_REQUEST,
            3 => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, mut failure } = self;
        let retry_after = failure.retry_after_ms.map(|wait| wait.div_ceil(1_000));
        shorten(&mut failure);
        let problem = Problem {
            problem_type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: failure.message.clone(),
            failure: *failure,
        };
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let may_come_again = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if let Some(seconds) = retry_after.filter(|_| may_come_again) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Whatever a caller sent, an answer does not send it back.
fn shorten(failure: &mut Failure) {
    let Failure { message, causes, details, .. } = failure;
    let details = details.iter_mut().flat_map(|(name, value)| [name, value]);
    for text in std::iter::once(message).chain(causes).chain(details) {
        if let Cow::Owned(short) = brief_message(text) {
            *text = short;
        }
    }
}

#[cfg(test)]
mod tests {
    use model::failure::codes;

    use super::*;

    /// Every code that the host has, by the status it is told with. What is left is 500.
    const STATUSES: &[(u16, &[&str])] = &[
        (
            400,
            &[
                "bad_as_of",
                "bad_case",
                "bad_config",
                "bad_params",
                "bad_sql",
                "invalid_config",
                "missing_config",
                "tool_missing",
                "usage",
            ],
        ),
        (401, &["unauthorized"]),
        (403, &["address_denied", "forbidden", "not_granted"]),
        (404, &["bad_id", "no_breaker", "not_found", "not_kept", "unknown_name"]),
        (405, &["wrong_method"]),
        (
            409,
            &[
                "already_ended",
                "bad_folder",
                "cancelled",
                "conflict",
                "contention",
                "dry_run",
                "illegal_transition",
                "kept",
                "key_reused",
                "lease_held",
                "locked",
                "lost",
                "not_pending",
                "not_releasable",
                "not_repeatable",
                "not_replayable",
                "plugin_refused",
                "quality_blocked",
                "retries_used_up",
                "schema_changed",
                "secret_lost",
                "unique_key",
            ],
        ),
        (413, &["too_large"]),
        (415, &["unsupported_media_type"]),
        (429, &["bulkhead_full", "rate_limited"]),
        (
            503,
            &[
                "busy",
                "circuit_open",
                "closed",
                "gone",
                "interrupted",
                "not_ready",
                "plugin_quarantined",
                "unreachable",
            ],
        ),
        (504, &["deadline", "query_timeout", "timeout"]),
    ];

    #[test]
    fn every_code_has_the_status_a_client_expects() {
        let expected = |code: &str| STATUSES.iter().find(|(_, codes)| codes.contains(&code)).map_or(500, |it| it.0);
        for code in codes::all() {
            let refusal = Refusal::from(Failure::new(FailureKind::Unknown, code, ""));
            assert_eq!(refusal.status.as_u16(), expected(code), "{code}");
        }
        let known: Vec<&str> = codes::all().collect();
        for code in STATUSES.iter().flat_map(|(_, codes)| *codes) {
            assert!(known.contains(code), "no failure has the code {code}");
        }
        // What ends a process as a mistake or a refusal is never told as a defect of the host.
        for code in codes::USAGE.iter().chain(codes::REFUSED) {
            assert_ne!(expected(code), 500, "{code}");
        }
    }

    #[test]
    fn a_caller_hears_when_to_come_again() {
        let after = |code: &str, wait: Option<u64>| {
            let failure = Failure { retry_after_ms: wait, ..Failure::new(FailureKind::Orchestration, code, "") };
            let response = Refusal::from(failure).into_response();
            response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(after("circuit_open", Some(29_001)).as_deref(), Some("30"));
        assert_eq!(after("rate_limited", Some(100)).as_deref(), Some("1"));
        assert_eq!(after("bulkhead_full", None), None, "nobody knows when");
        assert_eq!(after("key_reused", Some(100)), None, "waiting does not help");
    }
}
