//! `doctor`: a diagnosis of this installation.
//!
//! Only looks: nothing is made, changed or removed, and nobody is kept from the folder for longer than a look. Each check
//! stands for itself, so one that cannot be made hides no other. What is not there yet is no illness: an installation
//! that never ran is healthy.

mod files;
mod folder;
mod machine;

use clap::Args;
use model::failure::Failure;
use model::health::{Health, HealthCheck, HealthStatus};
use model::plugin::PluginState;
use storage::Storage;

use super::{check_configuration, health, ledger};
use crate::args::Global;
use crate::host;
use crate::output::Output;

/// Diagnose this installation: folders, lock, ledger, files, plugins, configuration
///
/// Changes nothing, and works while a host serves and where something is broken. Each check says what to do about what
/// it found. How the work is, `health` tells. Ends with 1 if a check is unhealthy.
#[derive(Debug, Args)]
pub(crate) struct DoctorCommand {}

impl DoctorCommand {
    pub(crate) async fn execute(self, global: &Global, output: Output) -> Result<u8, Failure> {
        health::show(&diagnose(global).await, output)
    }
}

async fn diagnose(global: &Global) -> Health {
    let mut checks = vec![configuration(global)];
    checks.extend(folder::checks(&global.data).await);
    checks.push(folder::owner(&global.data).await);
    match ledger(global).await {
        Ok(ledger) => checks.extend(of_ledger(global, &ledger).await),
        Err(failure) => checks.push(no_ledger(global, &failure)),
    }
    checks.push(plugins(global).await);
    checks.extend(machine::checks(&global.data));
    Health::of(checks)
}

fn configuration(global: &Global) -> HealthCheck {
    const NAME: &str = "configuration";
    match check_configuration(global) {
        Ok(()) => match &global.config {
            Some(path) => HealthCheck::healthy(NAME, format!("`{}` can be read", path.display())),
            None => HealthCheck::healthy(NAME, "`spine.toml` can be read, or there is none"),
        },
        Err(failure) => {
            HealthCheck::failed(NAME, &failure).hint("mend the file; until then every other command refuses")
        }
    }
}

fn no_ledger(global: &Global, failure: &Failure) -> HealthCheck {
    const NAME: &str = "ledger";
    let file = global.ledger_place().ok().and_then(|place| place.file());
    let is_new = file.is_some_and(|file| matches!(file.try_exists(), Ok(false)));
    // Captures without their database are no new installation.
    if is_new && !files::any_capture(&global.data) {
        return HealthCheck::healthy(NAME, "there is none yet: nothing has run here");
    }
    let hint = match global.ledger_place().is_ok_and(|place| place.is_shared()) {
        true => "see whether the server runs, and whether this user may use the database",
        false => "docs/operating.md, `When the database is lost or older`, tells how to restore a copy",
    };
    HealthCheck::failed(NAME, failure).hint(hint)
}

async fn of_ledger(global: &Global, ledger: &Storage) -> Vec<HealthCheck> {
    let lake = global.ledger_place().map_or_else(|_| global.data.clone(), |place| place.lake().to_owned());
    vec![
        tables(ledger).await,
        writable(ledger).await,
        damages(ledger).await,
        log_of_database(ledger),
        files::captures(&lake, ledger).await,
        files::inputs(&lake, ledger).await,
        machine::clock(ledger.newest_run_at().await),
    ]
}

async fn tables(ledger: &Storage) -> HealthCheck {
    const NAME: &str = "ledger";
    match ledger.tables_version().await {
        Ok(version) => {
            HealthCheck::healthy(NAME, format!("opens, with tables of version {version}, as this program has"))
        }
        Err(failure) => HealthCheck::failed(NAME, &failure),
    }
}

async fn writable(ledger: &Storage) -> HealthCheck {
    const NAME: &str = "ledger_writable";
    match ledger.may_write().await {
        Ok(()) => HealthCheck::healthy(NAME, "this user may write to it"),
        Err(failure) => HealthCheck::failed(NAME, &failure).hint(
            "who only reads needs nothing more; a host needs the user that the ledger belongs to, and a disk or \
                   server that takes writes",
        ),
    }
}

async fn damages(ledger: &Storage) -> HealthCheck {
    const NAME: &str = "database_file";
    match ledger.damages().await {
        Ok(damages) if damages.is_empty() => HealthCheck::healthy(NAME, "the database finds nothing wrong with itself"),
        Ok(damages) => HealthCheck::new(NAME, HealthStatus::Unhealthy, damages.join("; "))
            .hint("stop the host and put a copy of `spine.db` in its place, see docs/operating.md"),
        Err(failure) => HealthCheck::failed(NAME, &failure),
    }
}

/// A log that is not taken over into the database grows, because a reader holds on to an old state.
fn log_of_database(ledger: &Storage) -> HealthCheck {
    const NAME: &str = "write_ahead_log";
    const LONG: u64 = 256 << 20;
    let bytes = ledger.wal_bytes();
    let check = HealthCheck::healthy(NAME, format!("{bytes} bytes"));
    if bytes < LONG {
        return check;
    }
    HealthCheck { status: HealthStatus::Degraded, ..check }
        .hint("some program keeps `spine.db` open in a long transaction; find and end it, and the log shrinks")
}

async fn plugins(global: &Global) -> HealthCheck {
    const NAME: &str = "plugins";
    let plugins = match host::plugins(global).await {
        Ok(plugins) => plugins,
        Err(failure) => return HealthCheck::failed(NAME, &failure),
    };
    let refused: Vec<String> = plugins
        .iter()
        .filter(|plugin| plugin.state == PluginState::Refused)
        .map(|plugin| format!("{} ({}): {}", plugin.name, plugin.file, plugin.reasons.join("; ")))
        .collect();
    let warnings: Vec<String> = plugins.iter().flat_map(|plugin| plugin.warnings.clone()).collect();
    let active = plugins.len() - refused.len();
    let mut detail = format!("{active} active, {} refused", refused.len());
    for line in refused.iter().chain(&warnings) {
        detail.push('\n');
        detail.push_str(line);
    }
    match refused.is_empty() && warnings.is_empty() {
        true => HealthCheck::healthy(NAME, detail),
        false => HealthCheck::new(NAME, HealthStatus::Degraded, detail)
            .hint("`spine-host plugin check FILE` says more about a component"),
    }
}
