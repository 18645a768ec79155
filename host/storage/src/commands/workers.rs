//! Workers: processes that carry runs out, alive until they expire.

use std::collections::HashSet;

use model::failure::Failure;
use model::ports::{Start, Worker};
use model::{RunId, Timestamp, WorkerId};
use serde::Serialize;

use crate::failure::{corrupt, failed};
use crate::writer::{Command, Scribe};

/// A worker says that it is alive.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) worker: Worker,
    pub(crate) until: Timestamp,
}

impl Command for Heartbeat {
    type Answer = Vec<RunId>;

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<Vec<RunId>, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for beat in commands {
            answers.push(Ok(heartbeat(scribe, beat).await?));
        }
        Ok(answers)
    }
}

async fn heartbeat(scribe: &mut Scribe<'_>, beat: &Heartbeat) -> Result<Vec<RunId>, Failure> {
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
            OR NOT EXISTS (SELECT 1 FROM runs WHERE runs.worker_id = workers.worker_id)
        "#,
    )
    .bind(id.clone())
    .bind(host)
    .bind(beat.worker.started_at.as_micros())
    .bind(until)
    .bind(now)
    .execute(&mut *scribe.connection)
    .await
    .map_err(failed("say that a worker is alive"))?;
    if alive.rows_affected() == 0 {
        return Ok(Vec::new());
    }
    sqlx::query(
        "UPDATE leases SET expires_at_us = $2 WHERE worker_id = $1 AND expires_at_us > $3 AND expires_at_us < $2",
    )
    .bind(id.clone())
    .bind(until)
    .bind(now)
    .execute(&mut *scribe.connection)
    .await
    .map_err(failed("extend the leases of a worker"))?;
    let runs: Vec<String> = sqlx::query_scalar(
        r#"
        SELECT runs.run_id
        FROM runs
        WHERE runs.worker_id = $1
            AND runs.leases <= (
                SELECT COUNT(*)
                FROM leases
                WHERE leases.run_id = runs.run_id AND leases.worker_id = $1 AND leases.expires_at_us > $2
            )
        ORDER BY runs.run_id
        "#,
    )
    .bind(id)
    .bind(now)
    .fetch_all(&mut *scribe.connection)
    .await
    .map_err(failed("read the runs of a worker"))?;
    runs.iter().map(|run| run.parse().map_err(|_| corrupt("a run id", run))).collect()
}

#[derive(Serialize)]
struct Row {
    worker_id: String,
    started_at_us: i64,
    expires_at_us: i64,
}

/// Returns the workers of these starts that are alive, and keeps them so until the transaction ends. One that is new,
/// or expired without runs, begins to live.
pub(crate) async fn alive(
    scribe: &mut Scribe<'_>,
    starts: &[&Start],
    now: Timestamp,
) -> Result<HashSet<WorkerId>, Failure> {
    let rows: Vec<Row> = starts
        .iter()
        .map(|start| Row {
            worker_id: start.worker.to_string(),
            started_at_us: start.started_at.as_micros(),
            expires_at_us: start.lease_until.as_micros(),
        })
        .collect();
    let alive: Vec<String> = sqlx::query_scalar(scribe.sql(
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
            OR NOT EXISTS (SELECT 1 FROM runs WHERE runs.worker_id = workers.worker_id)
        RETURNING worker_id
        "#,
    ))
    .bind(scribe.json(&rows)?)
    .bind(now.as_micros())
    .fetch_all(&mut *scribe.connection)
    .await
    .map_err(failed("register a worker"))?;
    alive.iter().map(|worker| worker.parse().map_err(|_| corrupt("a worker id", worker))).collect()
}
