//! How long the ledger keeps what has ended and was dealt with.
//!
//! Nothing is ever forgotten unless the operator says how long it is kept: an auditor's records do not vanish by
//! surprise. What others still refer to stays however old it is; `storage` decides that where it deletes.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// How many days things are kept; none: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Runs, from their end.
    pub runs_days: Option<u32>,
    /// Dead letters, from when they were resolved. As long as runs unless it is given.
    pub dead_letters_resolved_days: Option<u32>,
}

impl RetentionPolicy {
    /// Whether everything is kept.
    pub const fn keeps_all(self) -> bool {
        self.runs_days.is_none() && self.dead_letters_resolved_days.is_none()
    }

    /// What is old enough now.
    pub fn cutoffs(self, now: Timestamp) -> Cutoffs {
        let before = |days: u32| now.plus_micros(i64::from(days).saturating_mul(DAY_US).saturating_neg());
        Cutoffs {
            runs_before: self.runs_days.map(before),
            dead_letters_before: self.dead_letters_resolved_days.or(self.runs_days).map(before),
        }
    }
}

/// The times before which things have to have ended; none: nothing is old enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cutoffs {
    pub runs_before: Option<Timestamp>,
    pub dead_letters_before: Option<Timestamp>,
}

/// What was forgotten, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionReport {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Runs that ended before this may go; none: none may.
    pub runs_before: Option<Timestamp>,
    pub dead_letters_before: Option<Timestamp>,
    pub runs: u64,
    /// Resolved ones.
    pub dead_letters: u64,
    /// Files of rejects.
    pub reject_files: u64,
    /// Kept inputs that no run names any more. Not known of a dry run.
    pub input_files: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_kept_unless_days_are_given() {
        let now = Timestamp::from_micros(100 * DAY_US);
        assert!(RetentionPolicy::default().keeps_all());
        assert_eq!(RetentionPolicy::default().cutoffs(now), Cutoffs::default());
        let day = |day: i64| Some(Timestamp::from_micros(day * DAY_US));
        let runs = RetentionPolicy { runs_days: Some(30), dead_letters_resolved_days: None };
        assert_eq!(runs.cutoffs(now), Cutoffs { runs_before: day(70), dead_letters_before: day(70) });
        let letters = RetentionPolicy { runs_days: None, dead_letters_resolved_days: Some(10) };
        assert_eq!(letters.cutoffs(now), Cutoffs { runs_before: None, dead_letters_before: day(90) });
    }

    #[test]
    fn more_days_than_there_are_times_keep_everything() {
        let policy = RetentionPolicy { runs_days: Some(u32::MAX), dead_letters_resolved_days: None };
        let cutoffs = policy.cutoffs(Timestamp::from_micros(0));
        assert!(cutoffs.runs_before.is_some_and(|before| before.as_micros() < 0));
    }
}
