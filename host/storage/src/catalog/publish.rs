//! Publishing captures: one snapshot for all captures of one commit.

use std::collections::BTreeMap;

use model::capture::StagedFile;
use model::failure::Failure;
use model::{CaptureId, DatasetName, Digest, Partition, RunId, Timestamp};
use serde_json::json;

use super::files::{self, NewFile};
use super::snapshot::Draft;
use super::tables::Tables;
use super::widen;
use crate::commands::int;
use crate::read::heads::PartitionHead;
use crate::writer::Scribe;

/// A capture to publish.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) capture: CaptureId,
    pub(crate) run: RunId,
    pub(crate) plugin: Digest,
    pub(crate) dataset: DatasetName,
    pub(crate) partition: Partition,
    pub(crate) rows: u64,
    pub(crate) content_hash: Digest,
    /// None for zero rows.
    pub(crate) file: Option<StagedFile>,
}

/// What a capture became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) revision: u64,
    pub(crate) snapshot: i64,
    pub(crate) captured_at: Timestamp,
    pub(crate) data_file: Option<i64>,
}

/// What a snapshot says about who made it and why.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    pub(crate) author: &'a str,
    pub(crate) message: String,
}

/// Publishes captures over the heads they come with, each as the next revision of its partition. A correction ends
/// the file of the head. Nothing is written for an empty list.
pub(crate) async fn publish(
    scribe: &mut Scribe<'_>,
    tables: &mut Tables,
    deliveries: &[(Delivery, Option<&PartitionHead>)],
    commit: &Commit<'_>,
) -> Result<Vec<Published>, Failure> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    let mut draft = Draft::begin(scribe).await?;
    let mut new: BTreeMap<i64, Vec<NewFile>> = BTreeMap::new();
    let mut ended = Vec::new();
    let mut placed = Vec::with_capacity(deliveries.len());
    for (delivery, head) in deliveries {
        tables.check(&delivery.dataset, &delivery.partition)?;
        let table = tables.ensure(scribe, &mut draft, &delivery.dataset).await?;
        let file = NewFile::of(&mut draft, table, tables.table(&delivery.dataset)?, delivery)?;
        if let Some(old) = head.and_then(|head| head.data_file) {
            draft.ended_in(table.table);
            ended.push(old);
        }
        let revision = head.map_or(1, |head| head.head.revision + 1);
        placed.push((revision, file.as_ref().map(|file| file.id)));
        if let Some(file) = file {
            draft.inserted_into(table.table);
            new.entry(table.table).or_default().push(file);
        }
    }
    files::end(scribe, &draft, &ended).await?;
    for (table, files) in &new {
        let before = widen::before(scribe, *table).await?;
        let mut row_id = before.next_row_id();
        let mut numbered = Vec::with_capacity(files.len());
        for file in files {
            numbered.push((file, row_id));
            row_id = row_id.saturating_add(int(file.rows));
        }
        files::begin(scribe, &draft, &numbered)?;
        widen::widen(scribe, *table, &before, &files.iter().collect::<Vec<_>>())?;
    }
    let snapshot = draft.id;
    let captured_at = draft.finish(scribe, commit.author, &commit.message, extra_info(deliveries));
    let published =
        placed.into_iter().map(|(revision, data_file)| Published { revision, snapshot, captured_at, data_file });
    Ok(published.collect())
}

fn extra_info(deliveries: &[(Delivery, Option<&PartitionHead>)]) -> serde_json::Value {
    let captures = deliveries.iter().map(|(delivery, _)| {
        json!({
            "capture_id": delivery.capture,
            "run_id": delivery.run,
            "plugin_digest": delivery.plugin,
            "content_hash": delivery.content_hash,
        })
    });
    captures.collect()
}
