//! Decides which of the components that were found are active, and why the others are not.

use std::collections::BTreeMap;
use std::path::Path;

use model::plugin::{Approval, FindingSeverity, PluginRecord, PluginState};
use model::ports::{FoundPlugin, Incumbent, PluginStanding};
use model::{Digest, Timestamp};

use super::{Entry, PluginSet, approvals};
use crate::parts::PluginPolicy;

/// Decides about each component. Every reason against one is given, not only the first.
///
/// Of several files with one name the one that was last active wins. The same bytes in two files are one plugin. What an
/// operator rolled back from does not come back by itself.
pub(crate) fn decide(
    mut found: Vec<FoundPlugin>,
    standing: &PluginStanding,
    policies: &BTreeMap<String, PluginPolicy>,
    at: Timestamp,
) -> PluginSet {
    // Of the same bytes in two places, the place where they have been is the one.
    found.sort_by(|a, b| (was_at(standing, b), &a.file).cmp(&(was_at(standing, a), &b.file)));
    let mut copies: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    found.retain(|plugin| {
        let Some(digest) = plugin.digest else { return true };
        match copies.get_mut(&digest) {
            Some(more) => more.push(plugin.file.to_string_lossy().into_owned()),
            None => drop(copies.insert(digest, Vec::new())),
        }
        copies[&digest].is_empty()
    });
    found.sort_by(|a, b| a.file.cmp(&b.file));

    let mut entries: Vec<Entry> = found.into_iter().map(|plugin| entry(plugin, at)).collect();
    for entry in &mut entries {
        let more = entry.record.digest.and_then(|digest| copies.remove(&digest)).unwrap_or_default();
        let told = more.iter().map(|file| format!("same_file: `{file}` holds the same component and is not used"));
        entry.record.warnings.extend(told);
    }
    for entry in &mut entries {
        refuse_what_is_held_back(entry, standing);
    }
    let last_active = standing.incumbents.iter().map(|it| (it.name.clone(), it.digest)).collect();
    refuse_namesakes(&mut entries, &last_active);
    for entry in &mut entries {
        refuse_what_is_not_granted(entry, policies);
        let sound = entry.record.reasons.is_empty();
        entry.record.state = if sound { PluginState::Active } else { PluginState::Refused };
    }
    PluginSet { entries }
}

/// Has those wait that ask for more than was approved. Returns the approvals that follow from the grants.
pub(super) fn await_approval(
    set: &mut PluginSet,
    standing: &PluginStanding,
    policies: &BTreeMap<String, PluginPolicy>,
    at: Timestamp,
) -> Vec<Approval> {
    let active = set.entries.iter_mut().filter(|entry| entry.is_active());
    let judged = active.filter_map(|entry| approvals::judge(entry, standing, policies, at));
    judged.collect()
}

/// The versions that go on although their file does not hold them any more: what is there in their place, or under their
/// name, is not active. One whose file was taken away does not come back because of what is there now.
pub(super) fn going_on<'a>(set: &PluginSet, standing: &'a PluginStanding) -> Vec<&'a Incumbent> {
    let stands_in = |incumbent: &Incumbent| {
        let others = || set.entries.iter().filter(|entry| !entry.is_active());
        let is_there = others().any(|entry| entry.record.digest == Some(incumbent.digest));
        let stands_in = |entry: &Entry| entry.record.name == incumbent.name || is_at(incumbent, &entry.found);
        !is_there && !incumbent.removed && others().any(stands_in)
    };
    let incumbents = standing.incumbents.iter();
    incumbents.filter(|incumbent| set.active(&incumbent.name).is_none() && stands_in(incumbent)).collect()
}

/// Decides about one version that comes from no file: one that is brought back, or compared with the active one.
pub(super) fn alone(
    found: FoundPlugin,
    approved: &[Approval],
    policies: &BTreeMap<String, PluginPolicy>,
    at: Timestamp,
) -> Entry {
    let mut entry = entry(found, at);
    refuse_what_is_not_granted(&mut entry, policies);
    if entry.record.reasons.is_empty() {
        entry.record.state = PluginState::Active;
        approvals::judge_without_place(&mut entry, approved, policies);
    }
    entry
}

fn was_at(standing: &PluginStanding, found: &FoundPlugin) -> bool {
    standing.incumbents.iter().any(|incumbent| Some(incumbent.digest) == found.digest && is_at(incumbent, found))
}

/// Whether the file is where this version was found: the folder may have been moved since.
pub(super) fn is_at(incumbent: &Incumbent, found: &FoundPlugin) -> bool {
    Path::new(&incumbent.file).ends_with(&found.place)
}

fn entry(found: FoundPlugin, loaded_at: Timestamp) -> Entry {
    let FoundPlugin { file, digest, manifest, findings, .. } = &found;
    let errors = findings.iter().filter(|finding| finding.severity == FindingSeverity::Error);
    let mut reasons: Vec<String> = errors
        .map(|finding| match finding.hint.as_str() {
            "" => format!("{}: {}", finding.code, finding.message),
            hint => format!("{}: {} ({hint})", finding.code, finding.message),
        })
        .collect();
    if reasons.is_empty() {
        match (manifest, digest) {
            (Some(manifest), Some(_)) => {
                reasons.extend(manifest.problems().into_iter().map(|problem| format!("bad_manifest: {problem}")));
            }
            _ => reasons.push("not_loaded: the component did not load and gave no reason".to_owned()),
        }
    }
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let record = PluginRecord {
        name: manifest.as_ref().map_or(stem, |manifest| manifest.name.clone()),
        version: manifest.as_ref().map(|manifest| manifest.version.clone()).unwrap_or_default(),
        digest: *digest,
        state: PluginState::Refused,
        file: file.to_string_lossy().into_owned(),
        exports: manifest.as_ref().map(|manifest| manifest.exports()).unwrap_or_default(),
        loaded_at,
        reasons,
        warnings: Vec::new(),
    };
    Entry { record, found, version: None }
}

fn refuse_what_is_held_back(entry: &mut Entry, standing: &PluginStanding) {
    let PluginRecord { name, digest: Some(digest), .. } = &entry.record else { return };
    if standing.held_back.iter().any(|(held, of)| held == name && of == digest) {
        let reason = format!(
            "rolled_back: an operator rolled back from this version; `spine-host plugins rollback {name} --to {digest}` \
             brings it back, and so does a file with another version"
        );
        entry.record.reasons.push(reason);
    }
}

/// Of several sound files with one plugin name, the one last active stays; without a history none does, because a
/// dropped file must not take a name by chance.
fn refuse_namesakes(entries: &mut [Entry], last_active: &BTreeMap<String, Digest>) {
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.record.reasons.is_empty()) {
        by_name.entry(entry.record.name.clone()).or_default().push(at);
    }
    for (name, places) in by_name.into_iter().filter(|(_, places)| places.len() > 1) {
        let wanted = last_active.get(&name);
        let winner =
            places.iter().copied().find(|&at| wanted.is_some() && entries[at].record.digest.as_ref() == wanted);
        let files: Vec<String> = places.iter().map(|&at| format!("`{}`", entries[at].record.file)).collect();
        for at in places {
            let reason = match winner {
                Some(winner) if winner == at => continue,
                Some(winner) => format!(
                    "name_taken: `{}` is also called `{name}` and was active before; remove one of the two",
                    entries[winner].record.file
                ),
                None => format!(
                    "name_taken: {} are both called `{name}` and neither was active before; remove one",
                    files.join(" and ")
                ),
            };
            entries[at].record.reasons.push(reason);
        }
    }
}

fn refuse_what_is_not_granted(entry: &mut Entry, policies: &BTreeMap<String, PluginPolicy>) {
    let (Some(manifest), Some(digest)) = (&entry.found.manifest, entry.found.digest) else { return };
    let written = policies.get(&manifest.name).map(|policy| &policy.grants);
    let grants = written.map(|grants| grants.to_component(digest)).unwrap_or_default();
    let bound = written.and_then(|grants| grants.digest).filter(|bound| *bound != digest);
    for wanted in manifest.capabilities.iter().filter(|asked| asked.required && !grants.cover(asked)) {
        let because = if wanted.reason.is_empty() { String::new() } else { format!(" ({})", wanted.reason) };
        if let Some(bound) = bound {
            entry.record.reasons.push(format!(
                "not_granted: it needs {}{because}; [plugins.{}.grants] of spine.toml are bound to the component {bound}, and \
                 this is {digest}: write its digest there if it may have them",
                wanted.purpose(),
                manifest.name
            ));
            continue;
        }
        entry.record.reasons.push(format!(
            "not_granted: it needs {}{because}; grant it in spine.toml: [plugins.{}.grants] {}",
            wanted.purpose(),
            manifest.name,
            wanted.how_to_grant()
        ));
    }
}
