//! `rejects`: input lines that are not in the output, rows of the ledger and files of many alike.

use std::path::Path;

use clap::Args;
use lake::RejectReader;
use model::ports::Ledger as _;
use model::reject::{LEDGER_ROWS_MAX, Reject, RejectFile};
use model::{Failure, RunId};
use serde::Serialize;
use storage::RejectingRun;

use super::{known_run, ledger};
use crate::args::Global;
use crate::output::{Format, Listing, Output, Rows, grouped, note, number, text};

/// Rows of a table where the caller gives no limit: JSON and CSV list them all.
const TABLE_ROWS: u64 = 1_000;

/// List rejected input lines with the reason and the raw text
///
/// Newest run first, each run's in order of line. A run whose file of rejects is missing or damaged is named in a warning
/// on standard error, and those of all others are listed; with --run for that very run the command fails.
#[derive(Debug, Args)]
pub(crate) struct RejectsCommand {
    /// Only those of this run
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,

    /// At most so many [default: all; 1000 in a table]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    limit: Option<u64>,
}

#[derive(Serialize)]
struct Row<'a> {
    run_id: RunId,
    #[serde(flatten)]
    reject: &'a Reject,
}

impl RejectsCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        let lake = global.ledger_place()?.lake().to_owned();
        if let Some(run) = self.run {
            known_run(&ledger, run).await?;
        }
        let left = self.limit.unwrap_or(match output.format {
            Format::Table => TABLE_ROWS,
            Format::Json | Format::Csv => u64::MAX,
        });
        let columns = [text("run_id"), number("line"), text("code"), text("message"), text("raw")];
        let rows = Rows::new(columns, "no rejects");
        let mut shown = Shown { listing: Listing::new(output, rows), left, is_full: false, summaries: Vec::new() };
        for RejectingRun { run_id, file } in ledger.rejecting_runs(self.run).await? {
            match file {
                None => shown.add(run_id, &ledger.rejects(run_id, LEDGER_ROWS_MAX).await?)?,
                Some(file) => match shown.add_file(&lake, run_id, &file) {
                    Ok(()) => {}
                    Err(Unlisted::File(failure)) if self.run.is_none() => {
                        shown.summaries.push(format!("{}, which cannot be read", summary(run_id, &file)));
                        note(&warning(run_id, &failure));
                    }
                    Err(Unlisted::File(failure) | Unlisted::Answer(failure)) => return Err(failure),
                },
            }
            if shown.is_full {
                break;
            }
        }
        shown.finish()?;
        Ok(0)
    }
}

/// What was listed so far.
struct Shown {
    listing: Listing,
    left: u64,
    /// There are more than the limit, or nobody reads any more.
    is_full: bool,
    summaries: Vec<String>,
}

/// Why the rejects of a file are not in the answer.
enum Unlisted {
    /// The file cannot be read.
    File(Failure),
    /// Nothing can be written any more.
    Answer(Failure),
}

impl Shown {
    /// Adds what a file holds: up to the place where it is damaged, if it is.
    fn add_file(&mut self, lake: &Path, run_id: RunId, file: &RejectFile) -> Result<(), Unlisted> {
        for batch in RejectReader::open(lake, &file.path).map_err(Unlisted::File)? {
            self.add(run_id, &batch.map_err(Unlisted::File)?).map_err(Unlisted::Answer)?;
            if self.is_full {
                break;
            }
        }
        self.summaries.push(summary(run_id, file));
        Ok(())
    }

    fn add(&mut self, run_id: RunId, rejects: &[Reject]) -> Result<(), Failure> {
        for reject in rejects {
            if self.left == 0 || self.listing.is_closed() {
                self.is_full = true;
                return Ok(());
            }
            self.left -= 1;
            self.listing.push(&Row { run_id, reject }, || {
                [
                    run_id.to_string().into(),
                    reject.line.into(),
                    reject.code.clone().into(),
                    reject.message.clone().into(),
                    reject.raw.clone().into(),
                ]
            })?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Failure> {
        let mut footer = self.summaries;
        if self.is_full {
            footer.push("there are more: `--limit N` shows N of them, `-o json` and `-o csv` all".to_owned());
        }
        self.listing.finish((!footer.is_empty()).then(|| footer.join("\n")))
    }
}

fn summary(run_id: RunId, file: &RejectFile) -> String {
    let codes: Vec<String> = file.codes.iter().map(|(code, lines)| format!("{} {code}", grouped(*lines))).collect();
    format!("{run_id}: {} in `rejects/{}`", codes.join(", "), file.path)
}

fn warning(run_id: RunId, failure: &Failure) -> String {
    format!("warning: rejects of run `{run_id}` are not listed, those of other runs are: {}", failure.message)
}
