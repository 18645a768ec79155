//! `runs`: the ledger.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use model::failure::FailureKind;
use model::ports::{ListLimit, RunFilter, RunPage, Standing};
use model::run::{LogLine, RunEvent, RunKind, RunStatus};
use model::{Failure, RunId};
use storage::Storage;

use super::{known_run, ledger, run, statistics, story, unknown_name};
use crate::args::Global;
use crate::host;
use crate::output::{Cell, Format, Output, Rows, complain_about, detail, json, number, text};
use crate::shutdown::Stop;

/// How often `--follow` looks for new lines.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// Looks without a new line after which `--follow` asks whether anybody is there who could write one.
const SILENT_LOOKS: u32 = 5;

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
        /// Only runs of this kind: pipeline, source, task, workflow, backfill or replay
        #[arg(long)]
        kind: Option<RunKind>,
        /// Only runs that this one asked for
        #[arg(long, value_name = "ID")]
        parent: Option<RunId>,
        /// How many, at most 200
        #[arg(long, default_value_t, allow_negative_numbers = true)]
        limit: ListLimit,
        /// Only runs before this one: the `next` of the page before
        #[arg(long, value_name = "ID")]
        before: Option<RunId>,
    },
    /// List the runs that a run asked for, such as the items of a backfill, newest first
    Children {
        id: RunId,
        /// Only runs in this status
        #[arg(long)]
        status: Option<Status>,
        /// How many, at most 200
        #[arg(long, default_value_t, allow_negative_numbers = true)]
        limit: ListLimit,
        /// Only runs before this one: the `next` of the page before
        #[arg(long, value_name = "ID")]
        before: Option<RunId>,
    },
    /// Show one run
    Show { id: RunId },
    /// Show what happened to a run, in order
    Events { id: RunId },
    /// Ask a run to stop
    ///
    /// One that is at work is interrupted and publishes nothing; one that waits ends at once.
    Cancel { id: RunId },
    /// Repeat a run that failed, timed out or was cancelled, as a new run
    ///
    /// The same work with the same inputs, which were kept. It counts against the dead letter of the failed run.
    Retry {
        id: RunId,
        /// Return as soon as the new run is queued; needs a serving host
        #[arg(long)]
        detach: bool,
    },
    /// Count the runs: by status, by how they ended, and what waits in each lane
    Stats,
    /// Say why a run stands where it stands
    Why { id: RunId },
    /// Show the log lines of a run, those of the guest included
    ///
    /// Lines are there about half a second after they were said, also of a run that another process carries out.
    Logs {
        id: RunId,
        /// Wait for more until the run has ended; Ctrl-C stops the waiting, not the run
        ///
        /// Ends with 4 if the run has not ended and nobody carries it out any more.
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
        let mut code = 0;
        match self.action {
            Action::Stats => statistics::show(&ledger, output).await?,
            Action::Cancel { id } => {
                let report = host::cancel(global, id).await?;
                story::show(&report, output)?;
            }
            Action::Retry { id, detach } => {
                let report = host::retry(global, id, detach).await?;
                story::show(&report, output)?;
                if let Some(error) = &report.error {
                    complain_about(error);
                }
                code = run::exit_code(&report);
            }
            Action::Why { id } => {
                let standing = host::why(global, &ledger, id).await?;
                output.show(&standing, || why_rows(&standing))?;
            }
            Action::List { status, name, kind, parent, limit, before } => {
                if let Some(name) = &name {
                    known_name(&ledger, name).await?;
                }
                if let Some(parent) = parent {
                    known_run(&ledger, parent).await?;
                }
                let filter = RunFilter { status: status.map(RunStatus::from), name, kind, parent, limit, before };
                let page = ledger.runs(&filter).await?;
                output.show(&page, || list(&page))?;
            }
            Action::Children { id, status, limit, before } => {
                known_run(&ledger, id).await?;
                let (status, parent) = (status.map(RunStatus::from), Some(id));
                let filter = RunFilter { status, parent, limit, before, ..RunFilter::default() };
                let page = ledger.runs(&filter).await?;
                output.show(&page, || list(&page))?;
            }
            Action::Show { id } => {
                let report = known_run(&ledger, id).await?;
                story::show_whole(&report, &ledger.inputs(id).await?, output)?;
            }
            Action::Events { id } => {
                known_run(&ledger, id).await?;
                let events = ledger.events(id).await?;
                output.show(&events, || event_rows(&events))?;
            }
            Action::Logs { id, follow } => {
                let ended = known_run(&ledger, id).await?.status.is_terminal();
                if follow && !ended {
                    code = follow_logs(&ledger, global, id, output).await?;
                } else {
                    let lines = ledger.logs(id).await?;
                    output.show(&lines, || log_rows(&lines))?;
                }
            }
        }
        Ok(code)
    }
}

/// Refuses a name under which nothing ran and that no plugin offers.
async fn known_name(ledger: &Storage, name: &str) -> Result<(), Failure> {
    let names = ledger.run_names().await?;
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    let otherwise = "`spine-host plugins list` shows what there is to run";
    Err(unknown_name("pipeline, source or task", name, &names, otherwise))
}

/// Shows lines as they come, one JSON object or one line of text each, until the run has ended, somebody has seen enough
/// or nobody is there who could say more. Returns the exit code.
async fn follow_logs(ledger: &Storage, global: &Global, id: RunId, output: Output) -> Result<u8, Failure> {
    let mut stop = Stop::listen()?;
    let (mut shown, mut silent) = (0, 0);
    if output.format == Format::Csv {
        output.rows(&log_rows(&[]))?;
    }
    loop {
        // Asked first: a run whose carrier has just gone may have ended before.
        let is_left = silent >= SILENT_LOOKS && host::is_left(global, ledger, id).await?;
        // Asked before the lines, so that no line of a run that has just ended is missed.
        let ended = known_run(ledger, id).await?.status.is_terminal();
        let lines = ledger.logs_after(id, shown).await?;
        match output.format {
            Format::Json => lines.iter().try_for_each(|line| output.line(&serde_json::json!(line).to_string()))?,
            Format::Table => lines.iter().try_for_each(|line| output.line(&log_text(line)))?,
            Format::Csv => output.more_rows(&log_rows(&lines))?,
        }
        shown += lines.len() as u64;
        silent = if lines.is_empty() { silent + 1 } else { 0 };
        if ended {
            return Ok(0);
        }
        if is_left {
            return tell_of_end(&left(id), output);
        }
        tokio::select! {
            () = stop.asked() => return Ok(0),
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
        }
    }
}

/// The failure of waiting for a run that nobody carries out.
fn left(id: RunId) -> Failure {
    let message = format!(
        "{id} has not ended, but the process that carried it out is gone, so there will be no more lines; the next \
         `spine-host serve` or `spine-host run` in this data folder ends it as `interrupted`"
    );
    Failure::new(FailureKind::Orchestration, "unreachable", message)
}

/// Tells why there are no more lines, without breaking the lines that were written. Returns the exit code.
fn tell_of_end(failure: &Failure, output: Output) -> Result<u8, Failure> {
    complain_about(failure);
    if output.format == Format::Json {
        output.line(&serde_json::json!({ "error": failure }).to_string())?;
    }
    Ok(failure.exit_code())
}

fn list(page: &RunPage) -> Rows {
    let columns = [
        text("run_id"),
        text("name"),
        detail("kind"),
        text("status"),
        text("unchanged"),
        detail("attempt"),
        text("created_at"),
        number("duration_ms"),
        number("rows_in"),
        number("rows_out"),
        number("rejected"),
        text("error_code"),
        detail("error_kind"),
        detail("error_message"),
    ];
    let mut rows = Rows::new(columns, "no runs");
    for run in &page.runs {
        let error = run.error.as_ref();
        rows.push([
            run.run_id.to_string().into(),
            run.name.clone().into(),
            run.kind.name().into(),
            run.status.name().into(),
            Cell::flag(run.unchanged, "unchanged"),
            u64::from(run.attempt).into(),
            run.created_at.into(),
            run.duration_ms.map(Cell::count).unwrap_or_default(),
            Cell::count(run.rows_in),
            Cell::count(run.rows_out),
            Cell::count(run.rejected),
            error.map(|error| error.code.clone()).into(),
            error.map(|error| error.kind.name()).into(),
            error.map(|error| error.message.clone()).into(),
        ]);
    }
    rows.footer = page.next.map(|next| format!("more with --before {next}"));
    rows
}

fn why_rows(standing: &Standing) -> Rows {
    let Standing { run_id, status, code, reason, until } = standing;
    let mut rows = Rows::new(["run_id", "status", "code", "reason", "until"].map(text), "");
    rows.push([
        run_id.to_string().into(),
        status.name().into(),
        code.clone().into(),
        reason.clone().into(),
        until.map(|at| at.to_string()).into(),
    ]);
    rows
}

fn event_rows(events: &[RunEvent]) -> Rows {
    let mut rows = Rows::new([number("seq"), text("at"), text("type"), text("data")], "no events");
    for event in events {
        rows.push([event.seq.into(), event.at.into(), event.event.clone().into(), event.data.to_string().into()]);
    }
    rows
}

fn log_rows(lines: &[LogLine]) -> Rows {
    let mut rows = Rows::new(["at", "level", "origin", "message", "fields"].map(text), "no log lines");
    for line in lines {
        rows.push([
            line.at.into(),
            line.level.clone().into(),
            line.origin.clone().into(),
            line.message.clone().into(),
            Cell::two(fields_text(line), json(&line.fields)),
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
