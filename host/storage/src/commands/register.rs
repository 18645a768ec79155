//! Recording what was found in the plugins folder, the datasets of active plugins, and what was decided.

mod decided;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::evolution::{Asker, obstacles};
use model::failure::{Failure, FailureKind};
use model::manifest::DatasetSpec;
use model::plugin::{PluginRecord, PluginState};
use model::ports::Registration;
use model::{Digest, FieldIds, Manifest};
use serde::Serialize;
use sqlx::{AnyConnection, FromRow};

use super::json;
use crate::catalog::tables::field_ids;
use crate::failure::{corrupt, failed};
use crate::lock::Needs;
use crate::writer::{Command, Scribe};

impl Command for Registration {
    const LANE: &'static str = "register";
    type Answer = ();

    fn needs(&self, needs: &mut Needs) {
        needs.catalog = true;
    }

    /// All of a registration is recorded, or none.
    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<(), Failure>>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        for Self { found, held_back, approved, events } in commands {
            let known = fitting(scribe, found).await?;
            record_plugins(scribe, found).await?;
            record_datasets(scribe, found, &known).await?;
            decided::hold_back(scribe, held_back)?;
            decided::approve(scribe, approved)?;
            decided::tell(scribe, events)?;
            answers.push(Ok(()));
        }
        Ok(answers)
    }
}

#[derive(Serialize)]
struct PluginRow<'a> {
    name: &'a str,
    digest: Digest,
    version: &'a str,
    state: PluginState,
    file: &'a str,
    exports: String,
    reasons: String,
    manifest: Option<String>,
    loaded_at_us: i64,
    /// 0 or 1.
    active: i64,
}

/// A component that could not even be read has no digest, so no identity to remember.
async fn record_plugins(
    scribe: &mut Scribe<'_>,
    found: &[(PluginRecord, Option<Arc<Manifest>>)],
) -> Result<(), Failure> {
    let mut rows = Vec::with_capacity(found.len());
    for (plugin, manifest) in found {
        let Some(digest) = plugin.digest else { continue };
        rows.push(PluginRow {
            name: &plugin.name,
            digest,
            version: &plugin.version,
            state: plugin.state,
            file: &plugin.file,
            exports: json(&plugin.exports)?,
            reasons: json(&plugin.reasons)?,
            manifest: manifest.as_deref().map(json).transpose()?,
            loaded_at_us: plugin.loaded_at.as_micros(),
            active: i64::from(plugin.state == PluginState::Active),
        });
    }
    sqlx::query(scribe.sql(
        r#"
        INSERT INTO plugins (
            name, digest, version, state, file, exports, reasons, manifest,
            first_loaded_at_us, loaded_at_us, activation
        )
        SELECT
            value ->> 'name', value ->> 'digest', value ->> 'version', value ->> 'state', value ->> 'file',
            value ->> 'exports', value ->> 'reasons', value ->> 'manifest',
            CAST(value ->> 'loaded_at_us' AS BIGINT), CAST(value ->> 'loaded_at_us' AS BIGINT),
            CASE WHEN CAST(value ->> 'active' AS BIGINT) = 1
                THEN (SELECT COALESCE(MAX(activation), 0) FROM plugins) + 1 + key
            END
        FROM {rows $1} AS new
        WHERE true
        ON CONFLICT (name, digest) DO UPDATE
        SET version = excluded.version,
            state = excluded.state,
            file = excluded.file,
            exports = excluded.exports,
            reasons = excluded.reasons,
            manifest = COALESCE(excluded.manifest, plugins.manifest),
            loaded_at_us = excluded.loaded_at_us,
            activation = COALESCE(excluded.activation, plugins.activation)
        "#,
    ))
    .bind(scribe.json(&rows)?)
    .execute(scribe.connection().await?)
    .await
    .map(drop)
    .map_err(failed("record the plugins"))
}

/// A dataset as it is known so far.
#[derive(FromRow)]
pub(crate) struct Known {
    name: String,
    spec: String,
    fields: Option<String>,
    /// Whether files with its schema exist that are, or may still become, part of its table.
    /// 0 or 1.
    is_fixed: i64,
}

impl Known {
    fn spec(&self) -> Result<DatasetSpec, Failure> {
        serde_json::from_str(&self.spec).map_err(|_| corrupt("a dataset", &self.spec))
    }
}

/// The datasets that are known so far, by name.
pub(crate) type Datasets = BTreeMap<String, Known>;

/// Checks that captures may follow what active plugins declare.
async fn fitting(
    scribe: &mut Scribe<'_>,
    found: &[(PluginRecord, Option<Arc<Manifest>>)],
) -> Result<Datasets, Failure> {
    let known = known_datasets(scribe.connection().await?).await?;
    for (plugin, manifest) in found {
        if let (PluginState::Active, Some(manifest)) = (plugin.state, manifest) {
            let asker = asker(scribe.connection().await?, plugin).await?;
            check(plugin, manifest, &known, asker)?;
        }
    }
    Ok(known)
}

async fn record_datasets(
    scribe: &mut Scribe<'_>,
    found: &[(PluginRecord, Option<Arc<Manifest>>)],
    known: &Datasets,
) -> Result<(), Failure> {
    for (plugin, manifest) in found {
        let (PluginState::Active, Some(digest), Some(manifest)) = (plugin.state, plugin.digest, manifest) else {
            continue;
        };
        for spec in &manifest.datasets {
            record_dataset(scribe, digest, spec, known.get(&spec.name.to_string())).await?;
        }
    }
    Ok(())
}

pub(crate) async fn known_datasets(connection: &mut AnyConnection) -> Result<Datasets, Failure> {
    let known: Vec<Known> = sqlx::query_as(
        r#"
        SELECT
            name, spec, fields,
            CASE WHEN table_id IS NOT NULL OR EXISTS (
                SELECT 1 FROM captures WHERE captures.dataset = datasets.name AND captures.state = 'quarantined'
            ) THEN 1 ELSE 0 END AS is_fixed
        FROM datasets
        "#,
    )
    .fetch_all(connection)
    .await
    .map_err(failed("read the datasets"))?;
    Ok(known.into_iter().map(|known| (known.name.clone(), known)).collect())
}

/// Whether a version was active before.
pub(crate) async fn asker(connection: &mut AnyConnection, plugin: &PluginRecord) -> Result<Asker, Failure> {
    let Some(digest) = plugin.digest else { return Ok(Asker::New) };
    let times: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM plugins WHERE name = $1 AND digest = $2 AND activation IS NOT NULL")
            .bind(plugin.name.clone())
            .bind(digest.to_string())
            .fetch_one(connection)
            .await
            .map_err(failed("look for a version of before"))?;
    Ok(if times > 0 { Asker::Returning } else { Asker::New })
}

/// Checks that captures which are there may follow what a manifest declares.
///
/// # Errors
///
/// `schema_changed` with every reason, of every dataset.
pub(crate) fn check(plugin: &PluginRecord, manifest: &Manifest, known: &Datasets, asker: Asker) -> Result<(), Failure> {
    let mut reasons = Vec::new();
    let mut first = None;
    for spec in &manifest.datasets {
        let Some(known) = known.get(&spec.name.to_string()).filter(|known| known.is_fixed == 1) else { continue };
        let old = known.spec()?;
        let obstacles = obstacles(&old, spec, &field_ids(known.fields.as_deref(), &old)?, asker);
        if !obstacles.is_empty() {
            first.get_or_insert_with(|| spec.name.to_string());
            reasons.push(format!("`{}`: {}", spec.name, obstacles.join("; ")));
        }
    }
    let Some(first) = first else { return Ok(()) };
    let message = format!(
        "plugin `{}` {} declares otherwise than the captures that are there: {}",
        plugin.name,
        plugin.version,
        reasons.join("; ")
    );
    let failure = Failure::new(FailureKind::Config, "schema_changed", message);
    Err(failure.detail("plugin", plugin.name.clone()).detail("dataset", first))
}

async fn record_dataset(
    scribe: &mut Scribe<'_>,
    plugin: Digest,
    spec: &DatasetSpec,
    known: Option<&Known>,
) -> Result<(), Failure> {
    let fields = match known.filter(|known| known.is_fixed == 1) {
        Some(known) => field_ids(known.fields.as_deref(), &known.spec()?)?.with(spec),
        None => FieldIds::first(spec),
    };
    sqlx::query(
        r#"
        INSERT INTO datasets (name, spec, plugin_digest, registered_at_us, fields)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (name) DO UPDATE
        SET spec = excluded.spec,
            plugin_digest = excluded.plugin_digest,
            registered_at_us = excluded.registered_at_us,
            fields = excluded.fields
        WHERE datasets.spec <> excluded.spec OR datasets.plugin_digest <> excluded.plugin_digest
        "#,
    )
    .bind(spec.name.to_string())
    .bind(json(spec)?)
    .bind(plugin.to_string())
    .bind(scribe.lead.clock.now().as_micros())
    .bind(json(&fields)?)
    .execute(scribe.connection().await?)
    .await
    .map(drop)
    .map_err(failed("record a dataset"))
}
