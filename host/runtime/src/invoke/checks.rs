//! Runs the plugin's checks on what the work wrote. A check that goes wrong is never a check that passed.

use model::Failure;
use model::manifest::{CheckSpec, CheckedBy};
use model::ports::PluginCheck;
use model::quality::{CheckCategory, CheckResult, CheckStatus};

use super::Guest;
use crate::attempt::cut;
use crate::bindings::quality::Finding;
use crate::hosting::failure_of_guest;

/// Findings of one check that are kept; the rest is summed up in one, as bad as the worst of it.
const FINDINGS_MAX: usize = 1_000;

const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// Input lines that a message names.
const LINES_MAX: usize = 10;

/// The results of all checks whose dataset was written. A trap ends the attempt; an error of a check is its result.
pub(super) async fn run(guest: &mut Guest<'_>, checks: &[PluginCheck]) -> Result<Vec<CheckResult>, Failure> {
    let written = guest.store.data().workbench.written();
    let due = checks.iter().filter(|it| it.spec.by == CheckedBy::Plugin && written.contains(&it.dataset));
    let due: Vec<_> = due.collect();
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let indices = guest.exported(guest.plugin.component.exports.quality.as_ref(), "quality")?;
    let quality = indices.load(&mut *guest.store, &guest.instance);
    let quality = guest.loaded("quality", quality)?;
    let mut results = Vec::new();
    for check in due {
        let name = &check.spec.name;
        let found = quality.call_check(&mut *guest.store, name, &check.dataset.to_string()).await;
        let found = found.map_err(|error| {
            crate::failures::of_engine(guest.name(), &format!("check {name}"), &error, guest.journal)
        })?;
        match found {
            Ok(findings) => results.extend(of_findings(check, findings)),
            Err(error) => {
                let Failure { code, message, .. } = failure_of_guest(error);
                let message = format!("the check could not be carried out: {message} ({code})");
                results.push(result(check, CheckStatus::Fail, check.spec.category, message));
            }
        }
    }
    Ok(results)
}

fn of_findings(check: &PluginCheck, mut findings: Vec<Finding>) -> Vec<CheckResult> {
    if findings.is_empty() {
        return vec![result(check, CheckStatus::Pass, check.spec.category, String::new())];
    }
    let rest = findings.split_off(findings.len().min(FINDINGS_MAX));
    let worst = rest.iter().map(|finding| status(&finding.status)).max_by_key(|status| badness(*status));
    let mut results: Vec<_> = findings.into_iter().map(|finding| of_finding(check, finding)).collect();
    if let Some(worst) = worst {
        results.push(result(check, worst, check.spec.category, format!("{} more findings", rest.len())));
    }
    results
}

fn of_finding(check: &PluginCheck, finding: Finding) -> CheckResult {
    let mut message = cut(&finding.message, MESSAGE_BYTES_MAX).to_owned();
    if !finding.sample_rows.is_empty() {
        let lines: Vec<_> = finding.sample_rows.iter().take(LINES_MAX).map(u64::to_string).collect();
        let more = if finding.sample_rows.len() > LINES_MAX { ", ..." } else { "" };
        message = format!("{message} (lines {}{more})", lines.join(", "));
    }
    let detail = |name: &str| {
        let detail = finding.details.iter().find(|(detail, _)| detail == name);
        detail.map(|(_, value)| cut(value, MESSAGE_BYTES_MAX).to_owned())
    };
    CheckResult {
        actual: detail("actual"),
        expected: detail("expected"),
        ..result(check, status(&finding.status), category(&check.spec, &finding.category), message)
    }
}

/// Severity is the manifest's (or the operator's, who was asked before): a failed check of severity `warn` is recorded as
/// failed and blocks nothing.
fn result(check: &PluginCheck, status: CheckStatus, category: CheckCategory, message: String) -> CheckResult {
    CheckResult {
        check: check.spec.name.clone(),
        dataset: check.dataset.clone(),
        category,
        severity: check.spec.severity,
        status,
        message,
        actual: None,
        expected: None,
    }
}

/// A word this host does not know is no reason to publish.
fn status(word: &str) -> CheckStatus {
    match word {
        "PASS" => CheckStatus::Pass,
        "WARN" => CheckStatus::Warn,
        _ => CheckStatus::Fail,
    }
}

const fn badness(status: CheckStatus) -> u8 {
    match status {
        CheckStatus::Pass => 0,
        CheckStatus::Warn => 1,
        CheckStatus::Fail => 2,
    }
}

fn category(spec: &CheckSpec, word: &str) -> CheckCategory {
    match word {
        "INTEGRITY" => CheckCategory::Integrity,
        "COMPLETENESS" => CheckCategory::Completeness,
        "BUSINESS_RULE" => CheckCategory::BusinessRule,
        _ => spec.category,
    }
}

#[cfg(test)]
mod tests {
    use model::quality::Severity;

    use super::*;

    fn check(severity: Severity) -> PluginCheck {
        let spec = CheckSpec {
            name: "not_empty".to_owned(),
            category: CheckCategory::Completeness,
            severity,
            by: CheckedBy::Plugin,
            description: String::new(),
        };
        PluginCheck { dataset: "p.d".parse().unwrap(), spec }
    }

    fn finding(status: &str) -> Finding {
        Finding {
            status: status.to_owned(),
            category: "INTEGRITY".to_owned(),
            message: "odd".to_owned(),
            details: vec![("actual".to_owned(), "1".to_owned()), ("expected".to_owned(), "2".to_owned())],
            sample_rows: (1..=12).collect(),
        }
    }

    #[test]
    fn no_finding_is_one_pass() {
        let results = of_findings(&check(Severity::Block), Vec::new());
        assert_eq!(results.len(), 1);
        assert_eq!((results[0].status, results[0].category), (CheckStatus::Pass, CheckCategory::Completeness));
    }

    #[test]
    fn findings_carry_their_evidence_and_unknown_words_fail() {
        let results = of_findings(&check(Severity::Block), vec![finding("WARN"), finding("MAYBE")]);
        assert_eq!(results[0].status, CheckStatus::Warn);
        assert_eq!((results[0].actual.as_deref(), results[0].expected.as_deref()), (Some("1"), Some("2")));
        assert_eq!(results[0].message, "odd (lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...)");
        assert!(results[1].blocks() && results[1].category == CheckCategory::Integrity);
    }

    #[test]
    fn a_failed_check_of_severity_warn_is_recorded_and_blocks_nothing() {
        let results = of_findings(&check(Severity::Warn), vec![finding("FAIL")]);
        assert!(results[0].status == CheckStatus::Fail && !results[0].blocks());
    }

    #[test]
    fn findings_that_are_too_many_are_summed_up_as_the_worst_of_them() {
        let mut findings = vec![finding("PASS"); FINDINGS_MAX + 1];
        findings.push(finding("FAIL"));
        let results = of_findings(&check(Severity::Block), findings);
        assert_eq!(results.len(), FINDINGS_MAX + 1);
        let last = results.last().unwrap();
        assert!(last.blocks() && last.message == "2 more findings");
    }
}
