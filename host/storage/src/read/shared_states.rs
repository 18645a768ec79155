//! States that processes share.

use model::failure::Failure;
use model::ports::{SharedKind, SharedState};
use serde_json::Value;

use super::count;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

impl Storage {
    /// Every state of a kind, by its key.
    pub async fn shared_states(&self, kind: SharedKind) -> Result<Vec<(String, Value)>, Failure> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT key, state FROM shared_states WHERE kind = $1 ORDER BY key")
                .bind(kind.name())
                .fetch_all(&mut *self.reader("list the shared states").await?)
                .await
                .map_err(failed("list the shared states"))?;
        let states = rows.into_iter().map(|(key, state)| {
            let state = serde_json::from_str(&state).map_err(|_| corrupt("a shared state", &state))?;
            Ok((key, state))
        });
        states.collect()
    }

    pub(crate) async fn read_shared_state(&self, kind: SharedKind, key: &str) -> Result<Option<SharedState>, Failure> {
        let row: Option<(i64, String)> =
            sqlx::query_as("SELECT version, state FROM shared_states WHERE kind = $1 AND key = $2")
                .bind(kind.name())
                .bind(key)
                .fetch_optional(&mut *self.reader("read a shared state").await?)
                .await
                .map_err(failed("read a shared state"))?;
        let Some((version, state)) = row else { return Ok(None) };
        let state = serde_json::from_str(&state).map_err(|_| corrupt("a shared state", &state))?;
        Ok(Some(SharedState { version: count(version), state }))
    }
}
