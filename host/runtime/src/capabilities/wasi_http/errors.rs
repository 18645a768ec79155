//! Failures in the words of the standard, which are codes.

use model::Failure;

use super::types::ErrorCode;

/// The code that says most of it.
pub(super) fn code(failure: &Failure) -> ErrorCode {
    match failure.code.as_str() {
        "not_granted" | "http_limit" | "no_run" => ErrorCode::HttpRequestDenied,
        "address_denied" => ErrorCode::DestinationIpProhibited,
        "timeout" => ErrorCode::HttpResponseTimeout,
        "network" => ErrorCode::ConnectionTerminated,
        "circuit_open" | "rate_limited" | "unavailable" => ErrorCode::DestinationUnavailable,
        "bad_response" => ErrorCode::HttpProtocolError,
        "too_large" => match failure.kind {
            model::FailureKind::Source => ErrorCode::HttpResponseBodySize(None),
            _ => ErrorCode::HttpRequestBodySize(None),
        },
        // The guest gets here what `http.fetch` would tell it: no failure names a value that it may not see.
        _ => ErrorCode::InternalError(Some(format!("{}: {}", failure.code, failure.message))),
    }
}
