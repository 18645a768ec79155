//! Every component version that was ever active, by digest: what made a capture is still there when its file is not.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use model::Digest;
use model::failure::{Failure, Reading};

/// Ends the name of a copy that is not whole yet.
const UNFINISHED: &str = ".partial";

/// Keeps the bytes of an active component as `plugins/<digest>.wasm` of the data folder, once.
///
/// `bytes` must have that digest; a copy that is there already is not written again.
pub(super) fn keep(data: &Path, digest: &Digest, bytes: &[u8]) -> Result<(), Failure> {
    let folder = data.join("plugins");
    let kept = folder.join(format!("{}.wasm", digest.hex()));
    let partial = folder.join(format!("{}{UNFINISHED}", digest.hex()));
    let failed = |error: std::io::Error| Failure::io(Reading::Own, "keep", &kept.display().to_string(), &error);
    if kept.try_exists().map_err(failed)? {
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
        keep(data.path(), &digest, b"never written").unwrap();
        let kept = data.path().join("plugins").join(format!("{}.wasm", digest.hex()));
        assert_eq!(std::fs::read(kept).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(data.path().join("plugins")).unwrap().count(), 1);
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
