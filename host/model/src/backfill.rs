//! Backfills: pieces of work that are asked for together, each carried out as a run of its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::ids::RunId;
use crate::run::RunKind;

/// Most items of one backfill. All of them are in one row of the ledger, within the limit of parameters.
pub const BACKFILL_ITEMS_MAX: usize = 1_000;

/// Most items at work at one time.
pub const BACKFILL_PARALLEL_MAX: u32 = 64;

/// Items at work at one time if nobody says; one if the first failure is to stop the rest.
pub const BACKFILL_PARALLEL: u32 = 4;

/// Failed items that a result names; the others are counted.
pub const BACKFILL_FAILURES_TOLD: usize = 100;

/// What a backfill is to do: the parameters of its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackfillPlan {
    pub items: Vec<BackfillItem>,
    /// Items at work at one time.
    pub parallel: u32,
    /// Whether nothing more is begun once an item has failed.
    pub stop_on_failure: bool,
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackfillItem {
    /// A pipeline, source or task.
    pub name: String,
    /// None if nobody offered the name when the backfill was asked for: the item fails when its turn comes.
    pub kind: Option<RunKind>,
    /// Validated, unless nobody offered the name.
    pub params: Value,
}

/// What became of the items: the result of a backfill's run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackfillResult {
    pub total: usize,
    pub completed: usize,
    /// Also those that were cancelled or timed out.
    pub failed: usize,
    /// Never begun.
    pub pending: usize,
    /// Percentage of all items that completed, with two digits.
    pub success_rate: f64,
    /// The first [`BACKFILL_FAILURES_TOLD`].
    pub failures: Vec<FailedItem>,
}

/// An item that did not complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedItem {
    /// From 1.
    pub item: usize,
    pub name: String,
    /// None if no run was made.
    pub run_id: Option<RunId>,
    pub code: String,
    pub message: String,
}

/// How far an item has come.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemState {
    /// Not begun.
    Pending,
    Completed,
    Failed {
        run: Option<RunId>,
        failure: Failure,
    },
}

impl BackfillResult {
    pub fn of(plan: &BackfillPlan, states: &[ItemState]) -> Self {
        let total = plan.items.len();
        let completed = states.iter().filter(|state| matches!(state, ItemState::Completed)).count();
        let failed = states.iter().enumerate().filter_map(|(at, state)| match state {
            ItemState::Failed { run, failure } => Some((at, run, failure)),
            ItemState::Pending | ItemState::Completed => None,
        });
        let failures = failed.clone().take(BACKFILL_FAILURES_TOLD).map(|(at, run, failure)| FailedItem {
            item: at + 1,
            name: plan.items.get(at).map(|item| item.name.clone()).unwrap_or_default(),
            run_id: *run,
            code: failure.code.clone(),
            message: failure.message.clone(),
        });
        let (failures, failed) = (failures.collect(), failed.count());
        let pending = total.saturating_sub(completed + failed);
        Self { total, completed, failed, pending, success_rate: rate(completed, total), failures }
    }
}

/// A percentage, rounded to two digits.
fn rate(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    // Far below the numbers that a double cannot hold.
    ((part as f64 / whole as f64) * 10_000.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn result(states: &[ItemState]) -> BackfillResult {
        let item = |name: &str| BackfillItem { name: name.to_owned(), kind: None, params: Value::Null };
        let items = ["a", "b", "c", "d"].map(item)[..states.len()].to_vec();
        BackfillResult::of(&BackfillPlan { items, parallel: 1, stop_on_failure: true }, states)
    }

    fn failed() -> ItemState {
        ItemState::Failed { run: None, failure: Failure::new(FailureKind::Pipeline, "trap", "unreachable") }
    }

    #[test]
    fn case_z1_z2_rates_count_all_items() {
        let first = result(&[ItemState::Completed, failed(), ItemState::Pending]);
        assert_eq!((first.completed, first.failed, first.pending, first.success_rate), (1, 1, 1, 33.33));
        assert_eq!((first.failures[0].item, first.failures[0].code.as_str()), (2, "trap"));
        let half = result(&[ItemState::Completed, ItemState::Completed, failed(), ItemState::Pending]);
        assert_eq!((half.total, half.success_rate), (4, 50.0));
        assert_eq!(result(&[]).success_rate, 0.0);
    }
}
