//! What a plugin that is tried out is granted: folders of the scratch place, and secrets that open nothing.

use std::path::{Path, PathBuf};

use model::failure::{Failure, Reading};
use model::grants::{FolderGrant, SecretGrant, SecretSource};
use model::manifest::CapabilityKind;
use model::{Grants, Manifest};

use crate::config::{Config, PluginConfig};

/// Stands for every secret.
const SECRET: &str = "a-secret-of-a-test";

/// The folder of a word.
pub(super) fn folder(granted: &Path, word: &str) -> PathBuf {
    granted.join(word)
}

/// Grants what is asked for and not granted yet; addresses stay as they are.
///
/// # Errors
///
/// Of kind `storage` if a folder cannot be made.
pub(super) fn grant_what_is_asked(config: &mut Config, manifest: &Manifest, granted: &Path) -> Result<(), Failure> {
    let limits = config.limits.clone();
    let plugin = config.plugins.entry(manifest.name.clone()).or_insert_with(|| PluginConfig {
        grants: Grants::default(),
        limits,
        bulkhead: None,
    });
    for asked in &manifest.capabilities {
        let failed = |error: std::io::Error| Failure::io(Reading::Own, "make", &granted.display().to_string(), &error);
        match &asked.kind {
            CapabilityKind::Folder { access } => {
                // Always a scratch one: no test reads or writes what an operator granted.
                let path = folder(granted, &asked.name);
                std::fs::create_dir_all(&path).map_err(failed)?;
                plugin.grants.folders.insert(asked.name.clone(), FolderGrant { path, access: *access });
            }
            CapabilityKind::Secret if !plugin.grants.secrets.contains_key(&asked.name) => {
                let path = granted.join(format!("{}.secret", asked.name));
                std::fs::write(&path, SECRET).map_err(failed)?;
                let grant = SecretGrant { source: SecretSource::File(path), reveal: false, hosts: Vec::new() };
                plugin.grants.secrets.insert(asked.name.clone(), grant);
            }
            CapabilityKind::Secret | CapabilityKind::Http { .. } => {}
        }
    }
    Ok(())
}
