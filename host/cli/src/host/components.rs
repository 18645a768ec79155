//! Every component version that was ever active, by digest: what made a capture is still there when its file is not.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Digest;
use model::failure::{Failure, FailureKind, Reading};
use model::ports::{Components, FoundPlugin};
use runtime::{Loaded, Runtime};
use sha2::{Digest as _, Sha256};

/// The versions that a data folder keeps, and the runtime that they are made ready in.
#[derive(Debug)]
pub(super) struct KeptComponents {
    pub(super) runtime: Arc<Runtime>,
    pub(super) data: PathBuf,
    /// Whether what is new is kept there, or the folder is another's.
    pub(super) keeps: bool,
}

#[async_trait::async_trait]
impl Components for KeptComponents {
    async fn keep(&self, found: &FoundPlugin) -> Result<(), Failure> {
        let Some(digest) = found.digest.filter(|_| self.keeps) else { return Ok(()) };
        let (data, file) = (self.data.clone(), found.file.clone());
        blocking(move || {
            let length = |file: &Path| std::fs::metadata(file).ok().map(|it| it.len());
            // One that is cut, or not there, is written again. What else may have become of it is told when it is read.
            let kept = path(&data, &digest);
            if length(&kept).is_some_and(|kept| Some(kept) == length(&file)) {
                return Ok(());
            }
            let bytes = std::fs::read(&file).unwrap_or_default();
            match Sha256::digest(&bytes).as_slice() == digest.as_bytes() {
                true => keep(&data, &digest, &bytes),
                false => Err(changed(&file)),
            }
        })
        .await
    }

    async fn take_in(&self, file_name: &str, bytes: Vec<u8>) -> Result<FoundPlugin, Failure> {
        let (data, runtime, file) = (self.data.clone(), Arc::clone(&self.runtime), PathBuf::from(file_name));
        blocking(move || {
            let loaded = runtime.load_bytes(&file, &bytes);
            if let (true, Some(digest)) = (loaded.is_usable(), loaded.digest) {
                keep(&data, &digest, &bytes)?;
            }
            Ok(found_at(String::new(), loaded))
        })
        .await
    }

    async fn bring_back(&self, digest: Digest) -> Result<FoundPlugin, Failure> {
        let (data, runtime) = (self.data.clone(), Arc::clone(&self.runtime));
        blocking(move || {
            let bytes = read(&data, &digest)?;
            let loaded = runtime.load_bytes(&path(&data, &digest), &bytes);
            Ok(found_at(String::new(), Loaded { file: PathBuf::new(), ..loaded }))
        })
        .await
    }

    fn forget(&self, digest: &Digest) {
        self.runtime.forget(digest);
    }
}

/// A component as the orchestrator is told of it.
pub(super) fn found_at(place: String, loaded: Loaded) -> FoundPlugin {
    let Loaded { file, digest, manifest, findings, from_cache: _ } = loaded;
    FoundPlugin { file, place, digest, manifest, findings }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::new(FailureKind::Internal, "panicked", error.to_string())))
}

fn path(data: &Path, digest: &Digest) -> PathBuf {
    data.join("plugins").join(format!("{}.wasm", digest.hex()))
}

/// The bytes of a version that was kept.
///
/// # Errors
///
/// `not_kept` if it was not, or if what is there is not what was kept.
pub(super) fn read(data: &Path, digest: &Digest) -> Result<Vec<u8>, Failure> {
    let kept = path(data, digest);
    match std::fs::read(&kept) {
        Ok(bytes) if Sha256::digest(&bytes).as_slice() == digest.as_bytes() => Ok(bytes),
        Ok(_) => {
            let message = format!(
                "`{}` does not hold the bytes of its name any more: copy the component there again",
                kept.display()
            );
            Err(Failure::new(FailureKind::Storage, "not_kept", message))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message = format!("no component {digest} is kept in this data folder");
            Err(Failure::new(FailureKind::Validation, "not_kept", message))
        }
        Err(error) => Err(Failure::io(Reading::Own, "read", &kept.display().to_string(), &error)),
    }
}

fn changed(file: &Path) -> Failure {
    let message = format!("`{}` changed while it was loaded; what it holds now is loaded next", file.display());
    Failure::new(FailureKind::Source, "changed", message)
}

/// Ends the name of a copy that is not whole yet.
const UNFINISHED: &str = ".partial";

/// Keeps the bytes of an active component as `plugins/<digest>.wasm` of the data folder, once.
///
/// `bytes` must have that digest; a copy that is there already, whole, is not written again.
fn keep(data: &Path, digest: &Digest, bytes: &[u8]) -> Result<(), Failure> {
    let folder = data.join("plugins");
    let kept = path(data, digest);
    let partial = folder.join(format!("{}{UNFINISHED}", digest.hex()));
    let failed = |error: std::io::Error| Failure::io(Reading::Own, "keep", &kept.display().to_string(), &error);
    let length = std::fs::metadata(&kept).map(|it| it.len());
    if length.is_ok_and(|length| length == bytes.len() as u64) {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&partial).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&partial, &kept).map_err(failed)?;
    std::fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Removes copies that a process left unfinished when it died, and returns their names. Only the owner of the data folder
/// may call this, before it keeps any.
pub(super) fn clean(data: &Path) -> Result<Vec<String>, Failure> {
    let folder = data.join("plugins");
    let failed = |error: std::io::Error| Failure::io(Reading::Own, "clean", &folder.display().to_string(), &error);
    let mut removed = Vec::new();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(removed),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.ends_with(UNFINISHED) {
            std::fs::remove_file(entry.path()).map_err(failed)?;
            removed.push(format!("plugins/{name}"));
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_kept_once_under_its_digest() {
        let data = tempfile::tempdir().unwrap();
        let digest = Digest::new([0xab; 32]);
        keep(data.path(), &digest, b"one").unwrap();
        keep(data.path(), &digest, b"two").unwrap();
        let kept = data.path().join("plugins").join(format!("{}.wasm", digest.hex()));
        assert_eq!(std::fs::read(kept).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(data.path().join("plugins")).unwrap().count(), 1);
    }

    #[test]
    fn a_version_comes_back_as_it_was_kept_or_not_at_all() {
        let data = tempfile::tempdir().unwrap();
        let digest = Digest::new(Sha256::digest(b"one").into());
        assert_eq!(read(data.path(), &digest).unwrap_err().code, "not_kept");
        keep(data.path(), &digest, b"one").unwrap();
        assert_eq!(read(data.path(), &digest).unwrap(), b"one");
        std::fs::write(path(data.path(), &digest), b"two").unwrap();
        let failure = read(data.path(), &digest).unwrap_err();
        assert!(failure.code == "not_kept" && failure.message.contains("does not hold"), "{failure}");
    }

    #[test]
    fn what_a_dead_process_left_unfinished_is_removed_and_nothing_else() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(clean(data.path()).unwrap(), Vec::<String>::new(), "there may be no folder yet");
        keep(data.path(), &Digest::new([0xab; 32]), b"one").unwrap();
        std::fs::write(data.path().join("plugins/cd.partial"), b"tw").unwrap();
        assert_eq!(clean(data.path()).unwrap(), ["plugins/cd.partial"]);
        assert_eq!(std::fs::read_dir(data.path().join("plugins")).unwrap().count(), 1);
    }
}
