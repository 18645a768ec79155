//! `plugin`: tools for authors; no host needed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model::Failure;
use model::plugin::{Finding, FindingSeverity};
use serde::Serialize;

use crate::args::Global;
use crate::host;
use crate::output::{Output, Rows, text};

/// Help authors with a component file
#[derive(Debug, Args)]
pub(crate) struct PluginCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that a component would load, and name everything that is wrong with it
    ///
    /// Compiles and links the component, asks it for its manifest and checks that. Ends with 1 if a finding is an
    /// error.
    Check {
        /// Component, a .wasm file
        file: PathBuf,
    },
}

/// What `plugin check` answers.
#[derive(Debug, Serialize)]
struct Checked {
    ok: bool,
    findings: Vec<Finding>,
}

impl PluginCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let Action::Check { file } = self.action;
        let findings = host::check_component(global, &file).await?;
        let ok = findings.iter().all(|finding| finding.severity != FindingSeverity::Error);
        let checked = Checked { ok, findings };
        output.show(&checked, || {
            let columns = ["severity", "code", "message", "hint"].map(text);
            let mut rows = Rows::new(columns, "ok: nothing found");
            for finding in &checked.findings {
                let severity = match finding.severity {
                    FindingSeverity::Error => "error",
                    FindingSeverity::Warning => "warning",
                };
                rows.push([severity, &finding.code, &finding.message, &finding.hint].map(Into::into));
            }
            rows
        })?;
        Ok(u8::from(!checked.ok))
    }
}
