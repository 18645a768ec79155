//! A host for one run that leaves the data folder as it is.
//!
//! It works in a scratch folder that is removed in the end, or by the next one if this one is killed. A dry run has a copy
//! of the ledger there where the data folder has one, an empty ledger else; a ledger on a server is only read, where it is.
//! It reads captures where they are; nobody is kept from the folder but for the moment of the copy. An ephemeral run knows
//! nothing of the data folder but the compiled components in it, and nothing of any ledger.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lake::LocalLake;
use model::failure::Failure;
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
    /// What is seen of what there is; none for an ephemeral run.
    place: Option<LedgerPlace>,
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
        let folder = ScratchFolder::new("spine-dry-run-")?;
        for name in LEDGER.into_iter().filter(|_| !place.is_shared()) {
            match std::fs::copy(data.join(name), folder.path().join(name)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(error)),
            }
        }
        Ok(Some(Self { folder, data, place: Some(place.clone()) }))
    }

    /// An empty place, also while another process owns the data folder.
    ///
    /// # Errors
    ///
    /// Of kind `storage` if no folder for temporary files can be made.
    pub(super) fn empty(data: &Path) -> Result<Self, Failure> {
        Ok(Self { folder: ScratchFolder::new("spine-ephemeral-")?, data: data.to_owned(), place: None })
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
        let own = LedgerPlace::beside(folder.path());
        let (lake, storage) = match place {
            None => (LocalLake::open(folder.path())?, own.open().await?),
            Some(place) if place.is_shared() => {
                (LocalLake::open_apart(place.lake(), folder.path())?, place.read().await?)
            }
            Some(_) => (LocalLake::open_apart(data, folder.path())?, own.open().await?),
        };
        let storage = Arc::new(storage);
        let wiring = Wiring {
            storage: Arc::clone(&storage),
            lake,
            lease: LeasePolicy::default(),
            data: data.clone(),
            cache_read_only: true,
            metrics: None,
        };
        let orchestrator = match place {
            // What it records goes with the scratch folder.
            None => wiring.start(plugins, config).await?.orchestrator,
            Some(_) => wiring.rehearse(plugins, config).await?,
        };
        Ok(Self { orchestrator, storage, _scratch: scratch })
    }

    /// Lets the run end and closes the copy of the ledger.
    pub(super) async fn close(self) {
        self.orchestrator.drain().await;
        self.storage.close().await;
    }
}
