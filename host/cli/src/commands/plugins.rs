//! `plugins`: what is loaded, and why something is not.

use clap::{Args, Subcommand};
use model::Failure;
use model::plugin::{PluginRecord, PluginState};

use super::unknown_name;
use crate::args::Global;
use crate::host;
use crate::output::{Cell, Format, Output, Rows, detail, json, text};

/// Show the plugins of the folder: versions, digests, and every reason why one is refused
#[derive(Debug, Args)]
pub(crate) struct PluginsCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the plugins
    List,
    /// Show one plugin
    Show {
        /// Name of the plugin, such as `finra`
        name: String,
    },
}

impl PluginsCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let plugins = host::plugins(global).await?;
        match self.action {
            Action::List => output.show(&plugins, || rows(&plugins))?,
            Action::Show { name } => {
                let found: Vec<PluginRecord> = plugins.iter().filter(|plugin| plugin.name == name).cloned().collect();
                if found.is_empty() {
                    return Err(unknown(&name, &plugins));
                }
                output.show(&found, || match output.format {
                    Format::Csv => rows(&found),
                    Format::Table | Format::Json => details(&found),
                })?;
            }
        }
        Ok(0)
    }
}

fn unknown(name: &str, plugins: &[PluginRecord]) -> Failure {
    let names: Vec<String> = plugins.iter().map(|plugin| plugin.name.clone()).collect();
    let otherwise =
        if names.is_empty() { "the plugins folder holds no component" } else { "`spine-host plugins list` shows all" };
    unknown_name("plugin", name, &names, otherwise)
}

fn state(plugin: &PluginRecord) -> &'static str {
    match plugin.state {
        PluginState::Active => "active",
        PluginState::Refused => "refused",
    }
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
            state(plugin).into(),
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
            ("state", state(plugin).to_owned()),
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
