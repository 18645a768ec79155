//! `rejects`: input lines that are not in the output.

use clap::Args;
use model::{Failure, RunId};

use super::ledger;
use crate::args::Global;
use crate::output::{Output, Rows};

/// List rejected input lines with the reason and the raw text
#[derive(Debug, Args)]
pub(crate) struct RejectsCommand {
    /// Only those of this run
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,
}

impl RejectsCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let rejects = ledger(global).await?.rejects(self.run).await?;
        output.show(&rejects, || {
            let mut rows = Rows::new(&["run", "line", "code", "message", "raw"], &[1], "no rejects");
            for row in &rejects {
                rows.rows.push(vec![
                    row.run_id.to_string(),
                    row.reject.line.map(|line| line.to_string()).unwrap_or_default(),
                    row.reject.code.clone(),
                    row.reject.message.clone(),
                    row.reject.raw.clone().unwrap_or_default(),
                ]);
            }
            rows
        })?;
        Ok(0)
    }
}
