//! `replay`: a recorded run once more, to see that it gives the same bits.

use clap::Args;
use model::replay::{ReplayReport, ReplayedOutput};
use model::{Failure, RunId, brief};

use crate::args::Global;
use crate::host;
use crate::output::{self, Output, Rows, text};

/// Carry a recorded run out again and compare what it delivers, bit for bit
///
/// The plugin version that ran is taken from where every version is kept, the inputs by their digests, and with them the
/// parameters, the clock, the randomness and the data that the run could read. Nothing is written. Ends with 1 if
/// anything differs, and names the columns.
#[derive(Debug, Args)]
pub(crate) struct ReplayCommand {
    /// The run, as `runs list` shows it
    id: RunId,
}

impl ReplayCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let report = host::replay(global, self.id).await?;
        output.show(&report, || rows(&report))?;
        report.findings.iter().for_each(|finding| output::note(finding));
        Ok(u8::from(!report.identical))
    }
}

fn rows(report: &ReplayReport) -> Rows {
    let columns = ["dataset", "partition", "identical", "recorded_hash", "replayed_hash"].map(text);
    let failed = report.replayed_error.as_ref().map(|error| format!("{}: {}", error.code, brief(&error.message)));
    let nothing = match (report.identical, failed) {
        (true, Some(failed)) => format!("identical: it failed then and now, {failed}"),
        (true, None) => "identical: it delivered nothing, then and now".to_owned(),
        (false, _) => "it delivered nothing".to_owned(),
    };
    let mut rows = Rows::new(columns, nothing);
    for ReplayedOutput { dataset, partition, recorded_hash, replayed_hash, .. } in &report.outputs {
        let is_same = if recorded_hash == replayed_hash { "yes" } else { "no" };
        rows.push([
            dataset.to_string().into(),
            partition.to_string().into(),
            is_same.into(),
            (*recorded_hash).into(),
            (*replayed_hash).into(),
        ]);
    }
    rows
}
