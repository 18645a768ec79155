//! What ended runs mean for later ones: the stages their captures reached, and under which inputs work was done.

use std::collections::HashMap;

use model::failure::Failure;
use model::run::RunStatus;
use serde::Serialize;

use super::Ending;
use crate::commands::{int, json};
use crate::writer::{Scribe, Statement, Value};

#[derive(Serialize)]
struct Row<'a> {
    capture_id: String,
    /// Counts the rows of this capture among those written together, from 1.
    nth: u64,
    stage: &'a str,
    rank: usize,
    rows: i64,
    metrics: String,
    run_id: String,
    attempt: i64,
    at_us: i64,
}

/// Writes both, each in one statement, where there is anything of it.
pub(super) fn record(scribe: &mut Scribe<'_>, endings: &[Ending<'_>]) -> Result<(), Failure> {
    stages(scribe, endings)?;
    inputs(scribe, endings)
}

/// Each capture reached every stage of its run, in the order in which they were reported. What the order does not name
/// is no stage of a capture.
fn stages(scribe: &mut Scribe<'_>, endings: &[Ending<'_>]) -> Result<(), Failure> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut rows = Vec::new();
    for Ending { conclusion, run, delivered } in endings {
        for capture in delivered {
            let capture_id = capture.capture_id.to_string();
            for done in &conclusion.stages {
                let rank = conclusion.stage_order.iter().position(|stage| *stage == done.name);
                let Some(rank) = rank else { continue };
                let metrics: serde_json::Map<_, _> =
                    done.metrics.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
                let nth = counts.entry(capture_id.clone()).or_default();
                *nth += 1;
                rows.push(Row {
                    capture_id: capture_id.clone(),
                    nth: *nth,
                    stage: &done.name,
                    rank,
                    rows: int(done.rows),
                    metrics: json(&metrics)?,
                    run_id: conclusion.run_id.to_string(),
                    attempt: run.attempt,
                    at_us: conclusion.finished_at.as_micros(),
                });
            }
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Value = scribe.json(&rows)?.into();
    scribe.later(
        Statement::new(
            "record the stages of a capture",
            r#"
        INSERT INTO capture_stages (capture_id, seq, stage, rank, rows, metrics, run_id, attempt, at_us)
        SELECT
            new.value ->> 'capture_id',
            CAST(new.value ->> 'nth' AS BIGINT) + COALESCE(
                (SELECT MAX(seq) FROM capture_stages AS old WHERE old.capture_id = new.value ->> 'capture_id'),
                0
            ),
            new.value ->> 'stage',
            CAST(new.value ->> 'rank' AS BIGINT),
            CAST(new.value ->> 'rows' AS BIGINT),
            new.value ->> 'metrics',
            new.value ->> 'run_id',
            CAST(new.value ->> 'attempt' AS BIGINT),
            CAST(new.value ->> 'at_us' AS BIGINT)
        FROM {rows $1} AS new
        "#,
        )
        .bind(&rows),
    );
    Ok(())
}

/// The last run under a key is the one to look at.
fn inputs(scribe: &mut Scribe<'_>, endings: &[Ending<'_>]) -> Result<(), Failure> {
    let done = endings.iter().map(|ending| ending.conclusion).filter(|it| it.status == RunStatus::Completed);
    let done = done.filter(|it| it.same_as.is_none());
    // Of several under one key, one row: a statement may not change a row twice.
    let rows: HashMap<String, String> =
        done.filter_map(|it| Some((it.input_key?.to_string(), it.run_id.to_string()))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, String)> = rows.into_iter().collect();
    let rows: Value = scribe.json(&rows)?.into();
    scribe.later(
        Statement::new(
            "record under which inputs work was done",
            r#"
        INSERT INTO completed_inputs (input_key, run_id)
        SELECT value ->> 0, value ->> 1
        FROM {rows $1} AS new
        WHERE value IS NOT NULL
        ON CONFLICT (input_key) DO UPDATE SET run_id = excluded.run_id
        "#,
        )
        .bind(&rows),
    );
    Ok(())
}
