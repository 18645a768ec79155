//! `retention`: forgetting what is older than the operator wants it kept.

use clap::{Args, Subcommand};
use model::retention::RetentionReport;
use model::{Clock, Failure};

use super::ledger;
use crate::args::Global;
use crate::host::{self, Intervened, Intervention};
use crate::output::{Output, Rows, number, text};
use crate::system::SystemClock;

/// Forget runs that ended long ago, as `[retention]` of `spine.toml` says
///
/// Without `[retention]` nothing is ever forgotten. A host that serves does this every day.
#[derive(Debug, Args)]
pub(crate) struct RetentionCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Forget now
    ///
    /// Old runs go with their events, logs, rejects and the inputs that no other run has read. What is live stays,
    /// however old: runs that have not ended, that delivered a capture, that others repeat or that completed under a
    /// key, and dead letters that nobody has resolved. Captures are never touched.
    Run {
        /// Only count what would go
        ///
        /// Runs that others repeat are not counted, although they go after those.
        #[arg(long)]
        dry_run: bool,
    },
}

impl RetentionCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let Action::Run { dry_run } = self.action;
        let report = match dry_run {
            true => rehearse(global).await?,
            false => match host::intervene(global, Intervention::Retain { dry_run }).await? {
                Intervened::Retained(report) => report,
                Intervened::Breaker | Intervened::Released(_) | Intervened::Activated(_) | Intervened::Shadowed(_) => {
                    RetentionReport::default()
                }
            },
        };
        output.show(&report, || rows(&report))?;
        if report.runs_before.is_none() && report.dead_letters_before.is_none() {
            crate::output::note("everything is kept: `[retention]` of `spine.toml` says for how many days things are");
        }
        Ok(0)
    }
}

/// Reads only, by this command's configuration.
async fn rehearse(global: &Global) -> Result<RetentionReport, Failure> {
    let cutoffs = global.configuration()?.retention.cutoffs(SystemClock.now());
    orchestrator::retention::rehearse(&ledger(global).await?, cutoffs).await
}

fn rows(report: &RetentionReport) -> Rows {
    let RetentionReport { dry_run, runs_before, dead_letters_before, runs, dead_letters, reject_files, input_files } =
        report;
    let columns = [text("what"), number("forgotten"), text("ended_before")];
    let mut rows = Rows::new(columns, "");
    rows.push(["runs".into(), (*runs).into(), (*runs_before).into()]);
    rows.push(["dead letters".into(), (*dead_letters).into(), (*dead_letters_before).into()]);
    rows.push(["files of rejects".into(), (*reject_files).into(), "".into()]);
    if !dry_run {
        rows.push(["kept inputs".into(), (*input_files).into(), "".into()]);
    }
    rows.footer = dry_run.then(|| "Nothing was changed.".to_owned());
    rows
}
