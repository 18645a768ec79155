//! Logs go to standard error: for people on a terminal, JSON elsewhere. `SPINE_LOG` filters them.
//!
//! A line about a run says so by `run.id`, `plugin.name` and `plugin.digest`, in both forms.

mod json;

use std::error::Error as _;
use std::io::IsTerminal;

use model::failure::{Failure, FailureKind};
use tracing_subscriber::EnvFilter;

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Human on a terminal, JSON elsewhere
    Auto,
    /// For people
    Human,
    /// One object a line
    Json,
}

/// Starts logging for this process; a second call changes nothing.
///
/// A serving host tells what it does; a command that answers by itself only what is odd, and how its run ended is its
/// answer.
///
/// # Errors
///
/// `bad_config` if `SPINE_LOG` is no filter.
pub(crate) fn start(format: LogFormat, serving: bool) -> Result<(), Failure> {
    // A slow statement is told with all of its text, which says nothing to an operator.
    let usual = match serving {
        true => "info,datafusion=warn,sqlx::query=error",
        false => "warn,orchestrator::job=error,sqlx::query=error",
    };
    let filter = match EnvFilter::try_from_env("SPINE_LOG") {
        Ok(filter) => filter,
        Err(error) if error.source().is_some_and(|why| why.is::<std::env::VarError>()) => EnvFilter::new(usual),
        Err(error) => {
            let message = format!(
                "`SPINE_LOG` is not a filter of log lines: {error}; write `info`, `warn`, or `info,orchestrator=debug`"
            );
            return Err(Failure::new(FailureKind::Config, "bad_config", message));
        }
    };
    let terminal = std::io::stderr().is_terminal();
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(crate::progress::log_writer);
    let started = if human {
        builder.with_ansi(terminal).with_target(false).compact().try_init()
    } else {
        builder.json().event_format(json::Flat).try_init()
    };
    // In tests many hosts share one process; the first subscriber stays.
    drop(started);
    Ok(())
}
