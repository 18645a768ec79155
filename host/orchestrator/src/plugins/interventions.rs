//! What an operator decides about plugin versions.

use model::Digest;
use model::failure::{Failure, FailureKind};
use model::plugin::{Approval, PluginEventKind, PluginRecord, PluginState};
use model::ports::{FoundPlugin, Registration};
use model::{brief, nearest};

use super::Visit;
use super::install::alone;
use super::lifecycle::{event, named, refused};
use crate::orchestrator::Orchestrator;

impl Orchestrator {
    /// Makes an earlier version of a plugin active again: `to`, or the one that was active before. The version that is
    /// active now does not come back by itself, although its file may be there.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name; `not_kept` if there is no such version; `plugin_refused` with every reason
    /// why it cannot be active now.
    pub async fn roll_back(&self, plugin: &str, to: Option<Digest>) -> Result<PluginRecord, Failure> {
        let found = self.shared.lifecycle.turn.lock().await;
        let parts = &self.shared.parts;
        let set = self.plugin_set();
        let current = set.active(plugin).map(|entry| entry.record.clone());
        let versions = parts.ledger.plugin_versions(plugin).await?;
        if current.is_none() && versions.is_empty() {
            return Err(self.unknown_plugin(plugin));
        }
        if !set.entries.iter().any(|entry| entry.record.name == plugin) {
            return Err(no_file(plugin));
        }
        let now = current.as_ref().and_then(|record| record.digest);
        let target = match to {
            Some(to) => to,
            None => {
                let before = versions.iter().find(|version| Some(version.digest) != now);
                before.ok_or_else(|| no_version(plugin, None))?.digest
            }
        };
        if let Some(record) = current.clone().filter(|record| record.digest == Some(target)) {
            return Ok(record);
        }
        let _visit = Visit::begin(&self.shared, target);
        let brought = parts.components.bring_back(target).await?;
        if brought.manifest.as_ref().is_none_or(|manifest| manifest.name != plugin) {
            return Err(no_version(plugin, Some(target)));
        }
        // Its file is that of the name, or the one it would have.
        let file = current.as_ref().map_or_else(|| format!("{plugin}.wasm"), |record| record.file.clone());
        let approved = parts.ledger.plugin_standing().await?.approved;
        let found_again = FoundPlugin { file: file.into(), ..brought };
        let entry = alone(found_again, &approved, &parts.policies, parts.clock.now());
        if !entry.is_active() {
            return Err(refused(&entry.record));
        }
        let at = parts.clock.now();
        let is_back = versions.iter().any(|version| version.digest == target);
        let event = match &current {
            Some(record) if is_back => {
                event(record, PluginEventKind::RolledBack, format!("to {}", named(&entry.record)), at)
            }
            _ if is_back => None,
            _ => event(&entry.record, PluginEventKind::Promoted, String::new(), at),
        };
        let held = now.map(|digest| (plugin.to_owned(), digest, true));
        let registration = Registration {
            found: vec![(entry.record.clone(), entry.found.manifest.clone())],
            held_back: held.into_iter().chain([(plugin.to_owned(), target, false)]).collect(),
            events: event.into_iter().collect(),
            approved: Vec::new(),
        };
        match parts.ledger.register(registration).await {
            Err(failure) if failure.code == "schema_changed" => {
                let mut entry = entry;
                entry.refuse_schema(&failure);
                return Err(refused(&entry.record));
            }
            done => done?,
        }
        self.settle(found.clone()).await.map_err(on_record)?;
        self.now_active(plugin, target)
    }

    /// Makes a version active that was compared with the active one, or was active before.
    ///
    /// # Errors
    ///
    /// `not_kept` if there is no such version; those of [`Orchestrator::roll_back`].
    pub async fn promote(&self, digest: Digest) -> Result<PluginRecord, Failure> {
        let _visit = Visit::begin(&self.shared, digest);
        let found = self.shared.parts.components.bring_back(digest).await?;
        let Some(manifest) = found.manifest else {
            return Err(refused(&self.alone(found, &[])));
        };
        self.roll_back(&manifest.name, Some(digest)).await
    }

    /// Approves what a pending version of a plugin asks for, from the place where it is; it becomes active.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name; `not_pending` if no version waits, or not that one; `plugin_refused` with
    /// every reason why it cannot be active all the same.
    pub async fn approve(&self, plugin: &str, digest: Option<Digest>) -> Result<PluginRecord, Failure> {
        let found = self.shared.lifecycle.turn.lock().await;
        let parts = &self.shared.parts;
        let set = self.plugin_set();
        let of_name: Vec<_> = set.entries.iter().filter(|entry| entry.record.name == plugin).collect();
        if of_name.is_empty() {
            return Err(self.unknown_plugin(plugin));
        }
        let pending = of_name.iter().find(|entry| {
            entry.record.state == PluginState::Pending
                && digest.is_none_or(|digest| entry.record.digest == Some(digest))
        });
        let Some(entry) = pending else { return Err(not_pending(plugin, digest)) };
        let Some((manifest, digest)) = entry.manifest().zip(entry.record.digest) else {
            return Err(not_pending(plugin, digest));
        };
        let (at, place) = (parts.clock.now(), entry.found.place.clone());
        let asked = manifest.capabilities.clone();
        let detail = asked.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let events = event(&entry.record, PluginEventKind::Approved, detail, at).into_iter().collect();
        let approved = vec![Approval { name: plugin.to_owned(), place, asked, at }];
        parts.ledger.register(Registration { approved, events, ..Registration::default() }).await?;
        self.settle(found.clone()).await.map_err(on_record)?;
        self.now_active(plugin, digest)
    }

    /// The record of a version that is to be active by now.
    fn now_active(&self, plugin: &str, digest: Digest) -> Result<PluginRecord, Failure> {
        let set = self.plugin_set();
        let record = set.entries.iter().find(|it| it.record.name == plugin && it.record.digest == Some(digest));
        match record {
            Some(entry) if entry.is_active() => Ok(entry.record.clone()),
            Some(entry) => Err(refused(&entry.record)),
            None => Err(no_version(plugin, Some(digest))),
        }
    }

    pub(super) fn unknown_plugin(&self, plugin: &str) -> Failure {
        let set = self.plugin_set();
        let names: Vec<&str> = set.entries.iter().map(|entry| entry.record.name.as_str()).collect();
        let hint = match nearest(plugin, names.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`? `plugins list` shows every plugin"),
            None => "`plugins list` shows every plugin".to_owned(),
        };
        let message = format!("no plugin is called `{}`: {hint}", brief(plugin));
        Failure::new(FailureKind::Validation, "unknown_name", message)
    }
}

/// What was decided is in the ledger, but not put to use.
fn on_record(mut failure: Failure) -> Failure {
    failure
        .causes
        .push("the decision is on record: it is put to use when the plugins folder changes, or ask again".into());
    failure
}

fn no_version(plugin: &str, digest: Option<Digest>) -> Failure {
    let message = match digest {
        Some(digest) => format!("no version {digest} of `{plugin}` was ever active here"),
        None => format!("no other version of `{plugin}` was ever active here"),
    };
    let message = format!("{message}; `spine-host plugins history {plugin}` shows those that were");
    Failure::new(FailureKind::Validation, "not_kept", message)
}

/// A name whose file was taken away is not served, whatever was active before.
fn no_file(plugin: &str) -> Failure {
    let message = format!(
        "no file in the plugins folder is called `{plugin}` any more, so no version of it is served: put one of its files \
         back, then roll back to the version that you want"
    );
    Failure::new(FailureKind::Config, "plugin_refused", message)
}

fn not_pending(plugin: &str, digest: Option<Digest>) -> Failure {
    let which = digest.map(|digest| format!(" {digest}")).unwrap_or_default();
    let message =
        format!("no version{which} of `{plugin}` waits to be approved; `spine-host plugins show {plugin}` tells");
    Failure::new(FailureKind::Config, "not_pending", message)
}
