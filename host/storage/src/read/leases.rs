//! The leases that have not expired.

use model::Timestamp;
use model::failure::Failure;
use model::ports::Lease;

use super::count;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

impl Storage {
    /// Those of one key or of all, the newest first.
    pub(crate) async fn read_leases(&self, key: Option<&str>) -> Result<Vec<Lease>, Failure> {
        let rows: Vec<(String, String, String, i64, i64, i64)> = sqlx::query_as(
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
        let leases = rows.into_iter().map(|(key, run, worker, token, acquired_at, expires_at)| {
            Ok(Lease {
                key,
                run: run.parse().map_err(|_| corrupt("a run id", &run))?,
                worker: worker.parse().map_err(|_| corrupt("a worker id", &worker))?,
                token: count(token),
                acquired_at: Timestamp::from_micros(acquired_at),
                expires_at: Timestamp::from_micros(expires_at),
            })
        });
        leases.collect()
    }
}
