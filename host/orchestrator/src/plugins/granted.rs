//! What the versions of a plugin ask for, and what of that they have.

use std::sync::Arc;

use model::manifest::CapabilitySpec;
use model::plugin::{AskedCapability, PluginGrants, PluginRecord};
use model::ports::PluginStanding;
use model::{Grants, Manifest};

/// Holds what the versions of the plugin `name` ask for against what was written and approved for it. None if no component
/// has this name.
pub fn granted(
    name: &str,
    found: &[(PluginRecord, Option<Arc<Manifest>>)],
    standing: &PluginStanding,
    grants: &Grants,
) -> Option<PluginGrants> {
    let of_name: Vec<_> = found.iter().filter(|(plugin, _)| plugin.name == name).collect();
    if of_name.is_empty() {
        return None;
    }
    let approval = standing.approved.iter().find(|approval| approval.name == name);
    let is_approved = |asked: &CapabilitySpec, plugin: &PluginRecord| match approval {
        _ if plugin.state.is_served() => true,
        // One of another place was approved nothing.
        Some(_) if plugin.reasons.iter().any(|reason| reason.starts_with("other_file: ")) => false,
        Some(approval) => asked.is_within(&approval.asked),
        None => false,
    };
    let asked = of_name.into_iter().flat_map(|(plugin, manifest)| {
        let capabilities = manifest.iter().flat_map(|manifest| &manifest.capabilities);
        capabilities.map(move |asked| {
            let granted = plugin.digest.is_some_and(|digest| grants.to_component(digest).touch(asked));
            AskedCapability {
                version: plugin.version.clone(),
                digest: plugin.digest,
                state: plugin.state,
                file: plugin.file.clone(),
                asks: asked.to_string(),
                required: asked.required,
                granted,
                approved: is_approved(asked, plugin),
                in_force: granted && plugin.state.is_served(),
            }
        })
    });
    let asked = asked.collect();
    let place = approval.map(|approval| approval.place.clone());
    let (name, digest, grants) = (name.to_owned(), grants.digest, grants.lines());
    Some(PluginGrants { name, digest, place, grants, asked })
}
