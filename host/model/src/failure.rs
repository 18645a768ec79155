//! One taxonomy of failures for guests, host, ledger, CLI and HTTP.

pub mod codes;
mod context;
mod failure_type;
mod foreign;
mod several;
mod trap;

use std::fmt;

use serde::{Deserialize, Serialize};
pub use spine_primitives::FailureKind;

pub use context::Context;
pub use failure_type::{FailureType, RATE_LIMIT_RETRY_AFTER_MS};
pub use foreign::Reading;
pub use several::{collect_all, partition};
pub use trap::{TrapCall, TrapFrame, TrapLine, TrapReport};

/// Why work failed or was refused: what, where, why and what to do, in `message`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    #[serde(with = "crate::text")]
    pub kind: FailureKind,
    /// Finer than the kind; stable once published.
    pub code: String,
    pub message: String,
    /// Whether the same work may succeed later without anybody changing anything.
    pub retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// From the outermost to the innermost cause.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What else there is to know, in free words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
    /// Where it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<Context>>,
    /// Of a guest that was stopped in the middle of its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trap: Option<Box<TrapReport>>,
}

impl Failure {
    /// A failure whose kind decides whether trying again helps: only `network` does.
    pub fn new(kind: FailureKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            retryable: kind == FailureKind::Network,
            retry_after_ms: None,
            causes: Vec::new(),
            details: Vec::new(),
            context: None,
            trap: None,
        }
    }

    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// Says how long to wait at least before trying again.
    #[must_use]
    pub fn retry_after_ms(mut self, wait_ms: u64) -> Self {
        self.retry_after_ms = Some(wait_ms);
        self
    }

    /// Adds `error` and its sources to the causes.
    #[must_use]
    pub fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }

    /// The exit code a process ends with when this is why: 1 the work failed, 2 usage or configuration, 3 refused,
    /// 4 host or database not reachable.
    pub fn exit_code(&self) -> u8 {
        match self.code.as_str() {
            // Ours, not that of a publisher who refuses a plugin.
            "rate_limited" if self.kind == FailureKind::Orchestration => 3,
            code => codes::exit_code(code),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_json_with_its_kind_as_a_word() {
        let failure = Failure::new(FailureKind::Validation, "bad_params", "no").detail("param", "file");
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(json["kind"], "validation");
        assert_eq!(serde_json::from_value::<Failure>(json).unwrap(), failure);
    }

    #[test]
    fn failures_of_older_ledgers_can_be_read() {
        let old =
            r#"{"kind":"network","code":"reset","message":"no","retryable":true,"causes":["a"],"details":[["b","c"]]}"#;
        let failure: Failure = serde_json::from_str(old).unwrap();
        let expected = Failure {
            causes: vec!["a".to_owned()],
            ..Failure::new(FailureKind::Network, "reset", "no").detail("b", "c")
        };
        assert_eq!(failure, expected);
        assert_eq!(serde_json::to_string(&failure).unwrap(), old, "and nothing is added to them");
    }

    #[test]
    fn a_type_of_configuration_ends_a_process_as_usage_does() {
        let code = |found| Failure::of(found, "").exit_code();
        let usage =
            [FailureType::Config, FailureType::MissingConfig, FailureType::InvalidConfig, FailureType::BadParams];
        assert_eq!(usage.map(code), [2; 4]);
        assert_eq!([FailureType::Authentication, FailureType::Authorization].map(code), [3; 2]);
        assert_eq!([FailureType::DatabaseConnection, FailureType::Timeout].map(code), [4, 1]);
    }
}
