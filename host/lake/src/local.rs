//! A lake in one folder: `captures/`, `inputs/`, `rejects/` and `staging/`.
//!
//! Hosts that share a ledger share the first three. What one of them writes has a name of its own until it is whole, and
//! nobody but its writer changes it; `staging/` is each host's alone.

mod clean;
mod shelves;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use model::capture::{StagedCapture, StagedFile};
use model::ports::{InputBytes, KeptInput, Lake, Shelves, WorkOrder, Workbench};
use model::{Digest, Failure, RunId};

use crate::capture::CaptureStore;
use crate::disk::{OsDisk, existing_folder, open_data_folder};
use crate::inputs::InputStore;
use crate::rejects::{self, RejectStore};
use crate::spill::SpillFolder;
use crate::workbench::LocalWorkbench;

pub use self::clean::{Afterwards, Cleaned, Strays};

/// The lake of one data folder. Cheap to clone; clones share the folder.
#[derive(Clone, Debug)]
pub struct LocalLake {
    captures: Arc<CaptureStore>,
    inputs: InputStore,
    rejects: Arc<RejectStore>,
    spill: SpillFolder,
}

/// The files that rows of the ledger name.
#[derive(Clone, Debug, Default)]
pub struct KnownFiles {
    /// Those of all captures, quarantined ones included, relative to `captures/`.
    pub captures: HashSet<String>,
    /// Relative to `rejects/`.
    pub rejects: HashSet<String>,
}

impl LocalLake {
    /// Opens the folders of a data folder, making what is not there, for their owner alone.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if the folder cannot be made or opened.
    pub fn open(data_dir: &Path) -> Result<Self, Failure> {
        Self::open_shared(data_dir, data_dir)
    }

    /// Opens a lake whose folder other hosts have open too; `staging/` is in the data folder of this host.
    ///
    /// # Errors
    ///
    /// Those of [`LocalLake::open`].
    pub fn open_shared(lake_dir: &Path, data_dir: &Path) -> Result<Self, Failure> {
        let folder = |name: &str| open_data_folder(lake_dir, name);
        let staging = || open_data_folder(data_dir, "staging");
        let captures = CaptureStore::new(folder("captures")?, Box::new(OsDisk::new(folder("captures")?)));
        let inputs = InputStore::new(folder("inputs")?, Box::new(OsDisk::new(folder("inputs")?)));
        let rejects = RejectStore::new(folder(rejects::FOLDER)?, Box::new(OsDisk::new(folder(rejects::FOLDER)?)));
        let spill = SpillFolder::new(staging()?, Box::new(OsDisk::new(staging()?)));
        Ok(Self { captures: Arc::new(captures), inputs, rejects: Arc::new(rejects), spill })
    }

    /// Opens a lake for work that leaves nothing behind: it reads the captures of `lake_dir`, where there are any, and
    /// whatever is written goes to `scratch`.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if a folder cannot be opened.
    pub fn open_apart(lake_dir: &Path, scratch: &Path) -> Result<Self, Failure> {
        let apart = Self::open(scratch)?;
        let Some(captures) = existing_folder(lake_dir, "captures")? else { return Ok(apart) };
        let disk = OsDisk::new(open_data_folder(scratch, "captures")?);
        Ok(Self { captures: Arc::new(CaptureStore::new(captures, Box::new(disk))), ..apart })
    }

    /// The bytes of an input that some run read.
    ///
    /// # Errors
    ///
    /// `not_found` if it is not kept here, `corrupt` if the file is not what its name says.
    pub fn read_input(&self, digest: Digest) -> Result<Arc<Vec<u8>>, Failure> {
        self.inputs.read(digest)
    }

    /// Looks for files that no row of the ledger names. Only the owner of the data folder may ask, and only while nothing
    /// runs in this process.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if a folder cannot be read.
    pub fn strays(&self, known: &KnownFiles) -> Result<Strays, Failure> {
        clean::strays(self, known)
    }

    /// Removes the strays that are nobody's: those that are not whole, unless somebody else may be writing them, and
    /// those of runs that the ledger says have `ended` and does not name still. The others stay where they are.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if a file cannot be removed.
    pub fn clean(
        &self,
        strays: Strays,
        ended: &HashSet<RunId>,
        afterwards: Afterwards<'_>,
    ) -> Result<Cleaned, Failure> {
        clean::remove(self, strays, ended, afterwards)
    }

    /// Whether a file lies below `captures/`.
    pub fn holds_capture(&self, path: &str) -> bool {
        self.captures.dir.is_file(path)
    }

    /// Whether there are captures here, published or not: a ledger that is empty is not the one they belong to.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if the folder cannot be read.
    pub fn holds_captures(&self) -> Result<bool, Failure> {
        clean::holds_captures(self)
    }
}

impl Lake for LocalLake {
    /// Begins to keep the input. It is durable once a capture of its run is written, or the run's workbench and
    /// what came of it are dropped.
    fn keep_input(&self, input: InputBytes) -> Result<KeptInput, Failure> {
        Ok(self.inputs.keep(input))
    }

    fn settle_input(&self, digest: Digest) -> Result<(), Failure> {
        self.inputs.settle(digest)
    }

    fn kept_input(&self, file_name: &str, digest: Digest) -> Result<KeptInput, Failure> {
        let bytes = self.inputs.read(digest)?;
        Ok(KeptInput { file_name: file_name.to_owned(), digest, bytes })
    }

    fn workbench(&self, order: WorkOrder) -> Result<Box<dyn Workbench>, Failure> {
        let (captures, rejects) = (Arc::clone(&self.captures), Arc::clone(&self.rejects));
        let opened = LocalWorkbench::open(order, captures, self.inputs.clone(), rejects, self.spill.clone());
        Ok(Box::new(opened?))
    }

    fn discard(&self, captures: &[StagedCapture]) {
        for StagedCapture { dataset, file, .. } in captures {
            let Some(StagedFile { path, .. }) = file else { continue };
            self.captures.remove(&[dataset.domain().to_owned(), dataset.dataset().to_owned()], path);
        }
    }

    fn check_folder(&self, path: &Path) -> Result<(), Failure> {
        crate::folder::check_folder(path)
    }
}

impl Shelves for LocalLake {
    fn begin_sweep(&self) {
        self.inputs.begin_sweep();
    }

    fn remove_inputs(&self, inputs: &[Digest]) -> Result<u64, Failure> {
        let mut removed = 0;
        for digest in inputs {
            removed += u64::from(self.inputs.remove(*digest)?);
        }
        Ok(removed)
    }

    fn remove_rejects(&self, paths: &[String]) -> Result<u64, Failure> {
        let mut removed = 0;
        for path in paths {
            removed += u64::from(self.rejects.remove(path)?);
        }
        Ok(removed)
    }
}

/// Where the input with this digest is kept, relative to the data folder, if it is.
pub fn input_path(digest: Digest) -> String {
    format!("inputs/{}", crate::inputs::file_name(digest))
}

#[cfg(test)]
mod tests;
