//! `health`: how the work is.

use clap::Args;
use model::Failure;
use model::health::{Health, HealthStatus};
use model::ports::examine;

use super::{is_attended, ledger};
use crate::args::Global;
use crate::output::{Output, Rows, text};

/// Show how the work is, check by check
///
/// Reads the ledger: open dead letters, runs that nobody carries out, the failure rate of the last hour, leases that
/// expired. The worst check decides. Ends with 1 if that is unhealthy, with 4 if the ledger cannot be reached.
#[derive(Debug, Args)]
pub(crate) struct HealthCommand {}

impl HealthCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        let health = examine(&ledger, !is_attended(global)?).await;
        show(&health, output)
    }
}

/// Shows all checks, and returns the exit code.
pub(super) fn show(health: &Health, output: Output) -> Result<u8, Failure> {
    output.show(health, || rows(health))?;
    Ok(match health.status {
        HealthStatus::Healthy | HealthStatus::Degraded => 0,
        HealthStatus::Unhealthy => 1,
    })
}

fn rows(health: &Health) -> Rows {
    let mut rows = Rows::new([text("name"), text("status"), text("detail"), text("hint")], "");
    for check in &health.checks {
        rows.push([
            check.name.clone().into(),
            check.status.name().into(),
            check.detail.clone().into(),
            check.hint.clone().into(),
        ]);
    }
    rows.footer = Some(format!("All in all: {}", health.status.name()));
    rows
}
