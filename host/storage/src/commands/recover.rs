//! Ending what a dead owner left behind.

use model::RunId;
use model::failure::{Failure, FailureKind};

use super::events::{self, Event};
use super::{dead_letters, json};
use crate::failure::{corrupt, failed};
use crate::writer::{Command, Scribe};

/// Ends every run that was at work, and those that wait but were recorded by a version that did not keep their work.
/// What waits otherwise is taken up. Only the owner may ask, before it takes work: a run in flight is then nobody's.
#[derive(Debug)]
pub(crate) struct Recovery;

impl Command for Recovery {
    type Answer = Vec<RunId>;

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<Vec<RunId>, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for _ in commands {
            answers.push(Ok(recover(scribe).await?));
        }
        Ok(answers)
    }
}

async fn recover(scribe: &mut Scribe<'_>) -> Result<Vec<RunId>, Failure> {
    let now = scribe.lead.clock.now();
    let error = interrupted();
    let ended: Vec<String> = sqlx::query_scalar(
        r#"
        UPDATE runs
        SET status = 'failed', error = $1, finished_at_us = $2
        WHERE status IN ('pending', 'running') OR (status = 'queued' AND work IS NULL)
        RETURNING run_id
        "#,
    )
    .bind(json(&error)?)
    .bind(now.as_micros())
    .fetch_all(&mut *scribe.connection)
    .await
    .map_err(failed("end interrupted runs"))?;
    sqlx::query("UPDATE attempts SET finished_at_us = $1, outcome = 'failed' WHERE finished_at_us IS NULL")
        .bind(now.as_micros())
        .execute(&mut *scribe.connection)
        .await
        .map_err(failed("end interrupted attempts"))?;
    let mut runs = Vec::with_capacity(ended.len());
    for run in &ended {
        runs.push(run.parse().map_err(|_| corrupt("a run id", run))?);
    }
    runs.sort();
    let data = serde_json::json!({ "error": error });
    let told = runs.iter().map(|run| Event { run: *run, at: now, event: "failed", data: data.clone() });
    events::append(scribe, told.collect()).await?;
    let ends: Vec<_> = runs.iter().map(|run| (*run, now)).collect();
    dead_letters::follow(scribe, &ends, !ends.is_empty(), !ends.is_empty()).await?;
    Ok(runs)
}

fn interrupted() -> Failure {
    let message = "the host stopped before this run ended; nothing of it was published, run it again";
    Failure::new(FailureKind::Orchestration, "interrupted", message).retryable(true)
}
