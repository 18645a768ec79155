//! Beginning attempts: queued to running, or the next attempt of a running run, with every lease that it needs.

use std::collections::{HashMap, HashSet};

use model::failure::Failure;
use model::ports::{Start, kept, lost};
use model::run::{Conditions, RunStatus};
use model::{RunId, WorkerId};
use serde::Serialize;
use sqlx::FromRow;

use super::events::{self, Event};
use super::leases::{self, Wish};
use super::workers::{self, Living};
use super::{distinct, illegal, int, json, keepers, unknown_run};
use crate::failure::corrupt;
use crate::lock::Needs;
use crate::writer::{Command, Scribe, Statement, Value};

#[derive(Serialize)]
struct Row<'a> {
    run_id: String,
    attempt: u32,
    plugin_name: Option<&'a str>,
    plugin_version: Option<&'a str>,
    plugin_digest: Option<String>,
    #[serde(flatten)]
    conditions: &'a Conditions,
    input_hash: Option<String>,
    snapshot_id: i64,
    worker_id: String,
    leases: i64,
    started_at_us: i64,
    inputs: Vec<(&'a str, String)>,
}

impl Command for Start {
    const LANE: &'static str = "start";
    type Answer = ();

    fn needs(&self, needs: &mut Needs) {
        needs.workers.insert(self.worker);
        needs.runs.insert(self.run_id);
        needs.slots.extend(self.exclusive.iter().map(|exclusive| exclusive.key.clone()));
    }

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<(), Failure>>, Failure> {
        distinct(commands.iter().map(|start| start.run_id))?;
        let now = scribe.lead.clock.now();
        let living = |start: &&Self| Living { worker: start.worker, since: start.started_at, until: start.lease_until };
        let living: Vec<Living> = commands.iter().map(living).collect();
        let (before, alive) = scribe.rows_of_two(before(commands)?, workers::begin(scribe, &living, now)?).await?;
        let before: HashMap<String, Before> = before.into_iter().map(|run: Before| (run.run_id.clone(), run)).collect();
        let alive = workers::found(alive)?;
        let keepers = keepers::living(scribe, &others(commands, &before)).await?;
        let mut refused: HashMap<RunId, Failure> = HashMap::new();
        for start in commands {
            if let Err(failure) = may_start(start, before.get(&start.run_id.to_string()), &alive, &keepers) {
                refused.insert(start.run_id, failure);
            }
        }
        let legal = || commands.iter().copied().filter(|start| !refused.contains_key(&start.run_id));
        let wishes: Vec<Wish<'_>> = legal().map(wish).collect();
        let taken = leases::take(scribe, &wishes, now).await?;
        let held = wishes.iter().zip(taken).filter_map(|(wish, taken)| Some((wish.run, taken.err()?.into())));
        let held: Vec<(RunId, Failure)> = held.collect();
        refused.extend(held);
        let starts: Vec<&Self> =
            commands.iter().copied().filter(|start| !refused.contains_key(&start.run_id)).collect();
        record(scribe, &starts)?;
        Ok(commands.iter().map(|start| refused.remove(&start.run_id).map_or(Ok(()), Err)).collect())
    }
}

/// A run as it is before an attempt begins.
#[derive(FromRow)]
struct Before {
    run_id: String,
    status: String,
    attempt: i64,
    worker_id: Option<String>,
    keeper_id: Option<String>,
}

impl Before {
    fn keeper(&self) -> Option<WorkerId> {
        self.keeper_id.as_deref()?.parse().ok()
    }
}

/// Asks for the runs that are to start.
fn before(starts: &[&Start]) -> Result<Statement, Failure> {
    let ids: Vec<RunId> = starts.iter().map(|start| start.run_id).collect();
    let statement = Statement::new(
        "look for the run to start",
        r#"
        SELECT run_id, status, attempt, worker_id, keeper_id
        FROM runs
        WHERE run_id IN (SELECT value FROM {texts $1} AS asked)
        "#,
    );
    Ok(statement.bind(json(&ids)?))
}

/// Whether a keeper is neither the worker that begins, nor the one for which that speaks.
fn is_other(start: &Start, keeper: WorkerId) -> bool {
    keeper != start.worker && Some(keeper) != start.keeper
}

/// Who keeps these runs, but for those whose callers know.
fn others(starts: &[&Start], before: &HashMap<String, Before>) -> HashSet<WorkerId> {
    let keeper =
        |start: &&Start| before.get(&start.run_id.to_string())?.keeper().filter(|keeper| is_other(start, *keeper));
    starts.iter().filter_map(keeper).collect()
}

fn may_start(
    start: &Start,
    before: Option<&Before>,
    alive: &HashSet<WorkerId>,
    keepers: &HashSet<WorkerId>,
) -> Result<(), Failure> {
    let run = before.ok_or_else(|| unknown_run(start.run_id))?;
    let from = RunStatus::from_name(&run.status).ok_or_else(|| corrupt("a status", &run.status))?;
    let follows = run.attempt + 1 == i64::from(start.attempt);
    if !follows || !matches!(from, RunStatus::Queued | RunStatus::Running) {
        let to = format!("running in attempt {} after attempt {}", start.attempt, run.attempt);
        return Err(illegal(start.run_id, from, &to));
    }
    if let Some(by) = run.keeper().filter(|it| is_other(start, *it) && keepers.contains(it)) {
        return Err(kept(start.run_id, by));
    }
    let is_others = from == RunStatus::Running && run.worker_id != Some(start.worker.to_string());
    if is_others || !alive.contains(&start.worker) { Err(lost(start.run_id)) } else { Ok(()) }
}

fn wish(start: &Start) -> Wish<'_> {
    Wish { run: start.run_id, worker: start.worker, until: start.lease_until, wanted: &start.exclusive }
}

fn row(start: &Start) -> Row<'_> {
    let plugin = start.plugin.as_ref();
    Row {
        run_id: start.run_id.to_string(),
        attempt: start.attempt,
        plugin_name: plugin.map(|it| it.name.as_str()),
        plugin_version: plugin.map(|it| it.version.as_str()),
        plugin_digest: plugin.map(|it| it.digest.to_string()),
        conditions: &start.conditions,
        input_hash: start.input_hash.map(|hash| hash.to_string()),
        snapshot_id: int(start.snapshot),
        worker_id: start.worker.to_string(),
        leases: leases::kept(&start.exclusive),
        started_at_us: start.started_at.as_micros(),
        inputs: start.inputs.iter().map(|(name, digest)| (name.as_str(), digest.to_string())).collect(),
    }
}

fn begin(scribe: &mut Scribe<'_>, rows: &Value, count: usize) {
    scribe.later(
        Statement::new(
            "start a run",
            r#"
            UPDATE runs
            SET status = 'running',
                not_before_us = NULL,
                worker_id = new.value ->> 'worker_id',
                keeper_id = NULL,
                leases = CAST(new.value ->> 'leases' AS BIGINT),
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
            "#,
        )
        .bind(rows)
        .changing(count),
    );
}

fn record(scribe: &mut Scribe<'_>, starts: &[&Start]) -> Result<(), Failure> {
    if starts.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row<'_>> = starts.iter().map(|start| row(start)).collect();
    let rows: Value = scribe.json(&rows)?.into();
    begin(scribe, &rows, starts.len());
    if starts.iter().any(|start| start.attempt > 1) {
        scribe.later(
            Statement::new(
                "end an attempt",
                r#"
                UPDATE attempts
                SET finished_at_us = CAST(new.value ->> 'started_at_us' AS BIGINT), outcome = 'retried'
                FROM {rows $1} AS new
                WHERE attempts.run_id = new.value ->> 'run_id' AND attempts.finished_at_us IS NULL
                "#,
            )
            .bind(&rows),
        );
    }
    scribe.later(Statement::new("record an attempt", r#"
        INSERT INTO attempts (
            run_id, number, plugin_name, plugin_version, plugin_digest, host_version, wasmtime_version, grants_hash,
            input_hash, snapshot_id, started_at_us
        )
        SELECT
            value ->> 'run_id', CAST(value ->> 'attempt' AS BIGINT), value ->> 'plugin_name', value ->> 'plugin_version',
            value ->> 'plugin_digest', value ->> 'host_version', value ->> 'wasmtime_version', value ->> 'grants_hash',
            value ->> 'input_hash', CAST(value ->> 'snapshot_id' AS BIGINT), CAST(value ->> 'started_at_us' AS BIGINT)
        FROM {rows $1} AS new
        "#)
    .bind(&rows));
    if starts.iter().any(|start| !start.inputs.is_empty()) {
        scribe.later(Statement::new("record what a run reads", r#"
            INSERT INTO run_inputs (run_id, attempt, position, file_name, digest)
            SELECT
                new.value ->> 'run_id', CAST(new.value ->> 'attempt' AS BIGINT), input.key, input.value ->> 0, input.value ->> 1
            FROM {rows $1} AS new, {rows new.inputs} AS input
            "#)
        .bind(&rows));
    }
    let told = starts.iter().map(|start| Event {
        run: start.run_id,
        at: start.started_at,
        event: "started",
        data: serde_json::json!({ "attempt": start.attempt, "plugin": start.plugin, "snapshot": start.snapshot, "worker": start.worker }),
    });
    events::append(scribe, told.collect())
}
