//! Plugins and datasets as they were found.

use model::failure::Failure;
use model::manifest::DatasetSpec;
use model::plugin::PluginRecord;
use model::{Digest, Manifest};

use crate::commands::register;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

impl Storage {
    pub(crate) async fn fits(&self, plugin: &PluginRecord, manifest: &Manifest) -> Result<(), Failure> {
        let mut connection = self.reader("read the datasets").await?;
        let known = register::known_datasets(&mut connection).await?;
        register::check(plugin, manifest, &known)
    }

    /// Every dataset that an active plugin ever declared, by name.
    pub async fn datasets(&self) -> Result<Vec<DatasetSpec>, Failure> {
        let specs: Vec<String> = sqlx::query_scalar("SELECT spec FROM datasets ORDER BY name")
            .fetch_all(&mut *self.reader("list the datasets").await?)
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
        .fetch_all(&mut *self.reader("read which plugins were active").await?)
        .await
        .map_err(failed("read which plugins were active"))?;
        let active = rows.into_iter().map(|(name, digest)| {
            let parsed = digest.parse().map_err(|_| corrupt("a digest", &digest))?;
            Ok((name, parsed))
        });
        active.collect()
    }
}
