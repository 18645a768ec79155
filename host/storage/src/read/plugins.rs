//! Plugins and datasets as they were found.

use model::failure::Failure;
use model::manifest::DatasetSpec;
use model::plugin::{PluginRecord, PluginState};
use model::{Digest, Timestamp};
use sqlx::FromRow;

use crate::failure::{corrupt, failed};
use crate::storage::Storage;

#[derive(FromRow)]
struct Row {
    name: String,
    digest: String,
    version: String,
    state: String,
    file: String,
    exports: String,
    reasons: String,
    loaded_at_us: i64,
}

impl Row {
    fn record(self) -> Result<PluginRecord, Failure> {
        let list = |text: &str| serde_json::from_str(text).map_err(|_| corrupt("a list", text));
        Ok(PluginRecord {
            digest: Some(self.digest.parse().map_err(|_| corrupt("a digest", &self.digest))?),
            state: match self.state.as_str() {
                "active" => PluginState::Active,
                "refused" => PluginState::Refused,
                other => return Err(corrupt("the state of a plugin", other)),
            },
            exports: list(&self.exports)?,
            reasons: list(&self.reasons)?,
            loaded_at: Timestamp::from_micros(self.loaded_at_us),
            name: self.name,
            version: self.version,
            file: self.file,
        })
    }
}

impl Storage {
    /// Every version of a plugin that was ever found, the one that was active last first.
    pub async fn plugin_history(&self, name: &str) -> Result<Vec<PluginRecord>, Failure> {
        let rows: Vec<Row> = sqlx::query_as(
            r#"
            SELECT name, digest, version, state, file, exports, reasons, loaded_at_us
            FROM plugins
            WHERE name = ?1
            ORDER BY activation DESC NULLS LAST, first_loaded_at_us DESC
            "#,
        )
        .bind(name)
        .fetch_all(&self.reads)
        .await
        .map_err(failed("read the history of a plugin"))?;
        rows.into_iter().map(Row::record).collect()
    }

    /// Every dataset that an active plugin ever declared, by name.
    pub async fn datasets(&self) -> Result<Vec<DatasetSpec>, Failure> {
        let specs: Vec<String> = sqlx::query_scalar("SELECT spec FROM datasets ORDER BY name")
            .fetch_all(&self.reads)
            .await
            .map_err(failed("list the datasets"))?;
        specs.iter().map(|spec| serde_json::from_str(spec).map_err(|_| corrupt("a dataset", spec))).collect()
    }

    pub(crate) async fn last_active(&self) -> Result<Vec<(String, Digest)>, Failure> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            r#"
            SELECT name, digest
            FROM plugins AS plugin
            WHERE activation = (SELECT MAX(activation) FROM plugins WHERE plugins.name = plugin.name)
            ORDER BY name
            "#,
        )
        .fetch_all(&self.reads)
        .await
        .map_err(failed("read which plugins were active"))?;
        let active = rows.into_iter().map(|(name, digest)| {
            let parsed = digest.parse().map_err(|_| corrupt("a digest", &digest))?;
            Ok((name, parsed))
        });
        active.collect()
    }
}
