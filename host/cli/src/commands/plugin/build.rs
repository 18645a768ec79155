//! `plugin build`: from a project to a component that was checked.

use std::path::PathBuf;

use clap::Args;
use model::Failure;
use model::plugin::Finding;
use serde::Serialize;

use super::{is_ok, rows};
use crate::args::Global;
use crate::host;
use crate::output::{Output, grouped};

/// Build the component of a project, and check it
///
/// Knows the language by what lies in the folder: `Cargo.toml`, `manifest.py` or `package.json`. What the tools of the
/// language say is shown as it comes. The component appears at its place whole or not at all, so a host that serves may
/// watch it. Ends with 1 if it does not build, or if a finding is an error; with 2 if a tool is missing.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  spine-host plugin build my_prices
  spine-host plugin build . --out ../plugins/my_prices.wasm")]
pub(crate) struct BuildCommand {
    /// Folder of the project
    dir: PathBuf,

    /// Where to put the component [default: DIR/NAME.wasm]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Built {
    ok: bool,
    component: String,
    bytes: u64,
    findings: Vec<Finding>,
}

impl BuildCommand {
    pub(super) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let made = host::make_component(&self.dir, self.out.as_deref()).await?;
        let findings = host::check_component(global, &made.component).await?.findings;
        let component = made.component.display().to_string();
        let built = Built { ok: is_ok(&findings), component, bytes: made.bytes, findings };
        output.show(&built, || {
            let mut rows = rows(&built.findings);
            rows.footer = Some(format!("{} ({} bytes)", built.component, grouped(built.bytes)));
            rows
        })?;
        Ok(u8::from(!built.ok))
    }
}
