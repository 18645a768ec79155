//! What runs read, kept under `inputs/` by the digest of the bytes as they came.
//!
//! Each file is zstd over those bytes and is written once, under another name first: a file that has its final name is
//! whole and durable.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;
use model::failure::Reading;
use model::ports::{InputBytes, KeptInput};
use model::{Digest, Failure, FailureKind};
use sha2::{Digest as _, Sha256};

use crate::disk::Disk;

/// Ends the name of a file that is not whole yet.
pub(crate) const UNFINISHED: &str = ".tmp";

/// Kept inputs are read rarely and stay for long, but a run waits for their writing: 3 is zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// Inputs that are being written side by side. Past this a caller writes its own.
const WRITERS_MAX: usize = 8;

/// The folder `inputs/`. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct InputStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: Dir,
    disk: Box<dyn Disk>,
    next: AtomicU64,
    /// Inputs that are being written, or could not be.
    pending: Mutex<HashMap<Digest, Written>>,
    settled: Condvar,
    /// What was asked to be kept of late: the ledger may not name it yet. None before the first sweep: nobody removes
    /// anything, so nobody need remember.
    recent: Mutex<Option<Recent>>,
}

/// What was asked to be kept since the last sweep began, and between that and the one before.
#[derive(Debug, Default)]
struct Recent {
    now: HashSet<Digest>,
    before: HashSet<Digest>,
}

/// None while the writing goes on.
type Written = Option<Failure>;

/// The SHA-256 of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

impl InputStore {
    pub(crate) fn new(dir: Dir, disk: Box<dyn Disk>) -> Self {
        let (next, pending, settled, recent) = (AtomicU64::new(0), Mutex::default(), Condvar::new(), Mutex::default());
        Self(Arc::new(Shared { dir, disk, next, pending, settled, recent }))
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.0.dir
    }

    /// Begins to keep the bytes; those that are there already are not written again.
    ///
    /// Writing takes two turns of the disk, and nobody needs the file before the run is published: the caller goes on
    /// meanwhile, and asks [`InputStore::settle`] in the end.
    pub(crate) fn keep(&self, input: InputBytes) -> KeptInput {
        let digest = digest(&input.bytes);
        let kept = KeptInput { file_name: input.file_name, digest, bytes: input.bytes };
        // Before the look at the file: whoever removes it sees this first, or it is gone and written again.
        if let Some(recent) = &mut *self.0.recent() {
            recent.now.insert(digest);
        }
        if self.0.dir.is_file(file_name(digest)) {
            return kept;
        }
        let mut pending = self.0.pending();
        if matches!(pending.get(&digest), Some(None)) {
            return kept;
        }
        let is_crowded = pending.len() >= WRITERS_MAX;
        pending.insert(digest, None);
        drop(pending);
        let work = {
            let (shared, kept) = (Arc::clone(&self.0), kept.clone());
            move || shared.write_and_tell(&kept)
        };
        if is_crowded {
            work();
        } else if std::thread::Builder::new().name("keep-input".to_owned()).spawn(work).is_err() {
            self.0.write_and_tell(&kept);
        }
        kept
    }

    /// Waits until an input that was to be kept is durable.
    ///
    /// # Errors
    ///
    /// Of kind `storage`: why it could not be written, `no_space` among others.
    pub(crate) fn settle(&self, digest: Digest) -> Result<(), Failure> {
        let mut pending = self.0.pending();
        loop {
            match pending.get(&digest) {
                None => return Ok(()),
                Some(Some(failure)) => return Err(failure.clone()),
                Some(None) => pending = self.0.settled.wait(pending).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// From now on [`InputStore::remove`] spares what is asked to be kept, and what was since the call before.
    pub(crate) fn begin_sweep(&self) {
        let mut recent = self.0.recent();
        let before = recent.take().map(|recent| recent.now).unwrap_or_default();
        *recent = Some(Recent { now: HashSet::new(), before });
    }

    /// Removes a kept input, unless somebody has asked to keep it of late. Whether there was one to remove.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, if it cannot be removed.
    pub(crate) fn remove(&self, digest: Digest) -> Result<bool, Failure> {
        // Held until the file is gone: who keeps it next does not find it.
        let recent = self.0.recent();
        if recent.as_ref().is_none_or(|recent| recent.now.contains(&digest) || recent.before.contains(&digest)) {
            return Ok(false);
        }
        let name = file_name(digest);
        match self.0.disk.remove(Path::new(&name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::io(Reading::Own, "remove the input", &format!("inputs/{name}"), &error)),
        }
    }

    /// The bytes of a kept input.
    ///
    /// # Errors
    ///
    /// `not_found` if no run read it here, `corrupt` if the file is not what its name says.
    pub(crate) fn read(&self, wanted: Digest) -> Result<Arc<Vec<u8>>, Failure> {
        self.settle(wanted)?;
        let name = file_name(wanted);
        let path = format!("inputs/{name}");
        let file =
            self.0.dir.open(&name).map_err(|error| Failure::io(Reading::Own, "read the input", &path, &error))?;
        let corrupt = |why: String| {
            let message = format!("the kept input `{path}` is damaged ({why}): restore it from a backup");
            Failure::new(FailureKind::Storage, "corrupt", message)
        };
        let mut bytes = Vec::new();
        zstd::stream::read::Decoder::new(file)
            .and_then(|mut decoder| decoder.read_to_end(&mut bytes))
            .map_err(|error| corrupt(error.to_string()))?;
        let found = digest(&bytes);
        if found != wanted { Err(corrupt(format!("its digest is {found}"))) } else { Ok(Arc::new(bytes)) }
    }
}

/// Inputs that an attempt has read and that are being kept.
///
/// Dropping it waits for them: the ledger names the inputs of an attempt that is given up as well, and the process may
/// end right after that.
#[derive(Debug)]
pub(crate) struct Keeping {
    store: InputStore,
    digests: Vec<Digest>,
}

impl Keeping {
    pub(crate) fn new(store: InputStore, digests: Vec<Digest>) -> Self {
        Self { store, digests }
    }

    /// Keeps one more.
    pub(crate) fn add(&mut self, input: InputBytes) -> KeptInput {
        let kept = self.store.keep(input);
        self.digests.push(kept.digest);
        kept
    }

    /// Something that was kept before.
    ///
    /// # Errors
    ///
    /// Those of [`InputStore::read`].
    pub(crate) fn read(&self, wanted: Digest) -> Result<Arc<Vec<u8>>, Failure> {
        self.store.read(wanted)
    }

    /// Hands the duty to wait over.
    pub(crate) fn take(&mut self) -> Self {
        Self { store: self.store.clone(), digests: std::mem::take(&mut self.digests) }
    }

    /// Waits until all are durable.
    ///
    /// # Errors
    ///
    /// Those of [`InputStore::settle`].
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        self.digests.iter().try_for_each(|digest| self.store.settle(*digest))
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure; what was not kept is missed when somebody replays the run.
        let _ = self.settle();
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, HashMap<Digest, Written>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, Option<Recent>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_and_tell(&self, kept: &KeptInput) {
        let name = file_name(kept.digest);
        // Whatever happens, those who wait must be told.
        let written = catch_unwind(AssertUnwindSafe(|| self.write(&name, &kept.bytes)));
        let written = written.unwrap_or_else(|_| Err(io::Error::other("the writer stopped unexpectedly")));
        let written = written.map_err(|error| {
            let failure = Failure::io(Reading::Own, "keep the input", &format!("inputs/{name}"), &error);
            failure.detail("file_name", &kept.file_name)
        });
        let mut pending = self.pending();
        match written {
            Ok(()) => pending.remove(&kept.digest),
            Err(failure) => pending.insert(kept.digest, Some(failure)),
        };
        self.settled.notify_all();
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let packed = zstd::bulk::compress(bytes, ZSTD_LEVEL)?;
        let (temporary, mut file) = loop {
            let temporary = unfinished_name(name, self.next.fetch_add(1, Ordering::Relaxed));
            match self.disk.create(Path::new(&temporary)) {
                // A leftover of a process that died; start-up cleaning has not come to it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => break (temporary, other?),
            }
        };
        let written = file
            .write_all(&packed)
            .and_then(|()| file.sync())
            .and_then(|()| self.disk.rename(Path::new(&temporary), Path::new(name)))
            .and_then(|()| self.disk.sync_dir(Path::new("")));
        if written.is_err() {
            // What cannot be removed now is removed at the next start.
            let _ = self.disk.remove(Path::new(&temporary));
        }
        written
    }
}

pub(crate) fn file_name(digest: Digest) -> String {
    format!("{}.zst", digest.hex())
}

/// The name of a file until it is whole, told from others of the same name by a number.
fn unfinished_name(name: &str, number: u64) -> String {
    format!(".{name}.{number}{UNFINISHED}")
}

/// Whether a file of this name in `inputs/` is a kept input.
pub(crate) fn is_input(name: &str) -> bool {
    let digest = name.strip_suffix(".zst").and_then(|hex| hex.parse::<Digest>().ok());
    digest.is_some_and(|digest| file_name(digest) == name)
}

/// Whether a file of this name in `inputs/` was left by a writer that did not end.
pub(crate) fn is_unfinished_input(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(UNFINISHED)?.rsplit_once('.'));
    parts.is_some_and(|(whole, number)| {
        is_input(whole) && number.parse::<u64>().is_ok_and(|number| unfinished_name(whole, number) == name)
    })
}

#[cfg(test)]
mod tests;
