//! Forgetting what is old enough. Each command deletes so few rows that other commands do not wait long for it; whoever
//! gives it repeats it until nothing is left.
//!
//! What may go is decided anew in each transaction. Details go before the run: one that became needed in between has lost
//! the beginning of its log at most.

use model::failure::Failure;
use model::ports::Forgotten;
use model::retention::Cutoffs;
use model::{Digest, RunId};

use super::json;
use crate::failure::{corrupt, failed};
use crate::lock::Needs;
use crate::read::retention::{bounds, forgettable};
use crate::read::work::KeptWork;
use crate::writer::{Command, Scribe};

/// Most rows of logs and rejects that one transaction deletes.
const ROWS_MAX: u64 = 4_000;

/// Most dead letters likewise.
const LETTERS_MAX: i64 = 500;

/// Tables with many rows for a run, deleted in pieces.
const LONG: [&str; 2] = [
    r#"
    DELETE FROM run_logs
    WHERE (run_id, seq) IN (
        SELECT run_id, seq FROM run_logs WHERE run_id IN (SELECT value FROM {texts $1} AS gone) LIMIT $2
    )
    "#,
    r#"
    DELETE FROM rejects
    WHERE (run_id, position) IN (
        SELECT run_id, position FROM rejects WHERE run_id IN (SELECT value FROM {texts $1} AS gone) LIMIT $2
    )
    "#,
];

/// Tables with a few rows for a run, those that refer to others first; the run itself in the end.
const SHORT: [&str; 9] = [
    "DELETE FROM run_events WHERE run_id IN (SELECT value FROM {texts $1} AS gone)",
    "DELETE FROM run_stages WHERE run_id IN (SELECT value FROM {texts $1} AS gone)",
    "DELETE FROM quality_results WHERE run_id IN (SELECT value FROM {texts $1} AS gone)",
    "DELETE FROM reject_files WHERE run_id IN (SELECT value FROM {texts $1} AS gone)",
    "DELETE FROM run_captures WHERE run_id IN (SELECT value FROM {texts $1} AS gone)",
    "DELETE FROM idempotency_keys WHERE run_id IN (SELECT value FROM {texts $1} AS gone)",
    "DELETE FROM run_inputs WHERE run_id IN (SELECT value FROM {texts $1} AS gone)",
    "DELETE FROM attempts WHERE run_id IN (SELECT value FROM {texts $1} AS gone)",
    "DELETE FROM runs WHERE run_id IN (SELECT value FROM {texts $1} AS gone)",
];

/// Dead letters that were resolved before their cutoff.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForgetDeadLetters(pub(crate) Cutoffs);

impl Command for ForgetDeadLetters {
    const LANE: &'static str = "forget_dead_letters";
    /// How many there were, of those that one transaction takes.
    type Answer = u64;

    fn needs(&self, _needs: &mut Needs) {}

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<u64, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for Self(cutoffs) in commands {
            let done = sqlx::query(scribe.sql(
                r#"
                DELETE FROM dead_letters
                WHERE run_id IN (
                    SELECT run_id
                    FROM dead_letters
                    WHERE resolved_at_us < $1
                    ORDER BY resolved_at_us
                    LIMIT $2
                    {lock_free}
                )
                "#,
            ))
            .bind(bounds(*cutoffs).1)
            .bind(LETTERS_MAX)
            .execute(scribe.connection().await?)
            .await
            .map_err(failed("forget dead letters"))?;
            answers.push(Ok(done.rows_affected()));
        }
        Ok(answers)
    }
}

/// Runs with all that was written about them, as far as they may go.
#[derive(Clone, Debug)]
pub(crate) struct ForgetRuns {
    pub(crate) cutoffs: Cutoffs,
    pub(crate) runs: Vec<RunId>,
}

impl Command for ForgetRuns {
    const LANE: &'static str = "forget_runs";
    type Answer = Forgotten;

    fn needs(&self, _needs: &mut Needs) {}

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<Forgotten, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(Ok(command.forget(scribe).await?));
        }
        Ok(answers)
    }
}

impl ForgetRuns {
    async fn forget(&self, scribe: &mut Scribe<'_>) -> Result<Forgotten, Failure> {
        let going = self.going(scribe).await?;
        let gone: Vec<&str> = going.iter().map(|(run, _)| run.as_str()).collect();
        if gone.is_empty() {
            return Ok(Forgotten::default());
        }
        let gone = scribe.json(&gone)?;
        let mut left = ROWS_MAX;
        for statement in LONG {
            left = left.saturating_sub(delete_some(scribe, statement, &gone, left).await?);
            if left == 0 {
                return Ok(Forgotten { more: true, ..Forgotten::default() });
            }
        }
        let mut inputs = read_inputs(scribe, &gone).await?;
        for (_, work) in &going {
            inputs.extend(KeptWork::digests_of(work.as_deref())?);
        }
        for statement in SHORT {
            sqlx::query(scribe.sql(statement))
                .bind(gone.clone())
                .execute(scribe.connection().await?)
                .await
                .map_err(failed("forget runs"))?;
        }
        inputs.sort_unstable();
        inputs.dedup();
        Ok(Forgotten { runs: going.len() as u64, inputs, more: false })
    }

    /// Those that may go, with their work.
    async fn going(&self, scribe: &mut Scribe<'_>) -> Result<Vec<(String, Option<String>)>, Failure> {
        let (runs_before, letters_before) = bounds(self.cutoffs);
        sqlx::query_as(scribe.sql(forgettable!(
            "SELECT runs.run_id, runs.work FROM runs WHERE",
            "AND runs.run_id IN (SELECT value FROM {texts $3} AS asked) ORDER BY runs.run_id {lock_gone}"
        )))
        .bind(runs_before)
        .bind(letters_before)
        .bind(json(&self.runs)?)
        .fetch_all(scribe.connection().await?)
        .await
        .map_err(failed("look which runs may be forgotten"))
    }
}

async fn delete_some(scribe: &mut Scribe<'_>, statement: &'static str, gone: &str, most: u64) -> Result<u64, Failure> {
    let done = sqlx::query(scribe.sql(statement))
        .bind(gone.to_owned())
        .bind(super::int(most))
        .execute(scribe.connection().await?)
        .await
        .map_err(failed("forget what runs said"))?;
    Ok(done.rows_affected())
}

async fn read_inputs(scribe: &mut Scribe<'_>, gone: &str) -> Result<Vec<Digest>, Failure> {
    let digests: Vec<String> = sqlx::query_scalar(
        scribe.sql("SELECT DISTINCT digest FROM run_inputs WHERE run_id IN (SELECT value FROM {texts $1} AS gone)"),
    )
    .bind(gone.to_owned())
    .fetch_all(scribe.connection().await?)
    .await
    .map_err(failed("look what runs read"))?;
    digests.iter().map(|digest| digest.parse().map_err(|_| corrupt("a digest", digest))).collect()
}
