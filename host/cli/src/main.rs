//! The binary `spine-host`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use cli::Cli;

fn main() -> ExitCode {
    cli::execute(Cli::parse())
}
