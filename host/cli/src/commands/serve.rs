//! `serve`: load and stay.

use clap::{Args, ValueEnum};
use model::Failure;
use runtime::WatchMode;

use crate::args::Global;
use crate::host;

/// Load the plugins and stay, ready to run (the default command)
///
/// Prints `ready http://ADDR plugins=N refused=M load_ms=...` on standard error, and how many plugins wait to be approved
/// if any does. Serves `/healthz`, `/readyz`,
/// `/metrics` and the API under `/api/v1`, whose callers show the token in the data folder. SIGTERM or Ctrl-C lets
/// running work end, a second one ends it.
///
/// Files that come into the plugins folder, change or go take effect while the host serves: a new version is checked and
/// takes the place of the one before at once, runs that have begun end on theirs, and a bad file changes nothing.
#[derive(Debug, Args)]
pub(crate) struct ServeCommand {
    /// Where to listen; port 0 picks a free one. Loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8710", env = "SPINE_LISTEN")]
    pub(crate) listen: String,

    /// How changes of the plugins folder are noticed while the host serves
    #[arg(long, value_name = "HOW", default_value = "notify", env = "SPINE_WATCH")]
    pub(crate) watch: Watch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Watch {
    /// By the notices of the operating system, and by a look every two seconds
    Notify,
    /// By looking five times a second: for folders whose changes nobody tells of
    Poll,
    /// Not at all: what was loaded at the start stays
    Off,
}

impl ServeCommand {
    pub(crate) async fn execute(self, global: &Global) -> Result<u8, Failure> {
        let watch = match self.watch {
            Watch::Notify => Some(WatchMode::Notify),
            Watch::Poll => Some(WatchMode::Poll),
            Watch::Off => None,
        };
        host::serve(global, &self.listen, watch).await?;
        Ok(0)
    }
}
