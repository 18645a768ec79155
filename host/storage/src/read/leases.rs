//! Leases as whoever looks sees them.

use model::failure::Failure;
use model::ports::Lease;
use model::{RunId, Timestamp};
use serde::Serialize;
use sqlx::FromRow;

use super::count;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

/// A row of the table, as it is read and as it is written.
#[derive(Clone, Debug, FromRow, Serialize)]
pub(crate) struct LeaseRow {
    pub(crate) lease_key: String,
    pub(crate) run_id: String,
    pub(crate) worker_id: String,
    pub(crate) token: i64,
    pub(crate) acquired_at_us: i64,
    pub(crate) expires_at_us: i64,
}

pub(crate) fn lease(row: LeaseRow) -> Result<Lease, Failure> {
    let LeaseRow { lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us } = row;
    Ok(Lease {
        key: lease_key,
        run: run_id.parse().map_err(|_| corrupt("a run id", &run_id))?,
        worker: worker_id.parse().map_err(|_| corrupt("a worker id", &worker_id))?,
        token: count(token),
        acquired_at: Timestamp::from_micros(acquired_at_us),
        expires_at: Timestamp::from_micros(expires_at_us),
    })
}

impl Storage {
    /// Whether any worker has said that it is alive and has not expired; none is this process's before it begins work.
    pub async fn has_workers(&self) -> Result<bool, Failure> {
        let alive: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM workers WHERE expires_at_us > $1")
            .bind(self.clock.now().as_micros())
            .fetch_one(&mut *self.reader("look for living workers").await?)
            .await
            .map_err(failed("look for living workers"))?;
        Ok(alive > 0)
    }

    /// Whether the worker that carries a run out is alive, as far as it has said so; false if nobody does.
    pub async fn is_carried(&self, run: RunId) -> Result<bool, Failure> {
        let carried: i64 = sqlx::query_scalar(
            r#"
            SELECT COUNT(*)
            FROM runs
            JOIN workers ON workers.worker_id = runs.worker_id
            WHERE runs.run_id = $1 AND workers.expires_at_us > $2
            "#,
        )
        .bind(run.to_string())
        .bind(self.clock.now().as_micros())
        .fetch_one(&mut *self.reader("look for the worker of a run").await?)
        .await
        .map_err(failed("look for the worker of a run"))?;
        Ok(carried > 0)
    }

    /// Those of one key or of all that have not expired, the newest first.
    pub(crate) async fn read_leases(&self, key: Option<&str>) -> Result<Vec<Lease>, Failure> {
        let rows: Vec<LeaseRow> = sqlx::query_as(
            r#"
            SELECT lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us
            FROM leases
            WHERE expires_at_us > $1 AND (CAST($2 AS TEXT) IS NULL OR lease_key = $2)
            ORDER BY acquired_at_us DESC, lease_key DESC, token DESC
            "#,
        )
        .bind(self.clock.now().as_micros())
        .bind(key.map(ToOwned::to_owned))
        .fetch_all(&mut *self.reader("list the leases").await?)
        .await
        .map_err(failed("list the leases"))?;
        rows.into_iter().map(lease).collect()
    }

    /// Every lease that is there, also those that expired and that nobody has taken over or freed; the newest first.
    pub async fn all_leases(&self) -> Result<Vec<Lease>, Failure> {
        let rows: Vec<LeaseRow> = sqlx::query_as(
            r#"
            SELECT lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us
            FROM leases
            ORDER BY acquired_at_us DESC, lease_key DESC, token DESC
            "#,
        )
        .fetch_all(&mut *self.reader("list the leases").await?)
        .await
        .map_err(failed("list the leases"))?;
        rows.into_iter().map(lease).collect()
    }
}
