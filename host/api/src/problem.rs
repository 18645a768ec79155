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
        let status = match failure.code.as_str() {
            "unknown_name" | "bad_id" => StatusCode::NOT_FOUND,
            "not_granted" => StatusCode::FORBIDDEN,
            "not_ready" | "unreachable" | "interrupted" => StatusCode::SERVICE_UNAVAILABLE,
            // What the operator of this host has to mend, not the caller.
            "conflict" | "cancelled" | "bad_folder" => StatusCode::CONFLICT,
            _ => match failure.exit_code() {
                2 => StatusCode::BAD_REQUEST,
                3 => StatusCode::CONFLICT,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        Self { status, failure: Box::new(failure) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, mut failure } = self;
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
    use super::*;

    #[test]
    fn codes_become_the_statuses_a_client_expects() {
        for (code, status) in [
            ("unknown_name", 404),
            ("bad_params", 400),
            ("key_reused", 409),
            ("plugin_refused", 409),
            ("bad_folder", 409),
            ("not_ready", 503),
            ("no_space", 500),
        ] {
            let refusal = Refusal::from(Failure::new(FailureKind::Unknown, code, ""));
            assert_eq!(refusal.status.as_u16(), status, "{code}");
        }
    }
}
