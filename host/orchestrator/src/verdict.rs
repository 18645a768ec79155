//! What an attempt's result means: publish, quarantine or fail. Pure decisions, in order of what an operator must know
//! first.

use std::collections::BTreeMap;

use model::failure::{Failure, FailureKind};
use model::manifest::RowAccounting;
use model::quality::{CheckResult, CheckStatus, Severity};
use model::run::RunStatus;
use model::{DatasetName, Manifest};

/// The check that no operator can turn into a warning: without unique keys there is no capture.
const UNIQUE_KEY: &str = "unique_key";

/// What to do with what was delivered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Publish,
    /// Keep the captures from readers; the run fails with this.
    Quarantine(Failure),
    /// There is nothing to keep but the rejects.
    Fail(Failure),
}

/// What an attempt delivered, in numbers.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Data lines, rejected ones included.
    pub(crate) rows_in: u64,
    pub(crate) rejected: u64,
    /// Dataset and rows of each capture.
    pub(crate) captures: Vec<(DatasetName, u64)>,
}

/// Decides about an attempt whose guest did its work.
pub(crate) fn judge(
    name: &str,
    tally: &Tally,
    checks: &[CheckResult],
    outputs: &[DatasetName],
    accounting: RowAccounting,
) -> Verdict {
    let duplicates: Vec<&CheckResult> =
        checks.iter().filter(|result| result.check == UNIQUE_KEY && result.blocks()).collect();
    if !duplicates.is_empty() {
        let message = format!(
            "{}; nothing of `{name}` is kept, not even in quarantine, and each line is a reject that `rejects` shows",
            findings(&duplicates)
        );
        return Verdict::Fail(Failure::new(FailureKind::Validation, UNIQUE_KEY, message));
    }
    let rows: u64 = tally.captures.iter().map(|(_, rows)| rows).sum();
    // More rejects than lines are a defect of a plugin that promises one for one, and told as that.
    let all_rejected = match accounting {
        RowAccounting::OneToOne => tally.rejected == tally.rows_in,
        RowAccounting::Aggregate => tally.rejected >= tally.rows_in,
    };
    if tally.rows_in > 0 && rows == 0 && all_rejected {
        let message = format!(
            "every one of the {} data lines was rejected, so `{name}` has nothing to publish; `rejects` shows why",
            tally.rows_in
        );
        return Verdict::Fail(Failure::new(FailureKind::Validation, "all_rejected", message));
    }
    if accounting == RowAccounting::OneToOne
        && let Some(lost) = lost_rows(name, tally, outputs)
    {
        return Verdict::Fail(lost);
    }
    let blocking: Vec<&CheckResult> = checks.iter().filter(|result| result.blocks()).collect();
    if blocking.is_empty() {
        return Verdict::Publish;
    }
    let message = format!(
        "quality checks block what `{name}` delivered: {}; it is in quarantine, where an operator may release or \
         discard it",
        findings(&blocking)
    );
    Verdict::Quarantine(Failure::new(FailureKind::Validation, "quality_blocked", message))
}

/// One row out for each row in: the first dataset that the run wrote, and the rejects.
fn lost_rows(name: &str, tally: &Tally, outputs: &[DatasetName]) -> Option<Failure> {
    let first = outputs.iter().find(|output| tally.captures.iter().any(|(dataset, _)| dataset == *output));
    let of_first = tally.captures.iter().filter(|(dataset, _)| Some(dataset) == first);
    let written: u64 = of_first.map(|(_, rows)| rows).sum();
    if written + tally.rejected == tally.rows_in {
        return None;
    }
    let message = format!(
        "`{name}` promises one row or reject for each data line, but {} lines became {written} rows and {} rejects: \
         a defect of the plugin, nothing was published",
        tally.rows_in, tally.rejected
    );
    Some(Failure::new(FailureKind::Pipeline, "rows_lost", message))
}

fn findings(results: &[&CheckResult]) -> String {
    let texts: Vec<String> =
        results.iter().map(|it| format!("{} ({}: {})", it.check, it.dataset, it.message)).collect();
    texts.join(", ")
}

/// The status of a run that ends with this failure. Only who asked for a stop is told `cancelled`: a guest can claim
/// any code.
pub(crate) fn status(failure: &Failure, cancel_asked: bool) -> RunStatus {
    match failure.code.as_str() {
        "cancelled" if cancel_asked => RunStatus::Cancelled,
        "wall_clock_limit" | "deadline" => RunStatus::TimedOut,
        _ => RunStatus::Failed,
    }
}

/// The check that a guest says it failed, where it gave up because of it: `quality_blocked` with the details `check` and
/// `dataset`. None for a check that the dataset does not declare.
///
/// The host itself judges only what has rows or a partition. There is nothing here that an operator could publish
/// instead, so the severity is not asked.
pub(crate) fn blocked_by_guest(failure: &Failure, manifest: &Manifest) -> Option<CheckResult> {
    let detail = |name: &str| failure.details.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    if failure.code != "quality_blocked" {
        return None;
    }
    let dataset = manifest.dataset(&detail("dataset")?.parse().ok()?)?;
    let check = dataset.checks.iter().find(|check| Some(&check.name) == detail("check"))?;
    Some(CheckResult {
        check: check.name.clone(),
        dataset: dataset.name.clone(),
        category: check.category,
        severity: Severity::Block,
        status: CheckStatus::Fail,
        message: failure.message.clone(),
        actual: None,
        expected: None,
    })
}

/// Applies what the operator decided about severities, and records a failed check that only warns as WARN.
///
/// A check that the plugin declares as a warning and the operator raised to block does block with its warnings.
/// `unique_key` always blocks.
pub(crate) fn apply_severities(
    checks: &mut [CheckResult],
    manifest: &Manifest,
    decided: &BTreeMap<(DatasetName, String), Severity>,
) {
    for result in checks {
        let spec = manifest.dataset(&result.dataset).and_then(|it| it.checks.iter().find(|it| it.name == result.check));
        let declared = spec.map_or(result.severity, |spec| spec.severity);
        let severity = match decided.get(&(result.dataset.clone(), result.check.clone())) {
            _ if result.check == UNIQUE_KEY => Severity::Block,
            Some(decided) => *decided,
            None => declared,
        };
        result.status = match (result.status, declared, severity) {
            (CheckStatus::Fail, _, Severity::Warn) => CheckStatus::Warn,
            (CheckStatus::Warn, Severity::Warn, Severity::Block) => CheckStatus::Fail,
            (status, _, _) => status,
        };
        result.severity = severity;
    }
}

#[cfg(test)]
mod tests {
    use model::quality::CheckCategory;

    use super::*;

    fn dataset() -> DatasetName {
        "d.t".parse().unwrap()
    }

    fn check(name: &str, status: CheckStatus, severity: Severity) -> CheckResult {
        CheckResult {
            check: name.to_owned(),
            dataset: dataset(),
            category: CheckCategory::Integrity,
            severity,
            status,
            message: "3 against 4".to_owned(),
            actual: None,
            expected: None,
        }
    }

    fn tally(rows_in: u64, rejected: u64, rows: u64) -> Tally {
        Tally { rows_in, rejected, captures: vec![(dataset(), rows)] }
    }

    fn code(verdict: &Verdict) -> &str {
        match verdict {
            Verdict::Publish => "publish",
            Verdict::Quarantine(failure) | Verdict::Fail(failure) => &failure.code,
        }
    }

    fn judged(tally: &Tally, checks: &[CheckResult], accounting: RowAccounting) -> String {
        code(&judge("d.p", tally, checks, &[dataset()], accounting)).to_owned()
    }

    #[test]
    fn the_first_thing_to_know_decides() {
        let one = RowAccounting::OneToOne;
        let duplicate = [check("unique_key", CheckStatus::Fail, Severity::Block)];
        let blocked = [check("trailer_count", CheckStatus::Fail, Severity::Block)];
        assert_eq!(judged(&tally(5, 1, 4), &[], one), "publish");
        assert_eq!(judged(&tally(5, 5, 0), &duplicate, one), "unique_key");
        assert_eq!(judged(&tally(5, 5, 0), &blocked, one), "all_rejected");
        assert_eq!(judged(&tally(5, 0, 4), &blocked, one), "rows_lost");
        assert_eq!(judged(&tally(5, 6, 0), &blocked, one), "rows_lost");
        assert_eq!(judged(&tally(5, 6, 0), &blocked, RowAccounting::Aggregate), "all_rejected");
        assert_eq!(judged(&tally(5, 1, 4), &blocked, one), "quality_blocked");
        assert_eq!(judged(&tally(5, 0, 2), &[], RowAccounting::Aggregate), "publish");
        assert_eq!(judged(&tally(0, 0, 0), &[], one), "publish");
    }

    #[test]
    fn rows_are_counted_in_the_first_dataset_that_was_written() {
        let (first, second, third) = (dataset(), "d.u".parse().unwrap(), "d.v".parse().unwrap());
        let outputs = [first, second, third];
        let written = Tally {
            rows_in: 5,
            rejected: 1,
            captures: vec![(outputs[1].clone(), 1), (outputs[1].clone(), 3), (outputs[2].clone(), 9)],
        };
        assert_eq!(judge("d.p", &written, &[], &outputs, RowAccounting::OneToOne), Verdict::Publish);
        let nothing = Tally { rows_in: 5, rejected: 1, captures: Vec::new() };
        assert_eq!(code(&judge("d.p", &nothing, &[], &outputs, RowAccounting::OneToOne)), "rows_lost");
    }

    fn manifest(severity: &str) -> Manifest {
        Manifest::parse(&format!(
            r#"{{"contract": "0.1.0", "name": "d", "version": "1", "datasets": [{{"name": "d.t",
            "columns": [], "key": [], "partition_by": [],
            "checks": [{{"name": "band", "category": "COMPLETENESS", "severity": "{severity}"}}]}}]}}"#
        ))
        .unwrap()
    }

    fn decided(check: &str, severity: Severity) -> BTreeMap<(DatasetName, String), Severity> {
        BTreeMap::from([((dataset(), check.to_owned()), severity)])
    }

    #[test]
    fn a_failed_warning_is_recorded_as_a_warning() {
        let mut checks = [check("band", CheckStatus::Fail, Severity::Warn)];
        apply_severities(&mut checks, &manifest("warn"), &BTreeMap::new());
        assert_eq!((checks[0].status, checks[0].blocks()), (CheckStatus::Warn, false));
    }

    #[test]
    fn the_operator_lowers_and_raises_severities() {
        let mut checks = [check("band", CheckStatus::Fail, Severity::Block)];
        apply_severities(&mut checks, &manifest("block"), &decided("band", Severity::Warn));
        assert_eq!((checks[0].status, checks[0].severity), (CheckStatus::Warn, Severity::Warn));

        let mut checks = [check("band", CheckStatus::Warn, Severity::Warn)];
        apply_severities(&mut checks, &manifest("warn"), &decided("band", Severity::Block));
        assert!(checks[0].blocks());
    }

    #[test]
    fn nobody_can_lower_unique_key() {
        let mut checks = [check("unique_key", CheckStatus::Fail, Severity::Block)];
        apply_severities(&mut checks, &manifest("warn"), &decided("unique_key", Severity::Warn));
        assert!(checks[0].blocks());
    }

    #[test]
    fn a_guest_that_gives_up_for_a_check_has_failed_it_if_the_dataset_declares_it() {
        let failure = |code: &str, check: &str, dataset: &str| {
            let failure = Failure::new(FailureKind::Validation, code, "no rows");
            blocked_by_guest(&failure.detail("check", check).detail("dataset", dataset), &manifest("warn"))
        };
        let found = failure("quality_blocked", "band", "d.t").unwrap();
        assert!(found.blocks());
        assert_eq!((found.check.as_str(), found.message.as_str()), ("band", "no rows"));
        assert_eq!(found.category, CheckCategory::Completeness);
        for (code, check, dataset) in [
            ("trapped", "band", "d.t"),
            ("quality_blocked", "other", "d.t"),
            ("quality_blocked", "band", "d.other"),
            ("quality_blocked", "band", "?"),
        ] {
            assert_eq!(failure(code, check, dataset), None);
        }
        assert_eq!(
            blocked_by_guest(&Failure::new(FailureKind::Validation, "quality_blocked", ""), &manifest("warn")),
            None
        );
    }

    #[test]
    fn a_guest_cannot_call_itself_cancelled() {
        let failure = Failure::new(FailureKind::Orchestration, "cancelled", "no");
        assert_eq!(status(&failure, false), RunStatus::Failed);
        assert_eq!(status(&failure, true), RunStatus::Cancelled);
    }
}
