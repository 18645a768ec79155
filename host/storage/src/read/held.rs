//! Captures in quarantine by what they hold.

use model::failure::Failure;
use model::{CaptureId, DatasetName, Digest, Partition};
use serde::Serialize;
use sqlx::AnyConnection;

use crate::commands::json;
use crate::dialect::sql;
use crate::failure::{corrupt, failed};

#[derive(Serialize)]
struct Wanted {
    dataset: String,
    partition: String,
    content_hash: Digest,
}

/// The oldest capture of each partition that is in quarantine with this content, in the order asked.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    wanted: &[(DatasetName, Partition, Digest)],
) -> Result<Vec<Option<CaptureId>>, Failure> {
    let asked = wanted.iter().map(|(dataset, partition, content_hash)| Wanted {
        dataset: dataset.to_string(),
        partition: partition.key(),
        content_hash: *content_hash,
    });
    let rows: Vec<(i64, String)> = sqlx::query_as(sql(
        connection,
        r#"
        SELECT wanted.key, MIN(held.capture_id)
        FROM {rows $1} AS wanted
        JOIN captures AS held
            ON held.state = 'quarantined'
            AND held.dataset = wanted.value ->> 'dataset'
            AND held.partition = wanted.value ->> 'partition'
            AND held.content_hash = wanted.value ->> 'content_hash'
        GROUP BY wanted.key
        "#,
    ))
    .bind(json(&asked.collect::<Vec<_>>())?)
    .fetch_all(connection)
    .await
    .map_err(failed("read what is in quarantine"))?;
    let mut held = vec![None; wanted.len()];
    for (position, capture) in rows {
        let place = usize::try_from(position).ok().and_then(|position| held.get_mut(position));
        if let Some(place) = place {
            *place = Some(capture.parse().map_err(|_| corrupt("a capture id", &capture))?);
        }
    }
    Ok(held)
}
