//! The only crate that knows the process: arguments, environment, configuration, signals, standard output.
//!
//! [`Host`] wires storage, lake, runtime and orchestrator together; it is also what the tests start. Each command is
//! one file of [`commands`]; its help is its documentation.

mod args;
mod commands;
mod config;
mod host;
mod ledger;
mod logging;
mod output;
mod owner;
mod progress;
mod remote;
mod resident;
mod secrets;
mod shutdown;
mod system;

pub use args::Cli;
pub use config::Config;
pub use host::{Host, HostOptions};
pub use owner::OwnerLock;
pub use system::{OsEntropy, SystemClock};

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

/// A write would exceed the limit of file sizes; the number on Linux.
const SIGXFSZ: i32 = 25;

/// Keeps the memory of batches between runs; here, so that whatever starts a host has the same one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Carries out a command line and returns the exit code: 0 ok, 1 the work failed, 2 usage or configuration, 3 refused,
/// 4 host or database not reachable.
pub fn execute(cli: Cli) -> ExitCode {
    if let Err(failure) = logging::start(cli.global.log_format(), cli.serves()) {
        output::complain_about(&failure);
        return ExitCode::from(failure.exit_code());
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&format!("could not start threads: {error}"));
            return ExitCode::from(1);
        }
    };
    let code = runtime.block_on(async {
        // A file that grows past the limit of this process is an error of one run, not the end of all.
        let limited = signal(SignalKind::from_raw(SIGXFSZ));
        let code = commands::run(cli).await;
        drop(limited);
        code
    });
    // Blocking readers of a FIFO or a dead disk must not keep the process alive.
    runtime.shutdown_background();
    ExitCode::from(code)
}
