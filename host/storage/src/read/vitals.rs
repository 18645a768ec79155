//! The counts that tell how a host is, and what it has done.

use std::collections::BTreeMap;
use std::time::Duration;

use model::failure::Failure;
use model::health::{Ends, LeaseCounts};
use model::ports::{LaneCounts, Vitals, WorkCounts};
use model::run::RunStatus;
use model::work::Lane;

use super::count;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

#[async_trait::async_trait]
impl Vitals for Storage {
    async fn answers(&self) -> Result<(), Failure> {
        sqlx::query("SELECT snapshot_id FROM ducklake_snapshot ORDER BY snapshot_id DESC LIMIT 1")
            .fetch_optional(&mut *self.reader("ask the ledger").await?)
            .await
            .map_err(failed("ask the ledger"))?;
        match self.writer {
            Some(_) => self.may_write().await,
            // Whoever only looks says nothing about who writes.
            None => Ok(()),
        }
    }

    async fn open_dead_letters(&self) -> Result<u64, Failure> {
        let open: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM dead_letters WHERE resolved_at_us IS NULL")
            .fetch_one(&mut *self.reader("count the dead letters").await?)
            .await
            .map_err(failed("count the dead letters"))?;
        Ok(count(open))
    }

    async fn stale_runs(&self, longer_than: Duration, nobody: bool) -> Result<u64, Failure> {
        let now = self.clock.now().as_micros();
        let stale: i64 = sqlx::query_scalar(
            r#"
            SELECT COUNT(*)
            FROM runs
            JOIN attempts ON attempts.run_id = runs.run_id AND attempts.number = runs.attempt
            WHERE runs.status = 'running'
                AND attempts.started_at_us < $1
                AND (
                    $3 = 1
                    OR NOT EXISTS (
                        SELECT 1
                        FROM workers
                        WHERE workers.worker_id = runs.worker_id AND workers.expires_at_us > $2
                    )
                    OR runs.leases > (
                        SELECT COUNT(*)
                        FROM leases
                        WHERE leases.run_id = runs.run_id AND leases.worker_id = runs.worker_id
                    )
                )
            "#,
        )
        .bind(now.saturating_sub(micros(longer_than)))
        .bind(now)
        .bind(i64::from(nobody))
        .fetch_one(&mut *self.reader("count the stale runs").await?)
        .await
        .map_err(failed("count the stale runs"))?;
        Ok(count(stale))
    }

    async fn ends(&self, within: Duration) -> Result<Ends, Failure> {
        let now = self.clock.now().as_micros();
        let ends: Vec<(String, i64)> = sqlx::query_as(
            "SELECT status, COUNT(*) FROM runs WHERE finished_at_us > $1 AND finished_at_us <= $2 GROUP BY status",
        )
        .bind(now.saturating_sub(micros(within)))
        .bind(now)
        .fetch_all(&mut *self.reader("count the latest ends of runs").await?)
        .await
        .map_err(failed("count the latest ends of runs"))?;
        let counts = WorkCounts { runs: by_status(ends)?, ..WorkCounts::default() };
        Ok(Ends { completed: counts.of(RunStatus::Completed), failed: counts.failed() })
    }

    async fn lease_counts(&self) -> Result<LeaseCounts, Failure> {
        let (held, expired): (i64, i64) = sqlx::query_as(
            r#"
            SELECT COALESCE(SUM(CASE WHEN expires_at_us > $1 THEN 1 ELSE 0 END), 0),
                COALESCE(SUM(CASE WHEN expires_at_us > $1 THEN 0 ELSE 1 END), 0)
            FROM leases
            "#,
        )
        .bind(self.clock.now().as_micros())
        .fetch_one(&mut *self.reader("count the leases").await?)
        .await
        .map_err(failed("count the leases"))?;
        Ok(LeaseCounts { held: count(held), expired: count(expired) })
    }

    async fn work_counts(&self) -> Result<WorkCounts, Failure> {
        let action = "count the runs";
        let mut reader = self.reader(action).await?;
        let runs: Vec<(String, i64)> = sqlx::query_as("SELECT status, COUNT(*) FROM runs GROUP BY status")
            .fetch_all(&mut *reader)
            .await
            .map_err(failed(action))?;
        let waiting: Vec<(String, String, i64)> = sqlx::query_as(
            r#"
            SELECT lane, status, COUNT(*)
            FROM runs
            WHERE status IN ('pending', 'queued', 'running')
            GROUP BY lane, status
            "#,
        )
        .fetch_all(&mut *reader)
        .await
        .map_err(failed(action))?;
        let mut lanes: BTreeMap<Lane, LaneCounts> =
            Lane::ALL.iter().map(|lane| (*lane, LaneCounts::default())).collect();
        for (lane, status, runs) in waiting {
            let counts = lanes.entry(lane.parse().map_err(|_| corrupt("a lane", &lane))?).or_default();
            match RunStatus::from_name(&status) {
                Some(RunStatus::Running) => counts.running += count(runs),
                _ => counts.queued += count(runs),
            }
        }
        Ok(WorkCounts { runs: by_status(runs)?, lanes })
    }
}

fn by_status(rows: Vec<(String, i64)>) -> Result<BTreeMap<RunStatus, u64>, Failure> {
    let mut counts: BTreeMap<RunStatus, u64> = RunStatus::ALL.iter().map(|status| (*status, 0)).collect();
    for (status, runs) in rows {
        counts.insert(RunStatus::from_name(&status).ok_or_else(|| corrupt("a status", &status))?, count(runs));
    }
    Ok(counts)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
