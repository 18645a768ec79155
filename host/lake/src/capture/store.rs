//! The folder `captures/`: files appear under their final name whole, and are durable before anybody is told of them.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cap_std::fs::Dir;

use super::path::unfinished_name;
use crate::disk::{Disk, DiskFile};

#[derive(Debug)]
pub(crate) struct CaptureStore {
    /// For reading.
    pub(crate) dir: Dir,
    disk: Box<dyn Disk>,
    /// Folders that are known to be durable since this process began.
    durable: Mutex<HashSet<PathBuf>>,
}

impl CaptureStore {
    pub(crate) fn new(dir: Dir, disk: Box<dyn Disk>) -> Self {
        Self { dir, disk, durable: Mutex::default() }
    }

    /// Writes a file and makes it durable with every folder above it. After an error nothing is left of the file, and
    /// after the death of the process at most one whose name says that it is not whole.
    ///
    /// `write` gets the open file and returns what the caller wants back. The syncs run side by side, in no order:
    /// nobody looks for the file before all of them are done, and a journal takes them together.
    pub(crate) fn write<T, E: From<io::Error>>(
        &self,
        folders: &[String],
        name: &str,
        write: impl FnOnce(&mut dyn DiskFile) -> Result<T, E>,
    ) -> Result<T, E> {
        let (folder, made) = self.make_folders(folders)?;
        let (unfinished, path) = (folder.join(unfinished_name(name)), folder.join(name));
        let mut file = self.disk.create(&unfinished)?;
        let named = write(&mut *file).and_then(|written| {
            self.disk.rename(&unfinished, &path)?;
            Ok(written)
        });
        let (written, left) = match named {
            Ok(written) => (self.sync(&mut *file, &folder, made).map(|()| written).map_err(E::from), path),
            Err(error) => (Err(error), unfinished),
        };
        if written.is_err() {
            drop(file);
            // What cannot be removed now is removed at the next start.
            let _ = self.disk.remove(&left);
        }
        written
    }

    /// Removes a file that was written and is not wanted after all. What cannot be removed now is removed at the next
    /// start.
    pub(crate) fn remove(&self, folders: &[String], name: &str) {
        let _ = self.disk.remove(&folders.iter().collect::<PathBuf>().join(name));
    }

    /// Makes the folders below each other. Returns the lowest, and those that may not be durable in the folder above
    /// them: also if it was another writer who made one a moment ago.
    fn make_folders(&self, folders: &[String]) -> io::Result<(PathBuf, Vec<PathBuf>)> {
        let mut path = PathBuf::new();
        let mut made = Vec::new();
        for folder in folders {
            path.push(folder);
            if !self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(&path) {
                self.disk.make_dir(&path)?;
                made.push(path.clone());
            }
        }
        Ok((path, made))
    }

    fn sync(&self, file: &mut dyn DiskFile, folder: &Path, made: Vec<PathBuf>) -> io::Result<()> {
        let above = made.iter().filter_map(|made| made.parent());
        let changed: Vec<&Path> = above.chain([folder]).collect();
        std::thread::scope(|scope| {
            let folders: Vec<_> =
                changed.into_iter().map(|folder| scope.spawn(|| self.disk.sync_dir(folder))).collect();
            let mut synced = file.sync();
            for folder in folders {
                let folder = folder.join().unwrap_or_else(|_| Err(io::Error::other("the thread that syncs stopped")));
                synced = synced.and(folder);
            }
            synced
        })?;
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).extend(made);
        Ok(())
    }
}
