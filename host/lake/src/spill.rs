//! The folder `staging/`: files for the rows of an attempt that memory has no room for.
//!
//! A file is there for those who hold it and goes with the last of them, however the attempt ends; what a process left
//! that died is removed at the next start. Nothing is synced, because nothing here outlives its process. No name says
//! what is in a file: they are for nobody else to read.

mod rows;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::Dir;
use model::Failure;
use model::failure::Reading;

pub(crate) use self::rows::{Extent, SpillReader, SpillWriter, SpilledRows};
use crate::disk::{Disk, DiskFile};

/// How the name of each file ends.
const SPILLED: &str = ".arrow";

/// Whether a file has a name that staged rows have.
pub(crate) fn is_spilled(path: &str) -> bool {
    path.strip_suffix(SPILLED).is_some_and(|number| number.parse::<u64>().is_ok())
}

/// The folder. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct SpillFolder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// For reading.
    dir: Dir,
    disk: Box<dyn Disk>,
    next: AtomicU64,
}

impl SpillFolder {
    pub(crate) fn new(dir: Dir, disk: Box<dyn Disk>) -> Self {
        Self(Arc::new(Shared { dir, disk, next: AtomicU64::new(0) }))
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.0.dir
    }

    /// Makes a file, open for writing.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, `no_space` among others.
    pub(crate) fn create(&self) -> Result<(SpillFile, Box<dyn DiskFile>), Failure> {
        loop {
            let name = format!("{}{SPILLED}", self.0.next.fetch_add(1, Ordering::Relaxed));
            match self.0.disk.create(Path::new(&name)) {
                Ok(open) => return Ok((SpillFile { folder: self.clone(), name }, open)),
                // A leftover of a process that died; start-up cleaning has not come to it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(not_written(&error)),
            }
        }
    }
}

/// A file that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SpillFile {
    folder: SpillFolder,
    name: String,
}

impl SpillFile {
    /// Opens the file for reading, with a position of its own.
    pub(crate) fn open(&self) -> Result<std::fs::File, Failure> {
        let opened = self.folder.0.dir.open(&self.name);
        opened.map(cap_std::fs::File::into_std).map_err(|error| not_read(&error))
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = self.folder.0.disk.remove(Path::new(&self.name));
    }
}

/// Rows could not be spilled.
pub(crate) fn not_written(error: &io::Error) -> Failure {
    let failure = Failure::io(Reading::Own, "spill rows to a file in", "staging", error);
    failure.detail("limit", "limits.staging_memory_bytes")
}

/// Rows that were spilled could not be read again.
pub(crate) fn not_read(error: &io::Error) -> Failure {
    Failure::io(Reading::Own, "read spilled rows from a file in", "staging", error)
}
