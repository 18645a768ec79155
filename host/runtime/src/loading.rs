//! From the bytes of a file to a component that may run, or to every reason why not.
//!
//! Steps, each only if the one before left something to look at: bytes, compilation (or the cache), names of imports
//! and exports, linking, a first instance that is asked for its manifest, the manifest itself.

mod bytes;
mod cache;
mod compile;
mod describe;
mod form;
mod manifest;

pub(crate) use cache::Cache;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::limits::Limits;
use model::plugin::{Finding, FindingSeverity};
use model::{Digest, Manifest};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::attempt::HostState;
use crate::plugin::{Linked, Plugin};
use crate::{contract, linking};

/// What became of one file.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub file: PathBuf,
    /// None if the file could not be read.
    pub digest: Option<Digest>,
    /// The manifest, if the component could be asked for it; it may still be refused for what it says.
    pub manifest: Option<Arc<Manifest>>,
    /// Everything that is wrong with it. With an error among them it cannot run.
    pub findings: Vec<Finding>,
    /// Whether the machine code came from the cache.
    pub from_cache: bool,
}

impl Loaded {
    /// Whether the component may run; the runtime then knows it by its digest.
    pub fn is_usable(&self) -> bool {
        self.manifest.is_some() && !self.findings.iter().any(|it| it.severity == FindingSeverity::Error)
    }

    pub(crate) fn refused(file: &Path, digest: Option<Digest>, findings: Vec<Finding>) -> Self {
        Self { file: file.to_owned(), digest, manifest: None, findings, from_cache: false }
    }
}

/// What loading needs of the runtime.
#[derive(Clone, Copy)]
pub(crate) struct Loader<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) linker: &'a Linker<HostState>,
    pub(crate) cache: Option<&'a Cache>,
    pub(crate) guests: &'a tokio::runtime::Handle,
    pub(crate) limits: &'a Limits,
    pub(crate) component_bytes: u64,
}

impl Loader<'_> {
    /// Loads the component in `file`. Blocks for as long as compiling and `describe` take.
    pub(crate) fn load_file(&self, file: &Path) -> (Loaded, Option<Plugin>) {
        match self.read(file) {
            Ok((digest, bytes)) => self.load(file, digest, &bytes),
            Err(refused) => (refused, None),
        }
    }

    /// As [`Loader::load_file`] with the bytes at hand; `file` only says where they came from.
    pub(crate) fn load_bytes(&self, file: &Path, bytes: &[u8]) -> (Loaded, Option<Plugin>) {
        self.load(file, Digest::new(Sha256::digest(bytes).into()), bytes)
    }

    /// The bytes of a file, and their digest.
    pub(crate) fn read(&self, file: &Path) -> Result<(Digest, Vec<u8>), Loaded> {
        match bytes::read(file, self.component_bytes) {
            Ok(bytes) => Ok((Digest::new(Sha256::digest(&bytes).into()), bytes)),
            Err(finding) => Err(Loaded::refused(file, None, vec![*finding])),
        }
    }

    /// Loads bytes that have this digest.
    pub(crate) fn load(&self, file: &Path, digest: Digest, bytes: &[u8]) -> (Loaded, Option<Plugin>) {
        let mut loaded = Loaded::refused(file, Some(digest), Vec::new());
        let plugin = self.load_into(&mut loaded, digest, bytes);
        (loaded, plugin)
    }

    fn load_into(&self, loaded: &mut Loaded, digest: Digest, bytes: &[u8]) -> Option<Plugin> {
        loaded.findings.extend(bytes::finding(bytes, self.component_bytes));
        if !loaded.findings.is_empty() {
            return None;
        }
        let compiled = match compile::component(self.engine, self.cache, &digest, bytes) {
            Ok(compiled) => compiled,
            Err(finding) => {
                loaded.findings.push(*finding);
                return None;
            }
        };
        loaded.from_cache = compiled.from_cache;
        loaded.findings.extend(contract::findings(self.engine, &compiled.component));
        if !loaded.findings.is_empty() {
            return None;
        }
        let component = match self.link(&compiled.component) {
            Ok(component) => component,
            Err(findings) => {
                loaded.findings.extend(findings);
                return None;
            }
        };
        let described = describe::blocking(self, &component, &file_stem(&loaded.file));
        let json = match described {
            Ok(json) => json,
            Err(findings) => {
                loaded.findings.extend(findings);
                return None;
            }
        };
        let (manifest, findings) = manifest::read(&json, &component.exports);
        loaded.findings.extend(findings);
        loaded.manifest = manifest.map(Arc::new);
        let manifest = loaded.manifest.clone().filter(|_| loaded.is_usable())?;
        Some(Plugin { digest, manifest, component })
    }

    fn link(&self, component: &wasmtime::component::Component) -> Result<Linked, Vec<Finding>> {
        let pre = linking::link(self.linker, component).map_err(|error| {
            vec![Finding::error(
                "unknown_import",
                format!("an import does not fit what this host offers: {error}"),
                "rebuild the plugin with an SDK of this host's contract",
            )]
        })?;
        Linked::new(pre).map_err(|errors| {
            let hint = "export every function of the interface, as the contract writes it";
            errors.into_iter().map(|error| Finding::error("missing_export", error, hint)).collect()
        })
    }
}

fn file_stem(file: &Path) -> String {
    file.file_stem().map_or_else(|| "?".to_owned(), |stem| stem.to_string_lossy().into_owned())
}
