//! `plugins grants`: what a plugin asks for, what it is granted, and what was approved.

use model::manifest::CapabilitySpec;
use model::plugin::{Approval, PluginState};
use model::ports::Ledger as _;
use model::{Digest, Failure};
use serde::Serialize;

use super::unknown;
use crate::args::Global;
use crate::commands::ledger;
use crate::host;
use crate::output::{Output, Rows, text};

/// One thing that a version of a plugin asks for.
#[derive(Debug, Serialize)]
struct Asked {
    version: String,
    state: PluginState,
    asks: String,
    required: bool,
    /// Whether `spine.toml` grants it.
    granted: bool,
    /// Whether it was approved for the name; what nobody had to approve counts as such.
    approved: bool,
}

#[derive(Debug, Serialize)]
struct Grants {
    name: String,
    /// The only component that gets what is granted, if the grants are bound to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    /// Where the plugin came from when it was approved.
    place: Option<String>,
    asked: Vec<Asked>,
}

pub(super) async fn show(global: &Global, output: Output, name: &str) -> Result<(), Failure> {
    let found = host::manifests(global).await?;
    let mut of_name = found.iter().filter(|(plugin, _)| plugin.name == name).peekable();
    if of_name.peek().is_none() {
        let plugins: Vec<_> = found.iter().map(|(plugin, _)| plugin.clone()).collect();
        return Err(unknown(name, &plugins));
    }
    let config = global.configuration()?;
    let granted = config.plugins.get(name).map(|plugin| plugin.grants.clone()).unwrap_or_default();
    let approval: Option<Approval> = match ledger(global).await {
        Ok(ledger) => ledger.plugin_standing().await?.approved.into_iter().find(|approval| approval.name == name),
        // Nothing was decided where there is no ledger yet.
        Err(_) => None,
    };
    let is_approved = |asked: &CapabilitySpec, state: PluginState| match &approval {
        Some(approval) => asked.is_within(&approval.asked),
        None => state == PluginState::Active,
    };
    let asked = of_name.flat_map(|(plugin, manifest)| {
        let capabilities = manifest.iter().flat_map(|manifest| &manifest.capabilities);
        capabilities.map(|asked| Asked {
            version: plugin.version.clone(),
            state: plugin.state,
            asks: asked.to_string(),
            required: asked.required,
            granted: plugin.digest.is_some_and(|digest| granted.to_component(digest).cover(asked)),
            approved: is_approved(asked, plugin.state),
        })
    });
    let asked = asked.collect();
    let digest = granted.digest;
    let grants = Grants { name: name.to_owned(), digest, place: approval.as_ref().map(|it| it.place.clone()), asked };
    output.show(&grants, || rows(&grants))
}

fn rows(grants: &Grants) -> Rows {
    let columns = ["version", "state", "asks", "required", "granted", "approved"].map(text);
    let mut rows = Rows::new(columns, "it asks for nothing, and may do nothing but read what it is given");
    let word = |yes: bool| if yes { "yes" } else { "no" };
    for Asked { version, state, asks, required, granted, approved } in &grants.asked {
        rows.push([
            version.clone().into(),
            state.name().into(),
            asks.clone().into(),
            word(*required).into(),
            word(*granted).into(),
            word(*approved).into(),
        ]);
    }
    rows
}
