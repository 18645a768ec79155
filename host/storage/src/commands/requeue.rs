//! Attempts that failed and are followed by others: running to queued, with the time before which none begins.

use std::collections::HashSet;

use model::RunId;
use model::failure::Failure;
use model::ports::{Requeue, lost};
use model::run::{Claim, RunReport};
use serde::Serialize;
use serde_json::json;

use super::events::{self, Event};
use super::{distinct, findings, illegal, leases, unknown_run};
use crate::failure::{corrupt, failed};
use crate::lock::Needs;
use crate::read::runs::{self, RunRow};
use crate::usage::{UsageColumns, set_usage};
use crate::writer::{Command, Scribe, Value};

#[derive(Serialize)]
struct Row {
    run_id: String,
    attempt: u32,
    worker_id: String,
    not_before_us: i64,
    at_us: i64,
    #[serde(flatten)]
    usage: UsageColumns,
}

impl Command for Requeue {
    const LANE: &'static str = "requeue";
    type Answer = RunReport;

    fn needs(&self, needs: &mut Needs) {
        needs.runs.insert(self.run_id);
    }

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<RunReport, Failure>>, Failure> {
        distinct(commands.iter().map(|requeue| requeue.run_id))?;
        let ids: Vec<RunId> = commands.iter().map(|requeue| requeue.run_id).collect();
        let asked: Value = super::json(&ids)?.into();
        let (before, held) = scribe.rows_of_two(runs::by_id(&asked), leases::of_runs(&asked)).await?;
        let (before, held): (Vec<RunRow>, _) = (before, leases::counted(held));
        let at_it = |requeue: &Self| {
            let run = before.iter().find(|run| run.run_id == requeue.run_id.to_string());
            let claim = Claim { worker: requeue.worker, attempt: requeue.attempt };
            run.is_some_and(|run| leases::is_at_it(Some(&claim), run, &held))
        };
        let rows: Vec<Row> = commands.iter().filter(|requeue| at_it(requeue)).map(|requeue| row(requeue)).collect();
        let rows = scribe.json(&rows)?;
        let moved = requeue(scribe, &rows).await?;
        let legal: Vec<&Self> =
            commands.iter().copied().filter(|requeue| moved.contains(&requeue.run_id.to_string())).collect();
        leases::free_all(scribe, &legal.iter().map(|requeue| requeue.run_id).collect::<Vec<_>>())?;
        end_attempts(scribe, &rows, legal.len()).await?;
        let logs: Vec<_> = legal.iter().map(|requeue| (requeue.run_id, requeue.logs.as_slice())).collect();
        findings::logs(scribe, &logs)?;
        let told = legal.iter().map(|requeue| Event {
            run: requeue.run_id,
            at: requeue.at,
            event: "retry_scheduled",
            data: json!({ "attempt": requeue.attempt, "not_before": requeue.not_before, "error": requeue.error }),
        });
        events::append(scribe, told.collect())?;
        let mut answers = Vec::with_capacity(commands.len());
        for requeue in commands {
            answers.push(match runs::row(scribe.connection().await?, requeue.run_id).await? {
                None => Err(unknown_run(requeue.run_id)),
                Some(run) if moved.contains(&run.run_id) => Ok(run.into_report(Vec::new(), Vec::new())?),
                Some(run) if run.attempt == i64::from(requeue.attempt) && run.is_running() => Err(lost(requeue.run_id)),
                Some(run) => {
                    let from = run.status().ok_or_else(|| corrupt("a status", &run.status))?;
                    let to =
                        format!("queued after attempt {}, it has come to attempt {}", requeue.attempt, run.attempt);
                    Err(illegal(requeue.run_id, from, &to))
                }
            });
        }
        Ok(answers)
    }
}

fn row(requeue: &Requeue) -> Row {
    Row {
        run_id: requeue.run_id.to_string(),
        attempt: requeue.attempt,
        worker_id: requeue.worker.to_string(),
        not_before_us: requeue.not_before.as_micros(),
        at_us: requeue.at.as_micros(),
        usage: requeue.usage.into(),
    }
}

/// Returns the runs whose attempt was at work; the others are untouched.
async fn requeue(scribe: &mut Scribe<'_>, rows: &str) -> Result<HashSet<String>, Failure> {
    let moved: Vec<String> = sqlx::query_scalar(scribe.sql(
        r#"
        UPDATE runs
        SET status = 'queued',
            not_before_us = CAST(new.value ->> 'not_before_us' AS BIGINT),
            worker_id = NULL,
            keeper_id = new.value ->> 'worker_id',
            leases = 0
        FROM {rows $1} AS new
        WHERE runs.run_id = new.value ->> 'run_id'
            AND (runs.status = 'running') IS TRUE
            AND runs.attempt = CAST(new.value ->> 'attempt' AS BIGINT)
        RETURNING runs.run_id
        "#,
    ))
    .bind(rows)
    .fetch_all(scribe.connection().await?)
    .await
    .map_err(failed("queue a run again"))?;
    Ok(moved.into_iter().collect())
}

async fn end_attempts(scribe: &mut Scribe<'_>, rows: &str, moved: usize) -> Result<(), Failure> {
    if moved == 0 {
        return Ok(());
    }
    sqlx::query(scribe.sql(concat!(
        "UPDATE attempts
            SET finished_at_us = CAST(new.value ->> 'at_us' AS BIGINT), outcome = 'retried', ",
        set_usage!(),
        " FROM {rows $1} AS new
            JOIN runs ON runs.run_id = new.value ->> 'run_id' AND runs.status = 'queued'
            WHERE attempts.run_id = runs.run_id
                AND attempts.number = CAST(new.value ->> 'attempt' AS BIGINT)
                AND attempts.finished_at_us IS NULL"
    )))
    .bind(rows)
    .execute(scribe.connection().await?)
    .await
    .map(drop)
    .map_err(failed("end an attempt"))
}
