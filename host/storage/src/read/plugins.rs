//! Plugins and datasets as they were found.

use model::failure::Failure;
use model::manifest::DatasetSpec;
use model::plugin::{Approval, PluginEvent, PluginEventKind, PluginRecord, PluginRef};
use model::ports::{Incumbent, PluginStanding};
use model::{Digest, Manifest, Timestamp};
use sqlx::FromRow;

use crate::commands::register;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

impl Storage {
    pub(crate) async fn fits(&self, plugin: &PluginRecord, manifest: &Manifest) -> Result<(), Failure> {
        let mut connection = self.reader("read the datasets").await?;
        let known = register::known_datasets(&mut connection).await?;
        let asker = register::asker(&mut connection, plugin).await?;
        register::check(plugin, manifest, &known, asker)
    }

    /// Every dataset that an active plugin ever declared, by name.
    pub async fn datasets(&self) -> Result<Vec<DatasetSpec>, Failure> {
        let specs: Vec<String> = sqlx::query_scalar("SELECT spec FROM datasets ORDER BY name")
            .fetch_all(&mut *self.reader("list the datasets").await?)
            .await
            .map_err(failed("list the datasets"))?;
        specs.iter().map(|spec| serde_json::from_str(spec).map_err(|_| corrupt("a dataset", spec))).collect()
    }

    /// What happened to the versions of a plugin, the oldest first.
    pub(crate) async fn history_of_plugin(&self, name: &str) -> Result<Vec<PluginEvent>, Failure> {
        let rows: Vec<EventRow> = sqlx::query_as(
            r#"
            SELECT seq, at_us, name, version, digest, event, detail
            FROM plugin_events
            WHERE name = $1
            ORDER BY seq
            "#,
        )
        .bind(name)
        .fetch_all(&mut *self.reader("read the history of a plugin").await?)
        .await
        .map_err(failed("read the history of a plugin"))?;
        rows.into_iter().map(EventRow::event).collect()
    }

    /// The names of plugins that have a history.
    pub async fn plugin_names(&self) -> Result<Vec<String>, Failure> {
        sqlx::query_scalar("SELECT DISTINCT name FROM plugins ORDER BY name")
            .fetch_all(&mut *self.reader("list the plugins").await?)
            .await
            .map_err(failed("list the plugins"))
    }

    pub(crate) async fn standing_of_plugins(&self) -> Result<PluginStanding, Failure> {
        let action = "read what was decided about plugins";
        let mut connection = self.reader(action).await?;
        let last: Vec<IncumbentRow> = sqlx::query_as(
            r#"
            SELECT
                name, version, digest, file, manifest,
                (
                    SELECT event
                    FROM plugin_events AS told
                    WHERE told.name = plugin.name AND told.digest = plugin.digest
                        AND event IN ('activated', 'removed')
                    ORDER BY seq DESC
                    LIMIT 1
                ) AS last_event
            FROM plugins AS plugin
            WHERE activation = (SELECT MAX(activation) FROM plugins WHERE plugins.name = plugin.name)
            ORDER BY name
            "#,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(failed(action))?;
        let held: Vec<(String, String)> =
            sqlx::query_as("SELECT name, digest FROM plugins WHERE held_back = 1 ORDER BY name, digest")
                .fetch_all(&mut *connection)
                .await
                .map_err(failed(action))?;
        let approved: Vec<(String, String, String, i64)> =
            sqlx::query_as("SELECT name, place, asked, at_us FROM plugin_approvals ORDER BY name")
                .fetch_all(&mut *connection)
                .await
                .map_err(failed(action))?;
        let approval = |(name, place, asked, at_us): (String, String, String, i64)| {
            let asked = serde_json::from_str(&asked).map_err(|_| corrupt("an approval", &asked))?;
            Ok(Approval { name, place, asked, at: Timestamp::from_micros(at_us) })
        };
        Ok(PluginStanding {
            incumbents: last.into_iter().map(IncumbentRow::incumbent).collect::<Result<_, Failure>>()?,
            held_back: held
                .into_iter()
                .map(|(name, digest)| Ok((name, parsed("a digest", &digest)?)))
                .collect::<Result<_, Failure>>()?,
            approved: approved.into_iter().map(approval).collect::<Result<_, Failure>>()?,
        })
    }

    pub(crate) async fn versions_of_plugin(&self, name: &str) -> Result<Vec<PluginRef>, Failure> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT version, digest FROM plugins WHERE name = $1 AND activation IS NOT NULL ORDER BY activation DESC",
        )
        .bind(name)
        .fetch_all(&mut *self.reader("read the versions of a plugin").await?)
        .await
        .map_err(failed("read the versions of a plugin"))?;
        let version = |(version, digest): (String, String)| {
            Ok(PluginRef { name: name.to_owned(), version, digest: parsed("a digest", &digest)? })
        };
        rows.into_iter().map(version).collect()
    }
}

#[derive(FromRow)]
struct IncumbentRow {
    name: String,
    version: String,
    digest: String,
    file: String,
    manifest: Option<String>,
    last_event: Option<String>,
}

impl IncumbentRow {
    fn incumbent(self) -> Result<Incumbent, Failure> {
        let Self { name, version, digest, file, manifest, last_event } = self;
        // One that cannot be read any more asked for nothing: what asks for something then waits for an operator.
        let manifest: Option<Manifest> = manifest.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Incumbent {
            name,
            version,
            digest: parsed("a digest", &digest)?,
            file,
            asked: manifest.map(|manifest| manifest.capabilities).unwrap_or_default(),
            removed: last_event.as_deref() == Some(PluginEventKind::Removed.name()),
        })
    }
}

#[derive(FromRow)]
struct EventRow {
    seq: i64,
    at_us: i64,
    name: String,
    version: String,
    digest: String,
    event: String,
    detail: String,
}

impl EventRow {
    fn event(self) -> Result<PluginEvent, Failure> {
        let Self { seq, at_us, name, version, digest, event, detail } = self;
        let kind = PluginEventKind::ALL.into_iter().find(|kind| kind.name() == event);
        Ok(PluginEvent {
            seq: u64::try_from(seq).unwrap_or_default(),
            at: Timestamp::from_micros(at_us),
            name,
            version,
            digest: parsed("a digest", &digest)?,
            kind: kind.ok_or_else(|| corrupt("an event of a plugin", &event))?,
            detail,
        })
    }
}

fn parsed(what: &str, digest: &str) -> Result<Digest, Failure> {
    digest.parse().map_err(|_| corrupt(what, digest))
}
