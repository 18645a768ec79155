//! Which versions have to wait for an operator: those that come from another place than their name does, or ask for more.
//!
//! Any file can call itself by any name, and whoever has a name has its data and its grants. So a name is bound: to the
//! place in the plugins folder that it comes from, and to what it asked for when it was approved. Until somebody approves
//! something, that is the place and the asking of the version that was active last. The first version of a name that
//! `spine.toml` grants something to is approved by that, if its file is called as the plugin is, or lies in a folder that
//! is: those are one place.

use std::collections::BTreeMap;
use std::path::Path;

use model::manifest::CapabilitySpec;
use model::plugin::{Approval, PluginState};
use model::ports::{Incumbent, PluginStanding};
use model::{Grants, Manifest, Timestamp};

use super::Entry;
use super::install::is_at;
use crate::parts::PluginPolicy;

/// Has a sound version wait that asks for what was not approved, or that comes from another place than its name: even if
/// it asks for nothing, since it would take over the name and its data. The very bytes that were active last may come from
/// anywhere. Returns the approval that follows from the grants, if it is the first of its name.
pub(super) fn judge(
    entry: &mut Entry,
    standing: &PluginStanding,
    policies: &BTreeMap<String, PluginPolicy>,
    at: Timestamp,
) -> Option<Approval> {
    let manifest = entry.found.manifest.clone()?;
    let (name, place) = (&manifest.name, &entry.found.place);
    let approve = format!("if that is right: `spine-host plugins approve {name}`");
    let approved = standing.approved.iter().find(|approved| &approved.name == name);
    let last = standing.incumbents.iter().find(|last| &last.name == name);
    let is_last = last.is_some_and(|last| Some(last.digest) == entry.record.digest);
    let is_granted = has_grants(name, policies);
    let mut reasons = Vec::new();
    match (approved, last) {
        (Some(approved), _) if !is_last && !is_one_place(name, &approved.place, place) => reasons.push(format!(
            "other_file: what `{name}` may do was approved for `{}`, and this is `{place}`; {approve}",
            approved.place
        )),
        (None, _) if is_granted && !is_own_place(name, place) => reasons.push(format!(
            "other_file: [plugins.{name}.grants] is for `{name}.wasm` or a file in `{name}/`, and this is `{place}`; \
             {approve}"
        )),
        (None, Some(last)) if !is_last && !comes_from(last, entry) => reasons.push(format!(
            "other_file: `{name}` and its data belong to `{}`, which was active last, and this is `{place}`; {approve}",
            last.file
        )),
        _ => {}
    }
    match (approved, last) {
        (Some(approved), _) => reasons.extend(asks_more(&manifest, &approved.asked, &approve)),
        (None, Some(last)) if !is_last => reasons.extend(asks_more(&manifest, &last.asked, &approve)),
        (None, _) => {}
    }
    if reasons.is_empty() {
        let first = || Approval { name: name.clone(), place: place.clone(), asked: manifest.capabilities.clone(), at };
        return (approved.is_none() && is_granted).then(first);
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

/// Whether what is at one of two places may follow what is at the other.
fn is_one_place(name: &str, one: &str, other: &str) -> bool {
    one == other || (is_own_place(name, one) && is_own_place(name, other))
}

/// Whether a file is where the version was that was active last, or may follow it there.
fn comes_from(last: &Incumbent, entry: &Entry) -> bool {
    let mut parts = Path::new(&last.file).iter().rev().map(|part| part.to_string_lossy());
    let (file, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let was_own = is_own_place(&last.name, &file) || is_own_place(&last.name, &format!("{folder}/{file}"));
    is_at(last, &entry.found) || (was_own && is_own_place(&last.name, &entry.found.place))
}
