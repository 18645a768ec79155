//! Dead letters: failed runs that nobody has dealt with yet.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::ids::RunId;
use crate::time::Timestamp;

/// How often the work of a dead letter may be repeated.
pub const DEAD_LETTER_RETRIES_MAX: u32 = 3;

/// A failed run that waits for somebody, or that somebody has dealt with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub run_id: RunId,
    pub name: String,
    /// Calls that were made before the run was given up.
    pub attempts: u32,
    /// Of the run itself; a repetition has its own.
    pub error: Failure,
    pub created_at: Timestamp,
    /// How often it was repeated.
    pub retries: u64,
    pub retries_max: u64,
    /// The latest repetition.
    pub retry_run_id: Option<RunId>,
    pub retried_at: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    /// `retry` where a repetition completed.
    pub resolved_by: Option<String>,
    pub note: Option<String>,
}

impl DeadLetter {
    /// Whether its work may be repeated: nobody resolved it, and repetitions are left.
    pub fn can_retry(&self) -> bool {
        self.resolved_at.is_none() && self.retries < self.retries_max
    }
}

/// Which dead letters a list shows, newest first.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterFilter {
    pub run: Option<RunId>,
    pub name: Option<String>,
    /// Those that were dealt with, too.
    pub resolved: bool,
    pub limit: u32,
}

/// What became of failed runs, and what an operator says of it.
#[async_trait::async_trait]
pub trait DeadLetters: Debug + Send + Sync {
    async fn dead_letters(&self, filter: DeadLetterFilter) -> Result<Vec<DeadLetter>, Failure>;

    /// Whether it was open: only the first word counts.
    ///
    /// # Errors
    ///
    /// `bad_id` if the run has no dead letter.
    async fn resolve(&self, run: RunId, by: &str, note: Option<&str>) -> Result<bool, Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn case_d1_what_is_used_up_or_resolved_is_not_repeated() {
        let at = Timestamp::from_micros(1);
        let letter = DeadLetter {
            run_id: RunId::new(at, [0; 10]),
            name: "d.p".to_owned(),
            attempts: 1,
            error: Failure::new(FailureKind::Pipeline, "trap", "unreachable"),
            created_at: at,
            retries: 1,
            retries_max: 3,
            retry_run_id: None,
            retried_at: None,
            resolved_at: None,
            resolved_by: None,
            note: None,
        };
        assert!(letter.can_retry());
        assert!(!DeadLetter { retries: 3, ..letter.clone() }.can_retry());
        assert!(!DeadLetter { resolved_at: Some(at), ..letter.clone() }.can_retry());
        assert!(!DeadLetter { retries: 0, retries_max: 0, ..letter }.can_retry(), "case D6: none means none");
    }
}
