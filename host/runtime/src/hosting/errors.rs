//! Errors across the boundary, both ways, and the plain records that cross with them.

use model::failure::FailureType;
use model::ports::{Buffers, DataError, Field, FileEntry, RejectedRow, SharedBuffers};
use model::{Failure, FailureKind};

use crate::attempt::{LimitReached, cut};
use crate::bindings::{host, tables};

/// Longest text of a guest's error that is kept.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Details of a guest's error that are kept.
const DETAILS_MAX: usize = 64;

/// The detail that carries a cause through a guest which passes an error of the host on.
const CAUSE: &str = "cause";

/// A failure as a guest sees it. Nothing is lost: causes travel as details.
pub(crate) fn guest_error(failure: Failure) -> host::Error {
    let causes = failure.causes.into_iter().map(|cause| (CAUSE.to_owned(), cause));
    host::Error {
        kind: failure.kind.name().to_owned(),
        code: failure.code,
        message: failure.message,
        retryable: Some(failure.retryable),
        retry_after_ms: failure.retry_after_ms,
        details: failure.details.into_iter().chain(causes).collect(),
    }
}

/// What a guest returned as the reason of its failure, cut to a sane size.
pub(crate) fn failure_of_guest(error: host::Error) -> Failure {
    let kind = FailureKind::from_name(&error.kind);
    let code = if error.code.is_empty() { "guest_error" } else { cut(&error.code, 128) };
    let message = if error.message.is_empty() { code } else { cut(&error.message, MESSAGE_BYTES_MAX) };
    let mut failure = Failure::new(kind, code, message);
    // What the guest leaves open, the type of the failure decides.
    let found = failure.failure_type();
    failure.retryable = error.retryable.or(found.map(FailureType::is_retryable)).unwrap_or(failure.retryable);
    let usual = found.filter(|_| failure.retryable).and_then(FailureType::retry_after_ms);
    failure.retry_after_ms = error.retry_after_ms.or(usual);
    for (name, value) in error.details.into_iter().take(DETAILS_MAX) {
        let value = cut(&value, MESSAGE_BYTES_MAX).to_owned();
        if name == CAUSE {
            failure.causes.push(value);
        } else {
            failure.details.push((cut(&name, 128).to_owned(), value));
        }
    }
    failure
}

impl From<DataError> for tables::DataError {
    fn from(error: DataError) -> Self {
        let DataError { code, message, details } = error;
        Self { code, message, details }
    }
}

impl From<LimitReached> for DataError {
    fn from(reached: LimitReached) -> Self {
        Self::new(reached.code, reached.to_string())
    }
}

impl From<Field> for tables::Field {
    fn from(field: Field) -> Self {
        let Field { name, dtype, nullable, details } = field;
        Self { name, dtype, nullable, details }
    }
}

impl From<tables::Field> for Field {
    fn from(field: tables::Field) -> Self {
        let tables::Field { name, dtype, nullable, details } = field;
        Self { name, dtype, nullable, details }
    }
}

impl From<SharedBuffers> for tables::Buffers {
    fn from(buffers: SharedBuffers) -> Self {
        let Buffers { rows, parts } = buffers.to_owned_buffers();
        Self { rows, parts }
    }
}

impl From<tables::Buffers> for Buffers {
    fn from(buffers: tables::Buffers) -> Self {
        let tables::Buffers { rows, parts } = buffers;
        Self { rows, parts }
    }
}

impl From<host::RejectedRow> for RejectedRow {
    fn from(row: host::RejectedRow) -> Self {
        let host::RejectedRow { line, code, message, details } = row;
        Self { line, code, message, details }
    }
}

impl From<FileEntry> for host::FileEntry {
    fn from(entry: FileEntry) -> Self {
        let details = vec![("modified_us".to_owned(), entry.modified_us.to_string())];
        Self { name: entry.name, size: entry.bytes, details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_host_survives_the_way_through_a_guest() {
        let failure = Failure {
            causes: vec!["outer".to_owned(), "inner".to_owned()],
            retry_after_ms: Some(5),
            ..Failure::new(FailureKind::Storage, "no_space", "the disk is full").detail("path", "x")
        };
        assert_eq!(failure_of_guest(guest_error(failure.clone())), failure);
    }

    #[test]
    fn the_type_decides_about_retrying_unless_the_guest_does() {
        let named = |kind: &str, code: &str, retryable| host::Error {
            kind: kind.to_owned(),
            code: code.to_owned(),
            message: String::new(),
            retryable,
            retry_after_ms: None,
            details: Vec::new(),
        };
        let error = |kind: &str, retryable| named(kind, "", retryable);
        assert!(failure_of_guest(error("network", None)).retryable);
        assert!(failure_of_guest(named("source", "unavailable", None)).retryable);
        assert!(!failure_of_guest(named("source", "not_found", None)).retryable);
        assert_eq!(failure_of_guest(named("network", "rate_limit", None)).retry_after_ms, Some(60_000));
        assert_eq!(failure_of_guest(named("network", "rate_limit", Some(false))).retry_after_ms, None);
        assert!(!failure_of_guest(error("network", Some(false))).retryable);
        let odd = failure_of_guest(error("quantum", None));
        assert_eq!(
            (odd.kind, odd.code.as_str(), odd.message.as_str()),
            (FailureKind::Unknown, "guest_error", "guest_error")
        );
    }
}
