//! Logs go to standard error: for people on a terminal, JSON elsewhere. `SPINE_LOG` filters them.
//!
//! A line about a run says so by `run.id`, `plugin.name` and `plugin.digest`, in both forms.

mod json;

use std::io::IsTerminal;

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
pub(crate) fn start(format: LogFormat, serving: bool) {
    let usual = if serving { "info,datafusion=warn" } else { "warn,orchestrator::job=error" };
    let filter = EnvFilter::try_from_env("SPINE_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
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
}
