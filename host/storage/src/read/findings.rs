//! What checks found, and which lines are not in the output.

use model::failure::Failure;
use model::quality::CheckResult;
use model::reject::Reject;
use model::{DatasetName, RunId};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value::Error as ValueError};
use sqlx::{FromRow, SqliteConnection};

use super::count;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

/// Rows of one answer: a terminal shows no more, and a run keeps at most a few.
const ROWS_MAX: i64 = 100_000;

/// The result of a check, with its run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunQuality {
    pub run_id: RunId,
    #[serde(flatten)]
    pub result: CheckResult,
}

/// A reject, with its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReject {
    pub run_id: RunId,
    #[serde(flatten)]
    pub reject: Reject,
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
    run_id: String,
    code: String,
    message: String,
    line: Option<i64>,
    raw: Option<String>,
}

/// Results of checks, newest run first and in the order of each run.
pub(crate) async fn quality(
    connection: &mut SqliteConnection,
    dataset: Option<&DatasetName>,
    run: Option<RunId>,
) -> Result<Vec<RunQuality>, Failure> {
    let rows: Vec<QualityRow> = sqlx::query_as(
        r#"
        SELECT run_id, check_name, dataset, category, severity, status, message, actual, expected
        FROM quality_results
        WHERE (?1 IS NULL OR dataset = ?1) AND (?2 IS NULL OR run_id = ?2)
        ORDER BY run_id DESC, position
        LIMIT ?3
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
        let mut connection = self.reads.acquire().await.map_err(failed("read the results of quality checks"))?;
        quality(&mut connection, dataset, run).await
    }

    /// Input lines that are not in the output, newest run first and in order of line; at most 100,000.
    pub async fn rejects(&self, run: Option<RunId>) -> Result<Vec<RunReject>, Failure> {
        let rows: Vec<RejectRow> = sqlx::query_as(
            r#"
            SELECT run_id, code, message, line, raw
            FROM rejects
            WHERE ?1 IS NULL OR run_id = ?1
            ORDER BY run_id DESC, position
            LIMIT ?2
            "#,
        )
        .bind(run.map(|run| run.to_string()))
        .bind(ROWS_MAX)
        .fetch_all(&self.reads)
        .await
        .map_err(failed("read the rejects"))?;
        let rejects = rows.into_iter().map(|row| {
            let RejectRow { run_id, code, message, line, raw } = row;
            Ok(RunReject {
                run_id: run_id.parse().map_err(|_| corrupt("a run id", &run_id))?,
                reject: Reject { code, message, line: line.map(count), raw },
            })
        });
        rejects.collect()
    }
}
