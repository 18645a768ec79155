//! One taxonomy of failures for guests, host, ledger, CLI and HTTP.

use std::fmt;

use serde::{Deserialize, Serialize};
pub use spine_primitives::FailureKind;

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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
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
        }
    }

    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
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

    /// The failure of a file operation on `path`: which kind and code, and whether waiting helps.
    ///
    /// `reading` tells an input (`source`) from the host's own files (`storage`).
    pub fn io(reading: Reading, action: &str, path: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let kind = match reading {
            Reading::Input => FailureKind::Source,
            Reading::Own => FailureKind::Storage,
        };
        let (code, retryable) = match error.kind() {
            ErrorKind::NotFound => ("not_found", false),
            ErrorKind::PermissionDenied => ("permission_denied", false),
            ErrorKind::IsADirectory => ("not_a_file", false),
            // A limit on the size of files is a disk that is full for this process.
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => ("no_space", false),
            ErrorKind::ReadOnlyFilesystem => ("read_only", false),
            ErrorKind::Interrupted | ErrorKind::TimedOut | ErrorKind::WouldBlock => ("io", true),
            _ => ("io", false),
        };
        Self::new(kind, code, format!("could not {action} `{path}`: {error}")).retryable(retryable)
    }

    /// The exit code a process ends with when this is why: 1 the work failed, 2 usage or configuration, 3 refused,
    /// 4 host or database not reachable.
    pub fn exit_code(&self) -> u8 {
        match self.code.as_str() {
            "unknown_name" | "bad_params" | "bad_sql" | "bad_as_of" | "bad_config" | "bad_folder" | "bad_id"
            | "usage" => 2,
            "quality_blocked" | "unique_key" | "not_granted" | "plugin_refused" | "key_reused" | "not_releasable"
            | "locked" | "schema_changed" | "not_ready" | "unauthorized" | "forbidden" => 3,
            "unreachable" | "gone" => 4,
            _ => 1,
        }
    }
}

/// Whose file an I/O error was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A publisher's file.
    Input,
    /// A file of the host.
    Own,
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
    fn a_missing_file_is_not_transient() {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        let failure = Failure::io(Reading::Input, "read", "a.txt", &error);
        assert_eq!((failure.kind, failure.code.as_str(), failure.retryable), (FailureKind::Source, "not_found", false));
    }

    #[test]
    fn a_failure_survives_json_with_its_kind_as_a_word() {
        let failure = Failure::new(FailureKind::Validation, "bad_params", "no").detail("param", "file");
        let json = serde_json::to_value(&failure).unwrap();
        assert_eq!(json["kind"], "validation");
        assert_eq!(serde_json::from_value::<Failure>(json).unwrap(), failure);
    }
}
