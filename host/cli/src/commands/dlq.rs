//! `dlq`: dead letters, the failed runs that wait for somebody.

use clap::{Args, Subcommand};
use model::ports::{DeadLetter, DeadLetterFilter, DeadLetters as _};
use model::run::{RunReport, RunStatus};
use model::{Failure, FailureKind, RunId};

use super::{ledger, run};
use crate::args::Global;
use crate::host;
use crate::output::{Cell, Output, Rows, detail, number, text};

/// Look at failed runs that nobody has dealt with, and deal with them
///
/// A failed run leaves a dead letter. Replaying it makes a new run of the same work, with the same inputs; if that
/// completes, the dead letter is resolved. Its replays are counted: when they are used up the run is `dead_lettered`,
/// and the work has to be asked for anew.
#[derive(Debug, Args)]
pub(crate) struct DlqCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the dead letters, newest first
    List {
        /// Only runs of this pipeline, source or task
        #[arg(long)]
        name: Option<String>,
        /// Those that were resolved, too
        #[arg(long)]
        all: bool,
        /// How many
        #[arg(long, default_value_t = 50, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show one dead letter
    Show { run: RunId },
    /// Run the work of dead letters again, each as a new run
    Replay {
        /// The failed runs
        #[arg(required_unless_present = "every")]
        runs: Vec<RunId>,
        /// Every open dead letter whose replays are not used up
        #[arg(long, conflicts_with = "runs")]
        every: bool,
        /// With --every: only runs of this pipeline, source or task
        #[arg(long, requires = "every")]
        name: Option<String>,
    },
    /// Say that a dead letter needs nothing more
    Resolve {
        run: RunId,
        /// Who says so
        #[arg(long, default_value = "operator")]
        by: String,
        /// Why
        #[arg(long)]
        note: Option<String>,
    },
}

impl DlqCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        match self.action {
            Action::List { name, all, limit } => {
                let filter = DeadLetterFilter { run: None, name, resolved: all, limit };
                let letters = ledger(global).await?.dead_letters(filter).await?;
                output.show(&letters, || rows(&letters))?;
                Ok(0)
            }
            Action::Show { run } => {
                let letter = of(global, run).await?;
                output.show(&letter, || rows(std::slice::from_ref(&letter)))?;
                Ok(0)
            }
            Action::Replay { runs, every, name } => {
                let runs = if every { open(global, name).await? } else { runs };
                replay(global, &runs, output).await
            }
            Action::Resolve { run, by, note } => {
                let resolved = host::resolve(global, run, by, note).await?;
                let letter = of(global, run).await?;
                output.show(&serde_json::json!({ "resolved": resolved, "dead_letter": letter }), || {
                    rows(std::slice::from_ref(&letter))
                })?;
                if !resolved {
                    let by = letter.resolved_by.as_deref().unwrap_or("somebody");
                    crate::output::note(&format!("it was resolved before, by {by}; that stands"));
                }
                Ok(0)
            }
        }
    }
}

/// Replays one after the other; the exit code is the worst of theirs.
async fn replay(global: &Global, runs: &[RunId], output: Output) -> Result<u8, Failure> {
    let mut reports: Vec<RunReport> = Vec::with_capacity(runs.len());
    for failed in runs {
        reports.push(host::retry(global, *failed, false).await?);
    }
    output.show(&reports, || replays(&reports))?;
    for error in reports.iter().filter_map(|report| report.error.as_ref()) {
        crate::output::complain_about(error);
    }
    Ok(reports.iter().map(run::exit_code).max().unwrap_or(0))
}

async fn open(global: &Global, name: Option<String>) -> Result<Vec<RunId>, Failure> {
    let filter = DeadLetterFilter { name, limit: 1_000, ..DeadLetterFilter::default() };
    let letters = ledger(global).await?.dead_letters(filter).await?;
    Ok(letters.iter().rev().filter(|letter| letter.can_retry()).map(|letter| letter.run_id).collect())
}

async fn of(global: &Global, run: RunId) -> Result<DeadLetter, Failure> {
    let filter = DeadLetterFilter { run: Some(run), resolved: true, limit: 1, ..DeadLetterFilter::default() };
    let mut letters = ledger(global).await?.dead_letters(filter).await?;
    letters.pop().ok_or_else(|| {
        let message = format!("run `{run}` has no dead letter; `spine-host dlq list --all` shows those that there are");
        Failure::new(FailureKind::Validation, "bad_id", message)
    })
}

fn rows(letters: &[DeadLetter]) -> Rows {
    let columns = [
        text("run_id"),
        text("name"),
        text("error_code"),
        detail("error_kind"),
        text("error_message"),
        number("attempts"),
        number("retries"),
        detail("retries_max"),
        text("created_at"),
        detail("retry_run_id"),
        detail("retried_at"),
        text("resolved_by"),
        detail("resolved_at"),
        detail("note"),
    ];
    let mut rows = Rows::new(columns, "no dead letters");
    for letter in letters {
        rows.push([
            letter.run_id.to_string().into(),
            letter.name.clone().into(),
            letter.error.code.clone().into(),
            letter.error.kind.name().into(),
            letter.error.message.clone().into(),
            u64::from(letter.attempts).into(),
            Cell::two(format!("{} of {}", letter.retries, letter.retries_max), letter.retries.to_string()),
            letter.retries_max.into(),
            letter.created_at.into(),
            letter.retry_run_id.map(|run| run.to_string()).into(),
            letter.retried_at.map(|at| at.to_string()).into(),
            letter.resolved_by.clone().into(),
            letter.resolved_at.map(|at| at.to_string()).into(),
            letter.note.clone().into(),
        ]);
    }
    rows
}

fn replays(reports: &[RunReport]) -> Rows {
    let columns = [text("run_id"), text("retry_of"), text("name"), text("status"), text("error_code")];
    let mut rows = Rows::new(columns, "nothing to replay");
    for report in reports {
        let status =
            if report.status == RunStatus::Completed && report.unchanged { "unchanged" } else { report.status.name() };
        rows.push([
            report.run_id.to_string().into(),
            report.lineage.retry_of.map(|run| run.to_string()).into(),
            report.name.clone().into(),
            status.to_owned().into(),
            report.error.as_ref().map(|error| error.code.clone()).into(),
        ]);
    }
    rows
}
