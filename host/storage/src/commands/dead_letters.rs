//! Dead letters: failed runs that nobody has dealt with. Written with the failure; repetitions count against them.

use model::failure::{Failure, FailureKind};
use model::ports::{DEAD_LETTER_RETRIES_MAX, NewRun};
use model::run::RunStatus;
use model::{RunId, Timestamp};
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use super::events::{self, Event};
use super::unknown_run;
use crate::failure::{corrupt, failed};
use crate::lock::Needs;
use crate::writer::{Command, Scribe, Statement, Value};

// In the statements that follow the ends of runs, `CROSS JOIN` has SQLite begin with the runs that ended, as PostgreSQL
// does by its statistics. By itself it begins with every run of that status, and each failure costs more than the last.

const WRITE: &str = r#"
    INSERT INTO dead_letters (run_id, created_at_us, retries_max)
    SELECT runs.run_id, CAST(new.value ->> 'at_us' AS BIGINT), $2
    FROM {rows $1} AS new
    CROSS JOIN runs
    WHERE runs.run_id = new.value ->> 'run_id' AND runs.status = 'failed' AND runs.dead_letter_of IS NULL
    ON CONFLICT (run_id) DO NOTHING
    "#;

const RESOLVE: &str = r#"
    UPDATE dead_letters
    SET resolved_by = 'retry',
        resolved_at_us = (
            SELECT MIN(CAST(new.value ->> 'at_us' AS BIGINT))
            FROM {rows $1} AS new
            CROSS JOIN runs
            WHERE runs.run_id = new.value ->> 'run_id'
                AND runs.status = 'completed'
                AND runs.dead_letter_of = dead_letters.run_id
        )
    WHERE resolved_at_us IS NULL
        AND run_id IN (
            SELECT runs.dead_letter_of
            FROM {rows $1} AS new
            CROSS JOIN runs
            WHERE runs.run_id = new.value ->> 'run_id' AND runs.status = 'completed'
        )
    "#;

const USE_UP: &str = r#"
    UPDATE runs
    SET status = 'dead_lettered'
    WHERE status = 'failed'
        AND run_id IN (
            SELECT letter.run_id
            FROM {rows $1} AS new
            CROSS JOIN runs AS last
            JOIN dead_letters AS letter ON letter.run_id = last.dead_letter_of
            WHERE last.run_id = new.value ->> 'run_id'
                AND last.status = 'failed'
                AND letter.retries >= letter.retries_max
                AND letter.resolved_at_us IS NULL
        )
    RETURNING run_id
    "#;

/// The statements that each failure and each repetition carries out.
#[cfg(test)]
pub(crate) const FOLLOWING: [&str; 3] = [WRITE, RESOLVE, USE_UP];

#[derive(FromRow)]
struct Repeated {
    status: String,
    first: String,
    /// Whether it is a repetition that counts against a dead letter.
    counts: i64,
    retries: Option<i64>,
    retries_max: Option<i64>,
    resolved_by: Option<String>,
}

/// Checks that a run may be repeated. A run that was cancelled has no dead letter, and may be repeated at will.
///
/// # Errors
///
/// `not_repeatable`, `retries_used_up`.
pub(crate) async fn may_repeat(scribe: &mut Scribe<'_>, run: RunId) -> Result<(), Failure> {
    let row: Option<Repeated> = sqlx::query_as(
        r#"
        SELECT runs.status, COALESCE(runs.dead_letter_of, runs.run_id) AS first,
            CAST(CASE WHEN runs.dead_letter_of IS NULL THEN 0 ELSE 1 END AS BIGINT) AS counts,
            letter.retries, letter.retries_max, letter.resolved_by
        FROM runs
        LEFT JOIN dead_letters AS letter ON letter.run_id = COALESCE(runs.dead_letter_of, runs.run_id)
        WHERE runs.run_id = $1
        "#,
    )
    .bind(run.to_string())
    .fetch_optional(scribe.connection().await?)
    .await
    .map_err(failed("look for the run to repeat"))?;
    let row = row.ok_or_else(|| unknown_run(run))?;
    let status = RunStatus::from_name(&row.status).ok_or_else(|| corrupt("a status", &row.status))?;
    let refused = |code: &str, why: String| Failure::new(FailureKind::Orchestration, code, why);
    if let (Some(retries), Some(max)) = (row.retries, row.retries_max)
        && (retries >= max || status == RunStatus::DeadLettered)
    {
        let first = &row.first;
        let why = format!("run `{first}` has been repeated {retries} times, and its dead letter allows {max}");
        return Err(refused("retries_used_up", why));
    }
    if let Some(by) = row.resolved_by {
        let why = format!("the dead letter of run `{}` was resolved by {by}: ask for the work anew", row.first);
        return Err(refused("not_repeatable", why));
    }
    // It was resolved so long ago that it was forgotten. Another repetition would count against nothing.
    if row.retries.is_none() && (row.counts == 1 || status == RunStatus::Failed) {
        let why = format!(
            "the dead letter of run `{}` was dealt with and is not kept any more: ask for the work anew",
            row.first
        );
        return Err(refused("not_repeatable", why));
    }
    match status.may_be_repeated() {
        true => Ok(()),
        false => Err(refused(
            "not_repeatable",
            format!("run `{run}` is {}: only one that failed, timed out or was cancelled is repeated", status.name()),
        )),
    }
}

#[derive(Serialize)]
struct Repetition {
    run_id: String,
    retry_of: String,
    at_us: i64,
}

/// Counts repetitions that were recorded against the dead letters they belong to.
pub(crate) fn count(scribe: &mut Scribe<'_>, runs: &[&NewRun]) -> Result<(), Failure> {
    if runs.is_empty() {
        return Ok(());
    }
    let repetitions = runs.iter().filter_map(|run| Some((run, run.spec.lineage.retry_of?)));
    let rows: Vec<Repetition> = repetitions
        .clone()
        .map(|(run, retry_of)| Repetition {
            run_id: run.run_id.to_string(),
            retry_of: retry_of.to_string(),
            at_us: run.created_at.as_micros(),
        })
        .collect();
    let rows: Value = scribe.json(&rows)?.into();
    let action = "count a repetition";
    scribe.later(
        Statement::new(
            action,
            r#"
            UPDATE runs
            SET dead_letter_of = COALESCE(repeated.dead_letter_of, repeated.run_id)
            FROM {rows $1} AS new
            JOIN runs AS repeated ON repeated.run_id = new.value ->> 'retry_of'
            WHERE runs.run_id = new.value ->> 'run_id'
            "#,
        )
        .bind(&rows),
    );
    scribe.later(
        Statement::new(
            action,
            r#"
            UPDATE dead_letters
            SET retries = dead_letters.retries + 1,
                retry_run_id = runs.run_id,
                retried_at_us = CAST(new.value ->> 'at_us' AS BIGINT)
            FROM {rows $1} AS new
            JOIN runs ON runs.run_id = new.value ->> 'run_id'
            WHERE dead_letters.run_id = runs.dead_letter_of
            "#,
        )
        .bind(&rows),
    );
    let told = repetitions.map(|(run, retry_of)| Event {
        run: retry_of,
        at: run.created_at,
        event: "retried",
        data: json!({ "run_id": run.run_id }),
    });
    events::append(scribe, told.collect())
}

#[derive(Serialize)]
struct Ended {
    run_id: String,
    at_us: i64,
}

/// What the ends of runs mean for dead letters: a failed run has one from now on, a repetition that completed resolves
/// it, and the last one that fails uses it up. All runs have their statuses already.
pub(crate) async fn follow(
    scribe: &mut Scribe<'_>,
    ended: &[(RunId, Timestamp)],
    any_failed: bool,
    any_repetition: bool,
) -> Result<(), Failure> {
    if !any_failed && !any_repetition {
        return Ok(());
    }
    let rows: Vec<Ended> =
        ended.iter().map(|(run, at)| Ended { run_id: run.to_string(), at_us: at.as_micros() }).collect();
    let rows: Value = scribe.json(&rows)?.into();
    if any_failed {
        write(scribe, &rows);
    }
    if any_repetition {
        resolve_completed(scribe, &rows);
        let at = ended.iter().map(|(_, at)| *at).max().unwrap_or_else(|| scribe.lead.clock.now());
        use_up(scribe, &rows, at).await?;
    }
    Ok(())
}

fn write(scribe: &mut Scribe<'_>, rows: &Value) {
    scribe.later(Statement::new("write a dead letter", WRITE).bind(rows).bind(i64::from(DEAD_LETTER_RETRIES_MAX)));
}

fn resolve_completed(scribe: &mut Scribe<'_>, rows: &Value) {
    scribe.later(Statement::new("resolve a dead letter", RESOLVE).bind(rows));
}

/// The first run of a chain whose last allowed repetition failed is dead-lettered.
async fn use_up(scribe: &mut Scribe<'_>, rows: &Value, at: Timestamp) -> Result<(), Failure> {
    let used_up: Vec<(String,)> = scribe.rows(Statement::new("use a dead letter up", USE_UP).bind(rows)).await?;
    let mut told = Vec::with_capacity(used_up.len());
    for (run,) in used_up {
        let run = run.parse().map_err(|_| corrupt("a run id", &run))?;
        told.push(Event { run, at, event: "dead_lettered", data: json!({}) });
    }
    events::append(scribe, told)
}

/// An operator's word that a dead letter needs nothing more.
#[derive(Clone, Debug)]
pub(crate) struct Resolve {
    pub(crate) run: RunId,
    pub(crate) by: String,
    pub(crate) note: Option<String>,
}

impl Command for Resolve {
    const LANE: &'static str = "resolve";
    type Answer = bool;

    fn needs(&self, needs: &mut Needs) {
        needs.runs.insert(self.run);
    }

    /// Whether it was open: who resolved it first stays on record.
    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<bool, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for Self { run, by, note } in commands {
            let at = scribe.lead.clock.now();
            let done = sqlx::query(
                r#"
                UPDATE dead_letters
                SET resolved_at_us = $2, resolved_by = $3, note = $4
                WHERE run_id = $1 AND resolved_at_us IS NULL
                "#,
            )
            .bind(run.to_string())
            .bind(at.as_micros())
            .bind(by.clone())
            .bind(note.clone())
            .execute(scribe.connection().await?)
            .await
            .map_err(failed("resolve a dead letter"))?;
            let resolved = done.rows_affected() > 0;
            if resolved {
                let data = json!({ "by": by, "note": note });
                events::append(scribe, vec![Event { run: *run, at, event: "resolved", data }])?;
            }
            answers.push(Ok(resolved));
        }
        Ok(answers)
    }
}
