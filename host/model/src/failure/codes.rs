//! Every code of the host, by what it means for the process that ends with it. A test of the workspace holds the sources
//! against these lists, and `api` has a status for each.
//!
//! Codes of guests are theirs: what is not listed means that the work failed.

/// Usage or configuration; no run is made: exit code 2.
pub const USAGE: &[&str] = &[
    "bad_as_of",
    "bad_case",
    "bad_config",
    "bad_folder",
    "bad_id",
    "bad_params",
    "bad_sql",
    "invalid_config",
    "missing_config",
    "no_breaker",
    "not_kept",
    "tool_missing",
    "unknown_name",
    "usage",
];

/// Refused as things stand: exit code 3.
pub const REFUSED: &[&str] = &[
    "address_denied",
    "already_ended",
    "bulkhead_full",
    "circuit_open",
    "dry_run",
    "forbidden",
    "key_reused",
    "lease_held",
    "locked",
    "not_granted",
    "not_pending",
    "not_ready",
    "not_releasable",
    "not_repeatable",
    "not_replayable",
    "plugin_quarantined",
    "plugin_refused",
    "quality_blocked",
    "retries_used_up",
    "schema_changed",
    "secret_lost",
    "unauthorized",
    "unique_key",
];

/// Host or database not reachable: exit code 4.
pub const UNREACHABLE: &[&str] = &["gone", "unreachable"];

/// The work failed, was cancelled or timed out, or a request over HTTP was none: exit code 1.
pub const FAILED: &[&str] = &[
    "all_rejected",
    "bad_answer",
    "bad_backfill",
    "bad_document",
    "bad_name",
    "bad_request",
    "bad_response",
    "bad_row",
    "bad_select",
    "build_failed",
    "busy",
    "call_limit",
    "cancelled",
    "capture_unreadable",
    "carried",
    "changed",
    "closed",
    "compare",
    "conflict",
    "constraint",
    "contention",
    "corrupt",
    "cpu_limit",
    "deadline",
    "denied",
    "empty_file",
    "encode",
    "engine",
    "folder",
    "guest_error",
    "handle_limit",
    "header_mismatch",
    "held_limit",
    "host_calls_limit",
    "host_panic",
    "http_limit",
    "illegal_transition",
    "instances_limit",
    "interrupted",
    "io",
    "items_failed",
    "kept",
    "linker",
    "lost",
    "memories_limit",
    "memory_limit",
    "metrics",
    "missing_export",
    "network",
    "no_item",
    "no_progress",
    "no_run",
    "no_signals",
    "no_space",
    "not_a_file",
    "not_found",
    "not_json",
    "not_recorded",
    "outcome_unknown",
    "output_bytes_limit",
    "output_rows_limit",
    "panic",
    "panicked",
    "parse",
    "permission_denied",
    "plugin_not_loaded",
    "query_failed",
    "query_memory",
    "query_timeout",
    "rate_limited",
    "read_only",
    "rows_lost",
    "run_missing",
    "same_key",
    "same_run",
    "schema",
    "secret_unreadable",
    "several",
    "sort",
    "stack_limit",
    "stage_limit",
    "stage_skipped",
    "staging_memory",
    "storage",
    "table_elements_limit",
    "tables_limit",
    "threads",
    "timeout",
    "too_large",
    "too_many_redirects",
    "too_many_rows",
    "trap",
    "trapped",
    "unavailable",
    "unknown",
    "unknown_format",
    "unknown_input",
    "unknown_output",
    "unknown_stage",
    "unsupported_media_type",
    "unwritable",
    "version_retired",
    "wall_clock_limit",
    "wrong_method",
];

/// All of them.
pub fn all() -> impl Iterator<Item = &'static str> {
    [USAGE, REFUSED, UNREACHABLE, FAILED].into_iter().flatten().copied()
}

/// The exit code of a code; see [`super::Failure::exit_code`].
pub(super) fn exit_code(code: &str) -> u8 {
    match code {
        _ if USAGE.contains(&code) => 2,
        _ if REFUSED.contains(&code) => 3,
        _ if UNREACHABLE.contains(&code) => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_in_one_list_once_and_the_lists_are_sorted() {
        let codes: Vec<&str> = all().collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        for list in [USAGE, REFUSED, UNREACHABLE, FAILED] {
            assert!(list.is_sorted(), "{list:?}");
        }
        assert_eq!(["usage", "locked", "gone", "trap", "whatever a guest says"].map(exit_code), [2, 3, 4, 1, 1]);
    }
}
