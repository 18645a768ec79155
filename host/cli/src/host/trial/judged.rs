//! Whether a run ended as a run of a sound plugin does: with a typed outcome, whatever came in.

use model::failure::{Failure, FailureKind};
use model::manifest::RowAccounting;
use model::plugin::Finding;
use model::run::{RunReport, RunStatus};

/// Codes of a guest that wrote what its schema does not allow.
const OUTSIDE_SCHEMA: [&str; 7] = [
    "bad_partition",
    "duplicate_column",
    "invalid_buffer",
    "missing_column",
    "type_mismatch",
    "unknown_column",
    "unknown_output",
];

/// What is wrong with how a run ended. `test` says what went in.
pub(super) fn findings(test: &str, accounting: RowAccounting, report: &RunReport) -> Vec<Finding> {
    let mut found: Vec<Finding> = report.error.iter().filter_map(|error| of_failure(test, error)).collect();
    if report.status == RunStatus::TimedOut {
        found.push(too_slow(test, "its time was up"));
    }
    let first = report.captures.first().map(|capture| &capture.dataset);
    let rows = report.captures.iter().filter(|capture| Some(&capture.dataset) == first).map(|capture| capture.rows);
    let accounted = rows.sum::<u64>() + report.rejected;
    if accounting == RowAccounting::OneToOne && report.status == RunStatus::Completed && accounted != report.rows_in {
        found.push(lost_rows(test, &format!("{} lines in, {accounted} accounted for", report.rows_in)));
    }
    found
}

/// What a failure says against the plugin; nothing if it is an answer.
pub(super) fn of_failure(test: &str, error: &Failure) -> Option<Finding> {
    let Failure { code, message, .. } = error;
    let told = |code: &str, hint: &str| Some(Finding::error(code, format!("{test}: {message}"), hint));
    match code.as_str() {
        "wall_clock_limit" | "cpu_limit" | "timeout" => Some(too_slow(test, message)),
        "rows_lost" => Some(lost_rows(test, message)),
        "guest_error" | "no_progress" => told("bad_answer", "what the contract allows is in `wit/README.md`, *Errors*"),
        "stage_skipped" | "unknown_stage" | "stage_limit" => {
            told("stages", "report the stages that the manifest declares, in their order, also where there are no rows")
        }
        limit if limit.ends_with("_limit") => told(
            "limit",
            "read and write batch by batch instead of collecting them; the message names the limit that was reached",
        ),
        other if OUTSIDE_SCHEMA.contains(&other) => {
            told("outside_schema", "write every column of the dataset, with its type, and no null where none may be")
        }
        _ if error.trap.is_some() || matches!(code.as_str(), "trapped" | "panic") => told(
            "trap",
            "a trap is a defect: return an error that says what is wrong, or reject the line; the report of a trap is in \
             `runs show` of a host where it happens",
        ),
        _ if error.kind == FailureKind::Internal => told(
            "internal",
            "errors of a plugin have the kind that tells who is at fault: source, parse, validation, ...",
        ),
        _ => None,
    }
}

fn too_slow(test: &str, message: &str) -> Finding {
    Finding::error(
        "timeout",
        format!("{test}: {message}"),
        "find the loop that does not end, or that takes ever longer",
    )
}

fn lost_rows(test: &str, message: &str) -> Finding {
    let hint = "write or reject each line that was read, or declare the accounting `aggregate`";
    Finding::error("row_accounting", format!("{test}: {message}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(kind: FailureKind, code: &str) -> Option<String> {
        of_failure("t", &Failure::new(kind, code, "m")).map(|finding| finding.code)
    }

    #[test]
    fn answers_are_told_from_defects() {
        for answer in ["header_mismatch", "quality_blocked", "all_rejected", "bad_params", "overflow", "not_granted"] {
            assert_eq!(code(FailureKind::Validation, answer), None, "{answer}");
        }
        let defects = [
            ("trapped", "trap"),
            ("memory_limit", "limit"),
            ("wall_clock_limit", "timeout"),
            ("rows_lost", "row_accounting"),
            ("type_mismatch", "outside_schema"),
            ("stage_skipped", "stages"),
        ];
        for (given, told) in defects {
            assert_eq!(code(FailureKind::Pipeline, given).as_deref(), Some(told));
        }
        assert_eq!(code(FailureKind::Internal, "whatever").as_deref(), Some("internal"));
    }
}
