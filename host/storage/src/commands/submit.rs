//! Recording new runs: created, then queued.

use std::collections::HashSet;

use model::failure::{Failure, FailureKind};
use model::ports::{NewRun, Submission};
use model::run::RunStatus;
use model::work::WorkSpec;
use model::{Digest, RunId, Timestamp};
use serde::Serialize;
use sqlx::FromRow;

use super::events::{self, Event};
use super::workers::{self, Living};
use super::{dead_letters, json};
use crate::failure::{corrupt, failed, internal};
use crate::lock::Needs;
use crate::read::work::KeptWork;
use crate::writer::{Command, Scribe, Statement, Value};

/// Most bytes of the parameters of one run.
const PARAMS_BYTES_MAX: usize = 256 * 1024;

impl Command for NewRun {
    const LANE: &'static str = "submit";
    type Answer = Submission;

    fn needs(&self, needs: &mut Needs) {
        needs.keys.extend(self.spec.idempotency_key.clone());
        needs.workers.extend(self.keeper.map(|keeper| keeper.worker));
        needs.runs.extend(self.spec.lineage.retry_of);
    }

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<Submission, Failure>>, Failure> {
        let keys: Vec<&str> = commands.iter().filter_map(|run| run.spec.idempotency_key.as_deref()).collect();
        if keys.iter().collect::<HashSet<_>>().len() < keys.len() {
            return Err(internal("same_key", "two commands of one group carry the same key"));
        }
        let repeated: Vec<RunId> = commands.iter().filter_map(|run| run.spec.lineage.retry_of).collect();
        if repeated.iter().collect::<HashSet<_>>().len() < repeated.len() {
            return Err(internal("same_run", "two commands of one group repeat the same run"));
        }
        let mut answers = Vec::with_capacity(commands.len());
        let mut fresh = Vec::with_capacity(commands.len());
        for run in commands {
            let answer = decide(scribe, run).await;
            match &answer {
                Ok(Submission::New) => fresh.push(*run),
                Ok(Submission::Existing(_)) => {}
                // After that a server refuses every other statement of the transaction too.
                Err(failure) if failure.kind == FailureKind::Database => return answer.map(|_| Vec::new()),
                Err(_) => {}
            }
            answers.push(answer);
        }
        record(scribe, &fresh)?;
        Ok(answers)
    }
}

/// Decides whether a run is new.
async fn decide(scribe: &mut Scribe<'_>, run: &NewRun) -> Result<Submission, Failure> {
    let params_bytes = run.spec.params.to_string().len();
    if params_bytes > PARAMS_BYTES_MAX {
        let message = format!(
            "the parameters of `{}` take {params_bytes} bytes, more than the {PARAMS_BYTES_MAX} that a run may have; \
             give large values as a file",
            run.spec.name
        );
        return Err(Failure::new(FailureKind::Config, "bad_params", message));
    }
    let answer = by_key(scribe, run).await?;
    match run.spec.lineage.retry_of {
        Some(repeated) if answer == Submission::New => dead_letters::may_repeat(scribe, repeated).await?,
        Some(_) | None => {}
    }
    Ok(answer)
}

async fn by_key(scribe: &mut Scribe<'_>, run: &NewRun) -> Result<Submission, Failure> {
    let Some(key) = &run.spec.idempotency_key else { return Ok(Submission::New) };
    let Some(bound) = bound(scribe, key).await? else { return Ok(Submission::New) };
    let params: serde_json::Value =
        serde_json::from_str(&bound.params).map_err(|_| corrupt("the parameters of a run", &bound.params))?;
    if bound.name != run.spec.name || bound.kind != run.spec.kind.name() || params != run.spec.params {
        return Err(key_reused(key, &bound, "with other parameters"));
    }
    let old = bound.run_id.parse().map_err(|_| corrupt("a run id", &bound.run_id))?;
    let status = RunStatus::from_name(&bound.status).ok_or_else(|| corrupt("a status", &bound.status))?;
    let ended_badly = status.is_terminal() && status != RunStatus::Completed;
    // What came to nothing may be tried with a corrected file.
    if !ended_badly && bound.is_other_request(run) {
        return Err(key_reused(key, &bound, "with another content of its files, or another secret"));
    }
    if run.rebind == Some(old) && ended_badly { Ok(Submission::New) } else { Ok(Submission::Existing(old)) }
}

fn key_reused(key: &str, bound: &Bound, how: &str) -> Failure {
    let Bound { run_id, name, .. } = bound;
    let key = model::brief(key);
    let message = format!("the key `{key}` belongs to {run_id} of `{name}` {how}; repeat that, or use another key");
    Failure::new(FailureKind::Validation, "key_reused", message)
}

/// The run that a key stands for.
#[derive(FromRow)]
struct Bound {
    run_id: String,
    name: String,
    kind: String,
    params: String,
    status: String,
    request_hash: Option<String>,
}

impl Bound {
    /// A key that was bound by an earlier version has no hash to compare.
    fn is_other_request(&self, run: &NewRun) -> bool {
        self.request_hash.is_some() && self.request_hash != run.request_hash.map(|hash| hash.to_string())
    }
}

async fn bound(scribe: &mut Scribe<'_>, key: &str) -> Result<Option<Bound>, Failure> {
    sqlx::query_as(
        r#"
        SELECT runs.run_id, runs.name, runs.kind, runs.params, runs.status, idempotency_keys.request_hash
        FROM idempotency_keys
        JOIN runs ON runs.run_id = idempotency_keys.run_id
        WHERE idempotency_keys.idempotency_key = $1
        "#,
    )
    .bind(scribe.dialect().text(key).into_owned())
    .fetch_optional(scribe.connection().await?)
    .await
    .map_err(failed("look up a key"))
}

#[derive(Serialize)]
struct Row<'a> {
    run_id: String,
    name: &'a str,
    kind: &'static str,
    params: String,
    created_at_us: i64,
    key: Option<&'a str>,
    request_hash: Option<Digest>,
    priority: &'static str,
    lane: &'static str,
    deadline_us: Option<i64>,
    asked_by: &'static str,
    correlation_id: Option<&'a str>,
    parent_run_id: Option<String>,
    retry_of: Option<String>,
    work: String,
    keeper_id: Option<String>,
}

fn row(run: &NewRun) -> Result<Row<'_>, Failure> {
    let WorkSpec { name, kind, params, routing, lineage, idempotency_key, .. } = &run.spec;
    Ok(Row {
        run_id: run.run_id.to_string(),
        name,
        kind: kind.name(),
        params: params.to_string(),
        created_at_us: run.created_at.as_micros(),
        key: idempotency_key.as_deref(),
        request_hash: run.request_hash,
        priority: routing.priority.name(),
        lane: routing.lane.name(),
        deadline_us: routing.deadline.map(Timestamp::as_micros),
        asked_by: lineage.trigger.name(),
        correlation_id: lineage.correlation_id.as_deref(),
        parent_run_id: lineage.parent_run_id.map(|run| run.to_string()),
        retry_of: lineage.retry_of.map(|run| run.to_string()),
        work: json(&KeptWork::of(&run.spec))?,
        keeper_id: run.keeper.map(|keeper| keeper.worker.to_string()),
    })
}

fn record(scribe: &mut Scribe<'_>, runs: &[&NewRun]) -> Result<(), Failure> {
    if runs.is_empty() {
        return Ok(());
    }
    let living = |run: &&NewRun| {
        let keeper = run.keeper?;
        Some(Living { worker: keeper.worker, since: run.created_at, until: keeper.until? })
    };
    let living: Vec<Living> = runs.iter().filter_map(living).collect();
    if !living.is_empty() {
        // One that counts as dead keeps its runs for the next who adopts them.
        let begin = workers::begin(scribe, &living, scribe.lead.clock.now())?;
        scribe.later(begin);
    }
    let rows: Result<Vec<Row<'_>>, Failure> = runs.iter().map(|run| row(run)).collect();
    let rows: Value = scribe.json(&rows?)?.into();
    scribe.later(
        Statement::new(
            "record a run",
            r#"
            INSERT INTO runs (
                run_id, name, kind, status, params, created_at_us, priority, lane, deadline_us, asked_by, correlation_id,
                parent_run_id, retry_of, work, keeper_id
            )
            SELECT
                value ->> 'run_id', value ->> 'name', value ->> 'kind', 'queued', value ->> 'params',
                CAST(value ->> 'created_at_us' AS BIGINT), value ->> 'priority', value ->> 'lane',
                CAST(value ->> 'deadline_us' AS BIGINT), value ->> 'asked_by', value ->> 'correlation_id',
                value ->> 'parent_run_id', value ->> 'retry_of', value ->> 'work',
                value ->> 'keeper_id'
            FROM {rows $1} AS new
            "#,
        )
        .bind(&rows),
    );
    if runs.iter().any(|run| run.spec.idempotency_key.is_some()) {
        scribe.later(
            Statement::new(
                "bind a key",
                r#"
                INSERT INTO idempotency_keys (idempotency_key, run_id, request_hash)
                SELECT value ->> 'key', value ->> 'run_id', value ->> 'request_hash'
                FROM {rows $1} AS new
                WHERE value ->> 'key' IS NOT NULL
                ON CONFLICT (idempotency_key) DO UPDATE
                SET run_id = excluded.run_id, request_hash = excluded.request_hash
                "#,
            )
            .bind(&rows),
        );
    }
    let told = runs.iter().flat_map(|run| {
        let event = |event, data| Event { run: run.run_id, at: run.created_at, event, data };
        let kind = run.spec.kind.name();
        let lineage = &run.spec.lineage;
        [
            event("created", serde_json::json!({ "name": run.spec.name, "kind": kind, "lineage": lineage })),
            event("queued", serde_json::json!({})),
        ]
    });
    events::append(scribe, told.collect())?;
    let repeating: Vec<&NewRun> = runs.iter().copied().filter(|run| run.spec.lineage.retry_of.is_some()).collect();
    dead_letters::count(scribe, &repeating)
}
