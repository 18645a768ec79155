//! What a version that is not active would make of the inputs that the active one had.

use serde::{Deserialize, Serialize};

use crate::brief;
use crate::dataset::{DatasetName, Partition};
use crate::difference::Difference;
use crate::failure::Failure;
use crate::ids::RunId;
use crate::plugin::PluginRef;
use crate::quality::CheckStatus;
use crate::usage::Usage;

/// Most recorded runs that one comparison takes.
pub const SHADOW_RUNS_MAX: u32 = 1_000;

/// A candidate beside the active version, on the inputs of recorded runs. Nothing was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowReport {
    pub candidate: PluginRef,
    pub active: PluginRef,
    /// The newest first.
    pub runs: Vec<ShadowRun>,
    /// Pipelines, sources and tasks that the active version offers and the candidate does not.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Over all runs.
    pub difference: Difference,
    /// Microseconds of processor time and the greatest peak of memory, over all runs.
    pub active_cost: Cost,
    pub candidate_cost: Cost,
    /// What keeps it from its budget; empty if it is within, or none was given.
    pub over_budget: Vec<String>,
    /// Whether it is active now.
    pub promoted: bool,
}

/// One recorded run, carried out by both versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowRun {
    pub run_id: RunId,
    pub name: String,
    pub outputs: Vec<ShadowOutput>,
    /// Checks whose result is another.
    pub quality: Vec<QualityChange>,
    pub rejected_before: u64,
    pub rejected_after: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_usage: Option<Usage>,
    /// What both answered, where that is not the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<[serde_json::Value; 2]>,
    /// How the candidate failed where the active version did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Why the run could not be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// One capture that would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowOutput {
    pub dataset: DatasetName,
    pub partition: Partition,
    pub difference: Difference,
}

/// A check that judges otherwise; none where only one of the versions has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityChange {
    pub check: String,
    pub dataset: DatasetName,
    pub before: Option<CheckStatus>,
    pub after: Option<CheckStatus>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub cpu_us: u64,
    pub memory_bytes_peak: u64,
}

/// What a candidate may change and cost, to be promoted without anybody looking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Rows added, removed or changed, over all runs.
    pub rows: u64,
    /// Processor time and memory as multiples of the active version's.
    pub cpu: f64,
    pub memory: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { rows: 0, cpu: 1.5, memory: 1.5 }
    }
}

impl ShadowReport {
    /// Every way in which the candidate is beyond a budget. A candidate that fails, that answers something else where the
    /// answer is all there is, that rejects more, that a check judges worse or that has lost one, that does not offer what
    /// the active version does, that could not be compared on some run, or that there was no run for, is beyond any.
    pub fn beyond(&self, budget: &Budget) -> Vec<String> {
        let mut beyond = Vec::new();
        if self.runs.is_empty() {
            beyond.push("there was no run that both could be compared on".to_owned());
        }
        beyond.extend(
            self.missing.iter().map(|name| format!("it does not offer `{name}`, which the active version does")),
        );
        for run in &self.runs {
            beyond.extend(run.skipped.as_ref().map(|why| format!("{} could not be compared: {why}", run.run_id)));
            beyond.extend(run.error.as_ref().map(|error| format!("{} fails: {}: {error}", run.run_id, error.code)));
            if let (Some([_, after]), true) = (&run.results, run.outputs.is_empty()) {
                beyond.push(format!("{}: it answers {}, which is not the same", run.run_id, brief(&after.to_string())));
            }
            if run.rejected_after > run.rejected_before {
                let (before, after) = (run.rejected_before, run.rejected_after);
                beyond.push(format!("{}: {after} rows are rejected instead of {before}", run.run_id));
            }
            let worse = run.quality.iter().filter(|change| change.is_worse());
            beyond.extend(worse.map(|change| format!("{}: the check `{}` judges worse", run.run_id, change.check)));
        }
        let Difference { added, removed, changed, .. } = &self.difference;
        let rows = added + removed + changed;
        if rows > budget.rows {
            beyond.push(format!("{rows} rows differ, and {} may", budget.rows));
        }
        let ratio = |what: &str, before: u64, after: u64, most: f64| {
            let ratio = after as f64 / before.max(1) as f64;
            (ratio > most).then(|| format!("{what} is {ratio:.2} times that of the active version, and may be {most}"))
        };
        let (old, new) = (self.active_cost, self.candidate_cost);
        beyond.extend(ratio("processor time", old.cpu_us, new.cpu_us, budget.cpu));
        beyond.extend(ratio("memory", old.memory_bytes_peak, new.memory_bytes_peak, budget.memory));
        beyond
    }
}

impl QualityChange {
    fn is_worse(&self) -> bool {
        let rank = |status: Option<CheckStatus>| match status {
            None | Some(CheckStatus::Pass) => 0,
            Some(CheckStatus::Warn) => 1,
            Some(CheckStatus::Fail) => 2,
        };
        rank(self.after) > rank(self.before) || (self.before.is_some() && self.after.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Digest;
    use crate::time::Timestamp;

    fn report() -> ShadowReport {
        let plugin =
            |byte| PluginRef { name: "d".to_owned(), version: "1".to_owned(), digest: Digest::new([byte; 32]) };
        let run = ShadowRun {
            run_id: RunId::new(Timestamp::from_micros(1), [1; 10]),
            name: "d.daily".to_owned(),
            outputs: Vec::new(),
            quality: Vec::new(),
            rejected_before: 0,
            rejected_after: 0,
            active_usage: None,
            candidate_usage: None,
            results: None,
            error: None,
            skipped: None,
        };
        let cost = Cost { cpu_us: 1_000, memory_bytes_peak: 100 };
        ShadowReport {
            candidate: plugin(2),
            active: plugin(1),
            runs: vec![run],
            missing: Vec::new(),
            difference: Difference::default(),
            active_cost: cost,
            candidate_cost: cost,
            over_budget: Vec::new(),
            promoted: false,
        }
    }

    #[test]
    fn a_candidate_that_changes_nothing_and_costs_the_same_is_within_any_budget() {
        assert_eq!(report().beyond(&Budget::default()), Vec::<String>::new());
    }

    #[test]
    fn everything_that_is_too_much_is_told() {
        let mut report = report();
        report.difference.changed = 2;
        report.candidate_cost = Cost { cpu_us: 1_600, memory_bytes_peak: 151 };
        report.runs[0].quality.push(QualityChange {
            check: "short_le_total".to_owned(),
            dataset: "d.t".parse().unwrap(),
            before: Some(CheckStatus::Pass),
            after: Some(CheckStatus::Fail),
        });
        let beyond = report.beyond(&Budget::default());
        assert_eq!(beyond.len(), 4, "{beyond:?}");
        for expected in ["2 rows differ", "processor time is 1.60", "memory is 1.51", "`short_le_total`"] {
            assert!(beyond.iter().any(|it| it.contains(expected)), "{expected}: {beyond:?}");
        }
        assert_eq!(
            report.beyond(&Budget { rows: 2, cpu: 2.0, memory: 2.0 }).len(),
            1,
            "a check is no matter of budget"
        );
    }

    #[test]
    fn what_a_candidate_has_lost_is_no_matter_of_budget() {
        let mut report = report();
        report.missing = vec!["d.weekly".to_owned()];
        let (check, dataset) = ("spread".to_owned(), "d.t".parse().unwrap());
        report.runs[0].quality.push(QualityChange { check, dataset, before: Some(CheckStatus::Pass), after: None });
        let beyond = report.beyond(&Budget { rows: 9, cpu: 9.0, memory: 9.0 });
        assert!(beyond.len() == 2 && beyond[0].contains("`d.weekly`") && beyond[1].contains("`spread`"), "{beyond:?}");
    }

    #[test]
    fn what_a_task_answers_and_what_is_rejected_are_no_matters_of_budget() {
        let mut report = report();
        report.runs[0].results = Some([1.into(), 2.into()]);
        report.runs[0].rejected_after = 1;
        let beyond = report.beyond(&Budget { rows: 9, cpu: 9.0, memory: 9.0 });
        assert!(beyond.len() == 2 && beyond[0].contains("answers 2"), "{beyond:?}");
    }

    #[test]
    fn a_candidate_that_was_not_compared_on_every_run_is_within_no_budget() {
        let mut report = report();
        report.runs.push(ShadowRun { skipped: Some("it offers no such work".to_owned()), ..report.runs[0].clone() });
        let beyond = report.beyond(&Budget::default());
        assert!(beyond.len() == 1 && beyond[0].contains("could not be compared: it offers no such work"), "{beyond:?}");
        report.runs.clear();
        assert_eq!(report.beyond(&Budget::default()).len(), 1);
    }
}
