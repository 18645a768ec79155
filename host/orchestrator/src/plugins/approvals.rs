//! What was approved for a plugin name, and which versions have to wait because they ask for more.
//!
//! Grants of `spine.toml` are for a name, and any file can call itself by any name. So they are bound: to the place in the
//! plugins folder that the name came from when it was approved, and to what it asked for then. The first version of a
//! name is approved by the grants themselves, if its file is called as the plugin is, or lies in a folder that is.

use std::collections::BTreeMap;

use model::manifest::CapabilitySpec;
use model::plugin::{Approval, PluginState};
use model::{Grants, Manifest, Timestamp};

use super::Entry;
use crate::parts::PluginPolicy;

/// Has a sound version wait that asks for what was not approved, or that comes from another place than what was approved:
/// even if it asks for nothing, since it would take over the name and its data. Returns the approval that follows from the
/// grants, if it is the first of its name.
pub(super) fn judge(
    entry: &mut Entry,
    approved: Option<&Approval>,
    policies: &BTreeMap<String, PluginPolicy>,
    at: Timestamp,
) -> Option<Approval> {
    let manifest = entry.found.manifest.clone()?;
    let (name, place) = (&manifest.name, &entry.found.place);
    let approve = format!("if that is right: `spine-host plugins approve {name}`");
    let mut reasons = Vec::new();
    match approved {
        Some(approved) => {
            if &approved.place != place {
                reasons.push(format!(
                    "other_file: what `{name}` may do was approved for `{}`, and this is `{place}`; {approve}",
                    approved.place
                ));
            }
            reasons.extend(asks_more(&manifest, &approved.asked, &approve));
        }
        None if has_grants(name, policies) && !is_own_place(name, place) => {
            reasons.push(format!(
                "other_file: [plugins.{name}.grants] is for `{name}.wasm` or a file in `{name}/`, and this is `{place}`; \
                 {approve}"
            ));
        }
        None => {}
    }
    if reasons.is_empty() {
        let first = || Approval { name: name.clone(), place: place.clone(), asked: manifest.capabilities.clone(), at };
        let is_first = approved.is_none() && has_grants(name, policies) && !manifest.capabilities.is_empty();
        return is_first.then(first);
    }
    entry.record.state = PluginState::Pending;
    entry.record.reasons = reasons;
    None
}

/// Has a sound version wait that comes from no file, one that is brought back or compared, and asks for more than was
/// approved for its name: by no other way than its file does it come to it.
pub(super) fn judge_without_place(entry: &mut Entry, approved: &[Approval], policies: &BTreeMap<String, PluginPolicy>) {
    let Some(manifest) = entry.found.manifest.clone() else { return };
    let approved = approved.iter().find(|approved| approved.name == manifest.name);
    if approved.is_none() && !has_grants(&manifest.name, policies) {
        return;
    }
    let how = "put its file into the plugins folder and approve it there";
    let asked = approved.map_or(&[][..], |approved| &approved.asked);
    if let Some(reason) = asks_more(&manifest, asked, how) {
        entry.record.state = PluginState::Pending;
        entry.record.reasons = vec![reason];
    }
}

fn asks_more(manifest: &Manifest, approved: &[CapabilitySpec], how: &str) -> Option<String> {
    let more = manifest.capabilities.iter().filter(|asked| !asked.is_within(approved));
    let more: Vec<String> = more.map(ToString::to_string).collect();
    let told = || format!("asks_more: it asks for what was not approved: {}; {how}", more.join(", "));
    (!more.is_empty()).then(told)
}

fn has_grants(name: &str, policies: &BTreeMap<String, PluginPolicy>) -> bool {
    policies.get(name).is_some_and(|policy| policy.grants != Grants::default())
}

/// Whether a file is called as the plugin is, or lies in a folder that is.
fn is_own_place(name: &str, place: &str) -> bool {
    match place.split_once('/') {
        Some((folder, _)) => folder == name,
        None => place.strip_suffix(".wasm") == Some(name),
    }
}
