//! Beginning attempts: queued to running, or the next attempt of a running run.

use std::collections::HashSet;

use model::failure::Failure;
use model::ports::Start;
use model::run::Conditions;
use serde::Serialize;

use super::events::{self, Event};
use super::{distinct, illegal, int, unknown_run};
use crate::failure::{corrupt, failed};
use crate::read::runs;
use crate::writer::{Command, Scribe};

#[derive(Serialize)]
struct Row<'a> {
    run_id: String,
    attempt: u32,
    plugin_name: &'a str,
    plugin_version: &'a str,
    plugin_digest: String,
    #[serde(flatten)]
    conditions: &'a Conditions,
    input_hash: Option<String>,
    snapshot_id: i64,
    started_at_us: i64,
    inputs: Vec<(&'a str, String)>,
}

impl Command for Start {
    type Answer = ();

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<(), Failure>>, Failure> {
        distinct(commands.iter().map(|start| start.run_id))?;
        let rows: Vec<Row<'_>> = commands.iter().map(|start| row(start)).collect();
        let rows = scribe.json(&rows)?;
        let begun = begin(scribe, &rows).await?;
        let mut answers = Vec::with_capacity(commands.len());
        let mut legal = Vec::with_capacity(commands.len());
        for start in commands {
            if begun.contains(&start.run_id.to_string()) {
                legal.push(*start);
                answers.push(Ok(()));
            } else {
                answers.push(Err(refusal(scribe, start).await?));
            }
        }
        record(scribe, &legal).await?;
        Ok(answers)
    }
}

fn row(start: &Start) -> Row<'_> {
    Row {
        run_id: start.run_id.to_string(),
        attempt: start.attempt,
        plugin_name: &start.plugin.name,
        plugin_version: &start.plugin.version,
        plugin_digest: start.plugin.digest.to_string(),
        conditions: &start.conditions,
        input_hash: start.input_hash.map(|hash| hash.to_string()),
        snapshot_id: int(start.snapshot),
        started_at_us: start.started_at.as_micros(),
        inputs: start.inputs.iter().map(|(name, digest)| (name.as_str(), digest.to_string())).collect(),
    }
}

/// Returns the runs that were in a state to begin; the others are untouched.
async fn begin(scribe: &mut Scribe<'_>, rows: &str) -> Result<HashSet<String>, Failure> {
    let begun: Vec<String> = sqlx::query_scalar(scribe.sql(
        r#"
        UPDATE runs
        SET status = 'running',
            not_before_us = NULL,
            attempt = CAST(new.value ->> 'attempt' AS BIGINT),
            plugin_name = new.value ->> 'plugin_name',
            plugin_version = new.value ->> 'plugin_version',
            plugin_digest = new.value ->> 'plugin_digest',
            input_hash = new.value ->> 'input_hash',
            snapshot_id = CAST(new.value ->> 'snapshot_id' AS BIGINT),
            started_at_us = COALESCE(runs.started_at_us, CAST(new.value ->> 'started_at_us' AS BIGINT))
        FROM {rows $1} AS new
        WHERE runs.run_id = new.value ->> 'run_id'
            -- As an expression, so that runs are found by their id and not by what status they had once.
            AND (runs.status IN ('queued', 'running')) IS TRUE
            AND runs.attempt = CAST(new.value ->> 'attempt' AS BIGINT) - 1
        RETURNING runs.run_id
        "#,
    ))
    .bind(rows)
    .fetch_all(&mut *scribe.connection)
    .await
    .map_err(failed("start a run"))?;
    Ok(begun.into_iter().collect())
}

async fn refusal(scribe: &mut Scribe<'_>, start: &Start) -> Result<Failure, Failure> {
    let Some(run) = runs::row(&mut *scribe.connection, start.run_id).await? else {
        return Ok(unknown_run(start.run_id));
    };
    let from = run.status().ok_or_else(|| corrupt("a status", &run.status))?;
    Ok(illegal(start.run_id, from, &format!("running in attempt {} after attempt {}", start.attempt, run.attempt)))
}

async fn record(scribe: &mut Scribe<'_>, starts: &[&Start]) -> Result<(), Failure> {
    if starts.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row<'_>> = starts.iter().map(|start| row(start)).collect();
    let rows = scribe.json(&rows)?;
    if starts.iter().any(|start| start.attempt > 1) {
        sqlx::query(scribe.sql(
            r#"
            UPDATE attempts
            SET finished_at_us = CAST(new.value ->> 'started_at_us' AS BIGINT), outcome = 'retried'
            FROM {rows $1} AS new
            WHERE attempts.run_id = new.value ->> 'run_id' AND attempts.finished_at_us IS NULL
            "#,
        ))
        .bind(&rows)
        .execute(&mut *scribe.connection)
        .await
        .map_err(failed("end an attempt"))?;
    }
    sqlx::query(scribe.sql(
r#"
        INSERT INTO attempts (
            run_id, number, plugin_name, plugin_version, plugin_digest, host_version, wasmtime_version, grants_hash,
            input_hash, snapshot_id, started_at_us
        )
        SELECT
            value ->> 'run_id', CAST(value ->> 'attempt' AS BIGINT), value ->> 'plugin_name', value ->> 'plugin_version',
            value ->> 'plugin_digest', value ->> 'host_version', value ->> 'wasmtime_version', value ->> 'grants_hash',
            value ->> 'input_hash', CAST(value ->> 'snapshot_id' AS BIGINT), CAST(value ->> 'started_at_us' AS BIGINT)
        FROM {rows $1} AS new
        "#,
))
    .bind(&rows)
    .execute(&mut *scribe.connection)
    .await
    .map_err(failed("record an attempt"))?;
    if starts.iter().any(|start| !start.inputs.is_empty()) {
        sqlx::query(scribe.sql(
r#"
            INSERT INTO run_inputs (run_id, attempt, position, file_name, digest)
            SELECT
                new.value ->> 'run_id', CAST(new.value ->> 'attempt' AS BIGINT), input.key, input.value ->> 0, input.value ->> 1
            FROM {rows $1} AS new, {rows new.inputs} AS input
            "#,
))
        .bind(&rows)
        .execute(&mut *scribe.connection)
        .await
        .map_err(failed("record what a run reads"))?;
    }
    let told = starts.iter().map(|start| Event {
        run: start.run_id,
        at: start.started_at,
        event: "started",
        data: serde_json::json!({ "attempt": start.attempt, "plugin": start.plugin, "snapshot": start.snapshot }),
    });
    events::append(scribe, told.collect()).await
}
