//! Every component version that was ever active, by digest: what made a capture is still there when its file is not.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use model::Digest;
use model::failure::{Failure, Reading};

/// Keeps the bytes of an active component as `plugins/<digest>.wasm` of the data folder, once.
///
/// `bytes` must have that digest; a copy that is there already is not written again.
pub(super) fn keep(data: &Path, digest: &Digest, bytes: &[u8]) -> Result<(), Failure> {
    let folder = data.join("plugins");
    let kept = folder.join(format!("{}.wasm", digest.hex()));
    let partial = folder.join(format!("{}.partial", digest.hex()));
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
}
