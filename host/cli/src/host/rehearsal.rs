//! A host for one dry run that leaves the disk as it is.
//!
//! It works in a scratch folder that is removed in the end, or by the next dry run if this one is killed: on a copy of the
//! ledger where the data folder has one, on an empty ledger else. A ledger on a server is only read, where it is. Captures
//! and compiled components are read where they are too. Nobody is kept from the folder but for the moment of the copy.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lake::LocalLake;
use model::failure::{Failure, Reading};
use orchestrator::{LeasePolicy, Orchestrator};
use storage::Storage;

use super::scratch::ScratchFolder;
use super::wiring::Wiring;
use crate::config::Config;
use crate::ledger::LedgerPlace;
use crate::owner;

/// The ledger as SQLite keeps it while nobody has it open: what is not in the log is in the database.
const LEDGER: [&str; 2] = ["spine.db", "spine.db-wal"];

/// What a rehearsal begins with.
pub(super) struct Scratch {
    folder: ScratchFolder,
    /// Only read; absent if nothing ever ran in it.
    data: PathBuf,
    place: LedgerPlace,
}

/// A host that nobody else can reach.
pub(super) struct Rehearsal {
    pub(super) orchestrator: Orchestrator,
    storage: Arc<Storage>,
    /// Last, so that it is removed when nobody works in it any more.
    _scratch: Scratch,
}

impl Scratch {
    /// Copies what a rehearsal may change; none while another process owns the data folder.
    ///
    /// # Errors
    ///
    /// `bad_folder` (exit code 2) if `data` is there and cannot be read.
    pub(super) fn of(data: &Path, place: &LedgerPlace) -> Result<Option<Self>, Failure> {
        let unusable = |error: std::io::Error| owner::unusable_folder(data, &error);
        let data = match data.canonicalize() {
            Ok(data) => data,
            Err(error) if error.kind() == ErrorKind::NotFound => data.to_owned(),
            Err(error) => return Err(unusable(error)),
        };
        let Some(_still) = owner::hold_still(&data)? else { return Ok(None) };
        let temporary = std::env::temp_dir();
        let folder = ScratchFolder::make(&temporary, "spine-dry-run-")
            .map_err(|error| Failure::io(Reading::Own, "make a folder in", &temporary.display().to_string(), &error))?;
        for name in LEDGER.into_iter().filter(|_| !place.is_shared()) {
            match std::fs::copy(data.join(name), folder.path().join(name)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(error)),
            }
        }
        Ok(Some(Self { folder, data, place: place.clone() }))
    }
}

impl Rehearsal {
    /// Loads the plugins, as a host that owns the folder would.
    ///
    /// # Errors
    ///
    /// Those of [`super::Host::open`].
    pub(super) async fn open(scratch: Scratch, plugins: PathBuf, config: &Config) -> Result<Self, Failure> {
        let Scratch { folder, data, place } = &scratch;
        let lake = LocalLake::open_apart(if place.is_shared() { place.lake() } else { data }, folder.path())?;
        let storage = Arc::new(match place.is_shared() {
            true => place.read().await?,
            false => LedgerPlace::beside(folder.path()).open().await?,
        });
        let wiring = Wiring {
            storage: Arc::clone(&storage),
            lake,
            lease: LeasePolicy::default(),
            cache: data.join("cache"),
            cache_read_only: true,
            metrics: None,
        };
        let orchestrator = wiring.rehearse(plugins, config).await?;
        Ok(Self { orchestrator, storage, _scratch: scratch })
    }

    /// Lets the run end and closes the copy of the ledger.
    pub(super) async fn close(self) {
        self.orchestrator.drain().await;
        self.storage.close().await;
    }
}
