//! Lines that are not in the output, from whoever rejects them to where they are kept.
//!
//! However many a run has, each is kept with its number and its text: a few as rows of the ledger, more in one Parquet
//! file of the run under `rejects/`. A file has its final name once it is whole and durable; before that it is removed
//! however the attempt ends, at the latest at the next start. Only `limits.rejects` and `limits.reject_bytes`, which
//! are there for guests that mean harm, cut the list; the count is always whole.

mod collect;
mod file;
mod spool;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::Dir;
use model::RunId;
use model::failure::{Failure, Reading};
use model::reject::Reject;
use serde::{Deserialize, Serialize};

pub(crate) use self::collect::{Collector, Kept};
pub use self::file::RejectReader;
use crate::disk::{Disk, DiskFile};
use crate::inputs::UNFINISHED;

/// The folder, in the data folder.
pub(crate) const FOLDER: &str = "rejects";

/// The folder `rejects/`.
#[derive(Debug)]
pub(crate) struct RejectStore {
    /// For reading.
    pub(crate) dir: Dir,
    disk: Box<dyn Disk>,
    /// Tells unfinished files of one run apart.
    next: AtomicU64,
}

impl RejectStore {
    pub(crate) fn new(dir: Dir, disk: Box<dyn Disk>) -> Self {
        Self { dir, disk, next: AtomicU64::new(0) }
    }

    /// Removes the file of a run that is forgotten. Whether there was one.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if it cannot be removed.
    pub(crate) fn remove(&self, path: &str) -> Result<bool, Failure> {
        // Only files of ours, whatever a row says.
        if run_of(path).is_none() {
            return Ok(false);
        }
        match self.disk.remove(Path::new(path)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::io(Reading::Own, "remove the rejects", &format!("{FOLDER}/{path}"), &error)),
        }
    }

    fn create(self: &Arc<Self>, run: RunId) -> io::Result<Unfinished> {
        let (path, file) = loop {
            let path = PathBuf::from(format!(".{run}.{}{UNFINISHED}", self.next.fetch_add(1, Ordering::Relaxed)));
            match self.disk.create(&path) {
                // Of a process that died, or that has lost the run and does not know it yet.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => break (path, other?),
            }
        };
        Ok(Unfinished { store: Arc::clone(self), path, file, named: false })
    }
}

/// A file that has no final name yet; removed when it is dropped without one.
#[derive(Debug)]
struct Unfinished {
    store: Arc<RejectStore>,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    named: bool,
}

impl Unfinished {
    /// Makes the file durable under its name.
    fn name(mut self, name: &str) -> io::Result<()> {
        self.file.sync()?;
        self.store.disk.rename(&self.path, Path::new(name))?;
        self.named = true;
        self.store.disk.sync_dir(Path::new(""))
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.named {
            // What cannot be removed now is removed at the next start.
            let _ = self.store.disk.remove(&self.path);
        }
    }
}

/// The file of an attempt: no other attempt of the run writes there, on whatever host.
fn file_name(run: RunId, attempt: u32) -> String {
    format!("{run}.{attempt}.parquet")
}

/// The run whose file this is, by its name; none if it is nothing of ours.
pub(crate) fn run_of(path: &str) -> Option<RunId> {
    let stem = path.strip_suffix(".parquet")?;
    let Some((run, attempt)) = stem.split_once('.') else {
        // Of a version whose runs had one file each.
        let run: RunId = stem.parse().ok()?;
        return (run.to_string() == stem).then_some(run);
    };
    let (run, attempt) = (run.parse().ok()?, attempt.parse().ok()?);
    (file_name(run, attempt) == path).then_some(run)
}

/// Whether a file has the name of one that is not whole yet.
pub(crate) fn is_unfinished(path: &str) -> bool {
    let parts = path.strip_prefix('.').and_then(|rest| rest.strip_suffix(UNFINISHED)?.split_once('.'));
    parts.is_some_and(|(run, number)| run.parse::<RunId>().is_ok() && number.parse::<u64>().is_ok())
}

/// Where an input stands among the inputs of an attempt.
pub(crate) type Place = u32;

/// The place of lines of which nobody knows the input: after all others.
pub(crate) const NOWHERE: Place = Place::MAX;

/// A reject with the place of its input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    place: Place,
    #[serde(flatten)]
    reject: Reject,
}

impl Entry {
    /// By input, then in order of line. A line that nobody named comes after those that were.
    fn order(&self) -> (Place, u64) {
        (self.place, self.reject.line.unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
pub(crate) mod tests;
