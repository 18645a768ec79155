//! The latest published capture of each partition.

use model::capture::Head;
use model::failure::Failure;
use model::{DatasetName, Partition};
use serde::Serialize;
use sqlx::{AnyConnection, FromRow};

use super::count;
use crate::commands::json;
use crate::dialect::sql;
use crate::failure::{corrupt, failed};

/// A head and the file that holds it.
#[derive(Clone, Debug)]
pub(crate) struct PartitionHead {
    pub(crate) head: Head,
    /// None for zero rows.
    pub(crate) data_file: Option<i64>,
}

#[derive(Serialize)]
struct Wanted {
    dataset: String,
    partition: String,
}

#[derive(FromRow)]
struct Row {
    position: i64,
    capture_id: String,
    revision: i64,
    rows: i64,
    content_hash: String,
    data_file_id: Option<i64>,
}

/// Reads the heads, in the order asked.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    wanted: &[(DatasetName, Partition)],
) -> Result<Vec<Option<PartitionHead>>, Failure> {
    let asked: Vec<Wanted> = wanted
        .iter()
        .map(|(dataset, partition)| Wanted { dataset: dataset.to_string(), partition: partition.key() })
        .collect();
    let rows: Vec<Row> = sqlx::query_as(sql(
        connection,
        r#"
        SELECT
            wanted.key AS position,
            head.capture_id, head.revision, head.rows, head.content_hash, head.data_file_id
        FROM {rows $1} AS wanted
        JOIN captures AS head
            ON head.dataset = wanted.value ->> 'dataset'
            AND head.partition = wanted.value ->> 'partition'
            AND head.revision = (
                SELECT MAX(revision)
                FROM captures
                WHERE dataset = wanted.value ->> 'dataset' AND partition = wanted.value ->> 'partition'
            )
        "#,
    ))
    .bind(json(&asked)?)
    .fetch_all(connection)
    .await
    .map_err(failed("read the latest captures"))?;
    let mut heads = vec![None; wanted.len()];
    for row in rows {
        let head = Head {
            capture_id: row.capture_id.parse().map_err(|_| corrupt("a capture id", &row.capture_id))?,
            revision: count(row.revision),
            rows: count(row.rows),
            content_hash: row.content_hash.parse().map_err(|_| corrupt("a content hash", &row.content_hash))?,
        };
        let place = usize::try_from(row.position).ok().and_then(|position| heads.get_mut(position));
        if let Some(place) = place {
            *place = Some(PartitionHead { head, data_file: row.data_file_id });
        }
    }
    Ok(heads)
}
