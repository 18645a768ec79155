//! The components of this host as the orchestrator sees them: found in the plugins folder, kept by digest, brought back.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use crate::failure::{Failure, FailureKind};
use crate::ids::Digest;
use crate::manifest::Manifest;
use crate::plugin::Finding;

/// A component that was found in the plugins folder, or brought back.
#[derive(Clone, Debug)]
pub struct FoundPlugin {
    pub file: PathBuf,
    /// The file below the plugins folder, such as `finra.wasm` or `finra/plugin.wasm`.
    pub place: String,
    /// None if the file could not be read.
    pub digest: Option<Digest>,
    /// None if the component does not load.
    pub manifest: Option<Arc<Manifest>>,
    /// What loading it came upon; one error and it is refused.
    pub findings: Vec<Finding>,
}

/// Where component versions are kept, and made ready to be invoked.
#[async_trait::async_trait]
pub trait Components: Debug + Send + Sync {
    /// Keeps the bytes of a component that was found under its digest, for good.
    ///
    /// # Errors
    ///
    /// `changed` if its file holds other bytes by now; those of the disk.
    async fn keep(&self, found: &FoundPlugin) -> Result<(), Failure>;

    /// Takes bytes that somebody sent as a component: makes it ready to be invoked and keeps it, if it loads. `file_name`
    /// only says where they came from.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    async fn take_in(&self, file_name: &str, bytes: Vec<u8>) -> Result<FoundPlugin, Failure>;

    /// Makes a version that was kept ready to be invoked. Its findings say so if it does not load any more. `place` and
    /// `file` are empty: it comes from no file.
    ///
    /// # Errors
    ///
    /// `not_kept` if no version with this digest was kept, or what was kept has another; those of the disk.
    async fn bring_back(&self, digest: Digest) -> Result<FoundPlugin, Failure>;

    /// Frees what makes a version ready to be invoked. Attempts that are at work on it go on.
    fn forget(&self, digest: &Digest);
}

/// Nothing is kept: for hosts whose plugins are part of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoComponents;

#[async_trait::async_trait]
impl Components for NoComponents {
    async fn keep(&self, _: &FoundPlugin) -> Result<(), Failure> {
        Ok(())
    }

    async fn take_in(&self, _: &str, _: Vec<u8>) -> Result<FoundPlugin, Failure> {
        Err(nothing_kept())
    }

    async fn bring_back(&self, _: Digest) -> Result<FoundPlugin, Failure> {
        Err(nothing_kept())
    }

    fn forget(&self, _: &Digest) {}
}

fn nothing_kept() -> Failure {
    Failure::new(FailureKind::Validation, "not_kept", "this host keeps no components")
}
