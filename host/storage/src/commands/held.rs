//! Captures as rows: those a run leaves behind, published or kept back.

use model::capture::{StagedCapture, StagedFile};
use model::failure::Failure;
use model::run::RunCapture;
use model::{CaptureId, CaptureState, Digest, RunId, Timestamp};
use serde::Serialize;

use super::{int, json};
use crate::catalog::publish::{Delivery, Published};
use crate::catalog::stats::Stats;
use crate::writer::{Scribe, Statement};

/// A capture to be written.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    pub(crate) staged: &'a StagedCapture,
    pub(crate) run: RunId,
    pub(crate) plugin: Digest,
    pub(crate) concluded_at: Timestamp,
    /// None for one that is quarantined.
    pub(crate) published: Option<Published>,
}

#[derive(Serialize)]
struct Row<'a> {
    capture_id: CaptureId,
    run_id: RunId,
    dataset: String,
    partition: String,
    state: &'static str,
    revision: Option<i64>,
    rows: i64,
    content_hash: Digest,
    plugin_digest: Digest,
    concluded_at_us: i64,
    snapshot_id: Option<i64>,
    captured_at_us: Option<i64>,
    file_path: Option<&'a str>,
    file_bytes: Option<i64>,
    footer_bytes: Option<i64>,
    file_stats: Option<String>,
    data_file_id: Option<i64>,
}

impl<'a> Held<'a> {
    /// As the report of its run shows it.
    pub(crate) fn of_run(&self) -> RunCapture {
        let StagedCapture { capture_id, dataset, partition, rows, content_hash, .. } = self.staged;
        RunCapture {
            dataset: dataset.clone(),
            partition: partition.clone(),
            capture_id: *capture_id,
            revision: self.published.map(|published| published.revision),
            rows: *rows,
            content_hash: *content_hash,
            unchanged: false,
            state: self.state().into(),
        }
    }

    fn state(&self) -> CaptureState {
        if self.published.is_some() { CaptureState::Published } else { CaptureState::Quarantined }
    }

    fn row(&self) -> Result<Row<'a>, Failure> {
        let StagedCapture { capture_id, dataset, partition, rows, content_hash, file } = self.staged;
        let published = self.published;
        // Only a release needs them again; those of a published capture are in the catalog.
        let stats = match (file, published) {
            (Some(file), None) => Some(json(&Stats::of(&file.columns))?),
            (Some(_), Some(_)) | (None, _) => None,
        };
        let file = file.as_ref();
        Ok(Row {
            capture_id: *capture_id,
            run_id: self.run,
            dataset: dataset.to_string(),
            partition: partition.key(),
            state: self.state().name(),
            revision: published.map(|published| int(published.revision)),
            rows: int(*rows),
            content_hash: *content_hash,
            plugin_digest: self.plugin,
            concluded_at_us: self.concluded_at.as_micros(),
            snapshot_id: published.map(|published| published.snapshot),
            captured_at_us: published.map(|published| published.captured_at.as_micros()),
            file_path: file.map(|file| file.path.as_str()),
            file_bytes: file.map(|file| int(file.bytes)),
            footer_bytes: file.map(|file| int(file.footer_bytes)),
            file_stats: stats,
            data_file_id: published.and_then(|published| published.data_file),
        })
    }
}

/// What the catalog needs to publish a staged capture.
pub(crate) fn delivery(staged: &StagedCapture, run: RunId, plugin: Digest) -> Delivery {
    let StagedCapture { capture_id, dataset, partition, rows, content_hash, file } = staged;
    Delivery {
        capture: *capture_id,
        run,
        plugin,
        dataset: dataset.clone(),
        partition: partition.clone(),
        rows: *rows,
        content_hash: *content_hash,
        file: file.clone(),
    }
}

/// Writes captures in one statement.
pub(crate) fn record(scribe: &mut Scribe<'_>, held: &[Held<'_>]) -> Result<(), Failure> {
    let rows: Result<Vec<Row<'_>>, Failure> = held.iter().map(Held::row).collect();
    scribe.later(Statement::new("record captures", r#"
        INSERT INTO captures (
            capture_id, run_id, dataset, partition, state, revision, rows, content_hash, plugin_digest,
            concluded_at_us, snapshot_id, captured_at_us, file_path, file_bytes, footer_bytes, file_stats, data_file_id
        )
        SELECT
            value ->> 'capture_id', value ->> 'run_id', value ->> 'dataset', value ->> 'partition',
            value ->> 'state', CAST(value ->> 'revision' AS BIGINT), CAST(value ->> 'rows' AS BIGINT), value ->> 'content_hash',
            value ->> 'plugin_digest', CAST(value ->> 'concluded_at_us' AS BIGINT), CAST(value ->> 'snapshot_id' AS BIGINT),
            CAST(value ->> 'captured_at_us' AS BIGINT), value ->> 'file_path', CAST(value ->> 'file_bytes' AS BIGINT), CAST(value ->> 'footer_bytes' AS BIGINT),
            value ->> 'file_stats', CAST(value ->> 'data_file_id' AS BIGINT)
        FROM {rows $1} AS new
        "#)
    .bind(scribe.json(&rows?)?));
    Ok(())
}

/// The file of a capture as the ledger kept it.
pub(crate) fn file(path: String, bytes: u64, footer_bytes: u64, stats: Stats) -> StagedFile {
    StagedFile { path, bytes, footer_bytes, columns: stats.into_columns() }
}
