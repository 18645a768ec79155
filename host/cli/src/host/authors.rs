//! What authors ask of a host without running one.

use std::num::NonZero;
use std::path::Path;

use model::Failure;
use model::failure::FailureKind;
use model::plugin::Finding;
use runtime::{Runtime, RuntimeConfig};

use crate::args::Global;

/// Loads one component and returns everything that is wrong with it; a file that cannot be read is a finding too.
pub(crate) async fn check_component(global: &Global, file: &Path) -> Result<Vec<Finding>, Failure> {
    let config = global.configuration()?;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = Runtime::open(RuntimeConfig {
        limits: config.limits,
        stack_bytes: config.stack_bytes,
        ..RuntimeConfig::for_cores(cores)
    })?;
    let file = file.to_owned();
    let loaded = tokio::task::spawn_blocking(move || runtime.load(&file)).await;
    Ok(loaded.map_err(|error| Failure::new(FailureKind::Internal, "panicked", error.to_string()))?.findings)
}
