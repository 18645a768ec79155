//! What is old enough to be forgotten, and what still names an input.

use std::collections::BTreeSet;

use model::failure::Failure;
use model::ports::Page;
use model::retention::Cutoffs;
use model::{Digest, RunId, Timestamp};
use sqlx::FromRow;

use super::count;
use super::work::KeptWork;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

/// Runs of one page.
const PAGE: i64 = 200;

/// Runs whose work is looked at in one query.
const WORKS: i64 = 2_000;

/// The condition that a run of the table `runs` may be forgotten: it ended before `$1`, and nothing refers to it. A dead
/// letter that was resolved before `$2` does not count: it is forgotten first.
macro_rules! forgettable {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            r#"
            runs.finished_at_us < $1
            AND NOT EXISTS (SELECT 1 FROM captures WHERE captures.run_id = runs.run_id)
            AND NOT EXISTS (SELECT 1 FROM capture_stages WHERE capture_stages.run_id = runs.run_id)
            AND NOT EXISTS (SELECT 1 FROM source_cursors WHERE source_cursors.run_id = runs.run_id)
            AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.run_id = runs.run_id)
            AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.retry_of = runs.run_id)
            AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.parent_run_id = runs.run_id)
            AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.dead_letter_of = runs.run_id)
            AND NOT EXISTS (
                SELECT 1
                FROM idempotency_keys
                -- Without it the work of the key would succeed once more.
                WHERE idempotency_keys.run_id = runs.run_id AND runs.status = 'completed'
            )
            AND NOT EXISTS (
                SELECT 1
                FROM dead_letters
                WHERE dead_letters.run_id = runs.run_id
                    AND (dead_letters.resolved_at_us IS NULL OR dead_letters.resolved_at_us >= $2)
            )
            AND NOT EXISTS (
                SELECT 1
                FROM dead_letters
                WHERE dead_letters.retry_run_id = runs.run_id
                    AND (dead_letters.resolved_at_us IS NULL OR dead_letters.resolved_at_us >= $2)
            )
            "#,
            $rest
        )
    };
}
pub(crate) use forgettable;

/// The cutoffs as the statements take them: before the beginning of time there is nothing.
pub(crate) fn bounds(cutoffs: Cutoffs) -> (i64, i64) {
    let micros = |before: Option<Timestamp>| before.map_or(i64::MIN, Timestamp::as_micros);
    (micros(cutoffs.runs_before), micros(cutoffs.dead_letters_before))
}

#[derive(FromRow)]
struct Row {
    run_id: String,
    finished_at_us: i64,
    path: Option<String>,
}

impl Storage {
    pub(crate) async fn count_forgettable_dead_letters(&self, cutoffs: Cutoffs) -> Result<u64, Failure> {
        let letters: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM dead_letters WHERE resolved_at_us < $1")
            .bind(bounds(cutoffs).1)
            .fetch_one(&mut *self.reader("count old dead letters").await?)
            .await
            .map_err(failed("count old dead letters"))?;
        Ok(count(letters))
    }

    pub(crate) async fn read_forgettable_runs(
        &self,
        cutoffs: Cutoffs,
        after: Option<(Timestamp, RunId)>,
    ) -> Result<Page, Failure> {
        let (runs_before, letters_before) = bounds(cutoffs);
        let rows: Vec<Row> = sqlx::query_as(forgettable!(
            r#"
            SELECT runs.run_id, runs.finished_at_us, reject_files.path
            FROM runs
            LEFT JOIN reject_files ON reject_files.run_id = runs.run_id
            WHERE
            "#,
            r#"
            AND (CAST($4 AS TEXT) IS NULL OR (runs.finished_at_us, runs.run_id) < ($3, $4))
            ORDER BY runs.finished_at_us DESC, runs.run_id DESC
            LIMIT $5
            "#
        ))
        .bind(runs_before)
        .bind(letters_before)
        .bind(after.map_or(0, |(at, _)| at.as_micros()))
        .bind(after.map(|(_, run)| run.to_string()))
        .bind(PAGE)
        .fetch_all(&mut *self.reader("look for old runs").await?)
        .await
        .map_err(failed("look for old runs"))?;
        let is_full = rows.len() as i64 == PAGE;
        let mut page = Page::default();
        for Row { run_id, finished_at_us, path } in rows {
            let run = run_id.parse().map_err(|_| corrupt("a run id", &run_id))?;
            page.runs.push(run);
            page.rejects.extend(path);
            page.next = is_full.then_some((Timestamp::from_micros(finished_at_us), run));
        }
        Ok(page)
    }

    /// Those of the inputs that no attempt read and no work names. Looks at all work that there is, in pieces.
    pub(crate) async fn read_unnamed_inputs(&self, inputs: Vec<Digest>) -> Result<Vec<Digest>, Failure> {
        let action = "look which inputs are named";
        let read: Vec<String> = sqlx::query_scalar(
            self.sql("SELECT DISTINCT digest FROM run_inputs WHERE digest IN (SELECT value FROM {texts $1} AS asked)"),
        )
        .bind(crate::commands::json(&inputs)?)
        .fetch_all(&mut *self.reader(action).await?)
        .await
        .map_err(failed(action))?;
        let mut unnamed: BTreeSet<Digest> = inputs.into_iter().collect();
        for digest in read {
            unnamed.remove(&digest.parse::<Digest>().map_err(|_| corrupt("a digest", &digest))?);
        }
        let mut after = String::new();
        while !unnamed.is_empty() {
            let works: Vec<(String, Option<String>)> =
                sqlx::query_as("SELECT run_id, work FROM runs WHERE run_id > $1 ORDER BY run_id LIMIT $2")
                    .bind(after.clone())
                    .bind(WORKS)
                    .fetch_all(&mut *self.reader(action).await?)
                    .await
                    .map_err(failed(action))?;
            let Some((last, _)) = works.last() else { break };
            after.clone_from(last);
            for (_, work) in works {
                for digest in KeptWork::digests_of(work.as_deref())? {
                    unnamed.remove(&digest);
                }
            }
        }
        Ok(unnamed.into_iter().collect())
    }

    /// The inputs of work that can still be carried out or repeated: of queued runs, and of those with an open dead
    /// letter that has repetitions left.
    pub async fn wanted_inputs(&self) -> Result<BTreeSet<Digest>, Failure> {
        let works: Vec<String> = sqlx::query_scalar(
            r#"
            SELECT runs.work
            FROM runs
            WHERE runs.work IS NOT NULL
                AND (
                    runs.status IN ('pending', 'queued')
                    OR EXISTS (
                        SELECT 1
                        FROM dead_letters
                        WHERE dead_letters.run_id = runs.run_id
                            AND dead_letters.resolved_at_us IS NULL
                            AND dead_letters.retries < dead_letters.retries_max
                    )
                )
            "#,
        )
        .fetch_all(&mut *self.reader("look for the inputs of work").await?)
        .await
        .map_err(failed("look for the inputs of work"))?;
        let mut wanted = BTreeSet::new();
        for work in works {
            wanted.extend(KeptWork::digests_of(Some(&work))?);
        }
        Ok(wanted)
    }
}
