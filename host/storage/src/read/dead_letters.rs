//! Dead letters as an operator sees them.

use model::failure::Failure;
use model::ports::{DeadLetter, DeadLetterFilter};
use model::{RunId, Timestamp};
use sqlx::FromRow;

use super::count;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

#[derive(FromRow)]
struct Row {
    run_id: String,
    name: String,
    attempt: i64,
    error: String,
    created_at_us: i64,
    retries: i64,
    retries_max: i64,
    retry_run_id: Option<String>,
    retried_at_us: Option<i64>,
    resolved_at_us: Option<i64>,
    resolved_by: Option<String>,
    note: Option<String>,
}

impl Row {
    fn letter(self) -> Result<DeadLetter, Failure> {
        let id = |text: &str| text.parse::<RunId>().map_err(|_| corrupt("a run id", text));
        Ok(DeadLetter {
            run_id: id(&self.run_id)?,
            name: self.name,
            attempts: u32::try_from(self.attempt).unwrap_or(u32::MAX),
            error: serde_json::from_str(&self.error).map_err(|_| corrupt("the error of a run", &self.error))?,
            created_at: Timestamp::from_micros(self.created_at_us),
            retries: count(self.retries),
            retries_max: count(self.retries_max),
            retry_run_id: self.retry_run_id.as_deref().map(id).transpose()?,
            retried_at: self.retried_at_us.map(Timestamp::from_micros),
            resolved_at: self.resolved_at_us.map(Timestamp::from_micros),
            resolved_by: self.resolved_by,
            note: self.note,
        })
    }
}

impl Storage {
    pub(crate) async fn read_dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>, Failure> {
        let rows: Vec<Row> = sqlx::query_as(
            r#"
            SELECT letter.run_id, runs.name, runs.attempt, runs.error, letter.created_at_us, letter.retries,
                letter.retries_max, letter.retry_run_id, letter.retried_at_us, letter.resolved_at_us,
                letter.resolved_by, letter.note
            FROM dead_letters AS letter
            JOIN runs ON runs.run_id = letter.run_id
            WHERE (CAST($1 AS TEXT) IS NULL OR letter.run_id = $1)
                AND (CAST($2 AS TEXT) IS NULL OR runs.name = $2)
                AND ($3 = 1 OR letter.resolved_at_us IS NULL)
            ORDER BY letter.run_id DESC
            LIMIT $4
            "#,
        )
        .bind(filter.run.map(|run| run.to_string()))
        .bind(filter.name.clone())
        .bind(i64::from(filter.resolved))
        .bind(i64::from(filter.limit))
        .fetch_all(&mut *self.reader("list the dead letters").await?)
        .await
        .map_err(failed("list the dead letters"))?;
        rows.into_iter().map(Row::letter).collect()
    }
}
