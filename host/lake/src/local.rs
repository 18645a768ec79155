//! A lake in one folder of this machine: `captures/`, `inputs/` and `staging/`.

mod clean;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use model::ports::{InputBytes, KeptInput, Lake, WorkOrder, Workbench};
use model::{Digest, Failure};

use crate::capture::CaptureStore;
use crate::disk::{OsDisk, open_data_folder};
use crate::inputs::InputStore;
use crate::spill::SpillFolder;
use crate::workbench::LocalWorkbench;

/// The lake of one data folder. Cheap to clone; clones share the folder.
#[derive(Clone, Debug)]
pub struct LocalLake {
    captures: Arc<CaptureStore>,
    inputs: InputStore,
    spill: SpillFolder,
}

impl LocalLake {
    /// Opens the folders of a data folder, making what is not there, for their owner alone.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if the folder cannot be made or opened.
    pub fn open(data_dir: &Path) -> Result<Self, Failure> {
        let folder = |name: &str| open_data_folder(data_dir, name);
        let captures = CaptureStore::new(folder("captures")?, Box::new(OsDisk::new(folder("captures")?)));
        let inputs = InputStore::new(folder("inputs")?, Box::new(OsDisk::new(folder("inputs")?)));
        let spill = SpillFolder::new(folder("staging")?, Box::new(OsDisk::new(folder("staging")?)));
        Ok(Self { captures: Arc::new(captures), inputs, spill })
    }

    /// The bytes of an input that some run read.
    ///
    /// # Errors
    ///
    /// `not_found` if it is not kept here, `corrupt` if the file is not what its name says.
    pub fn read_input(&self, digest: Digest) -> Result<Arc<Vec<u8>>, Failure> {
        self.inputs.read(digest)
    }

    /// Removes what a process left that died: capture files that the ledger does not know, inputs that are not whole,
    /// and rows that were staged. Returns what was removed, relative to the data folder.
    ///
    /// `known` holds the paths of all captures of the ledger, quarantined ones included, relative to `captures/`. Only
    /// the owner of the data folder may call this, and only while nothing runs.
    pub fn clean(&self, known: &HashSet<String>) -> Result<Vec<String>, Failure> {
        let mut removed = clean::captures(&self.captures.dir, known)?;
        removed.extend(clean::inputs(self.inputs.dir())?);
        removed.extend(clean::staging(self.spill.dir())?);
        Ok(removed)
    }
}

impl Lake for LocalLake {
    /// Begins to keep the input. It is durable once a capture of its run is written, or the run's workbench and
    /// what came of it are dropped.
    fn keep_input(&self, input: InputBytes) -> Result<KeptInput, Failure> {
        Ok(self.inputs.keep(input))
    }

    fn workbench(&self, order: WorkOrder) -> Result<Box<dyn Workbench>, Failure> {
        Ok(Box::new(LocalWorkbench::open(order, Arc::clone(&self.captures), self.inputs.clone(), self.spill.clone())?))
    }
}

#[cfg(test)]
mod tests;
