//! The command line: what every command takes, and the list of commands.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use model::failure::{Failure, FailureKind};

use crate::commands::Command;
use crate::commands::serve::ServeCommand;
use crate::config::Config;
use crate::ledger::{LedgerPlace, Url};
use crate::logging::LogFormat;
use crate::output::Format;

/// What a newcomer looks for next. Lines fit into 60 columns.
const AFTER_HELP: &str = "\
Examples:
  spine-host plugins list
  spine-host run finra.regsho_daily -p file=day.txt
  spine-host query \"SELECT * FROM finra.regsho_daily\"

Exit codes:
  0  ok, also unchanged
  1  the work failed, was cancelled or timed out
  2  usage or configuration; no run was made
  3  refused: blocked by quality, not granted, locked, ...
  4  host or database not reachable";

/// Keeps the options that every command has apart from those of one.
const EVERY: &str = "Options of every command";

/// Run market-data plugins in a sandbox and keep what they deliver as revisions
///
/// Without a command, `spine-host` serves: it loads the components of the plugins folder and stays. Answers go to
/// standard output, progress, logs and errors to standard error.
#[derive(Debug, Parser)]
#[command(name = "spine-host", version, max_term_width = 100, args_conflicts_with_subcommands = false)]
#[command(after_long_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(flatten)]
    pub(crate) serve: ServeCommand,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Folder with the components, `DIR/*.wasm` and `DIR/*/*.wasm`
    #[arg(long, global = true, help_heading = EVERY, value_name = "DIR", default_value = "./plugins", env = "SPINE_PLUGINS")]
    pub(crate) plugins: PathBuf,

    /// Folder for everything the host keeps: ledger, captures, inputs
    #[arg(long, global = true, help_heading = EVERY, value_name = "DIR", default_value = "./spine-data", env = "SPINE_DATA")]
    pub(crate) data: PathBuf,

    /// Configuration file [default: ./spine.toml if it exists]
    #[arg(long, global = true, help_heading = EVERY, value_name = "FILE", env = "SPINE_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Where the ledger is: `sqlite` (`spine.db` in the data folder) or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`,
    /// which several hosts may share [default: `[ledger] url` of the configuration, else sqlite]
    #[arg(long, global = true, help_heading = EVERY, value_name = "URL", env = "SPINE_LEDGER", hide_env_values = true)]
    pub(crate) ledger: Option<String>,

    /// How answers are written
    #[arg(short, long, global = true, help_heading = EVERY, value_name = "FORMAT", default_value = "table", env = "SPINE_OUTPUT")]
    pub(crate) output: Format,

    /// How log lines are written
    #[arg(long, global = true, help_heading = EVERY, value_name = "FORMAT", default_value = "auto", env = "SPINE_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

impl Cli {
    /// The command line of this process. What is wrong with it is told, and ends the process.
    pub fn of_process() -> Self {
        let matches = Self::command().get_matches();
        let is_given = |option: &&'static str| matches.value_source(option) == Some(ValueSource::CommandLine);
        if let (Some((command, _)), Some(option)) =
            (matches.subcommand(), ["listen", "watch"].into_iter().find(is_given))
        {
            let message = match command {
                "serve" => format!("`--{option}` comes after `serve`"),
                _ => format!("`--{option}` is an option of `serve`, not of `{command}`"),
            };
            Self::command().error(ErrorKind::ArgumentConflict, message).exit();
        }
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Whether this process is to stay.
    pub(crate) fn serves(&self) -> bool {
        matches!(self.command, None | Some(Command::Serve(_)))
    }
}

impl Global {
    /// What the operator decided: the configuration file, and what the command line says otherwise.
    ///
    /// # Errors
    ///
    /// `bad_config` (exit code 2) with every problem of the file at once, or because `--ledger` names no ledger.
    pub(crate) fn configuration(&self) -> Result<Config, Failure> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(ledger) = &self.ledger {
            config.ledger = Url::parse(ledger)
                .map_err(|problem| Failure::new(FailureKind::Config, "bad_config", format!("`--ledger`: {problem}")))?;
        }
        Ok(config)
    }

    /// The ledger that this command works with.
    ///
    /// # Errors
    ///
    /// Those of [`Global::configuration`] and [`LedgerPlace::of`].
    pub(crate) fn ledger_place(&self) -> Result<LedgerPlace, Failure> {
        LedgerPlace::of(&self.configuration()?, &self.data)
    }

    pub(crate) fn log_format(&self) -> LogFormat {
        self.log_format
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
