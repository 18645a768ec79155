//! Freeing leases by hand.

use model::failure::{Failure, FailureKind};
use model::ports::{Held, Lease};
use model::{RunId, Timestamp};

use crate::failure::failed;
use crate::lock::Needs;
use crate::read::leases::{LeaseRow, lease};
use crate::writer::{Command, Scribe};

/// An operator's word that the leases of a key are nobody's.
#[derive(Clone, Debug)]
pub(crate) struct ReleaseLease {
    pub(crate) key: String,
    /// Only that of this run.
    pub(crate) run: Option<RunId>,
    /// Also what has not expired.
    pub(crate) force: bool,
}

impl Command for ReleaseLease {
    const LANE: &'static str = "release";
    type Answer = Vec<Lease>;

    fn needs(&self, needs: &mut Needs) {
        needs.slots.insert(self.key.clone());
    }

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<Vec<Lease>, Failure>>, Failure> {
        let now = scribe.lead.clock.now();
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(command.release(scribe, now).await?);
        }
        Ok(answers)
    }
}

impl ReleaseLease {
    /// The inner failure is a refusal; nothing was changed then.
    async fn release(&self, scribe: &mut Scribe<'_>, now: Timestamp) -> Result<Result<Vec<Lease>, Failure>, Failure> {
        let rows: Vec<LeaseRow> = sqlx::query_as(scribe.sql(
            r#"
            SELECT lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us
            FROM leases
            WHERE lease_key = $1 AND (CAST($2 AS TEXT) IS NULL OR run_id = $2)
            ORDER BY lease_key, run_id
            "#,
        ))
        .bind(self.key.clone())
        .bind(self.run.map(|run| run.to_string()))
        .fetch_all(scribe.connection().await?)
        .await
        .map_err(failed("look for a lease"))?;
        let leases: Vec<Lease> = rows.into_iter().map(lease).collect::<Result<_, _>>()?;
        if leases.is_empty() {
            return Ok(Err(self.unknown()));
        }
        if let Some(held) = leases.iter().find(|lease| !self.force && now < lease.expires_at) {
            let held = Held { key: held.key.clone(), by: held.run, until: held.expires_at };
            let mut failure = Failure::from(held).retryable(false);
            failure.message.push_str("; `--force` takes it away from that run, which can then write nothing more");
            return Ok(Err(failure));
        }
        for lease in &leases {
            sqlx::query("DELETE FROM leases WHERE lease_key = $1 AND run_id = $2")
                .bind(lease.key.clone())
                .bind(lease.run.to_string())
                .execute(scribe.connection().await?)
                .await
                .map_err(failed("release a lease"))?;
        }
        Ok(Ok(leases))
    }

    fn unknown(&self) -> Failure {
        let of = self.run.map(|run| format!(" of run `{run}`")).unwrap_or_default();
        let message = format!(
            "there is no lease `{}`{of}; `spine-host locks list` shows those that there are",
            model::brief(&self.key)
        );
        Failure::new(FailureKind::Validation, "bad_id", message)
    }
}
