//! Decides which of the components that were found are active, and why the others are not.

use std::collections::{BTreeMap, BTreeSet};

use model::manifest::CapabilityKind;
use model::plugin::{FindingSeverity, PluginRecord, PluginState};
use model::{Digest, Timestamp};

use super::{Entry, FoundPlugin, PluginSet};
use crate::parts::PluginPolicy;

/// Decides about each component. Every reason against one is given, not only the first.
///
/// `last_active` holds the digest that was last active under each plugin name: of several files with one name it wins.
/// The same bytes in two files are one plugin.
pub(crate) fn decide(
    mut found: Vec<FoundPlugin>,
    last_active: &BTreeMap<String, Digest>,
    policies: &BTreeMap<String, PluginPolicy>,
    loaded_at: Timestamp,
) -> PluginSet {
    found.sort_by(|a, b| a.file.cmp(&b.file));
    let mut seen = BTreeSet::new();
    found.retain(|plugin| plugin.digest.is_none_or(|digest| seen.insert(digest)));

    let mut entries: Vec<Entry> = found.into_iter().map(|plugin| entry(plugin, loaded_at)).collect();
    refuse_namesakes(&mut entries, last_active);
    for entry in &mut entries {
        refuse_what_is_not_granted(entry, policies);
        let active = entry.record.reasons.is_empty();
        entry.record.state = if active { PluginState::Active } else { PluginState::Refused };
    }
    PluginSet { entries }
}

fn entry(found: FoundPlugin, loaded_at: Timestamp) -> Entry {
    let FoundPlugin { file, digest, manifest, findings } = found;
    let errors = findings.iter().filter(|finding| finding.severity == FindingSeverity::Error);
    let mut reasons: Vec<String> = errors
        .map(|finding| match finding.hint.as_str() {
            "" => format!("{}: {}", finding.code, finding.message),
            hint => format!("{}: {} ({hint})", finding.code, finding.message),
        })
        .collect();
    if reasons.is_empty() {
        match (&manifest, digest) {
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
        digest,
        state: PluginState::Refused,
        file: file.to_string_lossy().into_owned(),
        exports: manifest.as_ref().map(|manifest| manifest.exports()).unwrap_or_default(),
        loaded_at,
        reasons,
        warnings: Vec::new(),
    };
    Entry { record, manifest }
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
    let Some(manifest) = &entry.manifest else { return };
    let folders = policies.get(&manifest.name).map_or(&[][..], |policy| policy.folders.as_slice());
    for wanted in manifest.capabilities.iter().filter(|capability| capability.required) {
        let CapabilityKind::Folder = wanted.kind;
        if !folders.iter().any(|granted| granted.name == wanted.name) {
            let because = if wanted.reason.is_empty() { String::new() } else { format!(" ({})", wanted.reason) };
            entry.record.reasons.push(format!(
                "not_granted: it needs to read the folder `{}`{because}; grant it in spine.toml: \
                 [plugins.{}.grants] folders = {{ {} = \"/path\" }}",
                wanted.name, manifest.name, wanted.name
            ));
        }
    }
}
