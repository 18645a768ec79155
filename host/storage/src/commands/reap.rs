//! Runs in flight that nobody carries out: they fail as interrupted, or go back to the queue.

use model::failure::{Failure, FailureKind};
use model::ports::{Interrupted, Reaped};
use model::run::{RunKind, RunStatus};
use model::{RunId, Timestamp};
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use super::events::{self, Event};
use super::{dead_letters, leases};
use crate::dialect::Dialect;
use crate::failure::{corrupt, failed};
use crate::lock::Needs;
use crate::read::work::KeptWork;
use crate::writer::{Command, Scribe, Statement};

/// Ends or queues again what dead workers left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reap {
    pub(crate) policy: Interrupted,
    pub(crate) whose: Whose,
}

/// Which workers are dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those that expired.
    Expired,
    /// Every one: the owner of a folder begins, and has no workers yet. What a version left that did not keep the work
    /// of its runs is ended too, as nobody can carry it out.
    Everybody,
}

impl Command for Reap {
    const LANE: &'static str = "reap";
    type Answer = Vec<Reaped>;

    fn needs(&self, _needs: &mut Needs) {}

    async fn execute(
        scribe: &mut Scribe<'_>,
        commands: &[&Self],
    ) -> Result<Vec<Result<Vec<Reaped>, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(Ok(reap(scribe, **command).await?));
        }
        Ok(answers)
    }
}

#[derive(FromRow)]
struct Orphan {
    run_id: String,
    kind: String,
    status: String,
    attempt: i64,
    work: Option<String>,
    /// The first run of its chain, whose dead letter hears of its end.
    dead_letter_of: Option<String>,
}

#[derive(Serialize)]
struct Row {
    run_id: String,
    from: String,
    became: &'static str,
    outcome: &'static str,
    error: Option<String>,
    /// None for a run that is queued again.
    finished_at_us: Option<i64>,
    at_us: i64,
}

async fn reap(scribe: &mut Scribe<'_>, reap: Reap) -> Result<Vec<Reaped>, Failure> {
    let now = scribe.lead.clock.now();
    let orphans = orphans(scribe, reap.whose, now).await?;
    let orphans = take(scribe, orphans).await?;
    if orphans.is_empty() {
        return Ok(Vec::new());
    }
    let error = interrupted();
    let mut reaped = Vec::with_capacity(orphans.len());
    let mut rows = Vec::with_capacity(orphans.len());
    let mut told = Vec::with_capacity(orphans.len());
    for orphan in orphans {
        let run: RunId = orphan.run_id.parse().map_err(|_| corrupt("a run id", &orphan.run_id))?;
        let again = orphan.may_go_on(reap.policy)?;
        let became = if again { RunStatus::Queued } else { RunStatus::Failed };
        reaped.push(Reaped { run, became });
        let (event, data) = match again {
            true => ("requeued", json!({ "attempt": orphan.attempt, "reason": "interrupted", "error": error })),
            false => ("failed", json!({ "error": error })),
        };
        told.push(Event { run, at: now, event, data });
        rows.push(Row {
            run_id: orphan.run_id,
            from: orphan.status,
            became: became.name(),
            outcome: if again { "retried" } else { "failed" },
            error: if again { None } else { Some(super::json(&error)?) },
            finished_at_us: (!again).then_some(now.as_micros()),
            at_us: now.as_micros(),
        });
    }
    move_on(scribe, &scribe.json(&rows)?, rows.len()).await?;
    let runs: Vec<RunId> = reaped.iter().map(|reaped| reaped.run).collect();
    leases::free_all(scribe, &runs)?;
    events::append(scribe, told)?;
    let failed = reaped.iter().filter(|reaped| reaped.became == RunStatus::Failed);
    let ends: Vec<(RunId, Timestamp)> = failed.map(|reaped| (reaped.run, now)).collect();
    dead_letters::follow(scribe, &ends, !ends.is_empty(), !ends.is_empty()).await?;
    Ok(reaped)
}

impl Orphan {
    /// Whether another attempt may follow. A run that asks for others does nothing itself, so it always goes on.
    fn may_go_on(&self, policy: Interrupted) -> Result<bool, Failure> {
        let kind = RunKind::from_name(&self.kind).ok_or_else(|| corrupt("the kind of a run", &self.kind))?;
        match (policy, self.work.as_deref()) {
            (_, Some(_)) if kind.is_of_runs() => Ok(true),
            (Interrupted::Fail, _) | (_, None) => Ok(false),
            (Interrupted::Requeue, Some(work)) => Ok(self.attempt < i64::from(KeptWork::parse(work)?.calls_max())),
        }
    }
}

/// Forgets the workers that are dead, and finds the runs without one, in order. On a server a
/// run that somebody else is changing right now is left to them, or to the next time.
async fn orphans(scribe: &mut Scribe<'_>, whose: Whose, now: Timestamp) -> Result<Vec<Orphan>, Failure> {
    // One that says right now that it is alive is left to the next time.
    let dead = scribe.sql(
        r#"
        DELETE FROM workers
        WHERE worker_id IN (
            SELECT worker_id FROM workers WHERE expires_at_us <= $1 OR $2 = 1 ORDER BY worker_id {lock_free}
        )
        "#,
    );
    sqlx::query(dead)
        .bind(now.as_micros())
        .bind(i64::from(whose == Whose::Everybody))
        .execute(scribe.connection().await?)
        .await
        .map_err(failed("forget dead workers"))?;
    match whose {
        Whose::Expired => sqlx::query_as(scribe.sql(
            r#"
            SELECT run_id, kind, status, attempt, work, dead_letter_of
            FROM runs
            WHERE status = 'running'
                AND (
                    worker_id IS NULL
                    OR NOT EXISTS (SELECT 1 FROM workers WHERE workers.worker_id = runs.worker_id)
                    OR leases > (
                        SELECT COUNT(*)
                        FROM leases AS held
                        WHERE held.run_id = runs.run_id AND held.worker_id = runs.worker_id
                    )
                )
            ORDER BY run_id
            {lock_free}
            "#,
        )),
        Whose::Everybody => sqlx::query_as(scribe.sql(
            r#"
            SELECT run_id, kind, status, attempt, work, dead_letter_of
            FROM runs
            WHERE status IN ('pending', 'running') OR (status = 'queued' AND work IS NULL)
            ORDER BY run_id
            {lock_free}
            "#,
        )),
    }
    .fetch_all(scribe.connection().await?)
    .await
    .map_err(failed("find interrupted runs"))
}

/// Takes what hangs on these runs, in the order of [`Needs`]: first the runs whose dead letters hear of their ends, and
/// where somebody else has one of those, its run is left to the next time; then their leases, which are waited for.
async fn take(scribe: &mut Scribe<'_>, mut orphans: Vec<Orphan>) -> Result<Vec<Orphan>, Failure> {
    if orphans.is_empty() || scribe.dialect() == Dialect::Sqlite {
        return Ok(orphans);
    }
    let firsts: Vec<&str> = orphans.iter().filter_map(|orphan| orphan.dead_letter_of.as_deref()).collect();
    if !firsts.is_empty() {
        let statement = Statement::new(
            "take the runs that were repeated",
            r#"
            SELECT run_id
            FROM runs
            WHERE run_id IN (SELECT value FROM {texts $1} AS repeated)
            ORDER BY run_id
            {lock_free}
            "#,
        );
        let taken: Vec<(String,)> = scribe.rows(statement.bind(super::json(&firsts)?)).await?;
        orphans.retain(|orphan| {
            let is_taken = |first: &String| taken.iter().any(|(run,)| run == first);
            orphan.dead_letter_of.as_ref().is_none_or(is_taken)
        });
    }
    let runs: Vec<&str> = orphans.iter().map(|orphan| orphan.run_id.as_str()).collect();
    let statement = Statement::new(
        "wait for others with the same lease",
        r#"
        SELECT lease_key
        FROM leases
        WHERE run_id IN (SELECT value FROM {texts $1} AS interrupted)
        ORDER BY lease_key, run_id
        {lock}
        "#,
    );
    scribe.later(statement.bind(super::json(&runs)?));
    Ok(orphans)
}

async fn move_on(scribe: &mut Scribe<'_>, rows: &str, count: usize) -> Result<(), Failure> {
    let moved = sqlx::query(scribe.sql(
        r#"
        UPDATE runs
        SET status = new.value ->> 'became',
            worker_id = NULL,
            keeper_id = NULL,
            leases = 0,
            not_before_us = NULL,
            error = new.value ->> 'error',
            finished_at_us = CAST(new.value ->> 'finished_at_us' AS BIGINT)
        FROM {rows $1} AS new
        WHERE runs.run_id = new.value ->> 'run_id' AND runs.status = new.value ->> 'from'
        "#,
    ))
    .bind(rows)
    .execute(scribe.connection().await?)
    .await
    .map_err(failed("end interrupted runs"))?;
    if moved.rows_affected() != count as u64 {
        return Err(crate::failure::internal("run_changed", "a run changed while it was being ended"));
    }
    sqlx::query(scribe.sql(
        r#"
        UPDATE attempts
        SET finished_at_us = CAST(new.value ->> 'at_us' AS BIGINT), outcome = new.value ->> 'outcome'
        FROM {rows $1} AS new
        WHERE attempts.run_id = new.value ->> 'run_id' AND attempts.finished_at_us IS NULL
        "#,
    ))
    .bind(rows)
    .execute(scribe.connection().await?)
    .await
    .map(drop)
    .map_err(failed("end interrupted attempts"))
}

fn interrupted() -> Failure {
    let message = "the host stopped before this run ended; nothing of it was published, run it again";
    Failure::new(FailureKind::Orchestration, "interrupted", message).retryable(true)
}
