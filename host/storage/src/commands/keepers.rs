//! Queued runs and who keeps them: adopting those that nobody keeps, and giving up.

use std::collections::HashSet;

use model::failure::Failure;
use model::ports::{Adoption, RecordedRun};
use model::{RunId, WorkerId};

use super::json;
use super::workers::{self, Living};
use crate::failure::{corrupt, failed};
use crate::lock::Needs;
use crate::read::work;
use crate::writer::{Command, Scribe};

impl Command for Adoption {
    const LANE: &'static str = "adopt";
    type Answer = Vec<RecordedRun>;

    fn needs(&self, needs: &mut Needs) {
        needs.workers.insert(self.worker);
    }

    async fn execute(
        scribe: &mut Scribe<'_>,
        commands: &[&Self],
    ) -> Result<Vec<Result<Vec<RecordedRun>, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for adoption in commands {
            answers.push(Ok(adopt(scribe, adoption).await?));
        }
        Ok(answers)
    }
}

async fn adopt(scribe: &mut Scribe<'_>, adoption: &Adoption) -> Result<Vec<RecordedRun>, Failure> {
    let now = scribe.lead.clock.now();
    let found = unkept(scribe, adoption).await?;
    // Most rounds find nothing, and change nothing.
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let living = Living { worker: adoption.worker, since: now, until: adoption.until };
    if !workers::alive(scribe, &[living], now).await?.contains(&adoption.worker) {
        return Ok(Vec::new());
    }
    let runs = json(&found)?;
    sqlx::query(scribe.sql("UPDATE runs SET keeper_id = $2 WHERE run_id IN (SELECT value FROM {texts $1} AS adopted)"))
        .bind(&runs)
        .bind(adoption.worker.to_string())
        .execute(scribe.connection().await?)
        .await
        .map_err(failed("adopt queued runs"))?;
    work::these(scribe.connection().await?, &runs).await
}

/// Queued runs whose keeper is not alive, as they stay until the transaction ends. What somebody else is changing right
/// now is left to them.
async fn unkept(scribe: &mut Scribe<'_>, adoption: &Adoption) -> Result<Vec<String>, Failure> {
    sqlx::query_scalar(scribe.sql(
        r#"
        SELECT run_id
        FROM runs
        WHERE status = 'queued'
            AND work IS NOT NULL
            AND (
                keeper_id IS NULL
                -- It does not know that it has it: nobody told that this was committed.
                OR keeper_id = $5
                OR NOT EXISTS (
                    SELECT 1 FROM workers WHERE workers.worker_id = runs.keeper_id AND workers.expires_at_us > $1
                )
            )
            AND name IN (SELECT value FROM {texts $2} AS known)
            AND run_id NOT IN (SELECT value FROM {texts $3} AS left_alone)
        ORDER BY run_id
        LIMIT $4
        {lock_free}
        "#,
    ))
    .bind(scribe.lead.clock.now().as_micros())
    .bind(scribe.json(&adoption.names)?)
    .bind(json(&adoption.but)?)
    .bind(i64::from(adoption.most))
    .bind(adoption.worker.to_string())
    .fetch_all(scribe.connection().await?)
    .await
    .map_err(failed("look for queued runs that nobody keeps"))
}

/// A worker gives queued runs up.
#[derive(Clone, Debug)]
pub(crate) enum GiveUp {
    These {
        worker: WorkerId,
        runs: Vec<RunId>,
    },
    /// All of them: the worker goes.
    All {
        worker: WorkerId,
    },
}

impl Command for GiveUp {
    const LANE: &'static str = "give_up";
    type Answer = ();

    fn needs(&self, needs: &mut Needs) {
        match self {
            Self::These { runs, .. } => needs.runs.extend(runs),
            Self::All { worker } => {
                needs.workers.insert(*worker);
                needs.leaving.insert(*worker);
            }
        }
    }

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<(), Failure>>, Failure> {
        for command in commands {
            match command {
                Self::These { worker, runs } => give_up(scribe, *worker, runs).await?,
                Self::All { worker } => leave(scribe, *worker).await?,
            }
        }
        Ok(commands.iter().map(|_| Ok(())).collect())
    }
}

async fn give_up(scribe: &mut Scribe<'_>, worker: WorkerId, runs: &[RunId]) -> Result<(), Failure> {
    sqlx::query(scribe.sql(
        r#"
        UPDATE runs
        SET keeper_id = NULL
        WHERE keeper_id = $1 AND run_id IN (SELECT value FROM {texts $2} AS given_up)
        "#,
    ))
    .bind(worker.to_string())
    .bind(json(runs)?)
    .execute(scribe.connection().await?)
    .await
    .map(drop)
    .map_err(failed("give queued runs up"))
}

async fn leave(scribe: &mut Scribe<'_>, worker: WorkerId) -> Result<(), Failure> {
    sqlx::query("UPDATE runs SET keeper_id = NULL WHERE keeper_id = $1")
        .bind(worker.to_string())
        .execute(scribe.connection().await?)
        .await
        .map_err(failed("give queued runs up"))?;
    sqlx::query(
        r#"
        DELETE FROM workers
        WHERE worker_id = $1 AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.worker_id = workers.worker_id)
        "#,
    )
    .bind(worker.to_string())
    .execute(scribe.connection().await?)
    .await
    .map(drop)
    .map_err(failed("forget a worker"))
}

/// Of these workers, those that are alive.
pub(crate) async fn living(scribe: &mut Scribe<'_>, workers: &HashSet<WorkerId>) -> Result<HashSet<WorkerId>, Failure> {
    if workers.is_empty() {
        return Ok(HashSet::new());
    }
    let alive: Vec<String> = sqlx::query_scalar(scribe.sql(
        r#"
        SELECT worker_id
        FROM workers
        WHERE worker_id IN (SELECT value FROM {texts $1} AS asked) AND expires_at_us > $2
        "#,
    ))
    .bind(json(&workers.iter().collect::<Vec<_>>())?)
    .bind(scribe.lead.clock.now().as_micros())
    .fetch_all(scribe.connection().await?)
    .await
    .map_err(failed("look for the keeper of a run"))?;
    alive.iter().map(|worker| worker.parse().map_err(|_| corrupt("a worker id", worker))).collect()
}
