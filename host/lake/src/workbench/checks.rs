//! The checks that the host carries out itself, on what the files say of themselves and on the keys.

use model::manifest::{CheckSpec, CheckedBy, DatasetSpec, Footer, FooterRule};
use model::quality::{CheckCategory, CheckResult, CheckStatus, Severity};

use crate::capture::Duplicates;
use crate::read::OpenInput;

/// What a check found before it is attached to a dataset.
struct Outcome {
    status: CheckStatus,
    message: String,
    actual: Option<String>,
    expected: Option<String>,
}

impl Outcome {
    fn pass(message: String) -> Self {
        Self { status: CheckStatus::Pass, message, actual: None, expected: None }
    }

    fn result(self, dataset: &DatasetSpec, check: &str, category: CheckCategory, severity: Severity) -> CheckResult {
        CheckResult {
            check: check.to_owned(),
            dataset: dataset.name.clone(),
            category,
            severity,
            status: self.status,
            message: self.message,
            actual: self.actual,
            expected: self.expected,
        }
    }
}

/// The checks that a dataset declares for the host, of the files that may have fed it.
pub(super) fn file_checks(
    dataset: &DatasetSpec,
    inputs: &[&OpenInput],
    params: &serde_json::Value,
) -> Vec<CheckResult> {
    let declared = |check: &&CheckSpec| check.by == CheckedBy::Host;
    let carry_out = |check: &CheckSpec| {
        let outcomes: Vec<Outcome> = match check.name.as_str() {
            "header" => inputs.iter().map(|input| header(input)).collect(),
            "trailer_count" => inputs.iter().map(|input| trailer_count(input, params)).collect(),
            "last_line_complete" => inputs.iter().map(|input| last_line_complete(input)).collect(),
            // Always on, and judged with the keys.
            _ => return None,
        };
        let outcome = worst(outcomes).unwrap_or_else(|| Outcome::pass("no file was read".to_owned()));
        Some(outcome.result(dataset, &check.name, check.category, check.severity))
    };
    dataset.checks.iter().filter(declared).filter_map(carry_out).collect()
}

/// The first that failed, else the first.
fn worst(outcomes: Vec<Outcome>) -> Option<Outcome> {
    let mut outcomes = outcomes.into_iter();
    let first = outcomes.next()?;
    if first.status == CheckStatus::Fail {
        return Some(first);
    }
    Some(outcomes.find(|outcome| outcome.status == CheckStatus::Fail).unwrap_or(first))
}

/// An input that is open had the header of its format: one that fits none is the error `header_mismatch` before any
/// row is read.
fn header(input: &OpenInput) -> Outcome {
    Outcome::pass(format!("the header of `{}` is that of format `{}`", input.file_name, input.format.name))
}

fn trailer_count(input: &OpenInput, params: &serde_json::Value) -> Outcome {
    let file = &input.file_name;
    let footer = &input.format.footer;
    let lines = input.account().data_lines;
    match (input.footer(), footer.rule) {
        (Some(found), FooterRule::RecordCount) => {
            let matches = found.trim_start_matches('0').parse::<u64>().unwrap_or(0) == lines
                && found.trim_start_matches('0').len() <= 19;
            let message = if matches {
                format!("the trailer of `{file}` counts its {lines} data lines")
            } else {
                format!(
                    "the trailer of `{file}` says {found}, and the file has {lines} data lines: it is cut or edited"
                )
            };
            Outcome {
                status: if matches { CheckStatus::Pass } else { CheckStatus::Fail },
                message,
                actual: Some(lines.to_string()),
                expected: Some(found.to_owned()),
            }
        }
        (Some(found), _) => Outcome::pass(format!("`{file}` ends with its trailer, {found}")),
        (None, _) if is_due(footer, params) => Outcome {
            status: CheckStatus::Fail,
            message: format!(
                "`{file}` has no trailer, and one is due: it is cut, or give the parameter that says none"
            ),
            actual: Some("none".to_owned()),
            expected: Some("a trailer".to_owned()),
        },
        (None, _) => Outcome::pass(format!("`{file}` has no trailer, and none is due")),
    }
}

/// Whether a file must have its trailer: what the parameter says, else what the format says.
fn is_due(footer: &Footer, params: &serde_json::Value) -> bool {
    let said = footer.required_param.as_ref().and_then(|name| params.get(name)).and_then(serde_json::Value::as_str);
    match said {
        Some("required") => true,
        Some("none") => false,
        _ => footer.required && footer.rule != FooterRule::None,
    }
}

fn last_line_complete(input: &OpenInput) -> Outcome {
    let file = &input.file_name;
    if input.account().last_line_complete {
        return Outcome::pass(format!("`{file}` ends with a whole line"));
    }
    Outcome {
        status: CheckStatus::Fail,
        message: format!("`{file}` ends in the middle of a line: it is cut; fetch it again"),
        actual: Some("cut".to_owned()),
        expected: Some("a whole line".to_owned()),
    }
}

/// Tells the operator that a limit kept some of the rejects from being kept; none if every one is.
pub(super) fn rejects_kept(dataset: &DatasetSpec, rejected: u64, cut: u64) -> Option<CheckResult> {
    if cut == 0 {
        return None;
    }
    let kept = rejected - cut;
    let outcome = Outcome {
        status: CheckStatus::Warn,
        message: format!(
            "the run rejected {rejected} lines and keeps {kept} of them: raise `limits.rejects` or \
             `limits.reject_bytes` to see them all"
        ),
        actual: Some(rejected.to_string()),
        expected: Some(kept.to_string()),
    };
    Some(outcome.result(dataset, "rejects_kept", CheckCategory::Completeness, Severity::Warn))
}

/// The result of `unique_key`, which is always on and always blocks.
pub(super) fn unique_key(dataset: &DatasetSpec, duplicates: &Duplicates) -> CheckResult {
    let declared = dataset.checks.iter().find(|check| check.name == "unique_key");
    let category = declared.map_or(CheckCategory::Integrity, |check| check.category);
    let key = dataset.key.join("+");
    let outcome = match duplicates.named.first() {
        None => Outcome::pass(format!("no two rows of a partition share {key}")),
        Some(first) => Outcome {
            status: CheckStatus::Fail,
            message: format!(
                "{} rows share their key ({key}) with another row, first {} in {} rows: nothing of the run is kept, and \
                 every line of it is a reject, these as `duplicate_key`",
                duplicates.count, first.key, first.rows
            ),
            actual: Some(duplicates.count.to_string()),
            expected: Some("0".to_owned()),
        },
    };
    outcome.result(dataset, "unique_key", category, Severity::Block)
}
