//! `plugins`: what is loaded, why something is not, what happened to it, and what an operator decides about it.

mod grants;
mod history;
mod shadow;
mod version;

use clap::{Args, Subcommand};
use model::plugin::PluginRecord;
use model::{Digest, Failure};

use version::VersionName;

use super::unknown_name;
use crate::args::Global;
use crate::host::{self, Intervened, Intervention};
use crate::output::{Cell, Format, Output, Rows, detail, json, text};

/// Show the plugins of the folder, their history, and what they may do; roll back, approve
#[derive(Debug, Args)]
pub(crate) struct PluginsCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the plugins: versions, digests, and every reason why one is not active
    List,
    /// Show one plugin
    Show {
        /// Name of the plugin, such as `finra`
        name: String,
    },
    /// Show what happened to the versions of a plugin, the oldest first
    History {
        /// Name of the plugin
        name: String,
    },
    /// Make an earlier version of a plugin active again
    ///
    /// Every version that was ever active is kept in the data folder, so its file need not be there any more. The version
    /// that is active now does not come back by itself; a file with another version does.
    Rollback {
        /// Name of the plugin
        name: String,
        /// The version, or as much of its digest as `plugins history` shows [default: the one that was active before]
        #[arg(long, value_name = "DIGEST")]
        to: Option<VersionName>,
    },
    /// Compare a component with the active version of its name, on the inputs of recorded runs
    ///
    /// Shows the rows that would be added, removed or changed by natural key, the checks that would judge otherwise, and
    /// the processor time and memory of both. Nothing is published.
    Shadow(shadow::ShadowArgs),
    /// Make a version active that was compared with `plugins shadow`
    Promote {
        /// The version, or as much of its digest as `plugins shadow` shows
        digest: VersionName,
    },
    /// Show what a plugin asks for, what `spine.toml` grants it, and what was approved
    Grants {
        /// Name of the plugin
        name: String,
    },
    /// Approve what a pending version of a plugin asks for; it becomes active
    Approve {
        /// Name of the plugin
        name: String,
        /// The version that waits, or as much of its digest as `plugins list` shows [default: the one that does]
        #[arg(long, value_name = "DIGEST")]
        digest: Option<VersionName>,
    },
}

impl PluginsCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        match self.action {
            Action::List => {
                let plugins = host::plugins(global).await?;
                output.show(&plugins, || rows(&plugins))?;
            }
            Action::Show { name } => {
                let plugins = host::plugins(global).await?;
                let found: Vec<PluginRecord> = plugins.iter().filter(|plugin| plugin.name == name).cloned().collect();
                if found.is_empty() {
                    return Err(unknown(&name, &plugins));
                }
                output.show(&found, || match output.format {
                    Format::Csv => rows(&found),
                    Format::Table | Format::Json => details(&found),
                })?;
            }
            Action::History { name } => history::show(global, output, &name).await?,
            Action::Grants { name } => grants::show(global, output, &name).await?,
            Action::Shadow(args) => return shadow::show(global, output, args).await,
            Action::Promote { digest } => {
                let digest = digest.resolve(global, None).await?;
                activate(global, output, Intervention::Promote { digest }).await?;
            }
            Action::Rollback { name, to } => {
                let to = resolved(global, &name, to).await?;
                activate(global, output, Intervention::RollBack { plugin: name, to }).await?;
            }
            Action::Approve { name, digest } => {
                let digest = resolved(global, &name, digest).await?;
                activate(global, output, Intervention::Approve { plugin: name, digest }).await?;
            }
        }
        Ok(0)
    }
}

async fn resolved(global: &Global, name: &str, version: Option<VersionName>) -> Result<Option<Digest>, Failure> {
    match version {
        Some(version) => version.resolve(global, Some(name)).await.map(Some),
        None => Ok(None),
    }
}

async fn activate(global: &Global, output: Output, intervention: Intervention) -> Result<(), Failure> {
    let Intervened::Activated(plugin) = host::intervene(global, intervention).await? else { return Ok(()) };
    let plugins = [plugin];
    output.show(&plugins, || rows(&plugins))
}

pub(super) fn unknown(name: &str, plugins: &[PluginRecord]) -> Failure {
    let names: Vec<String> = plugins.iter().map(|plugin| plugin.name.clone()).collect();
    let otherwise =
        if names.is_empty() { "the plugins folder holds no component" } else { "`spine-host plugins list` shows all" };
    unknown_name("plugin", name, &names, otherwise)
}

fn rows(plugins: &[PluginRecord]) -> Rows {
    let names = ["name", "version", "state", "digest", "file", "exports", "reasons"].map(text);
    let mut rows = Rows::new(
        names.into_iter().chain([detail("loaded_at"), detail("warnings")]),
        "no components in the plugins folder",
    );
    for plugin in plugins {
        rows.push([
            plugin.name.clone().into(),
            plugin.version.clone().into(),
            plugin.state.name().into(),
            plugin.digest.into(),
            plugin.file.clone().into(),
            Cell::list(&plugin.exports),
            Cell::two([&plugin.reasons[..], &plugin.warnings].concat().join("\n"), json(&plugin.reasons)),
            plugin.loaded_at.into(),
            Cell::list(&plugin.warnings),
        ]);
    }
    rows
}

/// One plugin on many lines, for people.
fn details(plugins: &[PluginRecord]) -> Rows {
    let mut rows = Rows::new(["key", "value"].map(text), "");
    for plugin in plugins {
        let digest = plugin.digest.map(|digest| digest.to_string()).unwrap_or_default();
        for (key, value) in [
            ("name", plugin.name.clone()),
            ("version", plugin.version.clone()),
            ("state", plugin.state.name().to_owned()),
            ("digest", digest),
            ("file", plugin.file.clone()),
            ("loaded at", plugin.loaded_at.to_string()),
            ("exports", plugin.exports.join("\n")),
            ("reasons", plugin.reasons.join("\n")),
            ("warnings", plugin.warnings.join("\n")),
        ] {
            rows.push([key.into(), value.into()]);
        }
    }
    rows
}
