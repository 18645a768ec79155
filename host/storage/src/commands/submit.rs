//! Recording new runs: created, then queued.

use std::collections::HashSet;

use model::Digest;
use model::failure::{Failure, FailureKind};
use model::ports::{NewRun, Submission};
use model::run::RunStatus;
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::events::{self, Event};
use super::json;
use crate::failure::{corrupt, failed, internal};
use crate::writer::{Command, Scribe};

/// Most bytes of the parameters of one run.
const PARAMS_BYTES_MAX: usize = 256 * 1024;

impl Command for NewRun {
    type Answer = Submission;

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<Submission, Failure>>, Failure> {
        let mut keys = HashSet::new();
        if !commands.iter().filter_map(|run| run.idempotency_key.as_ref()).all(|key| keys.insert(key)) {
            return Err(internal("same_key", "two commands of one group carry the same key"));
        }
        let mut answers = Vec::with_capacity(commands.len());
        let mut fresh = Vec::with_capacity(commands.len());
        for run in commands {
            let answer = decide(scribe, run).await;
            if let Ok(Submission::New) = answer {
                fresh.push(*run);
            }
            answers.push(answer);
        }
        record(scribe, &fresh).await?;
        Ok(answers)
    }
}

/// Decides whether a run is new.
async fn decide(scribe: &mut Scribe<'_>, run: &NewRun) -> Result<Submission, Failure> {
    let params_bytes = run.params.to_string().len();
    if params_bytes > PARAMS_BYTES_MAX {
        let message = format!(
            "the parameters of `{}` take {params_bytes} bytes, more than the {PARAMS_BYTES_MAX} that a run may have; \
             give large values as a file",
            run.name
        );
        return Err(Failure::new(FailureKind::Config, "bad_params", message));
    }
    let Some(key) = &run.idempotency_key else { return Ok(Submission::New) };
    let Some(bound) = bound(scribe, key).await? else { return Ok(Submission::New) };
    let params: Value =
        serde_json::from_str(&bound.params).map_err(|_| corrupt("the parameters of a run", &bound.params))?;
    if bound.name != run.name || bound.kind != run.kind.name() || params != run.params {
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
        WHERE idempotency_keys.idempotency_key = ?1
        "#,
    )
    .bind(key)
    .fetch_optional(&mut *scribe.connection)
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
}

async fn record(scribe: &mut Scribe<'_>, runs: &[&NewRun]) -> Result<(), Failure> {
    if runs.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row<'_>> = runs
        .iter()
        .map(|run| Row {
            run_id: run.run_id.to_string(),
            name: &run.name,
            kind: run.kind.name(),
            params: run.params.to_string(),
            created_at_us: run.created_at.as_micros(),
            key: run.idempotency_key.as_deref(),
            request_hash: run.request_hash,
        })
        .collect();
    let rows = json(&rows)?;
    sqlx::query(
        r#"
        INSERT INTO runs (run_id, name, kind, status, params, created_at_us)
        SELECT value ->> 'run_id', value ->> 'name', value ->> 'kind', 'queued', value ->> 'params', value ->> 'created_at_us'
        FROM json_each(?1)
        "#,
    )
    .bind(&rows)
    .execute(&mut *scribe.connection)
    .await
    .map_err(failed("record a run"))?;
    if runs.iter().any(|run| run.idempotency_key.is_some()) {
        sqlx::query(
            r#"
            INSERT INTO idempotency_keys (idempotency_key, run_id, request_hash)
            SELECT value ->> 'key', value ->> 'run_id', value ->> 'request_hash'
            FROM json_each(?1)
            WHERE value ->> 'key' IS NOT NULL
            ON CONFLICT (idempotency_key) DO UPDATE
            SET run_id = excluded.run_id, request_hash = excluded.request_hash
            "#,
        )
        .bind(&rows)
        .execute(&mut *scribe.connection)
        .await
        .map_err(failed("bind a key"))?;
    }
    let told = runs.iter().flat_map(|run| {
        let event = |event, data| Event { run: run.run_id, at: run.created_at, event, data };
        let kind = run.kind.name();
        [
            event("created", serde_json::json!({ "name": run.name, "kind": kind })),
            event("queued", serde_json::json!({})),
        ]
    });
    events::append(scribe, told.collect()).await
}
