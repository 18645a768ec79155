//! The binary `spine-host`: arguments in, exit code out.

use std::process::ExitCode;

use cli::Cli;

fn main() -> ExitCode {
    cli::execute(Cli::of_process())
}
