//! Whose fault a failure is.

use model::{Failure, FailureKind};

/// Whether `failure` says something against the target that the call was made on: a publisher, or a plugin.
///
/// What the caller gave (parameters, a file, data that a check blocks) and what the host did (a cancelled run, a
/// lease, its disk, its ledger) would befall a healthy target too. A failure that nobody can place counts: a breaker
/// that overlooks it would let everything through.
pub fn counts_against_target(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::Network | FailureKind::Pipeline | FailureKind::Unknown => failure.code != "cancelled",
        // One file that is not there says nothing about the next; a publisher who is not there does, and is retryable.
        FailureKind::Source => failure.retryable,
        // The publisher refuses us, unless it was the operator.
        FailureKind::Auth => failure.code != "not_granted",
        FailureKind::Parse
        | FailureKind::Validation
        | FailureKind::Config
        | FailureKind::Database
        | FailureKind::Storage
        | FailureKind::Orchestration
        | FailureKind::Internal => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_caller_gave_and_what_the_host_did_is_not_the_targets_fault() {
        for (kind, code) in [
            (FailureKind::Validation, "quality_blocked"),
            (FailureKind::Validation, "bad_params"),
            (FailureKind::Config, "bad_config"),
            (FailureKind::Parse, "header_mismatch"),
            (FailureKind::Source, "not_found"),
            (FailureKind::Auth, "not_granted"),
            (FailureKind::Orchestration, "cancelled"),
            (FailureKind::Pipeline, "cancelled"),
            (FailureKind::Orchestration, "locked"),
            (FailureKind::Storage, "no_space"),
            (FailureKind::Database, "busy"),
            (FailureKind::Internal, "panicked"),
        ] {
            assert!(!counts_against_target(&Failure::new(kind, code, "")), "{kind} {code}");
        }
    }

    #[test]
    fn a_target_that_does_not_answer_or_breaks_is_at_fault() {
        for (kind, code) in [
            (FailureKind::Network, "reset"),
            (FailureKind::Auth, "unauthorized"),
            (FailureKind::Pipeline, "trapped"),
            (FailureKind::Pipeline, "wall_clock_limit"),
            (FailureKind::Unknown, "guest_error"),
        ] {
            assert!(counts_against_target(&Failure::new(kind, code, "")), "{kind} {code}");
        }
        let unavailable = Failure::new(FailureKind::Source, "unavailable", "503").retryable(true);
        assert!(counts_against_target(&unavailable));
    }
}
