//! `rejects`: input lines that are not in the output.

use clap::Args;
use model::{Failure, RunId};

use super::{known_run, ledger};
use crate::args::Global;
use crate::output::{Output, Rows, number, text};

/// List rejected input lines with the reason and the raw text
#[derive(Debug, Args)]
pub(crate) struct RejectsCommand {
    /// Only those of this run
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,
}

impl RejectsCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        if let Some(run) = self.run {
            known_run(&ledger, run).await?;
        }
        let rejects = ledger.rejects(self.run).await?;
        output.show(&rejects, || {
            let columns = [text("run_id"), number("line"), text("code"), text("message"), text("raw")];
            let mut rows = Rows::new(columns, "no rejects");
            for row in &rejects {
                rows.push([
                    row.run_id.to_string().into(),
                    row.reject.line.into(),
                    row.reject.code.clone().into(),
                    row.reject.message.clone().into(),
                    row.reject.raw.clone().into(),
                ]);
            }
            rows
        })?;
        Ok(0)
    }
}
