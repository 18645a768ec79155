//! Who has a run.

use model::failure::Failure;
use model::{RunId, Timestamp, WorkerId};
use sqlx::AnyConnection;

use crate::failure::{corrupt, failed};

/// The living worker that carries a run out, or keeps it.
pub(crate) async fn kept_by(
    connection: &mut AnyConnection,
    run: RunId,
    now: Timestamp,
) -> Result<Option<WorkerId>, Failure> {
    let worker: Option<String> = sqlx::query_scalar(
        r#"
        SELECT worker_id
        FROM workers
        WHERE worker_id = (SELECT COALESCE(runs.worker_id, runs.keeper_id) FROM runs WHERE runs.run_id = $1)
            AND expires_at_us > $2
        "#,
    )
    .bind(run.to_string())
    .bind(now.as_micros())
    .fetch_optional(connection)
    .await
    .map_err(failed("look for who has a run"))?;
    worker.map(|worker| worker.parse().map_err(|_| corrupt("a worker id", &worker))).transpose()
}
