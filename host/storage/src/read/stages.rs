//! The stages that captures reached, and under which inputs work was done.

use std::collections::HashMap;

use model::failure::Failure;
use model::stage::{CaptureStages, StageReached};
use model::{DatasetName, Digest, Partition, RunId, Timestamp};
use sqlx::FromRow;

use super::count;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

#[derive(FromRow)]
struct Row {
    stage: String,
    rank: i64,
    rows: i64,
    metrics: String,
    run_id: String,
    attempt: i64,
    at_us: i64,
}

impl Storage {
    /// How far a revision of a partition has come, or its latest one; empty for a partition that has none, and where the
    /// pipeline declares no stages.
    pub async fn stages(
        &self,
        dataset: &DatasetName,
        partition: &Partition,
        revision: Option<u64>,
    ) -> Result<CaptureStages, Failure> {
        let rows: Vec<Row> = sqlx::query_as(
            r#"
            SELECT stage, rank, capture_stages.rows, metrics, capture_stages.run_id, attempt, at_us
            FROM capture_stages
            WHERE capture_id = (
                SELECT capture_id
                FROM captures
                WHERE dataset = $1 AND partition = $2 AND state = 'published' AND ($3 IS NULL OR revision = $3)
                ORDER BY revision DESC
                LIMIT 1
            )
            ORDER BY seq
            "#,
        )
        .bind(dataset.to_string())
        .bind(partition.key())
        .bind(revision.map(crate::commands::int))
        .fetch_all(&mut *self.reader("read the stages of a capture").await?)
        .await
        .map_err(failed("read the stages of a capture"))?;
        let mut numbers: HashMap<String, u64> = HashMap::new();
        let reached = rows.into_iter().map(|row| {
            let number = numbers.entry(row.stage.clone()).or_default();
            *number += 1;
            Ok(StageReached {
                number: *number,
                stage: row.stage,
                rank: u32::try_from(row.rank).unwrap_or(u32::MAX),
                rows: count(row.rows),
                metrics: serde_json::from_str(&row.metrics)
                    .map_err(|_| corrupt("the metrics of a stage", &row.metrics))?,
                run_id: row.run_id.parse().map_err(|_| corrupt("a run id", &row.run_id))?,
                attempt: u32::try_from(row.attempt).unwrap_or(u32::MAX),
                at: Timestamp::from_micros(row.at_us),
            })
        });
        Ok(CaptureStages(reached.collect::<Result<_, Failure>>()?))
    }

    pub(crate) async fn run_under(&self, input_key: Digest) -> Result<Option<RunId>, Failure> {
        let action = "look for work that was done before";
        let run: Option<String> = sqlx::query_scalar("SELECT run_id FROM completed_inputs WHERE input_key = $1")
            .bind(input_key.to_string())
            .fetch_optional(&mut *self.reader(action).await?)
            .await
            .map_err(failed(action))?;
        run.map(|run| run.parse().map_err(|_| corrupt("a run id", &run))).transpose()
    }
}
