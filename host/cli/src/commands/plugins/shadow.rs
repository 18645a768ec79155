//! `plugins shadow`: a candidate beside the active version.

use std::path::PathBuf;

use clap::Args;
use model::Failure;
use model::brief;
use model::difference::Difference;
use model::failure::Reading;
use model::ports::Candidate;
use model::shadow::{Budget, ShadowReport, ShadowRun};

use crate::args::Global;
use crate::host::{self, Intervened, Intervention};
use crate::output::{self, Output, Rows, number, text};

#[derive(Debug, Args)]
pub(super) struct ShadowArgs {
    /// The component, a .wasm file
    file: PathBuf,

    /// Recorded runs of the active version to compare on, the newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: u32,

    /// Promote it at once if it is within its budget; else end with 3
    #[arg(long)]
    promote: bool,

    /// Rows that may differ over all runs
    #[arg(long, value_name = "N", default_value_t = 0, requires = "promote")]
    rows: u64,

    /// Processor time that it may take, as a multiple of the active version's
    #[arg(long, value_name = "X", default_value_t = 1.5, value_parser = multiple, requires = "promote")]
    cpu: f64,

    /// Memory that it may take, as a multiple of the active version's
    #[arg(long, value_name = "X", default_value_t = 1.5, value_parser = multiple, requires = "promote")]
    memory: f64,
}

fn multiple(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "a multiple is a number such as 1.5".to_owned())
}

pub(super) async fn show(global: &Global, output: Output, args: ShadowArgs) -> Result<u8, Failure> {
    let ShadowArgs { file, last, promote, rows, cpu, memory } = args;
    let bytes = std::fs::read(&file)
        .map_err(|error| Failure::io(Reading::Input, "read", &file.display().to_string(), &error))?;
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let budget = promote.then_some(Budget { rows, cpu, memory });
    let candidate = Candidate { file_name, bytes, last, budget };
    let Intervened::Shadowed(report) = host::intervene(global, Intervention::Shadow(candidate)).await? else {
        return Ok(0);
    };
    output.show(&*report, || table(&report))?;
    tell(&report);
    Ok(if report.over_budget.is_empty() { 0 } else { 3 })
}

fn table(report: &ShadowReport) -> Rows {
    let columns =
        [text("run"), text("name"), number("added"), number("removed"), number("changed"), number("unchanged")];
    let columns = columns.into_iter().chain([
        number("cpu_us"),
        number("cpu_us_before"),
        number("memory_bytes"),
        number("memory_bytes_before"),
        text("note"),
    ]);
    let mut rows = Rows::new(columns, "no run of the active version is recorded");
    for run in &report.runs {
        let ShadowRun { run_id, name, outputs, active_usage, candidate_usage, .. } = run;
        let mut sum = Difference::default();
        outputs.iter().for_each(|it| sum.add(it.difference.clone()));
        rows.push([
            run_id.to_string().into(),
            name.clone().into(),
            sum.added.into(),
            sum.removed.into(),
            sum.changed.into(),
            sum.unchanged.into(),
            candidate_usage.map_or(0, |it| it.cpu_us).into(),
            active_usage.map_or(0, |it| it.cpu_us).into(),
            candidate_usage.map_or(0, |it| it.memory_bytes_peak).into(),
            active_usage.map_or(0, |it| it.memory_bytes_peak).into(),
            note(run).into(),
        ]);
    }
    rows
}

fn note(run: &ShadowRun) -> String {
    let error = run.error.as_ref().map(|error| format!("fails: {}: {error}", error.code));
    let skipped = run.skipped.as_ref().map(|why| format!("not compared: {why}"));
    let checks = run.quality.iter().map(|change| {
        let word =
            |status: Option<model::quality::CheckStatus>| status.map_or("absent".to_owned(), |it| format!("{it:?}"));
        format!("check `{}`: {} -> {}", change.check, word(change.before), word(change.after))
    });
    error.into_iter().chain(skipped).chain(checks).collect::<Vec<_>>().join("; ")
}

/// What the table has no room for.
fn tell(report: &ShadowReport) {
    let columns = report.difference.columns.iter().map(|(column, rows)| format!("`{column}` in {rows} rows"));
    let columns: Vec<String> = columns.collect();
    if !columns.is_empty() {
        output::note(&format!("columns with other values: {}", columns.join(", ")));
    }
    for row in report.difference.rows.iter().take(10) {
        let json = |values| serde_json::to_string(values).unwrap_or_default();
        output::note(&format!(
            "{} {}: {} -> {}",
            row.change.name(),
            json(&row.key),
            json(&row.before),
            json(&row.after)
        ));
    }
    for run in report.runs.iter() {
        if let Some([before, after]) = &run.results {
            let (before, after) = (before.to_string(), after.to_string());
            output::note(&format!("{}: answers {} instead of {}", run.run_id, brief(&after), brief(&before)));
        }
    }
    report
        .missing
        .iter()
        .for_each(|name| output::note(&format!("it does not offer `{name}`, which the active version does")));
    report.over_budget.iter().for_each(|beyond| output::note(&format!("not promoted: {beyond}")));
    let digest = report.candidate.digest;
    match report.promoted {
        true => output::note(&format!("{digest} is active now")),
        false if digest == report.active.digest => output::note("it is the version that is active"),
        false => output::note(&format!("`spine-host plugins promote {digest}` makes it active")),
    }
}
