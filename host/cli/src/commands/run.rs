//! `run`: one pipeline, source or task, once, now.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use model::failure::{FailureKind, Reading};
use model::run::{RunReport, RunStatus};
use model::work::{Lane, Priority, Routing, idempotency_key};
use model::{Failure, Timestamp};

use super::{key_value, story};
use crate::args::Global;
use crate::host::{self, Order};
use crate::output::Output;

/// Run one pipeline, source or task once, now
///
/// The run is recorded and its captures are published together, or not at all. The same file again changes nothing:
/// the run is completed and `unchanged`. If another process owns the data folder, the run is made there, with that
/// host's plugins; this command still opens the input files itself.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  spine-host run finra.regsho_daily -p file=day.txt
  spine-host run --dry-run finra.otc_weekly -p file=w.csv")]
pub(crate) struct RunCommand {
    /// What to run, such as `finra.regsho_daily`; `plugins list` shows all names
    name: String,

    /// A parameter; may be repeated. A file is given by its path
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = key_value)]
    param: Vec<(String, String)>,

    /// A file with parameters, a JSON object; `-p` wins over it
    #[arg(long, value_name = "FILE")]
    param_file: Option<PathBuf>,

    /// Publish a new revision even if the content is the same
    ///
    /// Never overrides a quality block, a lock or a key.
    #[arg(long)]
    force: bool,

    /// Read and check, write nothing
    ///
    /// Shows what would become of each capture and the first rejects, which cannot be asked for later.
    #[arg(long)]
    dry_run: bool,

    /// Idempotency key: the work of one key succeeds at most once
    ///
    /// It stands for the name, the parameters and the content of the files; after a failed run the files may be
    /// corrected.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Return as soon as the run is queued; needs a serving host
    #[arg(long)]
    detach: bool,

    /// Make the run in a scratch place that is removed in the end
    ///
    /// For tests and tries: needs no data folder and no host, and leaves nothing. The run begins with an empty ledger, so
    /// each capture is the first revision of its partition.
    #[arg(long, conflicts_with_all = ["detach", "key"])]
    ephemeral: bool,

    /// Which of the queued runs goes first: realtime, high, normal, low or slow
    #[arg(long, default_value_t, value_name = "PRIORITY", allow_negative_numbers = true)]
    priority: Priority,

    /// The queue it waits in, each with places of its own: default, backfill or slow
    #[arg(long, default_value_t, value_name = "LANE")]
    lane: Lane,

    /// End it as `timed_out` if it has not ended by then: an RFC 3339 time, UTC without a zone
    #[arg(long, value_name = "TIME", value_parser = time)]
    deadline: Option<Timestamp>,
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| format!("`{text}` is not a time such as 2026-11-30T18:00:00Z"))
}

impl RunCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let mut json = BTreeMap::new();
        if let Some(path) = &self.param_file {
            json = read_params(path)?;
        }
        let mut text = BTreeMap::new();
        for (name, value) in self.param {
            if text.insert(name.clone(), value).is_some() {
                let message = format!("the parameter `{}` is given twice; give it once", model::brief(&name));
                return Err(Failure::new(FailureKind::Config, "usage", message));
            }
        }
        let order = Order {
            name: self.name,
            text,
            json,
            force: self.force,
            dry_run: self.dry_run,
            key: self.key.map(idempotency_key).transpose()?,
            detach: self.detach,
            ephemeral: self.ephemeral,
            routing: Routing { priority: self.priority, lane: self.lane, deadline: self.deadline },
        };
        let report = host::run(global, order).await?;
        story::show(&report, output)?;
        if let Some(error) = &report.error {
            crate::output::complain_about(error);
        }
        Ok(exit_code(&report))
    }
}

fn read_params(path: &std::path::Path) -> Result<BTreeMap<String, serde_json::Value>, Failure> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let failure = Failure::io(Reading::Input, "read", &place, &error);
        Failure::new(FailureKind::Config, "usage", failure.message)
    })?;
    serde_json::from_str(&text).map_err(|error| {
        let message = format!("`{place}` is not a JSON object of parameters: {error}");
        Failure::new(FailureKind::Config, "usage", message)
    })
}

/// The exit code of a run that was made.
pub(super) fn exit_code(report: &RunReport) -> u8 {
    match report.status {
        RunStatus::Completed | RunStatus::Pending | RunStatus::Queued | RunStatus::Running => 0,
        RunStatus::Failed | RunStatus::DeadLettered => match &report.error {
            Some(error) if error.exit_code() == 3 => 3,
            // Some parameters only the plugin can judge.
            Some(error) if error.code == "bad_params" => 2,
            _ => 1,
        },
        RunStatus::Cancelled | RunStatus::TimedOut => 1,
    }
}
