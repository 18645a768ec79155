//! The commands, one file each.

mod backfill;
mod breakers;
mod captures;
mod datasets;
mod dev;
mod dlq;
mod doctor;
mod health;
mod limits;
mod locks;
mod plugin;
mod plugins;
mod quality;
mod quarantine;
mod query;
mod rejects;
mod replay;
mod retention;
mod run;
mod runs;
pub(crate) mod serve;
mod statistics;
mod story;

use clap::Subcommand;
use model::manifest::DatasetSpec;
use model::ports::Ledger;
use model::run::RunReport;
use model::{Failure, RunId};
use storage::Storage;

use crate::args::{Cli, Global};
use crate::output::{self, Format, Output};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::ServeCommand),
    Run(run::RunCommand),
    Backfill(backfill::BackfillCommand),
    Replay(replay::ReplayCommand),
    Runs(runs::RunsCommand),
    Plugins(plugins::PluginsCommand),
    Plugin(plugin::PluginCommand),
    Dev(dev::DevCommand),
    Captures(captures::CapturesCommand),
    Query(query::QueryCommand),
    Rejects(rejects::RejectsCommand),
    Quality(quality::QualityCommand),
    Quarantine(quarantine::QuarantineCommand),
    Dlq(dlq::DlqCommand),
    Datasets(datasets::DatasetsCommand),
    Locks(locks::LocksCommand),
    Breakers(breakers::BreakersCommand),
    Limits(limits::LimitsCommand),
    Retention(retention::RetentionCommand),
    Health(health::HealthCommand),
    Doctor(doctor::DoctorCommand),
}

/// Carries a command out and returns the exit code.
pub(crate) async fn run(cli: Cli) -> u8 {
    let global = &cli.global;
    let output = Output { format: global.output };
    let done = match check_configuration(global) {
        // The doctor tells it among other things.
        Err(failure) if !matches!(cli.command, Some(Command::Doctor(_))) => Err(failure),
        Ok(()) | Err(_) => match cli.command.unwrap_or(Command::Serve(cli.serve)) {
            Command::Serve(command) => command.execute(global).await,
            Command::Run(command) => command.execute(global, output).await,
            Command::Backfill(command) => command.execute(global, output).await,
            Command::Replay(command) => command.execute(global, output).await,
            Command::Runs(command) => command.execute(global, output).await,
            Command::Plugins(command) => command.execute(global, output).await,
            Command::Plugin(command) => command.execute(global, output).await,
            Command::Dev(command) => command.execute(global, output).await,
            Command::Captures(command) => command.execute(global, output).await,
            Command::Query(command) => command.execute(global, output).await,
            Command::Rejects(command) => command.execute(global, output).await,
            Command::Quality(command) => command.execute(global, output).await,
            Command::Quarantine(command) => command.execute(global, output).await,
            Command::Dlq(command) => command.execute(global, output).await,
            Command::Datasets(command) => command.execute(global, output).await,
            Command::Locks(command) => command.execute(global, output).await,
            Command::Breakers(command) => command.execute(global, output).await,
            Command::Limits(command) => command.execute(global, output).await,
            Command::Retention(command) => command.execute(global, output).await,
            Command::Health(command) => command.execute(global, output).await,
            Command::Doctor(command) => command.execute(global, output).await,
        },
    };
    done.unwrap_or_else(|failure| {
        output::complain_about(&failure);
        if output.format == Format::Json {
            // The exit code already tells; a reader that has gone away needs no second complaint.
            drop(output.json(&serde_json::json!({ "error": failure })));
        }
        failure.exit_code()
    })
}

/// A mistake of the operator is told by whatever command comes first.
fn check_configuration(global: &Global) -> Result<(), Failure> {
    global.ledger_place().map(drop)
}

/// The ledger for a command that only reads; works while a host has it.
async fn ledger(global: &Global) -> Result<Storage, Failure> {
    global.ledger_place()?.read().await
}

/// Whether some process may be carrying runs out. Of `spine.db` only the owner of its folder does, which a lock tells;
/// workers of a server say so in the ledger.
fn is_attended(global: &Global) -> Result<bool, Failure> {
    Ok(global.ledger_place()?.is_shared() || !crate::owner::has_no_owner(&global.data))
}

/// `column=value`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not of the form name=value")),
    }
}

/// A name that nothing has, with the nearest that something has, if one is near; exit code 2.
fn unknown_name(what: &str, wanted: &str, names: &[String], otherwise: &str) -> Failure {
    let hint = match model::nearest(wanted, names.iter().map(String::as_str)) {
        Some(nearest) => format!("did you mean `{nearest}`? {otherwise}"),
        None => otherwise.to_owned(),
    };
    Failure::new(
        model::FailureKind::Validation,
        "unknown_name",
        format!("no {what} `{}`: {hint}", model::brief(wanted)),
    )
}

/// A dataset that the ledger knows, or the failure that suggests the nearest.
async fn known_dataset(ledger: &Storage, name: &str) -> Result<DatasetSpec, Failure> {
    let datasets = ledger.datasets().await?;
    if let Some(found) = datasets.iter().find(|dataset| dataset.name.to_string() == name) {
        return Ok(found.clone());
    }
    let names: Vec<String> = datasets.iter().map(|dataset| dataset.name.to_string()).collect();
    let otherwise = if names.is_empty() {
        "no plugin has been loaded into this data folder yet; `spine-host serve` and `spine-host run` do"
    } else {
        "`spine-host datasets list` shows all"
    };
    Err(unknown_name("dataset", name, &names, otherwise))
}

/// The report of a run that the ledger knows.
async fn known_run(ledger: &Storage, id: RunId) -> Result<RunReport, Failure> {
    let report = ledger.report(id).await?;
    report.ok_or_else(|| {
        let message = format!("no run `{id}` in this data folder; `spine-host runs list` shows what is there");
        Failure::new(model::FailureKind::Validation, "bad_id", message)
    })
}
