//! What is in the plugins folder, for somebody who only looks: no lock is taken, and nothing is written.

use std::path::Path;
use std::sync::Arc;

use model::failure::Failure;
use model::plugin::{PluginGrants, PluginRecord, PluginState};
use model::ports::{Ledger, PluginStanding};
use model::{Clock, Digest, Manifest};
use storage::Storage;

use super::{components, wiring};
use crate::args::Global;
use crate::config::Config;
use crate::ledger::LedgerPlace;
use crate::output;
use crate::owner::{self, OwnerSign};
use crate::remote::{Presence, Remote};
use crate::system::SystemClock;

/// What is in the folder, as an owner would load it now.
type Found = Vec<(PluginRecord, Option<Arc<Manifest>>)>;

/// The plugins as the owner of the data folder loaded them, if it serves; else as an owner would load them now.
pub(crate) async fn plugins(global: &Global) -> Result<Vec<PluginRecord>, Failure> {
    check_data_folder(&global.data)?;
    if let OwnerSign::Listening(address) = owner::find(&global.data) {
        let remote = Remote::new(address);
        // After a crash the address is that of nobody, or of a stranger who refuses our token.
        if remote.presence().await == Presence::Ready
            && let Ok(plugins) = remote.plugins().await
        {
            return Ok(plugins);
        }
    }
    check_plugins_folder(&global.plugins)?;
    Ok(load(global).await?.into_iter().map(|(plugin, _)| plugin).collect())
}

/// Before it is looked through: it is the operator's word.
fn check_plugins_folder(path: &Path) -> Result<(), Failure> {
    std::fs::read_dir(path).map(drop).map_err(|error| owner::unusable_folder(path, &error))
}

/// There need be none, but one that is there must not be hidden from us.
fn check_data_folder(path: &Path) -> Result<(), Failure> {
    path.join("spine.db").try_exists().map(drop).map_err(|error| owner::unusable_folder(path, &error))
}

/// What the versions of a plugin ask for and have: as the owner of the data folder says, if it serves; else as an owner
/// would load them now. None if there is no such plugin.
///
/// # Errors
///
/// Those of the ledger, whose approvals must be known; `unknown_name` of an owner that has no such plugin.
pub(crate) async fn grants(global: &Global, name: &str) -> Result<Option<PluginGrants>, Failure> {
    check_data_folder(&global.data)?;
    if let OwnerSign::Listening(address) = owner::find(&global.data) {
        let remote = Remote::new(address);
        if remote.presence().await == Presence::Ready {
            match remote.plugin_grants(name).await {
                // After a crash the address may be that of a stranger, who refuses our token.
                Err(failure) if failure.code == "unauthorized" => {}
                answer => return answer.map(Some),
            }
        }
    }
    check_plugins_folder(&global.plugins)?;
    let config = global.configuration()?;
    let place = LedgerPlace::of(&config, &global.data)?;
    let ledger = if is_there(&place) { Some(place.read().await?) } else { None };
    let standing = standing(ledger.as_ref()).await?;
    let found = decided(global, &config, ledger.as_ref(), &standing).await?;
    let grants = config.plugins.get(name).map(|plugin| plugin.grants.clone()).unwrap_or_default();
    Ok(orchestrator::granted(name, &found, &standing, &grants))
}

async fn load(global: &Global) -> Result<Found, Failure> {
    let config = global.configuration()?;
    let place = LedgerPlace::of(&config, &global.data)?;
    let ledger = if is_there(&place) { readable(&place).await } else { None };
    let standing = standing(ledger.as_ref()).await?;
    decided(global, &config, ledger.as_ref(), &standing).await
}

/// Whether there is a ledger: on a server there is always one, or an error.
fn is_there(place: &LedgerPlace) -> bool {
    place.file().is_none_or(|file| file.exists())
}

async fn standing(ledger: Option<&Storage>) -> Result<PluginStanding, Failure> {
    match ledger {
        Some(ledger) => ledger.plugin_standing().await,
        // Nothing was decided where there is no ledger yet.
        None => Ok(PluginStanding::default()),
    }
}

async fn decided(
    global: &Global,
    config: &Config,
    ledger: Option<&Storage>,
    standing: &PluginStanding,
) -> Result<Found, Failure> {
    let runtime = wiring::runtime(global.data.join("cache"), true, config)?;
    let found = wiring::components(&runtime, global.plugins.clone(), config).await?;
    let kept = |digest: &Digest| {
        let bytes = components::read(&global.data, digest).ok()?;
        Some(components::found_at(String::new(), runtime.load_bytes(Path::new(""), &bytes)))
    };
    let (policies, now) = (wiring::policies(config), SystemClock.now());
    let decided = orchestrator::look(found, standing, &policies, now, &lake::check_folder, &kept);
    let mut plugins = Vec::with_capacity(decided.len());
    for (mut plugin, manifest) in decided {
        if let Some(ledger) = ledger {
            refuse_what_does_not_fit(ledger, &mut plugin, manifest.as_deref()).await?;
        }
        plugins.push((plugin, manifest));
    }
    Ok(plugins)
}

/// The ledger, if it can be read: an owner that is starting may just be making it.
async fn readable(place: &LedgerPlace) -> Option<Storage> {
    let opened = place.read().await;
    let tell = |failure: &Failure| output::note(&format!("what was active before is not known: {failure}"));
    opened.inspect_err(tell).ok()
}

async fn refuse_what_does_not_fit(
    ledger: &Storage,
    plugin: &mut PluginRecord,
    manifest: Option<&Manifest>,
) -> Result<(), Failure> {
    let (PluginState::Active, Some(manifest)) = (plugin.state, manifest) else { return Ok(()) };
    match ledger.check_schema(plugin, manifest).await {
        Err(failure) if failure.code == "schema_changed" => {
            plugin.state = PluginState::Refused;
            plugin.reasons.push(format!("schema_changed: {failure}"));
            Ok(())
        }
        done => done,
    }
}
