//! An operator's word about a quarantined capture.

use model::failure::{Failure, FailureKind};
use model::{CaptureId, CaptureRecord, CaptureState};

use super::events::{self, Event};
use super::held;
use crate::catalog::publish::{Commit, Delivery, Published, publish};
use crate::catalog::stats::Stats;
use crate::catalog::tables::Tables;
use crate::failure::{corrupt, failed, internal};
use crate::lock::Needs;
use crate::read::captures::{self, CaptureRow};
use crate::read::heads;
use crate::writer::{Command, Lead, Scribe};

/// What becomes of a quarantined capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is published.
    Release,
    /// It is kept out for good.
    Discard,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Judgement {
    pub(crate) capture: CaptureId,
    pub(crate) verdict: Verdict,
}

impl Command for Judgement {
    const LANE: &'static str = "judge";
    type Answer = CaptureRecord;

    fn needs(&self, needs: &mut Needs) {
        needs.catalog = true;
        needs.captures.insert(self.capture);
    }

    async fn execute(
        scribe: &mut Scribe<'_>,
        commands: &[&Self],
    ) -> Result<Vec<Result<CaptureRecord, Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for Self { capture, verdict } in commands {
            let row = quarantined(scribe, *capture, *verdict).await?;
            let record = match verdict {
                Verdict::Release => release(scribe, row).await?,
                Verdict::Discard => discard(scribe, row).await?,
            };
            answers.push(Ok(record));
        }
        Ok(answers)
    }
}

async fn quarantined(scribe: &mut Scribe<'_>, capture: CaptureId, verdict: Verdict) -> Result<CaptureRow, Failure> {
    let Some(row) = captures::row(scribe.connection().await?, capture).await? else {
        let message = format!("no capture `{capture}` in this data folder; `quarantine list` shows those that wait");
        return Err(Failure::new(FailureKind::Validation, "bad_id", message));
    };
    if row.state == CaptureState::Quarantined.name() {
        return Ok(row);
    }
    let done = match verdict {
        Verdict::Release => "released",
        Verdict::Discard => "discarded",
    };
    let message = format!("capture `{capture}` is {}, and only a quarantined capture can be {done}", row.state);
    Err(Failure::new(FailureKind::Validation, "not_releasable", message))
}

async fn release(scribe: &mut Scribe<'_>, row: CaptureRow) -> Result<CaptureRecord, Failure> {
    let delivery = delivery(scribe.lead, &row).await?;
    let wanted = [(delivery.dataset.clone(), delivery.partition.clone())];
    let heads = heads::read(scribe.connection().await?, &wanted).await?;
    let head = heads.first().and_then(Option::as_ref);
    let mut tables = Tables::read(scribe, [&delivery.dataset].into_iter()).await?;
    let commit = Commit { author: "operator", message: format!("release of {}", delivery.capture) };
    let deliveries = [(delivery, head)];
    let published = publish(scribe, &mut tables, &deliveries, &commit).await?;
    let [(delivery, _)] = &deliveries;
    let [published] = published[..] else {
        return Err(internal("not_published", format!("capture `{}` was not published", delivery.capture)));
    };
    mark_released(scribe, delivery.capture, published).await?;
    let record = CaptureRecord {
        revision: Some(published.revision),
        captured_at: Some(published.captured_at),
        state: CaptureState::Published,
        ..row.record()?
    };
    tell(scribe, &record, "released")?;
    Ok(record)
}

async fn delivery(lead: &Lead, row: &CaptureRow) -> Result<Delivery, Failure> {
    let CaptureRecord { dataset, partition, capture_id, rows, content_hash, run_id, plugin_digest, .. } =
        row.record()?;
    let file = match &row.file_path {
        None => None,
        Some(path) => {
            let place = lead.captures.join(dataset.domain()).join(dataset.dataset()).join(path);
            if !tokio::fs::try_exists(&place).await.unwrap_or(false) {
                let message = format!(
                    "cannot release capture `{capture_id}`: its file `{}` is gone; discard it and run the pipeline again",
                    place.display()
                );
                return Err(Failure::new(FailureKind::Storage, "not_found", message));
            }
            let text = row.file_stats.as_deref().unwrap_or("[]");
            let stats: Stats = serde_json::from_str(text).map_err(|_| corrupt("statistics", text))?;
            Some(held::file(path.clone(), row.file_bytes(), row.footer_bytes(), stats))
        }
    };
    Ok(Delivery {
        capture: capture_id,
        run: run_id,
        plugin: plugin_digest,
        dataset,
        partition,
        rows,
        content_hash,
        file,
    })
}

async fn mark_released(scribe: &mut Scribe<'_>, capture: CaptureId, published: Published) -> Result<(), Failure> {
    let done = sqlx::query(
        r#"
        UPDATE captures
        SET state = 'published', revision = $2, snapshot_id = $3, captured_at_us = $4, data_file_id = $5,
            file_stats = NULL
        WHERE capture_id = $1 AND state = 'quarantined'
        "#,
    )
    .bind(capture.to_string())
    .bind(super::int(published.revision))
    .bind(published.snapshot)
    .bind(published.captured_at.as_micros())
    .bind(published.data_file)
    .execute(scribe.connection().await?)
    .await
    .map_err(failed("release a capture"))?;
    one(done.rows_affected(), capture)
}

async fn discard(scribe: &mut Scribe<'_>, row: CaptureRow) -> Result<CaptureRecord, Failure> {
    let record = CaptureRecord { state: CaptureState::Discarded, ..row.record()? };
    let done = sqlx::query(
        r#"
        UPDATE captures
        SET state = 'discarded', discarded_at_us = $2, file_stats = NULL
        WHERE capture_id = $1 AND state = 'quarantined'
        "#,
    )
    .bind(record.capture_id.to_string())
    .bind(scribe.lead.clock.now().as_micros())
    .execute(scribe.connection().await?)
    .await
    .map_err(failed("discard a capture"))?;
    one(done.rows_affected(), record.capture_id)?;
    tell(scribe, &record, "discarded")?;
    Ok(record)
}

fn one(changed: u64, capture: CaptureId) -> Result<(), Failure> {
    match changed {
        1 => Ok(()),
        _ => Err(internal("capture_changed", format!("capture `{capture}` changed while it was being judged"))),
    }
}

fn tell(scribe: &mut Scribe<'_>, record: &CaptureRecord, event: &'static str) -> Result<(), Failure> {
    let at = scribe.lead.clock.now();
    let data = serde_json::json!(record);
    events::append(scribe, vec![Event { run: record.run_id, at, event, data }])
}
