//! Captures: revisions of a dataset, those that wait for an operator, and the files that belong to them.

use std::collections::HashSet;

use model::failure::Failure;
use model::run::{RunCapture, RunCaptureState};
use model::{CaptureId, CaptureRecord, CaptureState, DatasetName, Partition, RunId, Timestamp};
use sqlx::{AnyConnection, FromRow};

use super::count;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

/// A capture as it stands in the ledger.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct CaptureRow {
    capture_id: String,
    run_id: String,
    dataset: String,
    partition: String,
    pub(crate) state: String,
    revision: Option<i64>,
    rows: i64,
    content_hash: String,
    plugin_digest: String,
    captured_at_us: Option<i64>,
    pub(crate) file_path: Option<String>,
    file_bytes: Option<i64>,
    footer_bytes: Option<i64>,
    pub(crate) file_stats: Option<String>,
}

impl CaptureRow {
    pub(crate) fn record(&self) -> Result<CaptureRecord, Failure> {
        Ok(CaptureRecord {
            dataset: self.dataset.parse().map_err(|_| corrupt("the name of a dataset", &self.dataset))?,
            partition: partition(&self.partition)?,
            revision: self.revision.map(count),
            capture_id: self.capture_id.parse().map_err(|_| corrupt("a capture id", &self.capture_id))?,
            captured_at: self.captured_at_us.map(Timestamp::from_micros),
            rows: count(self.rows),
            content_hash: self.content_hash.parse().map_err(|_| corrupt("a content hash", &self.content_hash))?,
            run_id: self.run_id.parse().map_err(|_| corrupt("a run id", &self.run_id))?,
            plugin_digest: self.plugin_digest.parse().map_err(|_| corrupt("a digest", &self.plugin_digest))?,
            state: CaptureState::from_name(&self.state)
                .ok_or_else(|| corrupt("the state of a capture", &self.state))?,
        })
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes.map_or(0, count)
    }

    pub(crate) fn footer_bytes(&self) -> u64 {
        self.footer_bytes.map_or(0, count)
    }
}

pub(crate) fn partition(key: &str) -> Result<Partition, Failure> {
    serde_json::from_str(key).map_err(|_| corrupt("a partition", key))
}

pub(crate) async fn row(connection: &mut AnyConnection, capture: CaptureId) -> Result<Option<CaptureRow>, Failure> {
    sqlx::query_as(
        r#"
        SELECT
            capture_id, run_id, dataset, partition, state, revision, rows, content_hash, plugin_digest,
            captured_at_us, file_path, file_bytes, footer_bytes, file_stats
        FROM captures
        WHERE capture_id = $1
        "#,
    )
    .bind(capture.to_string())
    .fetch_optional(connection)
    .await
    .map_err(failed("read a capture"))
}

/// The captures that a run reports, in its order.
pub(crate) async fn of_run(connection: &mut AnyConnection, run: RunId) -> Result<Vec<RunCapture>, Failure> {
    #[derive(FromRow)]
    struct Row {
        #[sqlx(flatten)]
        capture: CaptureRow,
        unchanged: i64,
    }
    let rows: Vec<Row> = sqlx::query_as(
        r#"
        SELECT
            captures.capture_id, captures.run_id, dataset, partition, state, revision, rows, content_hash,
            plugin_digest, captured_at_us, file_path, file_bytes, footer_bytes, file_stats, run_captures.unchanged
        FROM run_captures
        JOIN captures ON captures.capture_id = run_captures.capture_id
        WHERE run_captures.run_id = $1
        ORDER BY run_captures.position
        "#,
    )
    .bind(run.to_string())
    .fetch_all(connection)
    .await
    .map_err(failed("read the captures of a run"))?;
    let captures = rows.into_iter().map(|Row { capture, unchanged }| {
        let unchanged = unchanged == 1;
        let record = capture.record()?;
        let state = if unchanged { RunCaptureState::Unchanged } else { record.state.into() };
        let CaptureRecord { dataset, partition, capture_id, revision, rows, content_hash, .. } = record;
        Ok(RunCapture { dataset, partition, capture_id, revision, rows, content_hash, unchanged, state })
    });
    captures.collect()
}

impl Storage {
    /// The captures of a dataset, newest first: of every partition that has these values in these columns.
    pub async fn captures(&self, dataset: &DatasetName, filter: &Partition) -> Result<Vec<CaptureRecord>, Failure> {
        let rows: Vec<CaptureRow> = sqlx::query_as(
            r#"
            SELECT
                capture_id, run_id, dataset, partition, state, revision, rows, content_hash, plugin_digest,
                captured_at_us, file_path, file_bytes, footer_bytes, file_stats
            FROM captures
            WHERE dataset = $1
            ORDER BY COALESCE(captured_at_us, concluded_at_us) DESC, capture_id DESC
            "#,
        )
        .bind(dataset.to_string())
        .fetch_all(&mut *self.reader("list the captures of a dataset").await?)
        .await
        .map_err(failed("list the captures of a dataset"))?;
        let mut captures = Vec::with_capacity(rows.len());
        for row in rows {
            let record = row.record()?;
            if filter.0.iter().all(|(column, value)| record.partition.get(column) == Some(value)) {
                captures.push(record);
            }
        }
        Ok(captures)
    }

    /// The captures that wait for an operator, newest first.
    pub async fn quarantined(&self) -> Result<Vec<CaptureRecord>, Failure> {
        let rows: Vec<CaptureRow> = sqlx::query_as(
            r#"
            SELECT
                capture_id, run_id, dataset, partition, state, revision, rows, content_hash, plugin_digest,
                captured_at_us, file_path, file_bytes, footer_bytes, file_stats
            FROM captures
            WHERE state = 'quarantined'
            ORDER BY concluded_at_us DESC, capture_id DESC
            "#,
        )
        .fetch_all(&mut *self.reader("list the quarantined captures").await?)
        .await
        .map_err(failed("list the quarantined captures"))?;
        rows.iter().map(CaptureRow::record).collect()
    }

    /// The files of all captures, whatever their state, relative to `captures/`.
    pub async fn capture_files(&self) -> Result<HashSet<String>, Failure> {
        let files: Vec<String> = sqlx::query_scalar(
            // The folder of a dataset is its name with a `/` for the dot.
            "SELECT REPLACE(dataset, '.', '/') || '/' || file_path FROM captures WHERE file_path IS NOT NULL",
        )
        .fetch_all(&mut *self.reader("list the files of the captures").await?)
        .await
        .map_err(failed("list the files of the captures"))?;
        Ok(files.into_iter().collect())
    }
}
