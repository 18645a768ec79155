//! `plugin check`: everything that is wrong with a component, at once.

use std::path::PathBuf;

use clap::Args;
use model::Failure;
use model::plugin::Finding;
use serde::Serialize;

use super::{is_ok, rows};
use crate::args::Global;
use crate::host;
use crate::output::Output;

/// Check that a component would load, and name everything that is wrong with it
///
/// Compiles and links the component, asks it for its manifest and checks that. Ends with 1 if a finding is an error.
#[derive(Debug, Args)]
pub(crate) struct CheckCommand {
    /// Component, a .wasm file
    file: PathBuf,
}

/// What `plugin check` answers.
#[derive(Debug, Serialize)]
struct Checked {
    ok: bool,
    findings: Vec<Finding>,
}

impl CheckCommand {
    pub(super) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let findings = host::check_component(global, &self.file).await?.findings;
        let checked = Checked { ok: is_ok(&findings), findings };
        output.show(&checked, || rows(&checked.findings))?;
        Ok(u8::from(!checked.ok))
    }
}
