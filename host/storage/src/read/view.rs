//! What was published as of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use model::catalog::{CatalogCapture, CatalogDataset, CatalogFile, CatalogView, Extent, Snapshot};
use model::failure::{Failure, FailureKind};
use model::manifest::DatasetSpec;
use model::ports::AsOf;
use model::{DatasetName, FieldIds, Timestamp};
use sqlx::{AnyConnection, Connection, FromRow};

use super::{captures, count};
use crate::catalog::snapshot::time;
use crate::catalog::tables::field_ids;
use crate::commands::{int, json};
use crate::dialect::sql;
use crate::failure::{corrupt, failed};
use crate::lock;
use crate::storage::Storage;

/// Times that have four digits for their year: no snapshot lies beyond, and no database knows all that do.
const YEAR_1: Timestamp = Timestamp::from_micros(-62_135_596_800_000_000);
const YEAR_9999: Timestamp = Timestamp::from_micros(253_402_300_799_999_999);

#[derive(FromRow)]
struct Row {
    capture_id: String,
    run_id: String,
    dataset: String,
    partition: String,
    revision: i64,
    rows: i64,
    content_hash: String,
    captured_at_us: i64,
    file_path: Option<String>,
    file_bytes: Option<i64>,
    latest: i64,
}

impl Row {
    fn capture(self, dataset: &DatasetName) -> Result<CatalogCapture, Failure> {
        let folder = (dataset.domain(), dataset.dataset());
        Ok(CatalogCapture {
            capture_id: self.capture_id.parse().map_err(|_| corrupt("a capture id", &self.capture_id))?,
            partition: captures::partition(&self.partition)?,
            revision: count(self.revision),
            captured_at: Timestamp::from_micros(self.captured_at_us),
            run_id: self.run_id.parse().map_err(|_| corrupt("a run id", &self.run_id))?,
            rows: count(self.rows),
            content_hash: self.content_hash.parse().map_err(|_| corrupt("a content hash", &self.content_hash))?,
            latest: self.latest == 1,
            file: self.file_path.map(|path| CatalogFile {
                path: format!("{}/{}/{path}", folder.0, folder.1),
                bytes: self.file_bytes.map_or(0, count),
            }),
        })
    }
}

impl Storage {
    /// What was published as of an instant or by now, from one state of the catalog: as much of each dataset as is
    /// wanted.
    ///
    /// # Errors
    ///
    /// `bad_as_of` for an instant in the future.
    pub async fn catalog_for(
        &self,
        as_of: AsOf,
        wanted: impl Fn(&DatasetName) -> Extent + Send,
    ) -> Result<Arc<CatalogView>, Failure> {
        if let AsOf::Instant(at) = as_of {
            self.settle(at).await?;
        }
        let mut reader = self.reader("read the catalog").await?;
        let mut transaction = reader.begin().await.map_err(failed("read the catalog"))?;
        let snapshot = match as_of {
            AsOf::Latest => snapshot_at(&mut transaction, None).await?,
            AsOf::Instant(at) => snapshot_at(&mut transaction, Some(at)).await?,
            AsOf::Snapshot(id) => snapshot_of(&mut transaction, id).await?,
        };
        let past = (as_of != AsOf::Latest).then_some(snapshot.id);
        let specs = specs(&mut transaction, past).await?;
        let extents: Vec<(&DatasetName, Extent)> =
            specs.iter().map(|(spec, _)| (&spec.name, wanted(&spec.name))).collect();
        let mut captures = captures_at(&mut transaction, snapshot.id, &extents).await?;
        let mut datasets = Vec::with_capacity(specs.len());
        for (spec, fields) in specs {
            let rows = captures.remove(&spec.name.to_string()).unwrap_or_default();
            let captures: Result<_, Failure> = rows.into_iter().map(|row| row.capture(&spec.name)).collect();
            datasets.push(CatalogDataset { captures: captures?, spec, fields });
        }
        Ok(Arc::new(CatalogView { snapshot, datasets }))
    }

    /// Makes sure that nothing will be published as of `at` any more.
    ///
    /// Times of snapshots are given under a lock and strictly increase. So up to the last snapshot all is
    /// settled, and up to the present it is once whoever holds the lock has let it go: it may have given its snapshot
    /// an earlier time already. Limits: a clock that steps back afterwards gives a time twice; and who may not write
    /// to the database cannot wait for the lock, and is warned.
    async fn settle(&self, at: Timestamp) -> Result<(), Failure> {
        let now = self.clock.now();
        // Kept until the end: while it is open, the connection that waits is not the last and leaves the log alone.
        let mut reader = self.reader("read the catalog").await?;
        let last = snapshot_at(&mut reader, None).await?;
        if at <= last.at {
            return Ok(());
        }
        if at > now {
            return Err(in_the_future(at));
        }
        match lock::wait(&self.place, &mut reader).await {
            Err(failure) if lock::may_not_write(&failure) => {
                tracing::warn!(
                    "this user may not write to the ledger, so a capture that is being published now may still come to \
                     be as of {at}; the time of the snapshot in the answer, {}, always gives this answer",
                    last.at
                );
                Ok(())
            }
            done => done,
        }
    }

    /// Snapshots that no capture of the ledger made: another program wrote to the catalog.
    pub async fn foreign_snapshots(&self) -> Result<Vec<u64>, Failure> {
        let ids: Vec<i64> = sqlx::query_scalar(
            r#"
            SELECT snapshot_id
            FROM ducklake_snapshot
            WHERE snapshot_id > 0
                AND snapshot_id NOT IN (SELECT snapshot_id FROM captures WHERE state = 'published')
            ORDER BY snapshot_id
            "#,
        )
        .fetch_all(&mut *self.reader("look for snapshots of others").await?)
        .await
        .map_err(failed("look for snapshots of others"))?;
        Ok(ids.into_iter().map(count).collect())
    }
}

/// The newest snapshot at or before an instant; before the first capture the empty one.
async fn snapshot_at(connection: &mut AnyConnection, at: Option<Timestamp>) -> Result<Snapshot, Failure> {
    let (id, text): (i64, String) = sqlx::query_as(sql(
        connection,
        r#"
        SELECT snapshot_id, {instant_text snapshot_time}
        FROM ducklake_snapshot
        -- Texts of one form order as their times do.
        WHERE $1 IS NULL OR snapshot_time <= {instant $1} OR snapshot_id = 0
        ORDER BY snapshot_id DESC
        LIMIT 1
        "#,
    ))
    .bind(at.map(|at| at.clamp(YEAR_1, YEAR_9999).catalog_text()))
    .fetch_one(connection)
    .await
    .map_err(failed("find a snapshot"))?;
    Ok(Snapshot { id: count(id), at: time(&text)? })
}

async fn snapshot_of(connection: &mut AnyConnection, id: u64) -> Result<Snapshot, Failure> {
    let text: Option<String> = sqlx::query_scalar(sql(
        connection,
        "SELECT {instant_text snapshot_time} FROM ducklake_snapshot WHERE snapshot_id = $1",
    ))
    .bind(int(id))
    .fetch_optional(connection)
    .await
    .map_err(failed("find a snapshot"))?;
    let text = text.ok_or_else(|| {
        Failure::new(FailureKind::Validation, "bad_as_of", format!("there is no snapshot {id} in this ledger"))
    })?;
    Ok(Snapshot { id, at: time(&text)? })
}

/// A dataset as readers see it: as it was declared last, or, for those who ask for the past, as its table was then.
#[derive(FromRow)]
struct Declared {
    spec: String,
    fields: Option<String>,
    past: Option<String>,
}

impl Declared {
    fn parse(&self) -> Result<(DatasetSpec, FieldIds), Failure> {
        let parse = |text: &String| serde_json::from_str(text).map_err(|_| corrupt("a dataset", text));
        let now: DatasetSpec = parse(&self.spec)?;
        let fields = field_ids(self.fields.as_deref(), &now)?;
        Ok((self.past.as_ref().map(parse).transpose()?.unwrap_or(now), fields))
    }
}

async fn specs(connection: &mut AnyConnection, snapshot: Option<u64>) -> Result<Vec<(DatasetSpec, FieldIds)>, Failure> {
    let rows: Vec<Declared> = sqlx::query_as(
        r#"
        SELECT datasets.spec, datasets.fields, past.spec AS past
        FROM datasets
        LEFT JOIN table_specs AS past
            ON past.dataset = datasets.name
            AND past.begin_snapshot = (
                SELECT MAX(begin_snapshot)
                FROM table_specs
                WHERE dataset = datasets.name AND begin_snapshot <= CAST($1 AS BIGINT)
            )
        ORDER BY datasets.name
        "#,
    )
    .bind(snapshot.map(int))
    .fetch_all(connection)
    .await
    .map_err(failed("read the datasets"))?;
    rows.iter().map(Declared::parse).collect()
}

/// What was published up to a snapshot, by dataset, oldest first.
async fn captures_at(
    connection: &mut AnyConnection,
    snapshot: u64,
    extents: &[(&DatasetName, Extent)],
) -> Result<HashMap<String, Vec<Row>>, Failure> {
    let wanted: Vec<(&DatasetName, i64)> = extents
        .iter()
        .filter_map(|(dataset, extent)| match extent {
            Extent::Nothing => None,
            Extent::Heads => Some((*dataset, 0)),
            Extent::History => Some((*dataset, 1)),
        })
        .collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = sqlx::query_as(sql(
        connection,
        r#"
        SELECT
            captures.capture_id, captures.run_id, captures.dataset, captures.partition, captures.revision,
            captures.rows, captures.content_hash, captures.captured_at_us, captures.file_path, captures.file_bytes,
            CASE WHEN next.revision IS NULL THEN 1 ELSE 0 END AS latest
        FROM {rows $2} AS wanted
        JOIN captures ON captures.dataset = wanted.value ->> 0
        LEFT JOIN captures AS next
            ON next.dataset = captures.dataset
            AND next.partition = captures.partition
            AND next.revision = captures.revision + 1
            AND next.snapshot_id <= $1
        WHERE captures.state = 'published'
            AND captures.snapshot_id <= $1
            AND (next.revision IS NULL OR CAST(wanted.value ->> 1 AS BIGINT) = 1)
        ORDER BY captures.snapshot_id, captures.dataset, captures.partition
        "#,
    ))
    .bind(int(snapshot))
    .bind(json(&wanted)?)
    .fetch_all(connection)
    .await
    .map_err(failed("read the catalog"))?;
    let mut captures: HashMap<String, Vec<Row>> = HashMap::new();
    for row in rows {
        captures.entry(row.dataset.clone()).or_default().push(row);
    }
    Ok(captures)
}

fn in_the_future(at: Timestamp) -> Failure {
    let message =
        format!("{at} lies in the future: nobody knows yet what will be published by then; leave --as-of out");
    Failure::new(FailureKind::Validation, "bad_as_of", message)
}
