//! The types of failures with what each of them means for trying again.
//!
//! A type is a pair of kind and code, so it crosses the boundary and stands in ledger, logs and metrics without a field
//! of its own. A code that is no type's belongs to the general type of its kind.

use super::{Failure, FailureKind};

/// What a failure is, finer than its kind. Types form a tree: a [`FailureType::RateLimit`] is a
/// [`FailureType::Transient`], and everything is an [`FailureType::Internal`], the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureType {
    Internal,
    Transient,
    Network,
    Timeout,
    RateLimit,
    DatabaseConnection,
    Source,
    SourceNotFound,
    SourceUnavailable,
    Parse,
    Validation,
    Schema,
    Constraint,
    Config,
    MissingConfig,
    InvalidConfig,
    Auth,
    Authentication,
    Authorization,
    Pipeline,
    PipelineNotFound,
    BadParams,
    Orchestration,
    Workflow,
    Schedule,
    Storage,
    Database,
    Query,
    Integrity,
}

/// How long to wait where a limit was hit and nobody says how long, in milliseconds.
pub const RATE_LIMIT_RETRY_AFTER_MS: u64 = 60_000;

/// A line of the table: kind, code, whether trying again may help, and what the type is a special case of.
type Facts = (FailureKind, &'static str, bool, FailureType);

impl FailureType {
    pub const ALL: [Self; 29] = [
        Self::Internal,
        Self::Transient,
        Self::Network,
        Self::Timeout,
        Self::RateLimit,
        Self::DatabaseConnection,
        Self::Source,
        Self::SourceNotFound,
        Self::SourceUnavailable,
        Self::Parse,
        Self::Validation,
        Self::Schema,
        Self::Constraint,
        Self::Config,
        Self::MissingConfig,
        Self::InvalidConfig,
        Self::Auth,
        Self::Authentication,
        Self::Authorization,
        Self::Pipeline,
        Self::PipelineNotFound,
        Self::BadParams,
        Self::Orchestration,
        Self::Workflow,
        Self::Schedule,
        Self::Storage,
        Self::Database,
        Self::Query,
        Self::Integrity,
    ];

    const fn facts(self) -> Facts {
        use FailureKind as Kind;
        const AGAIN: bool = true;
        const FINAL: bool = false;
        match self {
            Self::Internal => (Kind::Internal, "internal", FINAL, Self::Internal),
            Self::Transient => (Kind::Network, "transient", AGAIN, Self::Internal),
            Self::Network => (Kind::Network, "network", AGAIN, Self::Transient),
            Self::Timeout => (Kind::Network, "timeout", AGAIN, Self::Transient),
            Self::RateLimit => (Kind::Network, "rate_limit", AGAIN, Self::Transient),
            Self::DatabaseConnection => (Kind::Database, "unreachable", AGAIN, Self::Transient),
            Self::Source => (Kind::Source, "source", FINAL, Self::Internal),
            Self::SourceNotFound => (Kind::Source, "not_found", FINAL, Self::Source),
            Self::SourceUnavailable => (Kind::Source, "unavailable", AGAIN, Self::Source),
            Self::Parse => (Kind::Parse, "parse", FINAL, Self::Source),
            Self::Validation => (Kind::Validation, "validation", FINAL, Self::Internal),
            Self::Schema => (Kind::Validation, "schema", FINAL, Self::Validation),
            Self::Constraint => (Kind::Validation, "constraint", FINAL, Self::Validation),
            Self::Config => (Kind::Config, "bad_config", FINAL, Self::Internal),
            Self::MissingConfig => (Kind::Config, "missing_config", FINAL, Self::Config),
            Self::InvalidConfig => (Kind::Config, "invalid_config", FINAL, Self::Config),
            Self::Auth => (Kind::Auth, "auth", FINAL, Self::Internal),
            Self::Authentication => (Kind::Auth, "unauthorized", FINAL, Self::Auth),
            Self::Authorization => (Kind::Auth, "forbidden", FINAL, Self::Auth),
            Self::Pipeline => (Kind::Pipeline, "pipeline", FINAL, Self::Internal),
            Self::PipelineNotFound => (Kind::Pipeline, "unknown_name", FINAL, Self::Pipeline),
            Self::BadParams => (Kind::Pipeline, "bad_params", FINAL, Self::Pipeline),
            Self::Orchestration => (Kind::Orchestration, "orchestration", FINAL, Self::Internal),
            Self::Workflow => (Kind::Orchestration, "workflow", FINAL, Self::Orchestration),
            Self::Schedule => (Kind::Orchestration, "schedule", FINAL, Self::Orchestration),
            Self::Storage => (Kind::Storage, "storage", FINAL, Self::Internal),
            Self::Database => (Kind::Database, "database", FINAL, Self::Internal),
            Self::Query => (Kind::Database, "query", FINAL, Self::Database),
            Self::Integrity => (Kind::Database, "integrity", FINAL, Self::Database),
        }
    }

    pub const fn kind(self) -> FailureKind {
        self.facts().0
    }

    /// The code of failures of this type; no other type has it together with the same kind.
    pub const fn code(self) -> &'static str {
        self.facts().1
    }

    /// Whether the same work may succeed later without anybody changing anything, unless the failure says otherwise.
    pub const fn is_retryable(self) -> bool {
        self.facts().2
    }

    /// How long to wait at least before trying again, unless the failure says otherwise.
    pub const fn retry_after_ms(self) -> Option<u64> {
        match self {
            Self::RateLimit => Some(RATE_LIMIT_RETRY_AFTER_MS),
            _ => None,
        }
    }

    /// Whether this type is `other` or a special case of it.
    pub fn is_a(self, other: Self) -> bool {
        let parent = self.facts().3;
        self == other || (parent != self && parent.is_a(other))
    }

    /// The type of failures of this kind whose code says nothing finer; none of unknown ones.
    pub const fn general(kind: FailureKind) -> Option<Self> {
        Some(match kind {
            FailureKind::Network => Self::Network,
            FailureKind::Database => Self::Database,
            FailureKind::Storage => Self::Storage,
            FailureKind::Source => Self::Source,
            FailureKind::Parse => Self::Parse,
            FailureKind::Validation => Self::Validation,
            FailureKind::Config => Self::Config,
            FailureKind::Auth => Self::Auth,
            FailureKind::Pipeline => Self::Pipeline,
            FailureKind::Orchestration => Self::Orchestration,
            FailureKind::Internal => Self::Internal,
            FailureKind::Unknown => return None,
        })
    }
}

impl Failure {
    /// A failure with the kind, code and retry defaults of `failure_type`.
    pub fn of(failure_type: FailureType, message: impl Into<String>) -> Self {
        Self {
            retryable: failure_type.is_retryable(),
            retry_after_ms: failure_type.retry_after_ms(),
            ..Self::new(failure_type.kind(), failure_type.code(), message)
        }
    }

    /// The type that kind and code name, or else the general one of the kind; none if the kind is unknown.
    pub fn failure_type(&self) -> Option<FailureType> {
        let named = |found: &FailureType| found.kind() == self.kind && found.code() == self.code;
        FailureType::ALL.into_iter().find(named).or_else(|| FailureType::general(self.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_e1_what_is_transient_may_be_tried_again() {
        let failure = Failure::of(FailureType::Transient, "the line is down");
        assert_eq!((failure.kind, failure.retryable, failure.retry_after_ms), (FailureKind::Network, true, None));
        let transient: Vec<_> =
            FailureType::ALL.into_iter().filter(|found| found.is_a(FailureType::Transient)).collect();
        use FailureType::{DatabaseConnection, Network, RateLimit, Timeout, Transient};
        assert_eq!(transient, [Transient, Network, Timeout, RateLimit, DatabaseConnection]);
        assert!(transient.into_iter().all(FailureType::is_retryable));
    }

    #[test]
    fn case_e2_a_rate_limit_says_a_minute_unless_it_knows_better() {
        let failure = Failure::of(FailureType::RateLimit, "too many requests");
        assert_eq!((failure.retryable, failure.retry_after_ms), (true, Some(60_000)));
        assert_eq!(failure.retry_after_ms(0).retry_after_ms, Some(0), "zero is an answer");
    }

    #[test]
    fn case_e3_a_source_that_is_away_comes_back_and_one_that_is_not_there_does_not() {
        let of = |found| Failure::of(found, "no");
        assert!(of(FailureType::SourceUnavailable).retryable);
        let absent = of(FailureType::SourceNotFound);
        assert_eq!((absent.kind, absent.code.as_str(), absent.retryable), (FailureKind::Source, "not_found", false));
    }

    #[test]
    fn case_e4_a_failure_overrides_the_defaults_of_its_type() {
        let failure = Failure::of(FailureType::Source, "busy").retryable(true).retry_after_ms(60_000);
        assert_eq!(
            (failure.kind, failure.retryable, failure.retry_after_ms),
            (FailureKind::Source, true, Some(60_000))
        );
        assert!(!Failure::of(FailureType::Network, "no such host").retryable(false).retryable);
    }

    #[test]
    fn case_e6_the_value_of_a_validation_is_kept_when_it_is_zero() {
        let failure =
            Failure::of(FailureType::Validation, "`a` must not be zero").detail("field", "a").detail("value", "0");
        assert_eq!(failure.context_fields(), [("field", "a".to_owned()), ("value", "0".to_owned())]);
        assert_eq!(serde_json::to_value(&failure).unwrap()["details"][1], serde_json::json!(["value", "0"]));
    }

    #[test]
    fn kind_and_code_name_a_type_and_other_codes_the_general_one() {
        for found in FailureType::ALL {
            assert_eq!(Failure::of(found, "").failure_type(), Some(found));
            assert!(found.is_a(FailureType::Internal) && found.is_a(found));
        }
        for kind in FailureKind::ALL {
            let general = Failure::new(kind, "new", "").failure_type();
            assert_eq!(general, FailureType::general(kind));
            assert!(general.is_none_or(|found| found.kind() == kind), "{kind}");
        }
        let retried = FailureType::ALL.into_iter().filter(|found| found.is_retryable()).count();
        assert_eq!(retried, 6, "the five transient ones and a source that is unavailable");
        assert!(!FailureType::Source.is_a(FailureType::Parse) && FailureType::Parse.is_a(FailureType::Source));
    }
}
