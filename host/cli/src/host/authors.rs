//! What authors ask of a host without running one.

use std::num::NonZero;
use std::path::Path;

use authors::Made;
use model::Failure;
use model::failure::FailureKind;
use runtime::{Loaded, Runtime, RuntimeConfig};

use super::scratch::ScratchFolder;
use crate::args::Global;

/// Loads one component: its manifest, and everything that is wrong with it. A file that cannot be read is a finding too.
pub(crate) async fn check_component(global: &Global, file: &Path) -> Result<Loaded, Failure> {
    let config = global.configuration()?;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = Runtime::open(RuntimeConfig {
        limits: config.limits,
        stack_bytes: config.stack_bytes,
        ..RuntimeConfig::for_cores(cores)
    })?;
    let file = file.to_owned();
    let loaded = tokio::task::spawn_blocking(move || runtime.load(&file)).await;
    loaded.map_err(|error| Failure::new(FailureKind::Internal, "panicked", error.to_string()))
}

/// Makes the component of a project; see [`authors::make`].
///
/// # Errors
///
/// Those of [`authors::make`].
pub(crate) async fn make_component(folder: &Path, out: Option<&Path>) -> Result<Made, Failure> {
    let scratch = ScratchFolder::new("spine-build-")?;
    let (folder, out) = (folder.to_owned(), out.map(Path::to_owned));
    let made = tokio::task::spawn_blocking(move || authors::make(&folder, out.as_deref(), scratch.path())).await;
    made.map_err(|error| Failure::new(FailureKind::Internal, "panicked", error.to_string()))?
}
