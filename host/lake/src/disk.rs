//! The disk behind a small trait, so that tests can fill it, break it and watch in what order it is used.
//!
//! Paths are relative to one folder, which is held open: nothing here can reach outside of it. Files and folders are
//! readable by their owner alone.

use std::fmt::Debug;
use std::io::{self, Write};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, File, OpenOptions};
#[cfg(unix)]
use cap_std::fs::{DirBuilderExt, OpenOptionsExt};
use model::Failure;
use model::failure::Reading;

/// What writing a capture or an input needs of a disk.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Makes a folder; one that is there already is as good.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a file that must not be there yet.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the entries of a folder durable; the empty path is the root.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A file being written.
pub(crate) trait DiskFile: Write + Debug + Send {
    /// Makes the content durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// The operating system's disk.
#[derive(Debug)]
pub(crate) struct OsDisk {
    root: Dir,
}

impl OsDisk {
    pub(crate) fn new(root: Dir) -> Self {
        Self { root }
    }
}

impl Disk for OsDisk {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        make_private_dir(&self.root, path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        Ok(Box::new(self.root.open_with(path, &options)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.root.rename(from, &self.root, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        // Opened as a file: a folder handle may have been opened for look-ups only, and those cannot be synced.
        self.root.open_with(path, OpenOptions::new().read(true))?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.root.remove_file(path)
    }
}

impl DiskFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

fn make_private_dir(root: &Dir, path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only unix has modes"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    match root.create_dir_with(path, &builder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && root.is_dir(path) => Ok(()),
        other => other,
    }
}

/// Opens the data folder and the folder `name` in it, making what is not there.
pub(crate) fn open_data_folder(data_dir: &Path, name: &str) -> Result<Dir, Failure> {
    let failed = |error: io::Error| {
        Failure::io(Reading::Own, "open the data folder", &data_dir.join(name).display().to_string(), &error)
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data_dir).map_err(failed)?;
    let data = Dir::open_ambient_dir(data_dir, ambient_authority()).map_err(failed)?;
    make_private_dir(&data, Path::new(name)).map_err(failed)?;
    data.open_dir(name).map_err(failed)
}

/// Opens the folder `name` of a data folder, if both are there, for reading.
pub(crate) fn existing_folder(data_dir: &Path, name: &str) -> Result<Option<Dir>, Failure> {
    let path = data_dir.join(name);
    match Dir::open_ambient_dir(&path, ambient_authority()) {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io(Reading::Own, "open the data folder", &path.display().to_string(), &error)),
    }
}

#[cfg(test)]
pub(crate) mod faulty {
    //! A disk that runs full, fails to sync and remembers what it was asked.

    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug)]
    pub(crate) struct FaultyDisk {
        below: OsDisk,
        state: Arc<State>,
    }

    #[derive(Debug)]
    struct State {
        bytes_left: AtomicU64,
        file_sync_fails: AtomicBool,
        asked: Mutex<Vec<String>>,
    }

    impl FaultyDisk {
        pub(crate) fn new(root: Dir) -> Self {
            let state = State {
                bytes_left: AtomicU64::new(u64::MAX),
                file_sync_fails: AtomicBool::new(false),
                asked: Mutex::new(Vec::new()),
            };
            Self { below: OsDisk::new(root), state: Arc::new(state) }
        }

        pub(crate) fn full_after(self, bytes: u64) -> Self {
            self.state.bytes_left.store(bytes, Ordering::Relaxed);
            self
        }

        pub(crate) fn failing_sync(self) -> Self {
            self.state.file_sync_fails.store(true, Ordering::Relaxed);
            self
        }

        /// A handle to read what was asked, for use after the disk has been given away.
        pub(crate) fn log(&self) -> impl Fn() -> Vec<String> + use<> {
            let state = Arc::clone(&self.state);
            move || state.asked.lock().unwrap().clone()
        }

        /// Makes the disk answer again, after it has been given away.
        pub(crate) fn recovery(&self) -> impl Fn() + use<> {
            let state = Arc::clone(&self.state);
            move || state.file_sync_fails.store(false, Ordering::Relaxed)
        }

        fn note(&self, what: &str, path: &Path) {
            self.state.asked.lock().unwrap().push(format!("{what} {}", path.display()));
        }
    }

    impl Disk for FaultyDisk {
        fn make_dir(&self, path: &Path) -> io::Result<()> {
            self.note("make_dir", path);
            self.below.make_dir(path)
        }

        fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            self.note("create", path);
            let below = self.below.create(path)?;
            Ok(Box::new(FaultyFile { below, state: Arc::clone(&self.state) }))
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.note("rename", to);
            self.below.rename(from, to)
        }

        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            self.note("sync_dir", path);
            self.below.sync_dir(path)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.note("remove", path);
            self.below.remove(path)
        }
    }

    #[derive(Debug)]
    struct FaultyFile {
        below: Box<dyn DiskFile>,
        state: Arc<State>,
    }

    impl Write for FaultyFile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.state.bytes_left.load(Ordering::Relaxed);
            let fits = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if fits == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let written = self.below.write(&bytes[..fits])?;
            self.state.bytes_left.store(left - written as u64, Ordering::Relaxed);
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.below.flush()
        }
    }

    impl DiskFile for FaultyFile {
        fn sync(&mut self) -> io::Result<()> {
            self.state.asked.lock().unwrap().push("sync_file".to_owned());
            if self.state.file_sync_fails.load(Ordering::Relaxed) {
                return Err(io::Error::other("the disk does not answer"));
            }
            self.below.sync()
        }
    }
}
