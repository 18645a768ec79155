//! `dev`: a plugin's project, built, swapped and run again at each change.

use std::path::PathBuf;

use clap::Args;
use model::Failure;

use super::{key_value, story};
use crate::args::Global;
use crate::host::{self, DevOrder};
use crate::output::Output;

/// Work on a plugin: build, swap and run it again at each change of its source
///
/// Serves on loopback with the plugin of the project, in a scratch place that is removed in the end. At each change of a
/// source it builds, lets the new version take the place of the one before as a host does with a dropped file, and runs
/// what is named by --run, or else the plugin's cases. A build that fails shows why, and the version before goes on. Ctrl-C
/// ends it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  spine-host dev my_prices
  spine-host dev . --run my_prices.load -p file=day.csv")]
pub(crate) struct DevCommand {
    /// Folder of the project
    dir: PathBuf,

    /// What to run after each build [default: the plugin's cases]
    #[arg(long, value_name = "NAME")]
    run: Option<String>,

    /// A parameter of it; may be repeated. A file is given by its path
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = key_value, requires = "run")]
    param: Vec<(String, String)>,

    /// Where to listen; port 0 picks a free one. Loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: String,
}

impl DevCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let DevCommand { dir, run, param, listen } = self;
        let order = DevOrder { folder: dir, run, params: param.into_iter().collect(), listen };
        host::develop(global, order, |report| story::show(report, output)).await?;
        Ok(0)
    }
}
