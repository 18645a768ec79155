//! The stages that a run reports, where its pipeline declares which there are.

use model::failure::Failure;
use model::run::{Conclusion, RunReport};
use model::stage::{Advance, StageDone, StageListener, StageOrder};

use crate::job::Job;

/// What the host itself records among the stages: its names are no words.
fn is_of_guest(stage: &&StageDone) -> bool {
    !stage.name.contains(':')
}

impl Job {
    /// Holds what a guest reported against what its pipeline declares.
    ///
    /// # Errors
    ///
    /// Those of [`StageOrder::check`].
    pub(crate) fn check_stages(&self, reported: &[StageDone]) -> Result<(), Failure> {
        let order = StageOrder { pipeline: &self.target.name, stages: self.target.stages() };
        if order.stages.is_empty() {
            return Ok(());
        }
        order.check(reported.iter().filter(is_of_guest).map(|stage| stage.name.as_str())).map(drop)
    }

    /// Tells who wants to hear of it how far each capture has come.
    pub(crate) fn tell_of_stages(&self, conclusion: &Conclusion, report: &RunReport) {
        let Some(StageListener(listener)) = &self.shared.parts.advanced else { return };
        let order = StageOrder { pipeline: &self.target.name, stages: &conclusion.stage_order };
        for capture in &report.captures {
            for stage in conclusion.stages.iter().filter(is_of_guest) {
                // What was not declared has not come here.
                let Ok(rank) = order.rank(&stage.name) else { continue };
                listener(&Advance {
                    dataset: capture.dataset.clone(),
                    partition: capture.partition.clone(),
                    capture: capture.capture_id,
                    stage: stage.name.clone(),
                    rank,
                    rows: stage.rows,
                    metrics: stage.metrics.clone(),
                });
            }
        }
    }
}
