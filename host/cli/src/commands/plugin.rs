//! `plugin`: tools for authors; no host needed.

mod build;
mod check;
mod new;
mod test;

use clap::{Args, Subcommand};
use model::Failure;
use model::plugin::{Finding, FindingSeverity};

use crate::args::Global;
use crate::output::{Output, Rows, text};

/// Help authors of plugins: begin one, build it, check it, test it
///
/// Needs no host and no checkout of anything: what a project needs is carried inside of this program.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example, from nothing to rows:
  spine-host plugin new my_prices --lang rust
  cd my_prices
  spine-host plugin build .
  spine-host plugin test my_prices.wasm
  spine-host --plugins . run my_prices.load \\
    -p file=cases/a_small_day/prices.csv")]
pub(crate) struct PluginCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    New(new::NewCommand),
    Build(build::BuildCommand),
    Check(check::CheckCommand),
    Test(test::TestCommand),
}

impl PluginCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        match self.action {
            Action::New(command) => command.execute(output),
            Action::Build(command) => command.execute(global, output).await,
            Action::Check(command) => command.execute(global, output).await,
            Action::Test(command) => command.execute(global, output).await,
        }
    }
}

/// Whether no finding is an error.
fn is_ok(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != FindingSeverity::Error)
}

/// Findings for people.
fn rows(findings: &[Finding]) -> Rows {
    let mut rows = Rows::new(["severity", "code", "message", "hint"].map(text), "ok: nothing found");
    for finding in findings {
        let severity = match finding.severity {
            FindingSeverity::Error => "error",
            FindingSeverity::Warning => "warning",
        };
        rows.push([severity, &finding.code, &finding.message, &finding.hint].map(Into::into));
    }
    rows
}
