//! One process owns a data folder.
//!
//! The owner holds an operating-system lock on `spine.lock`, which a dead process cannot keep, and writes its process
//! id there. Beside it lie `spine.address` (where the owner listens, or `starting` until it does) and `spine.token`
//! (0600: only its user can talk to it). Both are removed when the owner lets go; after a crash they are stale, which
//! the lock tells. As long as it is starting it gives a sign of life each second, so that one that hangs can be told from
//! one that has much to load.

mod pulse;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::failure::{Failure, FailureKind, Reading};
use model::ports::Entropy;

pub(crate) use self::pulse::Beat;
use self::pulse::Pulse;

const LOCK: &str = "spine.lock";
const ADDRESS: &str = "spine.address";
const TOKEN: &str = "spine.token";

/// What `spine.address` holds from the moment of the lock until the owner listens.
const STARTING: &str = "starting";

/// The right to change a data folder, for as long as it lives.
#[derive(Debug)]
pub struct OwnerLock {
    data: PathBuf,
    /// Rests once the owner listens. None where the system has no thread to spare.
    pulse: Option<Pulse>,
    /// Held for its lock. After the pulse, which writes to it.
    _file: File,
}

/// What the owner of a folder says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnerSign {
    /// It has the folder, and will listen when its plugins are loaded. The time changes as long as it lives.
    Starting(Beat),
    Listening(OwnerAddress),
    /// Nothing: nobody owns the folder, or somebody removed the files.
    Nothing,
}

/// What the owner left for others to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnerAddress {
    pub(crate) address: String,
    pub(crate) token: String,
}

impl OwnerLock {
    /// Takes the folder, which must exist; none if another process owns it.
    pub fn acquire(data: &Path) -> Result<Option<Self>, Failure> {
        let path = data.join(LOCK);
        let failed = |error: &std::io::Error| Failure::io(Reading::Own, "lock", &path.display().to_string(), error);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| unusable_folder(data, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        // Only a help for people who look for the process, so a full disk is no reason to stop.
        let id = std::process::id().to_string();
        drop(file.set_len(0).and_then(|()| (&file).write_all(id.as_bytes())));
        let lock = Self { data: data.to_owned(), pulse: Pulse::start(&file, id).ok(), _file: file };
        lock.forget_address();
        lock.write(ADDRESS, STARTING)?;
        Ok(Some(lock))
    }

    /// Says where this owner listens and returns the fresh token that a caller must show.
    pub(crate) fn announce(&self, address: &str, entropy: &dyn Entropy) -> Result<String, Failure> {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        let token = hex::encode(secret);
        // The token first: whoever reads an address finds its token.
        self.write(TOKEN, &token)?;
        self.write(ADDRESS, address)?;
        self.pulse.iter().for_each(Pulse::rest);
        Ok(token)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.data.join(name);
        let partial = self.data.join(partial(name));
        let written = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&partial)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| std::fs::rename(&partial, &path));
        written.map_err(|error| Failure::io(Reading::Own, "write", &path.display().to_string(), &error))
    }

    fn forget_address(&self) {
        for name in [ADDRESS, TOKEN] {
            // Absent is as good as removed.
            drop(std::fs::remove_file(self.data.join(name)));
            drop(std::fs::remove_file(self.data.join(partial(name))));
        }
    }
}

impl Drop for OwnerLock {
    fn drop(&mut self) {
        self.forget_address();
    }
}

/// The name of a file that is not whole yet.
fn partial(name: &str) -> String {
    format!("{name}.partial")
}

/// Keeps others from owning `data` for as long as the answer lives, and changes nothing in it: neither the lock's file is
/// made nor a stale address removed. None if another process owns the folder.
///
/// # Errors
///
/// `bad_folder` (exit code 2) if the folder is there but not to be read.
pub(crate) fn hold_still(data: &Path) -> Result<Option<Stillness>, Failure> {
    let file = match File::open(data.join(LOCK)) {
        Ok(file) => file,
        // Nobody has ever owned it.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(Stillness(None))),
        Err(error) => return Err(unusable_folder(data, &error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(Stillness(Some(file)))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unusable_folder(data, &error)),
    }
}

/// The time in which nobody owns a data folder.
#[derive(Debug)]
pub(crate) struct Stillness(#[expect(dead_code, reason = "held for its lock")] Option<File>);

/// What the owner of `data` says about itself. Whether it lives, the lock tells and its answers.
pub(crate) fn find(data: &Path) -> OwnerSign {
    let read = |name| std::fs::read_to_string(data.join(name)).ok().map(|text| text.trim().to_owned());
    match read(ADDRESS) {
        Some(text) if text == STARTING => OwnerSign::Starting(pulse::last(&data.join(LOCK))),
        Some(address) => match read(TOKEN) {
            Some(token) => OwnerSign::Listening(OwnerAddress { address, token }),
            None => OwnerSign::Nothing,
        },
        None => OwnerSign::Nothing,
    }
}

/// Whether somebody is known not to own `data`: a folder whose lock this user may not read may have an owner.
pub(crate) fn has_no_owner(data: &Path) -> bool {
    matches!(hold_still(data), Ok(Some(_)))
}

/// The owner's process id, for people.
pub(crate) fn process(data: &Path) -> Option<u32> {
    std::fs::read_to_string(data.join(LOCK)).ok()?.trim().parse().ok()
}

/// The failure of a folder that cannot be used, exit code 2.
pub(crate) fn unusable_folder(path: &Path, error: &std::io::Error) -> Failure {
    let message =
        format!("cannot use the folder `{}`: {error}; name a folder that this user may read and write", path.display());
    Failure::new(FailureKind::Config, "bad_folder", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_second_owner_is_turned_away_and_finds_the_first() {
        let data = tempfile::tempdir().unwrap();
        let owner = OwnerLock::acquire(data.path()).unwrap().unwrap();
        assert!(OwnerLock::acquire(data.path()).unwrap().is_none());
        assert!(matches!(find(data.path()), OwnerSign::Starting(Some(_))), "an owner says so before it listens");
        assert_eq!(process(data.path()), Some(std::process::id()));
        let token = owner.announce("127.0.0.1:9", &Sevens).unwrap();
        let address = "127.0.0.1:9".to_owned();
        assert_eq!(find(data.path()), OwnerSign::Listening(OwnerAddress { address, token }));
        drop(owner);
        assert_eq!(find(data.path()), OwnerSign::Nothing);
        assert!(OwnerLock::acquire(data.path()).unwrap().is_some());
    }

    #[test]
    fn a_folder_is_held_still_without_a_trace_unless_it_has_an_owner() {
        let data = tempfile::tempdir().unwrap();
        assert!(hold_still(&data.path().join("absent")).unwrap().is_some());
        assert!(hold_still(data.path()).unwrap().is_some());
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing was made");
        let owner = OwnerLock::acquire(data.path()).unwrap().unwrap();
        assert!(hold_still(data.path()).unwrap().is_none());
        drop(owner);
        std::fs::write(data.path().join(ADDRESS), "stale").unwrap();
        let still = hold_still(data.path()).unwrap().unwrap();
        assert!(OwnerLock::acquire(data.path()).unwrap().is_none());
        drop(still);
        assert!(data.path().join(ADDRESS).exists(), "nothing was removed");
        assert!(OwnerLock::acquire(data.path()).unwrap().is_some());
    }

    #[test]
    fn the_token_is_for_its_user_only() {
        use std::os::unix::fs::PermissionsExt;
        let data = tempfile::tempdir().unwrap();
        let owner = OwnerLock::acquire(data.path()).unwrap().unwrap();
        owner.announce("127.0.0.1:9", &Sevens).unwrap();
        let mode = std::fs::metadata(data.path().join(TOKEN)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
