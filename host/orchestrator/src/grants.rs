//! Granted folders that cannot be used: told when a plugin is loaded, and no run is made of a source that reads them.

use std::collections::BTreeMap;
use std::path::Path;

use model::failure::{Failure, FailureKind};
use model::grants::FolderGrant;

use crate::blocking::blocking;
use crate::job::Job;
use crate::parts::PluginPolicy;
use crate::plugins::{Export, PluginSet};

/// Says why a folder cannot be read, if it cannot.
pub(crate) type FolderCheck<'a> = &'a dyn Fn(&Path) -> Result<(), Failure>;

impl Job {
    /// Checks the granted folders of a source. Only sources are run to read them, whatever else may.
    ///
    /// # Errors
    ///
    /// `bad_folder` (exit code 2) for the first that cannot be used.
    pub(crate) async fn check_folders(&self) -> Result<(), Failure> {
        let folders = self.limits_and_grants().1.folders;
        if self.target.export != Export::Source || folders.is_empty() {
            return Ok(());
        }
        let (lake, plugin) = (self.shared.parts.lake.clone(), self.target.plugin.name.clone());
        let check = move || {
            let checked = |(name, granted): (&String, &FolderGrant)| {
                let failed = |failure| unusable(&plugin, name, &failure);
                lake.check_folder(&granted.path).map_err(failed)
            };
            folders.iter().try_for_each(checked)
        };
        blocking("look at the granted folders", check).await
    }
}

/// Warns of granted folders that the plugins ask for and that cannot be used now.
pub(crate) fn warn(set: &mut PluginSet, policies: &BTreeMap<String, PluginPolicy>, check: FolderCheck<'_>) {
    for entry in &mut set.entries {
        let (Some(manifest), Some(digest)) = (&entry.found.manifest, entry.found.digest) else { continue };
        let Some(policy) = policies.get(&manifest.name) else { continue };
        let granted = policy.grants.to_component(digest).asked_by(manifest).folders;
        let failed = granted
            .iter()
            .filter_map(|(name, granted)| Some(unusable(&manifest.name, name, &check(&granted.path).err()?)));
        entry.record.warnings.extend(failed.map(|failure| format!("{}: {failure}", failure.code)));
    }
}

fn unusable(plugin: &str, folder: &str, why: &Failure) -> Failure {
    let message = format!(
        "the folder `{folder}` that is granted to `{plugin}` cannot be used, so its sources do not run: {why}; make it readable, \
         or correct [plugins.{plugin}.grants] in spine.toml and start the host again"
    );
    Failure::new(FailureKind::Config, "bad_folder", message)
}
