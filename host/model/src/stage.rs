//! Stages: how far a capture has come on the way that its pipeline declares.
//!
//! Each time a run reports a stage it is another row: what an earlier one counted is never lost. Stages are passed in
//! their order, and going back is no step back: the latest stage stays the latest that was ever reached.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataset::{DatasetName, Partition};
use crate::failure::{Failure, FailureKind};
use crate::ids::{CaptureId, RunId};
use crate::nearest::suggestion;
use crate::time::Timestamp;

/// A stage that a guest reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageDone {
    pub name: String,
    pub rows: u64,
    /// What else it says about it.
    pub metrics: Vec<(String, String)>,
}

/// The stages that a pipeline declares, first to last; none declared means that any may be reported, and that no
/// capture has a way to come along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageOrder<'a> {
    pub pipeline: &'a str,
    pub stages: &'a [String],
}

impl StageOrder<'_> {
    /// The place of a stage, from 0.
    ///
    /// # Errors
    ///
    /// `unknown_stage` with the nearest, or with all of them.
    pub fn rank(&self, stage: &str) -> Result<u32, Failure> {
        let rank = self.stages.iter().position(|known| known == stage).and_then(|at| u32::try_from(at).ok());
        rank.ok_or_else(|| {
            let known: Vec<&str> = self.stages.iter().map(String::as_str).collect();
            let all = known.join("`, `");
            let message = format!(
                "`{}` has no stage `{}`{}; in order it declares `{all}`",
                self.pipeline,
                crate::brief(stage),
                if crate::nearest(stage, known.iter().copied()).is_some() {
                    suggestion(stage, &known)
                } else {
                    String::new()
                },
            );
            Failure::new(FailureKind::Pipeline, "unknown_stage", message)
        })
    }

    /// Checks what a run reports: the next stage after the furthest one, or one that was passed already. Returns the
    /// rank of each.
    ///
    /// # Errors
    ///
    /// `unknown_stage`; `stage_skipped` if one comes before those that lead to it.
    pub fn check<'s>(&self, reported: impl IntoIterator<Item = &'s str>) -> Result<Vec<u32>, Failure> {
        let (mut ranks, mut next) = (Vec::new(), 0);
        for stage in reported {
            let rank = self.rank(stage)?;
            if rank > next {
                let due = self.stages.get(next as usize).map_or("", String::as_str);
                let message =
                    format!("`{}` reports the stage `{stage}` before `{due}`, which comes first", self.pipeline);
                return Err(Failure::new(FailureKind::Pipeline, "stage_skipped", message));
            }
            next = next.max(rank + 1);
            ranks.push(rank);
        }
        Ok(ranks)
    }
}

/// One time that a capture reached a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageReached {
    pub stage: String,
    /// Its place in the order that was declared then, from 0.
    pub rank: u32,
    /// Counts how often the capture reached this stage, from 1.
    pub number: u64,
    pub rows: u64,
    /// Texts by name.
    pub metrics: serde_json::Value,
    pub run_id: RunId,
    pub attempt: u32,
    pub at: Timestamp,
}

/// Everything that is known of the way of one capture, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CaptureStages(pub Vec<StageReached>);

impl CaptureStages {
    /// The furthest stage that was ever reached, as it was the last time.
    pub fn latest(&self) -> Option<&StageReached> {
        self.0.iter().max_by_key(|reached| reached.rank)
    }

    /// A stage as it was the last time.
    pub fn stage(&self, stage: &str) -> Option<&StageReached> {
        self.0.iter().rfind(|reached| reached.stage == stage)
    }

    /// Whether a stage or one after it was reached; not if nothing was.
    ///
    /// # Errors
    ///
    /// `unknown_stage` for one that is not declared.
    pub fn is_at_least(&self, order: StageOrder<'_>, stage: &str) -> Result<bool, Failure> {
        let rank = order.rank(stage)?;
        Ok(self.latest().is_some_and(|latest| latest.rank >= rank))
    }

    /// Whether a stage is still to come.
    ///
    /// # Errors
    ///
    /// `unknown_stage` for one that is not declared.
    pub fn is_before(&self, order: StageOrder<'_>, stage: &str) -> Result<bool, Failure> {
        Ok(!self.is_at_least(order, stage)?)
    }
}

/// A capture that has reached a stage, for who wants to hear of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Advance {
    pub dataset: DatasetName,
    pub partition: Partition,
    pub capture: CaptureId,
    pub stage: String,
    pub rank: u32,
    pub rows: u64,
    pub metrics: Vec<(String, String)>,
}

/// Told once for each stage that a capture reached, after it is durable. It must not block.
#[derive(Clone)]
pub struct StageListener(pub Arc<dyn Fn(&Advance) + Send + Sync>);

impl fmt::Debug for StageListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StageListener")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages() -> Vec<String> {
        ["pending", "ingested", "normalized", "aggregated"].map(str::to_owned).to_vec()
    }

    fn reached(rank: u32, number: u64, rows: u64) -> StageReached {
        let (at, stage) = (Timestamp::from_micros(1), stages()[rank as usize].clone());
        let (run_id, metrics) = (RunId::new(at, [0; 10]), serde_json::json!({}));
        StageReached { stage, rank, number, rows, metrics, run_id, attempt: 1, at }
    }

    #[test]
    fn case_m1_nothing_is_at_no_stage_and_before_each() {
        let stages = stages();
        let order = StageOrder { pipeline: "d.p", stages: &stages };
        let nothing = CaptureStages::default();
        assert_eq!(nothing.latest(), None);
        for stage in &stages {
            assert_eq!((nothing.is_at_least(order, stage), nothing.is_before(order, stage)), (Ok(false), Ok(true)));
        }
    }

    #[test]
    fn case_m3_a_stage_is_not_reached_before_those_that_lead_to_it() {
        let stages = stages();
        let order = StageOrder { pipeline: "d.p", stages: &stages };
        let skipped = order.check(["pending", "ingested", "aggregated"]).unwrap_err();
        assert_eq!(skipped.code, "stage_skipped");
        assert!(skipped.message.contains("`aggregated` before `normalized`"), "{skipped}");
        assert_eq!(order.check(["aggregated"]).unwrap_err().code, "stage_skipped");
        assert_eq!(order.check(["pending", "ingested", "normalized", "aggregated"]), Ok(vec![0, 1, 2, 3]));
    }

    #[test]
    fn case_m4_m6_the_latest_stays_and_what_was_counted_stays_too() {
        let stages = stages();
        let order = StageOrder { pipeline: "d.p", stages: &stages };
        assert_eq!(order.check(["pending", "ingested", "pending", "ingested"]), Ok(vec![0, 1, 0, 1]));
        let all = CaptureStages(vec![reached(0, 1, 5), reached(1, 1, 1_000), reached(0, 2, 0), reached(1, 2, 0)]);
        assert_eq!(all.latest().map(|it| (it.stage.as_str(), it.number)), Some(("ingested", 2)));
        assert_eq!(all.is_at_least(order, "ingested"), Ok(true));
        assert_eq!(all.is_before(order, "normalized"), Ok(true));
        assert_eq!(all.0[1].rows, 1_000);
        assert_eq!(all.stage("pending").map(|it| it.number), Some(2));
    }

    #[test]
    fn case_m5_an_unknown_stage_names_the_valid_ones() {
        let stages = stages();
        let order = StageOrder { pipeline: "d.p", stages: &stages };
        let unknown = CaptureStages::default().is_at_least(order, "injested").unwrap_err();
        assert_eq!(unknown.code, "unknown_stage");
        assert!(unknown.message.contains("did you mean `ingested`?"), "{unknown}");
        assert!(unknown.message.contains("`pending`, `ingested`, `normalized`, `aggregated`"), "{unknown}");
    }
}
