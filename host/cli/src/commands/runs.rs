//! `runs`: the ledger.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use model::ports::Ledger;
use model::run::{LogLine, RunEvent, RunReport, RunStatus, RunSummary};
use model::{Failure, FailureKind, RunId};
use storage::{RunFilter, Storage};

use super::{ledger, run};
use crate::args::Global;
use crate::output::{Format, Output, Rows, grouped};
use crate::shutdown::Stop;

/// How often `--follow` looks for new lines.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// Show what ran: list, details, events and logs
#[derive(Debug, Args)]
pub(crate) struct RunsCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List runs, newest first
    List {
        /// Only runs in this status
        #[arg(long)]
        status: Option<Status>,
        /// Only runs of this pipeline, source or task
        #[arg(long)]
        name: Option<String>,
        /// How many, at most 200
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Only runs before this one: the `next` of the page before
        #[arg(long, value_name = "ID")]
        before: Option<RunId>,
    },
    /// Show one run
    Show { id: RunId },
    /// Show what happened to a run, in order
    Events { id: RunId },
    /// Show the log lines of a run, those of the guest included
    ///
    /// Lines are there about half a second after they were said, also of a run that another process carries out.
    Logs {
        id: RunId,
        /// Wait for more until the run has ended; Ctrl-C stops the waiting, not the run
        #[arg(long)]
        follow: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Status {
    Pending,
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
    DeadLettered,
}

impl From<Status> for RunStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Queued => Self::Queued,
            Status::Running => Self::Running,
            Status::Completed => Self::Completed,
            Status::Failed => Self::Failed,
            Status::Cancelled => Self::Cancelled,
            Status::TimedOut => Self::TimedOut,
            Status::DeadLettered => Self::DeadLettered,
        }
    }
}

impl RunsCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let ledger = ledger(global).await?;
        match self.action {
            Action::List { status, name, limit, before } => {
                let filter = RunFilter { status: status.map(RunStatus::from), name, limit, before };
                let (runs, next) = ledger.runs(&filter).await?;
                output.show(&serde_json::json!({ "runs": runs, "next": next }), || list(&runs, next))?;
            }
            Action::Show { id } => {
                let report = known_run(&ledger, id).await?;
                run::show_recorded(&report, output)?;
            }
            Action::Events { id } => {
                known_run(&ledger, id).await?;
                let events = ledger.events(id).await?;
                output.show(&events, || event_rows(&events))?;
            }
            Action::Logs { id, follow } => {
                let ended = known_run(&ledger, id).await?.status.is_terminal();
                if follow && !ended {
                    follow_logs(&ledger, id, output).await?;
                } else {
                    let lines = ledger.logs(id).await?;
                    output.show(&lines, || log_rows(&lines))?;
                }
            }
        }
        Ok(0)
    }
}

async fn known_run(ledger: &Storage, id: RunId) -> Result<RunReport, Failure> {
    let report = ledger.report(id).await?;
    report.ok_or_else(|| {
        let message = format!("no run `{id}` in this data folder; `spine-host runs list` shows what is there");
        Failure::new(FailureKind::Validation, "bad_id", message)
    })
}

/// Shows lines as they come, one JSON object or one line of text each, until the run has ended or somebody has seen
/// enough.
async fn follow_logs(ledger: &Storage, id: RunId, output: Output) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let mut shown = 0;
    loop {
        // Asked before the lines, so that no line of a run that has just ended is missed.
        let ended = known_run(ledger, id).await?.status.is_terminal();
        let lines = ledger.logs_after(id, shown).await?;
        for line in &lines {
            match output.format {
                Format::Json => output.line(&serde_json::json!(line).to_string())?,
                Format::Table | Format::Csv => output.line(&log_text(line))?,
            }
        }
        shown += lines.len() as u64;
        if ended {
            return Ok(());
        }
        tokio::select! {
            () = stop.asked() => return Ok(()),
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
        }
    }
}

fn list(runs: &[RunSummary], next: Option<RunId>) -> Rows {
    let header = ["run", "name", "status", "created at", "ms", "rows in", "rows out", "rejected", "error"];
    let mut rows = Rows::new(&header, &[4, 5, 6, 7], "no runs");
    for run in runs {
        let status = if run.unchanged { "completed, unchanged" } else { run.status.name() };
        rows.rows.push(vec![
            run.run_id.to_string(),
            run.name.clone(),
            status.to_owned(),
            run.created_at.to_string(),
            run.duration_ms.map(grouped).unwrap_or_default(),
            grouped(run.rows_in),
            grouped(run.rows_out),
            grouped(run.rejected),
            run.error.as_ref().map(|error| error.code.clone()).unwrap_or_default(),
        ]);
    }
    rows.footer = next.map(|next| format!("more with --before {next}"));
    rows
}

fn event_rows(events: &[RunEvent]) -> Rows {
    let mut rows = Rows::new(&["seq", "at", "type", "data"], &[0], "no events");
    for event in events {
        let data = event.data.to_string();
        rows.rows.push(vec![event.seq.to_string(), event.at.to_string(), event.event.clone(), data]);
    }
    rows
}

fn log_rows(lines: &[LogLine]) -> Rows {
    let mut rows = Rows::new(&["at", "level", "origin", "message", "fields"], &[], "no log lines");
    for line in lines {
        let fields = fields_text(line);
        rows.rows.push(vec![
            line.at.to_string(),
            line.level.clone(),
            line.origin.clone(),
            line.message.clone(),
            fields,
        ]);
    }
    rows
}

fn log_text(line: &LogLine) -> String {
    format!("{} {:5} {} {} {}", line.at, line.level, line.origin, line.message, fields_text(line)).trim_end().to_owned()
}

fn fields_text(line: &LogLine) -> String {
    let fields: Vec<String> = line.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    fields.join(" ")
}
