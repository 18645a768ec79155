//! `quarantine`: captures that a check keeps from readers.

use clap::{Args, Subcommand};
use model::{CaptureId, CaptureRecord, Failure};

use super::{captures, ledger};
use crate::args::Global;
use crate::host::{self, Verdict};
use crate::output::Output;

/// Look at captures that a quality check blocked, and decide
///
/// A quarantined capture is kept whole but no reader sees it. Releasing publishes it as the next revision of its
/// partition; discarding keeps it out for good. Either is recorded.
#[derive(Debug, Args)]
pub(crate) struct QuarantineCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the quarantined captures, newest first
    List,
    /// Publish a quarantined capture as the next revision of its partition
    Release { capture: CaptureId },
    /// Keep a quarantined capture out for good
    Discard { capture: CaptureId },
}

impl QuarantineCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let records: Vec<CaptureRecord> = match self.action {
            Action::List => ledger(global).await?.quarantined().await?,
            Action::Release { capture } => vec![host::judge(global, capture, Verdict::Release).await?],
            Action::Discard { capture } => vec![host::judge(global, capture, Verdict::Discard).await?],
        };
        output.show(&records, || captures::rows(&records))?;
        Ok(0)
    }
}
