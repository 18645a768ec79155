//! The plugins of this host, and who offers a name.

mod approvals;
mod draining;
mod granted;
mod install;
mod interventions;
mod lifecycle;
mod version;
mod visit;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::failure::{Failure, FailureKind};
use model::manifest::{CheckedBy, ParamSpec, RowAccounting};
use model::plugin::{PluginRecord, PluginRef, PluginState};
use model::ports::{FoundPlugin, PluginCheck, PluginStanding, Work};
use model::run::RunKind;
use model::work::Idempotency;
use model::{DatasetName, Digest, Manifest, Timestamp, brief, nearest};

use crate::grants;
use crate::parts::PluginPolicy;

pub use granted::granted;
pub(crate) use install::decide;
use install::{alone, await_approval, going_on};
pub(crate) use lifecycle::{Lifecycle, event, refused};
pub(crate) use version::{Hold, Version};
pub(crate) use visit::Visit;

/// Every component that was found, active or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginSet {
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) record: PluginRecord,
    pub(crate) found: FoundPlugin,
    /// Of an active one; none until it is put to use.
    pub(crate) version: Option<Arc<Version>>,
}

impl Entry {
    pub(crate) fn manifest(&self) -> Option<&Arc<Manifest>> {
        self.found.manifest.as_ref()
    }

    pub(crate) fn is_active(&self) -> bool {
        self.record.state == PluginState::Active
    }

    pub(crate) fn refuse(&mut self, reason: String) {
        self.record.state = PluginState::Refused;
        self.record.reasons.push(reason);
    }

    /// Refuses a plugin whose datasets do not fit the tables that are there.
    pub(crate) fn refuse_schema(&mut self, failure: &Failure) {
        self.refuse(format!("schema_changed: {failure}"));
    }
}

/// What a plugin offers under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Export {
    Pipeline,
    Source,
    Task,
}

/// Something that can be run, pinned to the plugin version that offers it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) export: Export,
    pub(crate) plugin: PluginRef,
    pub(crate) manifest: Arc<Manifest>,
    /// Keeps the version from being retired, for a while.
    pub(crate) hold: Hold,
}

/// What would become of the components that were found, for somebody who only looks: [`crate::Orchestrator::install`]
/// without a ledger that records it. `kept` brings a version back that goes on although its file does not hold it any more.
/// Each with its manifest, where it has one.
pub fn look(
    found: Vec<FoundPlugin>,
    standing: &PluginStanding,
    policies: &BTreeMap<String, PluginPolicy>,
    at: Timestamp,
    check_folder: &dyn Fn(&Path) -> Result<(), Failure>,
    kept: &dyn Fn(&Digest) -> Option<FoundPlugin>,
) -> Vec<(PluginRecord, Option<Arc<Manifest>>)> {
    let mut set = decide(found, standing, policies, at);
    await_approval(&mut set, standing, policies, at);
    let go_on = going_on(&set, standing).into_iter().filter_map(|incumbent| {
        let found = kept(&incumbent.digest)?;
        Some(alone(FoundPlugin { file: incumbent.file.clone().into(), ..found }, &standing.approved, policies, at))
    });
    let go_on: Vec<Entry> = go_on.collect();
    set.entries.extend(go_on);
    grants::warn(&mut set, policies, check_folder);
    set.entries.into_iter().map(|entry| (entry.record, entry.found.manifest)).collect()
}

impl PluginSet {
    pub(crate) fn records(&self) -> Vec<PluginRecord> {
        self.entries.iter().map(|entry| entry.record.clone()).collect()
    }

    /// The active version of a plugin.
    pub(crate) fn active(&self, plugin: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.is_active() && entry.record.name == plugin)
    }

    /// What the active version of a plugin offers under this name.
    pub(crate) fn target(&self, name: &str) -> Option<Target> {
        self.entries.iter().filter(|entry| entry.is_active()).find_map(|entry| entry.target(name))
    }

    /// Finds the active plugin that offers a pipeline, source or task of this name.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name, `plugin_refused` with every reason.
    pub(crate) fn find(&self, name: &str) -> Result<Target, Failure> {
        if let Some(target) = self.target(name) {
            return Ok(target);
        }
        let active = || self.entries.iter().filter(|entry| entry.is_active());
        let domain = name.split('.').next().unwrap_or(name);
        let refused: Vec<&Entry> = self.entries.iter().filter(|entry| entry.refuses(name, domain)).collect();
        if !refused.is_empty() && !active().any(|entry| entry.record.name == domain) {
            return Err(plugin_refused(name, &refused));
        }
        let names: Vec<&str> = active().filter_map(|entry| entry.found.manifest.as_deref()).flat_map(names).collect();
        Err(unknown_name(name, &names))
    }
}

impl Entry {
    fn target(&self, name: &str) -> Option<Target> {
        let version = self.version.as_ref()?;
        let export = export(&version.manifest, name)?;
        let (plugin, manifest, hold) = (version.plugin.clone(), Arc::clone(&version.manifest), version.hold());
        Some(Target { name: name.to_owned(), export, plugin, manifest, hold })
    }

    /// Whether this plugin, which is not active, would be the one to ask for `name`.
    fn refuses(&self, name: &str, domain: &str) -> bool {
        let offers = self.found.manifest.as_deref().is_none_or(|manifest| export(manifest, name).is_some());
        !self.is_active() && self.record.name == domain && offers
    }
}

impl Target {
    /// What a version offers under a name that is not the active one's: nobody waits for it to drain.
    pub(crate) fn of(manifest: &Arc<Manifest>, digest: Digest, name: &str) -> Option<Self> {
        let export = export(manifest, name)?;
        let plugin = PluginRef { name: manifest.name.clone(), version: manifest.version.clone(), digest };
        let hold = Version::new(plugin.clone(), Arc::clone(manifest)).hold();
        Some(Self { name: name.to_owned(), export, plugin, manifest: Arc::clone(manifest), hold })
    }

    pub(crate) const fn kind(&self) -> RunKind {
        match self.export {
            Export::Pipeline => RunKind::Pipeline,
            Export::Source => RunKind::Source,
            Export::Task => RunKind::Task,
        }
    }

    pub(crate) fn params(&self) -> &[ParamSpec] {
        let (manifest, name) = (&self.manifest, &self.name);
        let params = match self.export {
            Export::Pipeline => manifest.pipeline(name).map(|it| &it.params),
            Export::Source => manifest.source(name).map(|it| &it.params),
            Export::Task => manifest.task(name).map(|it| &it.params),
        };
        params.map_or(&[], Vec::as_slice)
    }

    pub(crate) fn outputs(&self) -> &[DatasetName] {
        let (manifest, name) = (&self.manifest, &self.name);
        let outputs = match self.export {
            Export::Pipeline => manifest.pipeline(name).map(|it| &it.outputs),
            Export::Source => manifest.source(name).map(|it| &it.outputs),
            Export::Task => None,
        };
        outputs.map_or(&[], Vec::as_slice)
    }

    pub(crate) fn idempotency(&self) -> Idempotency {
        self.manifest.pipeline(&self.name).map(|it| it.idempotency).unwrap_or_default()
    }

    /// The stages that each capture passes, in order; empty where any may be reported.
    pub(crate) fn stages(&self) -> &[String] {
        self.manifest.pipeline(&self.name).map_or(&[], |it| it.stages.as_slice())
    }

    pub(crate) fn accounting(&self) -> RowAccounting {
        self.manifest.pipeline(&self.name).map(|it| it.accounting).unwrap_or_default()
    }

    /// The checks that the plugin itself carries out on what this writes.
    pub(crate) fn plugin_checks(&self) -> Vec<PluginCheck> {
        let datasets = self.outputs().iter().filter_map(|output| self.manifest.dataset(output));
        let checks = datasets.flat_map(|dataset| {
            let own = dataset.checks.iter().filter(|check| check.by == CheckedBy::Plugin);
            own.map(|check| PluginCheck { dataset: dataset.name.clone(), spec: check.clone() })
        });
        checks.collect()
    }

    pub(crate) fn work(&self, params: &str, cursor: Option<Vec<u8>>) -> Work {
        let name = self.name.clone();
        match self.export {
            Export::Pipeline => Work::Pipeline { name },
            Export::Source => Work::Source { name, cursor },
            Export::Task => Work::Task { name, input: params.to_owned() },
        }
    }
}

fn export(manifest: &Manifest, name: &str) -> Option<Export> {
    if manifest.pipeline(name).is_some() {
        Some(Export::Pipeline)
    } else if manifest.source(name).is_some() {
        Some(Export::Source)
    } else {
        manifest.task(name).map(|_| Export::Task)
    }
}

pub(crate) fn names(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let pipelines = manifest.pipelines.iter().map(|it| it.name.as_str());
    let sources = manifest.sources.iter().map(|it| it.name.as_str());
    pipelines.chain(sources).chain(manifest.tasks.iter().map(|it| it.name.as_str()))
}

fn plugin_refused(name: &str, refused: &[&Entry]) -> Failure {
    let why: Vec<String> =
        refused.iter().map(|entry| format!("`{}`: {}", entry.record.file, entry.record.reasons.join("; "))).collect();
    let what = match refused.iter().any(|entry| entry.record.state == PluginState::Pending) {
        true => "waits for an operator",
        false => "was refused",
    };
    let message = format!("`{}` cannot run, its plugin {what}: {}", brief(name), why.join("; "));
    Failure::new(FailureKind::Config, "plugin_refused", message)
}

fn unknown_name(name: &str, names: &[&str]) -> Failure {
    let hint = match nearest(name, names.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`? `plugins list` shows every name"),
        None if names.is_empty() => "no plugin is active; is the plugins folder (--plugins) the right one?".to_owned(),
        None => format!("there are `{}`; `plugins list` shows who offers them", names.join("`, `")),
    };
    let message = format!("no pipeline, source or task is called `{}`: {hint}", brief(name));
    Failure::new(FailureKind::Validation, "unknown_name", message)
}
