//! The status of ended runs, their last attempts, and the events that tell of it.

use model::failure::Failure;
use model::run::{Conclusion, RunCapture, RunStatus};
use serde::Serialize;
use serde_json::json as value;

use super::{Ending, error, is_unchanged};
use crate::commands::events::Event;
use crate::commands::{int, json};
use crate::usage::{UsageColumns, set_usage};
use crate::writer::{Scribe, Statement, Value};

#[derive(Serialize)]
struct Row<'a> {
    run_id: String,
    from: &'a str,
    attempt: i64,
    status: &'static str,
    /// 0 or 1.
    unchanged: i64,
    rows_in: i64,
    rows_out: i64,
    rejected: i64,
    error: Option<String>,
    result: Option<String>,
    input_hash: Option<String>,
    inputs: Vec<(&'a str, String)>,
    /// 0 or 1.
    has_inputs: i64,
    /// Capture and whether it is unchanged, 0 or 1.
    captures: Vec<(String, i64)>,
    source: Option<&'a str>,
    /// In hex: JSON has no bytes.
    cursor: Option<String>,
    finished_at_us: i64,
    #[serde(flatten)]
    usage: UsageColumns,
}

/// Ends the runs and their last attempts, and keeps what belongs to that.
pub(super) fn record(scribe: &mut Scribe<'_>, endings: &[Ending<'_>]) -> Result<(), Failure> {
    if endings.is_empty() {
        return Ok(());
    }
    let rows: Result<Vec<Row<'_>>, Failure> = endings.iter().map(row).collect();
    let rows: Value = scribe.json(&rows?)?.into();
    end_runs(scribe, &rows, endings.len());
    end_attempts(scribe, &rows);
    if endings.iter().any(|ending| !ending.conclusion.inputs.is_empty()) {
        replace_inputs(scribe, &rows);
    }
    if endings.iter().any(|ending| !ending.delivered.is_empty()) {
        link_captures(scribe, &rows);
    }
    if endings.iter().any(|ending| ending.conclusion.cursor.is_some()) {
        move_cursors(scribe, &rows);
    }
    Ok(())
}

fn row<'a>(ending: &'a Ending<'_>) -> Result<Row<'a>, Failure> {
    let Ending { conclusion, run, delivered } = ending;
    let error = error(conclusion);
    let cursor = conclusion.cursor.as_ref();
    Ok(Row {
        run_id: conclusion.run_id.to_string(),
        from: &run.status,
        attempt: run.attempt,
        status: conclusion.status.name(),
        unchanged: i64::from(is_unchanged(conclusion, delivered)),
        rows_in: int(conclusion.rows_in),
        rows_out: int(conclusion.rows_out),
        rejected: int(conclusion.rejected),
        error: error.as_ref().map(json).transpose()?,
        result: conclusion.result.as_ref().map(json).transpose()?,
        input_hash: conclusion.input_hash.map(|hash| hash.to_string()),
        inputs: conclusion.inputs.iter().map(|(name, digest)| (name.as_str(), digest.to_string())).collect(),
        has_inputs: i64::from(!conclusion.inputs.is_empty()),
        captures: delivered
            .iter()
            .map(|capture| (capture.capture_id.to_string(), i64::from(capture.unchanged)))
            .collect(),
        source: cursor.map(|cursor| cursor.source.as_str()),
        cursor: cursor.map(|cursor| cursor.cursor.iter().map(|byte| format!("{byte:02x}")).collect()),
        finished_at_us: conclusion.finished_at.as_micros(),
        usage: conclusion.usage.into(),
    })
}

fn end_runs(scribe: &mut Scribe<'_>, rows: &Value, count: usize) {
    scribe.later(
        Statement::new(
            "end a run",
            r#"
            UPDATE runs
            SET status = new.value ->> 'status',
                not_before_us = NULL,
                worker_id = NULL,
                keeper_id = NULL,
                leases = 0,
                unchanged = CAST(new.value ->> 'unchanged' AS BIGINT),
                rows_in = CAST(new.value ->> 'rows_in' AS BIGINT),
                rows_out = CAST(new.value ->> 'rows_out' AS BIGINT),
                rejected = CAST(new.value ->> 'rejected' AS BIGINT),
                error = new.value ->> 'error',
                result = new.value ->> 'result',
                input_hash = COALESCE(new.value ->> 'input_hash', runs.input_hash),
                finished_at_us = CAST(new.value ->> 'finished_at_us' AS BIGINT)
            FROM {rows $1} AS new
            WHERE runs.run_id = new.value ->> 'run_id'
                AND runs.status = new.value ->> 'from'
                AND runs.attempt = CAST(new.value ->> 'attempt' AS BIGINT)
            "#,
        )
        .bind(rows)
        .changing(count),
    );
}

fn end_attempts(scribe: &mut Scribe<'_>, rows: &Value) {
    scribe.later(
        Statement::new(
            "end an attempt",
            concat!(
                "UPDATE attempts
                SET finished_at_us = CAST(new.value ->> 'finished_at_us' AS BIGINT),
                    outcome = new.value ->> 'status',
                    input_hash = COALESCE(new.value ->> 'input_hash', attempts.input_hash), ",
                set_usage!(),
                " FROM {rows $1} AS new
                WHERE attempts.run_id = new.value ->> 'run_id'
                    AND attempts.number = CAST(new.value ->> 'attempt' AS BIGINT)
                    AND attempts.finished_at_us IS NULL"
            ),
        )
        .bind(rows),
    );
}

/// Files of granted folders are known only once the guest has read them.
fn replace_inputs(scribe: &mut Scribe<'_>, rows: &Value) {
    scribe.later(
        Statement::new(
            "record what a run read",
            r#"
            DELETE FROM run_inputs
            WHERE (run_id, attempt) IN (
                SELECT value ->> 'run_id', CAST(value ->> 'attempt' AS BIGINT)
                FROM {rows $1} AS new
                WHERE CAST(value ->> 'has_inputs' AS BIGINT) = 1
            )
            "#,
        )
        .bind(rows),
    );
    scribe.later(Statement::new("record what a run read", r#"
        INSERT INTO run_inputs (run_id, attempt, position, file_name, digest)
        SELECT new.value ->> 'run_id', CAST(new.value ->> 'attempt' AS BIGINT), input.key, input.value ->> 0, input.value ->> 1
        FROM {rows $1} AS new, {rows new.inputs} AS input
        WHERE CAST(new.value ->> 'has_inputs' AS BIGINT) = 1 AND CAST(new.value ->> 'attempt' AS BIGINT) > 0
        "#)
    .bind(rows));
}

fn link_captures(scribe: &mut Scribe<'_>, rows: &Value) {
    scribe.later(
        Statement::new(
            "record the captures of a run",
            r#"
            INSERT INTO run_captures (run_id, position, capture_id, unchanged)
            SELECT new.value ->> 'run_id', capture.key, capture.value ->> 0, CAST(capture.value ->> 1 AS BIGINT)
            FROM {rows $1} AS new, {rows new.captures} AS capture
            "#,
        )
        .bind(rows),
    );
}

fn move_cursors(scribe: &mut Scribe<'_>, rows: &Value) {
    scribe.later(Statement::new("keep the cursor of a source", r#"
        INSERT INTO source_cursors (source, cursor, run_id, updated_at_us)
        SELECT value ->> 'source', {bytes value ->> 'cursor'}, value ->> 'run_id', CAST(value ->> 'finished_at_us' AS BIGINT)
        FROM {rows $1} AS new
        WHERE value ->> 'source' IS NOT NULL
        ON CONFLICT (source) DO UPDATE
        SET cursor = excluded.cursor, run_id = excluded.run_id, updated_at_us = excluded.updated_at_us
        "#)
    .bind(rows));
}

/// What happened, in order: the stages, what became of each capture, and the end.
pub(super) fn events(ending: &Ending<'_>) -> Vec<Event> {
    let Ending { conclusion, delivered, .. } = ending;
    let event = |event, data| Event { run: conclusion.run_id, at: conclusion.finished_at, event, data };
    let stages = conclusion.stages.iter().map(|it| event("stage", value!({ "name": it.name, "rows": it.rows })));
    let same = conclusion.same_as.map(|run| {
        let reason = "parameters, inputs and plugin are those of an earlier run whose captures are still the latest";
        event("same_as", value!({ "run_id": run, "reason": reason }))
    });
    let captures = delivered.iter().map(|capture| event(fate(capture), value!(capture)));
    let end = event(conclusion.status.name(), summary(conclusion, delivered));
    stages.chain(same).chain(captures).chain([end]).collect()
}

fn fate(capture: &RunCapture) -> &'static str {
    match capture {
        RunCapture { unchanged: true, .. } => "unchanged",
        RunCapture { revision: Some(_), .. } => "published",
        RunCapture { revision: None, .. } => "quarantined",
    }
}

fn summary(conclusion: &Conclusion, captures: &[RunCapture]) -> serde_json::Value {
    let Conclusion { rows_in, rows_out, rejected, .. } = conclusion;
    match conclusion.status {
        RunStatus::Completed => {
            let unchanged = is_unchanged(conclusion, captures);
            value!({ "rows_in": rows_in, "rows_out": rows_out, "rejected": rejected, "unchanged": unchanged })
        }
        RunStatus::Failed
        | RunStatus::TimedOut
        | RunStatus::Cancelled
        | RunStatus::DeadLettered
        | RunStatus::Pending
        | RunStatus::Queued
        | RunStatus::Running => value!({ "rows_in": rows_in, "rejected": rejected, "error": error(conclusion) }),
    }
}
