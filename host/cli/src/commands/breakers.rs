//! `breakers`: targets that are left alone because they keep failing.

use clap::{Args, Subcommand};
use model::ports::SharedKind;
use model::{Clock, Failure};
use orchestrator::{BreakerReport, stored_breaker};

use super::ledger;
use crate::args::Global;
use crate::host::{self, Intervention};
use crate::output::{Cell, Output, Rows, detail, number, text};
use crate::system::SystemClock;

/// Look at circuit breakers, close one, or open one by hand
///
/// A breaker belongs to a pipeline, source or task whose policy names one, or to a server that plugins send requests to
/// (https://api.example.com:443). It opens after failures, lets a probe through after a while, and closes when that works.
#[derive(Debug, Args)]
pub(crate) struct BreakersCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the breakers that have counted a call
    List,
    /// Close a breaker: its runs go on
    Reset {
        /// The pipeline, source, task or server
        name: String,
    },
    /// Open a breaker until it is reset: its runs fail with `circuit_open`
    Open {
        /// The pipeline, source, task or server
        name: String,
    },
}

impl BreakersCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let only = match self.action {
            Action::List => None,
            Action::Reset { name } => {
                host::intervene(global, Intervention::ResetBreaker(name.clone())).await?;
                Some(name)
            }
            Action::Open { name } => {
                host::intervene(global, Intervention::OpenBreaker(name.clone())).await?;
                Some(name)
            }
        };
        let now = SystemClock.now();
        let stored = ledger(global).await?.shared_states(SharedKind::Breaker).await?;
        let reports = stored.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name));
        let reports: Vec<BreakerReport> =
            reports.filter_map(|(name, state)| stored_breaker(&name, state, now)).collect();
        output.show(&reports, || rows(&reports))?;
        Ok(0)
    }
}

fn rows(reports: &[BreakerReport]) -> Rows {
    let columns = [
        text("name"),
        text("phase"),
        text("since"),
        text("next_probe_at"),
        number("probes"),
        number("successful"),
        number("failed"),
        number("rejected"),
        detail("cancelled"),
        detail("transitions"),
        detail("last_success_at"),
        detail("last_failure_at"),
    ];
    let mut rows = Rows::new(columns, "no breaker has counted a call");
    for BreakerReport { name, phase, since, next_probe_at, probes, stats } in reports {
        rows.push([
            name.clone().into(),
            phase.name().into(),
            Cell::from(*since),
            Cell::from(*next_probe_at),
            (*probes as u64).into(),
            stats.successful.into(),
            stats.failed.into(),
            stats.rejected.into(),
            stats.cancelled.into(),
            stats.transitions.into(),
            Cell::from(stats.last_success_at),
            Cell::from(stats.last_failure_at),
        ]);
    }
    rows
}
