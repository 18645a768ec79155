//! How versions become active: verified, kept, recorded, and put in place of the ones before at once.
//!
//! ```text
//!  found ──decide──▶ sound ──keep, record──▶ active ──another takes its place──▶ draining ──▶ gone
//!            │         └─asks for more──▶ pending ──approved──▶ active
//!            └──▶ refused: the version before goes on
//! ```
//!
//! Every change goes through [`Orchestrator::install`] with all that the plugins folder holds, so that what is active
//! follows from the folder and the ledger alone, whatever came before. One change is made at a time. The swap itself is one
//! pointer: an attempt takes the version that is active at the instant it begins, and no other ever after.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use model::failure::{Failure, FailureKind};
use model::plugin::{Approval, PluginEvent, PluginEventKind, PluginGrants, PluginRecord, PluginRef, PluginState};
use model::ports::{FoundPlugin, Incumbent, PluginStanding, Registration};
use model::{Manifest, Timestamp};

use super::draining::Draining;
use super::install::{alone, await_approval, decide, going_on, is_at};
use super::visit::Visits;
use super::{Entry, PluginSet, Target, Version, granted, names};
use crate::blocking::blocking;
use crate::grants;
use crate::orchestrator::Orchestrator;

/// The versions of this host.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    current: RwLock<Arc<PluginSet>>,
    /// Held by whoever changes them; what the folder held last.
    pub(super) turn: tokio::sync::Mutex<Vec<FoundPlugin>>,
    pub(super) draining: Mutex<Vec<Draining>>,
    pub(super) visits: Visits,
}

impl Lifecycle {
    pub(crate) fn current(&self) -> Arc<PluginSet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is active under a name, and the time at which it is: no swap comes between.
    pub(crate) fn at(&self, name: &str, now: impl FnOnce() -> Timestamp) -> (Option<Target>, Timestamp) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        (current.target(name), now())
    }

    /// Puts a set in the place of the one before, which is returned. Versions that are active in both stay the same, and
    /// so does the time at which they became active.
    fn swap(&self, mut set: PluginSet, now: impl FnOnce() -> Timestamp) -> Arc<PluginSet> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        for entry in set.entries.iter_mut().filter(|entry| entry.is_active()) {
            let before = current.entries.iter().find(|before| before.is_active() && is_same(before, entry));
            match before {
                Some(before) => {
                    (entry.version, entry.record.loaded_at) = (before.version.clone(), before.record.loaded_at);
                }
                None => {
                    entry.record.loaded_at = now;
                    entry.version = version(entry);
                }
            }
        }
        std::mem::replace(&mut *current, Arc::new(set))
    }
}

fn is_same(one: &Entry, other: &Entry) -> bool {
    (&one.record.name, one.record.digest) == (&other.record.name, other.record.digest)
}

fn version(entry: &Entry) -> Option<Arc<Version>> {
    let PluginRecord { name, version, digest, .. } = &entry.record;
    let plugin = PluginRef { name: name.clone(), version: version.clone(), digest: (*digest)? };
    Some(Arc::new(Version::new(plugin, Arc::clone(entry.manifest()?))))
}

/// What was decided, before it is put to use.
struct Plan {
    set: PluginSet,
    registration: Registration,
}

impl Orchestrator {
    /// Decides which of the components that were found are active, records what is new and uses the active ones for the
    /// attempts that begin from then on. `found` is all that the plugins folder holds. Returns every component, with the
    /// reasons against those that are not active; the version that goes on in the place of a bad file is among them.
    ///
    /// # Errors
    ///
    /// Those of the ledger and of what keeps components; the plugins are then as they were.
    pub async fn install(&self, found: Vec<FoundPlugin>) -> Result<Vec<PluginRecord>, Failure> {
        let mut last = self.shared.lifecycle.turn.lock().await;
        let records = self.settle(found.clone()).await?;
        *last = found;
        Ok(records)
    }

    /// As [`Orchestrator::install`] for a host that only rehearses: nothing is recorded or kept.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn rehearse(&self, found: Vec<FoundPlugin>) -> Result<Vec<PluginRecord>, Failure> {
        let standing = self.shared.parts.ledger.plugin_standing().await?;
        let mut set = self.decide(found, &standing).await?;
        self.refuse_misfits(&mut set, &PluginSet::default()).await?;
        // What waits for an operator waits in a rehearsal too: it would have the grants of the name.
        await_approval(&mut set, &standing, &self.shared.parts.policies, self.shared.parts.clock.now());
        self.carry_over(&mut set, &standing).await;
        self.shared.lifecycle.swap(set, || self.shared.parts.clock.now());
        Ok(self.plugins())
    }

    /// With the turn held by the caller.
    pub(super) async fn settle(&self, found: Vec<FoundPlugin>) -> Result<Vec<PluginRecord>, Failure> {
        let (parts, lifecycle) = (&self.shared.parts, &self.shared.lifecycle);
        let standing = parts.ledger.plugin_standing().await?;
        let before = lifecycle.current();
        let mut set = self.decide(found, &standing).await?;
        self.keep(&mut set, &before).await?;
        let mut plan = self.planned(set, &standing, &before).await;
        match parts.ledger.register(plan.registration).await {
            Err(failure) if failure.code == "schema_changed" => {
                self.refuse_misfits(&mut plan.set, &before).await?;
                plan = self.planned(plan.set, &standing, &before).await;
                parts.ledger.register(plan.registration).await?;
            }
            done => done?,
        }
        self.put_to_use(plan.set);
        Ok(self.plugins())
    }

    async fn decide(&self, found: Vec<FoundPlugin>, standing: &PluginStanding) -> Result<PluginSet, Failure> {
        let parts = &self.shared.parts;
        let mut set = decide(found, standing, &parts.policies, parts.clock.now());
        let (lake, policies) = (Arc::clone(&parts.lake), parts.policies.clone());
        let looked = move || {
            grants::warn(&mut set, &policies, &|path| lake.check_folder(path));
            Ok(set)
        };
        blocking("look at the granted folders", looked).await
    }

    /// Keeps what is new, so that it can be brought back when its file is gone.
    async fn keep(&self, set: &mut PluginSet, before: &PluginSet) -> Result<(), Failure> {
        for entry in set.entries.iter_mut().filter(|entry| entry.is_active() && is_new(before, entry)) {
            match self.shared.parts.components.keep(&entry.found).await {
                // Whoever looks at the folder next finds what is there now.
                Err(failure) if failure.code == "changed" => entry.refuse(format!("{}: {failure}", failure.code)),
                kept => kept?,
            }
        }
        Ok(())
    }

    /// Refuses the new versions whose datasets do not fit the tables that are there.
    async fn refuse_misfits(&self, set: &mut PluginSet, before: &PluginSet) -> Result<(), Failure> {
        for entry in set.entries.iter_mut().filter(|entry| entry.is_active() && is_new(before, entry)) {
            let Some(manifest) = entry.manifest().cloned() else { continue };
            match self.shared.parts.ledger.check_schema(&entry.record, &manifest).await {
                Err(failure) if failure.code == "schema_changed" => entry.refuse_schema(&failure),
                checked => checked?,
            }
        }
        Ok(())
    }

    async fn planned(&self, mut set: PluginSet, standing: &PluginStanding, before: &PluginSet) -> Plan {
        let parts = &self.shared.parts;
        let now = parts.clock.now();
        let approved: Vec<Approval> = await_approval(&mut set, standing, &parts.policies, now);
        self.carry_over(&mut set, standing).await;
        let events = events(&set, standing, before, now);
        let changed = set.entries.iter().filter(|entry| !is_known(before, entry));
        let found: Vec<(PluginRecord, Option<Arc<Manifest>>)> =
            changed.map(|entry| (entry.record.clone(), entry.manifest().cloned())).collect();
        Plan { set, registration: Registration { found, approved, events, ..Registration::default() } }
    }

    /// Adds the versions that go on although their file does not hold them any more.
    async fn carry_over(&self, set: &mut PluginSet, standing: &PluginStanding) {
        let current = self.shared.lifecycle.current();
        for incumbent in going_on(set, standing) {
            let running = current.active(&incumbent.name).filter(|it| it.record.digest == Some(incumbent.digest));
            let entry = match running {
                Some(entry) => Some(entry.clone()),
                None => self.brought_back(incumbent, &standing.approved).await,
            };
            set.entries.extend(entry);
        }
        set.entries.sort_by(|a, b| (&a.record.file, a.record.state).cmp(&(&b.record.file, b.record.state)));
    }

    async fn brought_back(&self, incumbent: &Incumbent, approved: &[Approval]) -> Option<Entry> {
        let parts = &self.shared.parts;
        let Incumbent { name, digest, file, .. } = incumbent;
        match parts.components.bring_back(*digest).await {
            Ok(found) => {
                let found = FoundPlugin { file: file.into(), ..found };
                Some(alone(found, approved, &parts.policies, parts.clock.now()))
            }
            Err(failure) => {
                tracing::warn!(plugin.name = %name, plugin.digest = %digest, code = %failure.code, "the version that was active before cannot go on: {failure}");
                None
            }
        }
    }

    /// What would be decided about one component alone.
    pub(crate) fn alone(&self, found: FoundPlugin, approved: &[Approval]) -> PluginRecord {
        let parts = &self.shared.parts;
        alone(found, approved, &parts.policies, parts.clock.now()).record
    }

    fn put_to_use(&self, set: PluginSet) {
        let before = self.shared.lifecycle.swap(set, || self.shared.parts.clock.now());
        let set = self.shared.lifecycle.current();
        for entry in set.entries.iter().filter(|entry| !is_known(&before, entry)) {
            let PluginRecord { name, version, digest, file, state, reasons, .. } = &entry.record;
            let digest = digest.map(tracing::field::display);
            match state {
                PluginState::Active => {
                    tracing::info!(plugin.name = %name, plugin.version = %version, plugin.digest = digest, %file, "active: new runs use it");
                }
                PluginState::Draining | PluginState::Quarantined | PluginState::Pending | PluginState::Refused => {
                    let why = reasons.join("; ");
                    tracing::warn!(plugin.name = %name, plugin.digest = digest, %file, "{}: {why}", state.name());
                }
            }
        }
        for entry in before.entries.iter().filter(|entry| entry.is_active() && is_new(&set, entry)) {
            self.drain_version(entry);
        }
        // Runs that wait for a version that trapped need not wait for the new one.
        let new = set.entries.iter().filter(|entry| entry.is_active() && is_new(&before, entry));
        for name in new.filter_map(|entry| entry.manifest()).flat_map(|manifest| names(manifest)) {
            self.shared.dispatcher.hasten(name);
        }
    }

    /// What was found in the plugins folder, whatever its state, and the versions that drain.
    pub fn plugins(&self) -> Vec<PluginRecord> {
        let mut records = self.plugin_set().records();
        for record in records.iter_mut().filter(|record| record.state == PluginState::Active) {
            self.shared.quarantine.show(record);
        }
        records.extend(self.draining());
        records
    }

    /// What the versions of a plugin ask for, what they are granted, and what was approved for the name.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name; those of the ledger.
    pub(crate) async fn plugin_grants(&self, name: &str) -> Result<PluginGrants, Failure> {
        let parts = &self.shared.parts;
        let set = self.plugin_set();
        let records = set.records().into_iter().zip(set.entries.iter().map(|entry| entry.manifest().cloned()));
        let grants = parts.policies.get(name).map(|policy| policy.grants.clone()).unwrap_or_default();
        let standing = parts.ledger.plugin_standing().await?;
        let records: Vec<_> = records.collect();
        granted(name, &records, &standing, &grants).ok_or_else(|| self.unknown_plugin(name))
    }

    /// What happened to the versions of a plugin, the oldest first.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name; those of the ledger.
    pub(crate) async fn plugin_history(&self, name: &str) -> Result<Vec<PluginEvent>, Failure> {
        let events = self.shared.parts.ledger.plugin_history(name).await?;
        let is_known = !events.is_empty() || self.plugin_set().entries.iter().any(|entry| entry.record.name == name);
        if is_known { Ok(events) } else { Err(self.unknown_plugin(name)) }
    }

    pub(crate) fn plugin_set(&self) -> Arc<PluginSet> {
        self.shared.lifecycle.current()
    }
}

/// Whether this version is not active in `set`.
fn is_new(set: &PluginSet, entry: &Entry) -> bool {
    !set.entries.iter().any(|it| it.is_active() && is_same(it, entry))
}

/// Whether all that is recorded of an entry was recorded before.
fn is_known(before: &PluginSet, entry: &Entry) -> bool {
    let PluginRecord { name, digest, state, file, reasons, .. } = &entry.record;
    before.entries.iter().any(|it| {
        let it = &it.record;
        (&it.name, &it.digest, &it.state, &it.file, &it.reasons) == (name, digest, state, file, reasons)
    })
}

/// What happened between two sets.
fn events(set: &PluginSet, standing: &PluginStanding, before: &PluginSet, at: Timestamp) -> Vec<PluginEvent> {
    let is_held_back = |record: &PluginRecord| {
        standing.held_back.iter().any(|(name, digest)| (name, Some(*digest)) == (&record.name, record.digest))
    };
    let mut events = Vec::new();
    for entry in before.entries.iter().filter(|entry| entry.is_active() && is_new(set, entry)) {
        events.extend(match set.active(&entry.record.name) {
            // That it was rolled back from says so already.
            Some(_) if is_held_back(&entry.record) => continue,
            Some(now) => event(&entry.record, PluginEventKind::Replaced, format!("by {}", named(&now.record)), at),
            None => event(&entry.record, PluginEventKind::Removed, String::new(), at),
        });
    }
    events.extend(gone_meanwhile(set, standing, before, at));
    for entry in set.entries.iter().filter(|entry| !is_known(before, entry)) {
        let PluginRecord { state, file, reasons, .. } = &entry.record;
        let (kind, detail) = match state {
            PluginState::Active if resumes(entry, standing, before) => continue,
            PluginState::Active if entry.found.place.is_empty() => {
                (PluginEventKind::Activated, format!("from the versions that are kept; `{file}` holds another"))
            }
            PluginState::Active => (PluginEventKind::Activated, format!("from `{file}`")),
            PluginState::Pending => (PluginEventKind::Pending, reasons.join("; ")),
            PluginState::Refused if is_held_back(&entry.record) && reasons.len() == 1 => continue,
            PluginState::Draining | PluginState::Quarantined | PluginState::Refused => {
                (PluginEventKind::Refused, reasons.join("; "))
            }
        };
        events.extend(event(&entry.record, kind, detail, at));
    }
    events
}

/// The versions whose file was taken away while no host looked.
fn gone_meanwhile(
    set: &PluginSet,
    standing: &PluginStanding,
    before: &PluginSet,
    at: Timestamp,
) -> impl Iterator<Item = PluginEvent> {
    let is_there = |incumbent: &Incumbent| {
        let mut all = before.entries.iter().chain(&set.entries);
        let stands_in = |entry: &Entry| !entry.is_active() && is_at(incumbent, &entry.found);
        all.any(|entry| entry.record.name == incumbent.name || stands_in(entry))
    };
    let gone = standing.incumbents.iter().filter(move |incumbent| !incumbent.removed && !is_there(incumbent));
    gone.map(move |Incumbent { name, version, digest, .. }| PluginEvent {
        seq: 0,
        at,
        name: name.clone(),
        version: version.clone(),
        digest: *digest,
        kind: PluginEventKind::Removed,
        detail: "its file was gone when the host started".to_owned(),
    })
}

/// Whether a version is active that was active all along: it goes on from an earlier host, or its file was renamed.
fn resumes(entry: &Entry, standing: &PluginStanding, before: &PluginSet) -> bool {
    let last = standing.incumbents.iter().find(|incumbent| incumbent.name == entry.record.name);
    let was_active = last.is_some_and(|last| Some(last.digest) == entry.record.digest && !last.removed);
    let mut of_name = before.entries.iter().filter(|it| it.record.name == entry.record.name);
    was_active && of_name.all(|it| it.is_active() == is_same(it, entry))
}

/// A version as an event of another one names it.
pub(super) fn named(record: &PluginRecord) -> String {
    let digest = record.digest.map(|digest| digest.to_string()).unwrap_or_default();
    format!("{} {digest}", record.version)
}

/// None of a component without a digest: it has no identity to remember.
pub(crate) fn event(
    record: &PluginRecord,
    kind: PluginEventKind,
    detail: String,
    at: Timestamp,
) -> Option<PluginEvent> {
    let PluginRecord { name, version, digest, .. } = record;
    Some(PluginEvent { seq: 0, at, name: name.clone(), version: version.clone(), digest: (*digest)?, kind, detail })
}

/// The refusal of what an operator asked for.
pub(crate) fn refused(record: &PluginRecord) -> Failure {
    let message = format!("`{}` {} cannot be active: {}", record.name, named(record), record.reasons.join("; "));
    Failure::new(FailureKind::Config, "plugin_refused", message)
}
