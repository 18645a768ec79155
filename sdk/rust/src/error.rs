//! Why work did not get done, in the words of the contract.

use std::fmt;

pub use spine_primitives::FailureKind as Kind;

/// Why work did not get done. The message says what, where, why and what to do.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// let error = Error::source("no_week", "the file name holds no date: pass `week_ending`").detail("file", "a.csv");
/// assert_eq!((error.kind, error.code.as_str()), (Kind::Source, "no_week"));
/// assert_eq!(error.to_string(), "the file name holds no date: pass `week_ending`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    /// Finer than the kind, for programs; stable once published.
    pub code: String,
    /// For people.
    pub message: String,
    /// None: the kind decides.
    pub retryable: Option<bool>,
    pub retry_after_ms: Option<u64>,
    pub details: Vec<(String, String)>,
}

impl Error {
    pub fn new(kind: Kind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            retryable: None,
            retry_after_ms: None,
            details: Vec::new(),
        }
    }

    /// Parameters that do not fit: the run ends as a usage error, not as failed work.
    pub fn bad_params(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, "bad_params", message)
    }

    pub fn parse(code: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Parse, code, message)
    }

    pub fn validation(code: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Validation, code, message)
    }

    /// Input that a check of `dataset` blocks before there is a row or a partition for the host to judge: the run ends
    /// as it does when a declared check fails, and the host records the check as failed.
    ///
    /// ```
    /// use spine_sdk::prelude::*;
    ///
    /// let error = Error::blocked("not_empty", "earnings.surprises", "`a.csv` has a header and no rows");
    /// assert_eq!((error.kind, error.code.as_str()), (Kind::Validation, "quality_blocked"));
    /// ```
    pub fn blocked(check: &str, dataset: &str, message: impl Into<String>) -> Self {
        Self::validation("quality_blocked", message).detail("check", check).detail("dataset", dataset)
    }

    pub fn config(code: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Config, code, message)
    }

    pub fn source(code: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Source, code, message)
    }

    pub fn pipeline(code: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Pipeline, code, message)
    }

    pub fn internal(code: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, code, message)
    }

    pub fn network(code: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Network, code, message)
    }

    pub fn auth(code: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::Auth, code, message)
    }

    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }

    /// Says whether the same work may succeed later without anybody changing anything.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = Some(retryable);
        self
    }

    /// Says how long to wait at least before trying again.
    #[must_use]
    pub fn retry_after_ms(mut self, wait_ms: u64) -> Self {
        self.retry_after_ms = Some(wait_ms);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
