//! `locks`: leases, what runs hold alone while they are at work.

use clap::{Args, Subcommand};
use model::ports::Lease;
use model::{Clock, Failure, RunId, Timestamp};
use serde::Serialize;

use super::ledger;
use crate::args::Global;
use crate::host::{self, Intervened, Intervention};
use crate::output::{Output, Rows, detail, number, text};
use crate::system::SystemClock;

/// Look at the leases of runs, and free one
///
/// A run that is at work holds its partition or its input alone, until it ends or its lease expires because its host is
/// gone. Another run that needs the same waits, or is cancelled as `locked`.
#[derive(Debug, Args)]
pub(crate) struct LocksCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the leases that are held, and those that expired and that nobody freed; the newest first
    List,
    /// Free the leases of a key that have expired
    ///
    /// One that is held is left alone (exit code 3) unless --force is given. A run whose lease is taken away is stopped,
    /// ends as `interrupted` and can write nothing more: whatever it does, the ledger refuses it.
    Release {
        /// As `locks list` shows it, such as `finra.regsho_daily|trade_date=2021-01-28`
        key: String,
        /// Only the lease of this run
        #[arg(long)]
        run: Option<RunId>,
        /// Also a lease that is held: its run loses it
        #[arg(long)]
        force: bool,
    },
}

/// A lease as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    lease: Lease,
    /// `held` or `expired`.
    state: &'static str,
}

impl LocksCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let leases = match self.action {
            Action::List => ledger(global).await?.all_leases().await?,
            Action::Release { key, run, force } => {
                match host::intervene(global, Intervention::ReleaseLease { key, run, force }).await? {
                    Intervened::Released(leases) => leases,
                    Intervened::Breaker
                    | Intervened::Retained(_)
                    | Intervened::Activated(_)
                    | Intervened::Shadowed(_) => Vec::new(),
                }
            }
        };
        let now = SystemClock.now();
        let shown: Vec<Shown> = leases.into_iter().map(|lease| shown(lease, now)).collect();
        output.show(&shown, || rows(&shown))?;
        Ok(0)
    }
}

fn shown(lease: Lease, now: Timestamp) -> Shown {
    let state = if now < lease.expires_at { "held" } else { "expired" };
    Shown { lease, state }
}

fn rows(leases: &[Shown]) -> Rows {
    let columns = [
        text("key"),
        text("run"),
        text("state"),
        number("token"),
        text("acquired_at"),
        text("expires_at"),
        detail("worker"),
    ];
    let mut rows = Rows::new(columns, "no leases");
    for Shown { lease, state } in leases {
        rows.push([
            lease.key.clone().into(),
            lease.run.to_string().into(),
            (*state).into(),
            lease.token.into(),
            lease.acquired_at.into(),
            lease.expires_at.into(),
            lease.worker.to_string().into(),
        ]);
    }
    rows
}
