//! Folders for temporary files that are gone when their process is: at once if it ends well, at the next making of such
//! a folder if it was killed.
//!
//! A folder is locked by the process that works in it, and a dead process cannot keep a lock. Whoever removes a leftover
//! holds its lock meanwhile; whoever has just made a folder makes sure that it is still there once it has the lock. So
//! no folder of a living process is removed. Where folders cannot be locked, leftovers stay.

use std::fs::{File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use model::failure::{Failure, Reading};
use tempfile::TempDir;

/// How often another folder is made when somebody took the new one for a leftover.
const TRIES: usize = 16;

/// A folder for this process alone (0700), removed when dropped.
#[derive(Debug)]
pub(super) struct ScratchFolder {
    folder: TempDir,
    /// Held for its lock until the folder is gone; none where folders cannot be locked.
    _lock: Option<File>,
}

impl ScratchFolder {
    /// Makes a folder where this machine keeps temporary files; see [`ScratchFolder::make`].
    ///
    /// # Errors
    ///
    /// Of kind `storage` if none can be made.
    pub(super) fn new(prefix: &str) -> Result<Self, Failure> {
        let temporary = std::env::temp_dir();
        Self::make(&temporary, prefix)
            .map_err(|error| Failure::io(Reading::Own, "make a folder in", &temporary.display().to_string(), &error))
    }

    /// Makes a folder in `parent` whose name begins with `prefix`, after removing what dead processes of this user left
    /// there under such names.
    pub(super) fn make(parent: &Path, prefix: &str) -> io::Result<Self> {
        for _ in 0..TRIES {
            let private = Permissions::from_mode(0o700);
            let folder = tempfile::Builder::new().prefix(prefix).permissions(private).tempdir_in(parent)?;
            let Some(lock) = lock(&folder)? else { continue };
            let made = Self { folder, _lock: lock };
            for path in clean(parent, prefix, made.path())? {
                tracing::info!(path = %path.display(), "removed what a killed process left");
            }
            return Ok(made);
        }
        let message = format!("{TRIES} new folders were removed by somebody else at once");
        Err(io::Error::new(io::ErrorKind::ResourceBusy, message))
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Locks a new folder: the lock, or that there is none here; nothing if somebody took the folder for a leftover.
fn lock(folder: &TempDir) -> io::Result<Option<Option<File>>> {
    let held = match File::open(folder.path()) {
        Ok(held) => held,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match held.try_lock() {
        Ok(()) => {
            let same = |there: Metadata| Ok(is_same(&there, &held.metadata()?));
            let is_there = std::fs::symlink_metadata(folder.path()).and_then(same).unwrap_or(false);
            Ok(is_there.then_some(Some(held)))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(_)) => Ok(Some(None)),
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Removes the folders of dead processes and returns their paths. `ours` tells whose folders are ours to remove; one
/// that cannot be removed stays.
fn clean(parent: &Path, prefix: &str, ours: &Path) -> io::Result<Vec<PathBuf>> {
    let user = std::fs::symlink_metadata(ours)?.uid();
    let Ok(entries) = std::fs::read_dir(parent) else { return Ok(Vec::new()) };
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| named(path) && path != ours);
    Ok(paths.filter(|path| remove_leftover(path, user).unwrap_or(false)).collect())
}

/// Removes a folder of `user` that nobody works in.
fn remove_leftover(path: &Path, user: u32) -> io::Result<bool> {
    let there = std::fs::symlink_metadata(path)?;
    if !there.is_dir() || there.uid() != user {
        return Ok(false);
    }
    let held = File::open(path)?;
    if held.try_lock().is_err() || !is_same(&there, &held.metadata()?) {
        return Ok(false);
    }
    std::fs::remove_dir_all(path).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "spine-test-scratch-";

    fn names(parent: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(parent).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_for_its_user_only_and_gone_when_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let folder = ScratchFolder::make(parent.path(), PREFIX).unwrap();
        assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(folder.path().join("spine.db"), "x").unwrap();
        drop(folder);
        assert_eq!(names(parent.path()), [""; 0]);
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_a_living_one_holds_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = ScratchFolder::make(parent.path(), PREFIX).unwrap();
        std::fs::write(living.path().join("spine.db"), "x").unwrap();
        let left = parent.path().join(format!("{PREFIX}left"));
        std::fs::create_dir_all(left.join("captures/deep")).unwrap();
        // None of these is a leftover.
        std::fs::write(parent.path().join(format!("{PREFIX}file")), "x").unwrap();
        std::fs::create_dir(parent.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(parent.path().join("elsewhere"), parent.path().join(format!("{PREFIX}link")))
            .unwrap();

        let next = ScratchFolder::make(parent.path(), PREFIX).unwrap();
        assert!(!left.exists());
        assert!(living.path().join("spine.db").exists());
        drop((living, next));
        assert_eq!(names(parent.path()), ["elsewhere", &format!("{PREFIX}file"), &format!("{PREFIX}link")]);
    }

    #[test]
    fn a_folder_that_was_taken_for_a_leftover_before_it_was_locked_is_not_used() {
        let parent = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir_in(parent.path()).unwrap();
        let cleaner = File::open(folder.path()).unwrap();
        cleaner.try_lock().unwrap();
        assert!(lock(&folder).unwrap().is_none(), "somebody is about to remove it");
        std::fs::remove_dir(folder.path()).unwrap();
        drop(cleaner);
        assert!(lock(&folder).unwrap().is_none(), "it is gone");
    }
}
