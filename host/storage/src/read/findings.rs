//! What checks found, and which lines are not in the output.

use std::collections::HashSet;

use model::failure::Failure;
use model::quality::CheckResult;
use model::reject::{Reject, RejectFile};
use model::{DatasetName, RunId};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error as ValueError};
use sqlx::{AnyConnection, FromRow};

use super::count;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

/// Results of one answer: a terminal shows no more, and a run has at most a few.
const ROWS_MAX: i64 = 100_000;

/// The result of a check, with its run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunQuality {
    pub run_id: RunId,
    #[serde(flatten)]
    pub result: CheckResult,
}

/// A run that has rejects, and their file if they are not rows of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectingRun {
    pub run_id: RunId,
    pub file: Option<RejectFile>,
}

#[derive(FromRow)]
struct QualityRow {
    run_id: String,
    check_name: String,
    dataset: String,
    category: String,
    severity: String,
    status: String,
    message: String,
    actual: Option<String>,
    expected: Option<String>,
}

impl QualityRow {
    fn result(self) -> Result<RunQuality, Failure> {
        Ok(RunQuality {
            run_id: self.run_id.parse().map_err(|_| corrupt("a run id", &self.run_id))?,
            result: CheckResult {
                check: self.check_name,
                dataset: self.dataset.parse().map_err(|_| corrupt("the name of a dataset", &self.dataset))?,
                category: word(&self.category)?,
                severity: word(&self.severity)?,
                status: word(&self.status)?,
                message: self.message,
                actual: self.actual,
                expected: self.expected,
            },
        })
    }
}

/// Reads an enum by the name that JSON gives it.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    let text: serde::de::value::StrDeserializer<'_, ValueError> = text.into_deserializer();
    T::deserialize(text).map_err(|error| corrupt("the result of a check", &error.to_string()))
}

#[derive(FromRow)]
struct RejectRow {
    code: String,
    message: String,
    line: Option<i64>,
    raw: Option<String>,
}

#[derive(FromRow)]
struct RejectingRow {
    run_id: String,
    path: Option<String>,
    bytes: Option<i64>,
    rows: Option<i64>,
    codes: Option<String>,
}

impl RejectingRow {
    fn run(self) -> Result<RejectingRun, Failure> {
        let Self { run_id, path, bytes, rows, codes } = self;
        let file = match (path, codes) {
            (Some(path), Some(codes)) => Some(RejectFile {
                path,
                bytes: bytes.map_or(0, count),
                rows: rows.map_or(0, count),
                codes: serde_json::from_str(&codes).map_err(|_| corrupt("the codes of rejects", &codes))?,
            }),
            _ => None,
        };
        Ok(RejectingRun { run_id: run_id.parse().map_err(|_| corrupt("a run id", &run_id))?, file })
    }
}

/// Results of checks, newest run first and in the order of each run.
pub(crate) async fn quality(
    connection: &mut AnyConnection,
    dataset: Option<&DatasetName>,
    run: Option<RunId>,
) -> Result<Vec<RunQuality>, Failure> {
    let rows: Vec<QualityRow> = sqlx::query_as(
        r#"
        SELECT run_id, check_name, dataset, category, severity, status, message, actual, expected
        FROM quality_results
        WHERE ($1 IS NULL OR dataset = $1) AND ($2 IS NULL OR run_id = $2)
        ORDER BY run_id DESC, position
        LIMIT $3
        "#,
    )
    .bind(dataset.map(ToString::to_string))
    .bind(run.map(|run| run.to_string()))
    .bind(ROWS_MAX)
    .fetch_all(connection)
    .await
    .map_err(failed("read the results of quality checks"))?;
    rows.into_iter().map(QualityRow::result).collect()
}

impl Storage {
    /// Results of quality checks, newest run first.
    pub async fn quality(&self, dataset: Option<&DatasetName>, run: Option<RunId>) -> Result<Vec<RunQuality>, Failure> {
        let mut connection = self.reader("read the results of quality checks").await?;
        quality(&mut connection, dataset, run).await
    }

    /// Runs with input lines that are not in the output, newest first; or that one, if it has any.
    pub async fn rejecting_runs(&self, run: Option<RunId>) -> Result<Vec<RejectingRun>, Failure> {
        let rows: Vec<RejectingRow> = sqlx::query_as(
            r#"
            SELECT run_id, path, bytes, rows, codes
            FROM (SELECT run_id FROM rejects UNION SELECT run_id FROM reject_files) AS rejecting
            LEFT JOIN reject_files USING (run_id)
            WHERE $1 IS NULL OR run_id = $1
            ORDER BY run_id DESC
            "#,
        )
        .bind(run.map(|run| run.to_string()))
        .fetch_all(&mut *self.reader("list the runs with rejects").await?)
        .await
        .map_err(failed("list the runs with rejects"))?;
        rows.into_iter().map(RejectingRow::run).collect()
    }

    /// The first rejects of a run that has no file of them, in order of line.
    pub(crate) async fn rejects_of(&self, run: RunId, at_most: usize) -> Result<Vec<Reject>, Failure> {
        let rows: Vec<RejectRow> =
            sqlx::query_as("SELECT code, message, line, raw FROM rejects WHERE run_id = $1 ORDER BY position LIMIT $2")
                .bind(run.to_string())
                .bind(i64::try_from(at_most).unwrap_or(i64::MAX))
                .fetch_all(&mut *self.reader("read the rejects of a run").await?)
                .await
                .map_err(failed("read the rejects of a run"))?;
        let reject = |RejectRow { code, message, line, raw }| Reject { code, message, line: line.map(count), raw };
        Ok(rows.into_iter().map(reject).collect())
    }

    /// The files of rejects, relative to `rejects/`. Any other file there was left by an owner that died, and may go.
    pub async fn reject_files(&self) -> Result<HashSet<String>, Failure> {
        let files: Vec<String> = sqlx::query_scalar("SELECT path FROM reject_files")
            .fetch_all(&mut *self.reader("list the files of rejects").await?)
            .await
            .map_err(failed("list the files of rejects"))?;
        Ok(files.into_iter().collect())
    }
}
