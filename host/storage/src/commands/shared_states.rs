//! Changing a state that processes share, if it still is what was seen.

use model::failure::Failure;
use model::ports::SharedKind;
use serde_json::Value;

use super::int;
use crate::failure::failed;
use crate::lock::Needs;
use crate::writer::{Command, Scribe};

/// A new state in the place of the version that was seen; none: in the place of nothing.
#[derive(Debug)]
pub(crate) struct Swap {
    pub(crate) kind: SharedKind,
    pub(crate) key: String,
    pub(crate) expected: Option<u64>,
    pub(crate) state: Value,
}

impl Command for Swap {
    const LANE: &'static str = "swap";
    /// Whether it was stored.
    type Answer = bool;

    fn needs(&self, needs: &mut Needs) {
        needs.names.insert(format!("{} {}", self.kind.name(), self.key));
    }

    /// Each statement compares and stores at once: of two commands of one group about one state the second finds another
    /// version.
    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<bool, Failure>>, Failure> {
        let mut stored = Vec::with_capacity(commands.len());
        for command in commands {
            stored.push(Ok(command.swap(scribe).await?));
        }
        Ok(stored)
    }
}

impl Swap {
    async fn swap(&self, scribe: &mut Scribe<'_>) -> Result<bool, Failure> {
        let now = scribe.lead.clock.now().as_micros();
        let state = scribe.json(&self.state)?;
        let query = match self.expected {
            Some(version) => sqlx::query(
                r#"
                UPDATE shared_states
                SET version = version + 1, state = $3, updated_at_us = $4
                WHERE kind = $1 AND key = $2 AND version = $5
                "#,
            )
            .bind(self.kind.name())
            .bind(self.key.clone())
            .bind(state)
            .bind(now)
            .bind(int(version)),
            None => sqlx::query(
                r#"
                INSERT INTO shared_states (kind, key, version, state, updated_at_us)
                VALUES ($1, $2, 1, $3, $4)
                ON CONFLICT (kind, key) DO NOTHING
                "#,
            )
            .bind(self.kind.name())
            .bind(self.key.clone())
            .bind(state)
            .bind(now),
        };
        let done = query.execute(scribe.connection().await?).await.map_err(failed("store a shared state"))?;
        Ok(done.rows_affected() > 0)
    }
}
