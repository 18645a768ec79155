//! `serve`: load and stay.

use clap::Args;
use model::Failure;

use crate::args::Global;
use crate::host;

/// Load the plugins and stay, ready to run (the default command)
///
/// Prints `ready http://ADDR plugins=N refused=M load_ms=...` on standard error. Serves `/healthz`, `/readyz`,
/// `/metrics` and the API under `/api/v1`, whose callers show the token in the data folder. SIGTERM or Ctrl-C lets
/// running work end, a second one ends it.
#[derive(Debug, Args)]
pub(crate) struct ServeCommand {
    /// Where to listen; port 0 picks a free one. Loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8710", env = "SPINE_LISTEN")]
    pub(crate) listen: String,
}

impl ServeCommand {
    pub(crate) async fn execute(self, global: &Global) -> Result<u8, Failure> {
        host::serve(global, &self.listen).await?;
        Ok(0)
    }
}
