//! `plugins`: what is loaded, and why something is not.

use clap::{Args, Subcommand};
use model::plugin::{PluginRecord, PluginState};
use model::{Failure, FailureKind};

use crate::args::Global;
use crate::host;
use crate::output::{Output, Rows};

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
                output.show(&found, || details(&found))?;
            }
        }
        Ok(0)
    }
}

fn unknown(name: &str, plugins: &[PluginRecord]) -> Failure {
    let hint = match model::nearest(name, plugins.iter().map(|plugin| plugin.name.as_str())) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if plugins.is_empty() => "the plugins folder holds no component".to_owned(),
        None => "`spine-host plugins list` shows all".to_owned(),
    };
    Failure::new(FailureKind::Validation, "unknown_name", format!("no plugin `{name}`: {hint}"))
}

fn state(plugin: &PluginRecord) -> &'static str {
    match plugin.state {
        PluginState::Active => "active",
        PluginState::Refused => "refused",
    }
}

fn rows(plugins: &[PluginRecord]) -> Rows {
    let header = ["name", "version", "state", "digest", "file", "offers, or why it is refused"];
    let mut rows = Rows::new(&header, &[], "no components in the plugins folder");
    for plugin in plugins {
        let offers = if plugin.reasons.is_empty() { plugin.exports.join("\n") } else { plugin.reasons.join("\n") };
        rows.rows.push(vec![
            plugin.name.clone(),
            plugin.version.clone(),
            state(plugin).to_owned(),
            plugin.digest.map(|digest| digest.short()).unwrap_or_default(),
            plugin.file.clone(),
            offers,
        ]);
    }
    rows
}

fn details(plugins: &[PluginRecord]) -> Rows {
    let mut rows = Rows::new(&["key", "value"], &[], "");
    for plugin in plugins {
        let digest = plugin.digest.map(|digest| digest.to_string()).unwrap_or_default();
        for (key, value) in [
            ("name", plugin.name.clone()),
            ("version", plugin.version.clone()),
            ("state", state(plugin).to_owned()),
            ("digest", digest),
            ("file", plugin.file.clone()),
            ("loaded at", plugin.loaded_at.to_string()),
            ("offers", plugin.exports.join("\n")),
            ("reasons", plugin.reasons.join("\n")),
        ] {
            rows.rows.push(vec![key.to_owned(), value]);
        }
    }
    rows
}
