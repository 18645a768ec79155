//! Workers: processes that carry runs out, alive until they expire.

use std::collections::HashSet;

use model::failure::Failure;
use model::ports::{Heard, Worker};
use model::{RunId, Timestamp, WorkerId};
use serde::Serialize;

use crate::failure::{corrupt, failed};
use crate::lock::Needs;
use crate::writer::{Command, Scribe, Statement};

/// A worker says that it is alive.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) worker: Worker,
    pub(crate) until: Timestamp,
}

impl Command for Heartbeat {
    const LANE: &'static str = "heartbeat";
    type Answer = Heard;

    fn needs(&self, needs: &mut Needs) {
        needs.workers.insert(self.worker.id);
        needs.beating.insert(self.worker.id);
    }

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<Heard, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for beat in commands {
            answers.push(Ok(heartbeat(scribe, beat).await?));
        }
        Ok(answers)
    }
}

async fn heartbeat(scribe: &mut Scribe<'_>, beat: &Heartbeat) -> Result<Heard, Failure> {
    let now = scribe.lead.clock.now().as_micros();
    let (id, until) = (beat.worker.id.to_string(), beat.until.as_micros());
    let host = scribe.dialect().text(&beat.worker.host).into_owned();
    let alive = sqlx::query(
        r#"
        INSERT INTO workers (worker_id, host, started_at_us, expires_at_us)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (worker_id) DO UPDATE
        SET host = excluded.host,
            expires_at_us = CASE
                WHEN workers.expires_at_us < excluded.expires_at_us THEN excluded.expires_at_us
                ELSE workers.expires_at_us
            END
        WHERE workers.expires_at_us > $5
            OR NOT EXISTS (
                SELECT 1 FROM runs WHERE runs.status = 'running' AND runs.worker_id = workers.worker_id
            )
        "#,
    )
    .bind(id.clone())
    .bind(host)
    .bind(beat.worker.started_at.as_micros())
    .bind(until)
    .bind(now)
    .execute(scribe.connection().await?)
    .await
    .map_err(failed("say that a worker is alive"))?;
    if alive.rows_affected() == 0 {
        return Ok(Heard::default());
    }
    sqlx::query(
        "UPDATE leases SET expires_at_us = $2 WHERE worker_id = $1 AND expires_at_us > $3 AND expires_at_us < $2",
    )
    .bind(id.clone())
    .bind(until)
    .bind(now)
    .execute(scribe.connection().await?)
    .await
    .map_err(failed("extend the leases of a worker"))?;
    let at_work: Vec<String> = sqlx::query_scalar(
        r#"
        SELECT runs.run_id
        FROM runs
        WHERE runs.status = 'running'
            AND runs.worker_id = $1
            AND runs.leases <= (
                SELECT COUNT(*)
                FROM leases
                WHERE leases.run_id = runs.run_id AND leases.worker_id = $1 AND leases.expires_at_us > $2
            )
        ORDER BY runs.run_id
        "#,
    )
    .bind(id.clone())
    .bind(now)
    .fetch_all(scribe.connection().await?)
    .await
    .map_err(failed("read the runs of a worker"))?;
    let kept: Vec<String> = sqlx::query_scalar("SELECT run_id FROM runs WHERE keeper_id = $1 ORDER BY run_id")
        .bind(id)
        .fetch_all(scribe.connection().await?)
        .await
        .map_err(failed("read what a worker keeps"))?;
    Ok(Heard { at_work: ids(&at_work)?, kept: ids(&kept)? })
}

fn ids(runs: &[String]) -> Result<Vec<RunId>, Failure> {
    runs.iter().map(|run| run.parse().map_err(|_| corrupt("a run id", run))).collect()
}

/// A worker that says by what it does that it is alive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Living {
    pub(crate) worker: WorkerId,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

#[derive(Serialize)]
struct Row {
    worker_id: String,
    started_at_us: i64,
    expires_at_us: i64,
}

/// Returns those of these workers that are alive; see [`begin`].
pub(crate) async fn alive(
    scribe: &mut Scribe<'_>,
    living: &[Living],
    now: Timestamp,
) -> Result<HashSet<WorkerId>, Failure> {
    let begin = begin(scribe, living, now)?;
    found(scribe.rows(begin).await?)
}

/// Asks for those of these workers that are alive, and keeps them so until the transaction ends. One that is new, or
/// expired without runs at work, begins to live.
pub(crate) fn begin(scribe: &Scribe<'_>, living: &[Living], now: Timestamp) -> Result<Statement, Failure> {
    let rows: Vec<Row> = living
        .iter()
        .map(|it| Row {
            worker_id: it.worker.to_string(),
            started_at_us: it.since.as_micros(),
            expires_at_us: it.until.as_micros(),
        })
        .collect();
    let statement = Statement::new(
        "register a worker",
        r#"
        INSERT INTO workers (worker_id, started_at_us, expires_at_us)
        SELECT value ->> 'worker_id', MIN(CAST(value ->> 'started_at_us' AS BIGINT)),
            MAX(CAST(value ->> 'expires_at_us' AS BIGINT))
        FROM {rows $1} AS new
        GROUP BY value ->> 'worker_id'
        ORDER BY 1
        ON CONFLICT (worker_id) DO UPDATE
        SET expires_at_us = CASE
            WHEN workers.expires_at_us < excluded.expires_at_us THEN excluded.expires_at_us
            ELSE workers.expires_at_us
        END
        WHERE workers.expires_at_us > $2
            OR NOT EXISTS (
                SELECT 1 FROM runs WHERE runs.status = 'running' AND runs.worker_id = workers.worker_id
            )
        RETURNING worker_id
        "#,
    );
    Ok(statement.bind(scribe.json(&rows)?).bind(now.as_micros()))
}

/// What [`begin`] answers, as ids.
pub(crate) fn found(alive: Vec<(String,)>) -> Result<HashSet<WorkerId>, Failure> {
    alive.iter().map(|(worker,)| worker.parse().map_err(|_| corrupt("a worker id", worker))).collect()
}
