//! `plugin test`: a plugin's own cases, and hostile inputs made from its manifest.

use std::path::PathBuf;

use clap::Args;
use model::Failure;

use super::rows;
use crate::args::Global;
use crate::host::{self, TestOrder, Tested, TestedRun};
use crate::output::{Output, Rows, grouped};

/// Test a component: its own cases, and hostile tables made from its formats
///
/// Runs everything in a scratch place that is removed in the end. A case is a folder with `case.toml`, its input files,
/// `expected.toml` and the expected rows as CSV. Hostile files are made from the declared formats: empty, one row, nulls, the
/// ends of every type, long and odd texts, cut files, a million rows; hostile parameters from their types. Every run has
/// to end with an answer (rows, rejects, a blocked check, an error with a code) and, but for the large ones, the same when
/// it is carried out again. A trap, a limit, a lost row or another result is a finding. Ends with 1 if one is an error.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  spine-host plugin test my_prices.wasm
  spine-host plugin test my_prices.wasm --update
  spine-host plugin test my_prices.wasm --only a_small_day")]
pub(crate) struct TestCommand {
    /// Component, a .wasm file
    file: PathBuf,

    /// Folder with the cases [default: `cases` beside the component]
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,

    /// Only cases and work whose names hold this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,

    /// Write down what comes of the cases as what has to come
    #[arg(long)]
    update: bool,

    /// Run the cases alone, nothing hostile
    #[arg(long)]
    cases_only: bool,

    /// Leave the large files out
    #[arg(long)]
    quick: bool,

    /// Makes other values at random; the same seed makes the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl TestCommand {
    pub(super) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        let cases = self.cases.unwrap_or_else(|| host::cases_beside(&self.file));
        let TestCommand { file: component, only, update, cases_only, quick, seed, .. } = self;
        let order = TestOrder { component, cases, only, update, cases_only, quick, seed };
        let tested = host::test(global, order).await?;
        output.show(&tested, || shown(&tested))?;
        Ok(u8::from(!tested.ok))
    }
}

fn shown(tested: &Tested) -> Rows {
    let mut rows = rows(&tested.findings);
    let outcomes = |of: fn(&TestedRun) -> bool| tested.runs.iter().filter(|run| of(run)).count() as u64;
    let (completed, failed) = (outcomes(|run| run.status == "completed"), outcomes(|run| run.status == "failed"));
    let all = tested.runs.len() as u64;
    let mut lines = vec![format!(
        "{} runs: {} completed, {} failed with a code, {} refused or stopped (seed {})",
        grouped(all),
        grouped(completed),
        grouped(failed),
        grouped(all - completed - failed),
        tested.seed
    )];
    let large = tested.runs.iter().filter(|run| run.rows_in >= 100_000);
    lines.extend(large.map(|run| {
        let rate = run.rows_in.saturating_mul(1000) / run.duration_ms.max(1);
        format!("{}: {} rows a second, {} MiB of memory", run.test, grouped(rate), run.memory_bytes >> 20)
    }));
    rows.footer = Some(lines.join("\n"));
    rows
}
