//! Machine code of components on disk, so that a start need not compile.
//!
//! Machine code runs with the host's rights, so nothing is taken from here that this user did not write whole: the
//! folder is private, files must belong to us and be writable by us alone, and each carries a SHA-256 over its component,
//! the engine it was made for and its content. A file that fails any of it is as good as absent. The cache is a
//! convenience: errors while writing are logged and forgotten.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use model::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

const MAGIC: &[u8; 16] = b"spine-aot-cache1";
const HEADER_BYTES: usize = MAGIC.len() + 32;

/// The folder of compiled components for one engine.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// Differs between engines whose machine code is not interchangeable.
    compatibility: u64,
    owner: Owner,
    written: AtomicU64,
    /// Whether what is compiled may be kept here.
    keeps: bool,
}

/// Machine code as this process made it, or read it from a file that this user wrote whole.
#[derive(Debug)]
pub(super) struct TrustedCode(Vec<u8>);

impl TrustedCode {
    /// Code that [`Engine::precompile_component`] returned.
    pub(super) fn compiled(code: Vec<u8>) -> Self {
        Self(code)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Cache {
    /// Opens the folder, makes it if absent, and clears it of what other engines and dead processes left. The error says
    /// why there can be no cache.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, String> {
        let compatibility = compatibility(engine);
        let owner = private_folder(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
        let cache = Self { folder: folder.to_owned(), compatibility, owner, written: AtomicU64::new(0), keeps: true };
        cache.clear_foreign();
        Ok(cache)
    }

    /// Opens the folder for a process that only looks: nothing in it is made, removed or kept. The error says why it
    /// is not read.
    pub(crate) fn open_read_only(folder: &Path, engine: &Engine) -> Result<Self, String> {
        let owner = trusted_folder(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
        let (compatibility, written) = (compatibility(engine), AtomicU64::new(0));
        Ok(Self { folder: folder.to_owned(), compatibility, owner, written, keeps: false })
    }

    /// The machine code of a component, if a trustworthy file holds it.
    pub(super) fn get(&self, digest: &Digest) -> Option<TrustedCode> {
        let path = self.path(digest);
        match self.read(&path, digest) {
            Ok(code) => Some(TrustedCode(code)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a cached component is not used and will be rebuilt");
                None
            }
        }
    }

    /// Keeps machine code for the next start.
    pub(super) fn put(&self, digest: &Digest, code: &TrustedCode) {
        if !self.keeps {
            return;
        }
        let path = self.path(digest);
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let partial = self.folder.join(format!("{}-{}-{number}.partial", digest.hex(), std::process::id()));
        let written = self.write(&partial, digest, code).and_then(|()| fs::rename(&partial, &path));
        if let Err(error) = written {
            tracing::warn!(file = %path.display(), %error, "could not keep a compiled component");
            // Best effort: the next start clears what is left.
            let _ = fs::remove_file(&partial);
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}-{:016x}.cwasm", digest.hex(), self.compatibility))
    }

    fn read(&self, path: &Path, digest: &Digest) -> io::Result<Vec<u8>> {
        self.owner.check(&fs::symlink_metadata(path)?)?;
        let mut file = File::open(path)?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header)?;
        let mut code = Vec::new();
        file.read_to_end(&mut code)?;
        let (magic, sum) = header.split_at(MAGIC.len());
        if magic != MAGIC || sum != self.sum(digest, &code) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its content is not what was written"));
        }
        Ok(code)
    }

    fn write(&self, path: &Path, digest: &Digest, code: &TrustedCode) -> io::Result<()> {
        let mut file = private_file(path)?;
        file.write_all(MAGIC)?;
        file.write_all(&self.sum(digest, code.bytes()))?;
        file.write_all(code.bytes())
    }

    fn sum(&self, digest: &Digest, code: &[u8]) -> [u8; 32] {
        let mut sum = Sha256::new();
        sum.update(digest.as_bytes());
        sum.update(self.compatibility.to_le_bytes());
        sum.update(code);
        sum.finalize().into()
    }

    /// Removes code for other engines and files that were never finished.
    fn clear_foreign(&self) {
        let ours = format!("-{:016x}.cwasm", self.compatibility);
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let foreign = name.ends_with(".cwasm") && !name.ends_with(&ours);
            if foreign || name.ends_with(".partial") {
                // Best effort: what stays is not read.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// The user whose files are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    #[cfg(unix)]
    user: u32,
}

impl Owner {
    /// Refuses what is not a plain file that its owner, us, alone may write.
    #[cfg(unix)]
    fn check(self, metadata: &fs::Metadata) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        if !metadata.is_file() {
            return refuse("it is not a regular file");
        }
        if metadata.uid() != self.user {
            return refuse("it belongs to another user");
        }
        if metadata.mode() & 0o022 != 0 {
            return refuse("others may write to it");
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn check(self, metadata: &fs::Metadata) -> io::Result<()> {
        if metadata.is_file() { Ok(()) } else { Err(io::Error::other("it is not a regular file")) }
    }
}

/// Makes the folder, takes it away from everybody else, and finds out who we are by writing a file.
#[cfg(unix)]
fn private_folder(folder: &Path) -> io::Result<Owner> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let probe = folder.join(format!("{}-owner.partial", std::process::id()));
    match fs::remove_file(&probe) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let user = private_file(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    let metadata = fs::metadata(folder)?;
    if metadata.uid() != user {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the folder belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(Owner { user })
}

#[cfg(not(unix))]
fn private_folder(folder: &Path) -> io::Result<Owner> {
    fs::create_dir_all(folder)?;
    Ok(Owner {})
}

/// Finds out who we are without writing, and refuses a folder that others may write to.
#[cfg(unix)]
fn trusted_folder(folder: &Path) -> io::Result<Owner> {
    use std::os::unix::fs::MetadataExt as _;
    // Where the system does not tell, the folder is not read: a component more is compiled, that is all.
    let user = fs::metadata("/proc/self")?.uid();
    let metadata = fs::metadata(folder)?;
    if metadata.uid() != user || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others may write to the folder"));
    }
    Ok(Owner { user })
}

#[cfg(not(unix))]
fn trusted_folder(folder: &Path) -> io::Result<Owner> {
    fs::metadata(folder).map(|_| Owner {})
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const DIGEST: Digest = Digest::new([7; 32]);

    fn filled() -> (tempfile::TempDir, Cache, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache"), &Engine::default()).unwrap();
        cache.put(&DIGEST, &TrustedCode::compiled(b"machine code".to_vec()));
        let path = cache.path(&DIGEST);
        (folder, cache, path)
    }

    fn code(cache: &Cache) -> Option<Vec<u8>> {
        cache.get(&DIGEST).map(|code| code.0)
    }

    #[test]
    fn what_was_put_comes_back_and_is_private() {
        let (_folder, cache, path) = filled();
        assert_eq!(code(&cache).as_deref(), Some(&b"machine code"[..]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&cache.folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn changed_cut_and_renamed_files_are_not_trusted() {
        let (_folder, cache, path) = filled();
        let whole = fs::read(&path).unwrap();
        for at in [0, MAGIC.len(), whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert_eq!(code(&cache), None, "byte {at}");
        }
        for length in [0, HEADER_BYTES, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(code(&cache), None, "{length} bytes");
        }
        fs::write(&path, &whole).unwrap();
        assert!(code(&cache).is_some());
        let other = Digest::new([8; 32]);
        fs::rename(&path, cache.path(&other)).unwrap();
        assert!(cache.get(&other).is_none());
    }

    /// As a release of Wasmtime, or another configuration of it, would have left it.
    #[test]
    fn code_of_another_engine_is_not_trusted_under_our_name() {
        let (folder, cache, path) = filled();
        let old = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        let old = Cache::open(&folder.path().join("old"), &old).unwrap();
        assert_ne!(old.compatibility, cache.compatibility);
        old.put(&DIGEST, &TrustedCode::compiled(b"machine code".to_vec()));
        fs::rename(old.path(&DIGEST), &path).unwrap();
        assert_eq!(code(&cache), None);
        cache.put(&DIGEST, &TrustedCode::compiled(b"rebuilt".to_vec()));
        assert_eq!(code(&cache).as_deref(), Some(&b"rebuilt"[..]));
    }

    #[test]
    fn a_file_that_others_may_write_and_a_link_are_not_trusted() {
        let (folder, cache, path) = filled();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        assert_eq!(code(&cache), None);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let moved = folder.path().join("moved");
        fs::rename(&path, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &path).unwrap();
        assert_eq!(code(&cache), None);
    }

    #[test]
    fn opening_takes_the_folder_from_others_and_clears_what_is_of_no_use() {
        let (_folder, cache, path) = filled();
        let folder = cache.folder.clone();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        for name in ["x-0000000000000000.cwasm", "y-1-1.partial"] {
            fs::write(folder.join(name), b"").unwrap();
        }
        let cache = Cache::open(&folder, &Engine::default()).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [path]);
        assert!(code(&cache).is_some());
    }

    #[test]
    fn who_only_looks_reads_and_changes_nothing() {
        let (_folder, cache, path) = filled();
        let folder = cache.folder.clone();
        fs::write(folder.join("y-1-1.partial"), b"").unwrap();
        let looking = Cache::open_read_only(&folder, &Engine::default()).unwrap();
        assert!(code(&looking).is_some());
        looking.put(&Digest::new([8; 32]), &TrustedCode::compiled(b"other".to_vec()));
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        left.sort();
        assert_eq!(left, [path, folder.join("y-1-1.partial")]);

        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Cache::open_read_only(&folder, &Engine::default()).is_err(), "others may write to it");
        assert!(Cache::open_read_only(&folder.join("absent"), &Engine::default()).is_err());
    }
}
