//! Opening a file that somebody named: the errors a person gets, and nothing that can hang.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use model::failure::Reading;
use model::ports::InputBytes;
use model::{Failure, FailureKind};

/// Reads a whole input file of at most `bytes_max` bytes.
///
/// # Errors
///
/// Of kind `source`: `not_found`, `permission_denied`, `not_a_file` (a folder, a device, a FIFO), `too_large`, `io`.
pub fn open_input_file_within(path: &Path, bytes_max: u64) -> Result<InputBytes, Failure> {
    let shown = path.display().to_string();
    let failed = |error: std::io::Error| Failure::io(Reading::Input, "read the input file", &shown, &error);
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NONBLOCK);
    let file = options.open(path).map_err(failed)?;
    let name = path.file_name().map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
    Ok(InputBytes { file_name: name, bytes: Arc::new(read_whole(file, &shown, bytes_max)?) })
}

/// Opening a FIFO for reading waits for a writer, forever if need be, unless this flag is set. It changes nothing for
/// regular files. The standard library does not name it.
#[cfg(unix)]
pub(crate) const NONBLOCK: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 0o4000 } else { 0x4 };

/// Reads an open file to its end, if it is a regular one.
pub(crate) fn read_whole(file: File, shown: &str, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::io(Reading::Input, "read the input file", shown, &error);
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "a device or a pipe" };
        let message = format!("`{shown}` is {what}, not a file: name the file itself");
        return Err(Failure::new(FailureKind::Source, "not_a_file", message));
    }
    let too_large = || {
        let message = format!(
            "`{shown}` is larger than the {bytes_max} bytes an input may have: split it, or raise `limits.input_bytes`"
        );
        Failure::new(FailureKind::Source, "too_large", message)
    };
    if metadata.len() > bytes_max {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // The file may grow while it is read.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max { Err(too_large()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(path: &Path) -> String {
        let failure = open_input_file_within(path, 10).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Source);
        assert!(failure.message.contains(&path.display().to_string()), "{}", failure.message);
        failure.code
    }

    #[test]
    fn each_thing_that_is_not_a_readable_file_has_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(code(&folder.path().join("absent")), "not_found");
        assert_eq!(code(folder.path()), "not_a_file");
        assert_eq!(code(Path::new("/dev/zero")), "not_a_file");
        let large = folder.path().join("large");
        std::fs::write(&large, [b'x'; 11]).unwrap();
        assert_eq!(code(&large), "too_large");
        std::fs::write(&large, [b'x'; 10]).unwrap();
        let read = open_input_file_within(&large, 10).unwrap();
        assert_eq!((read.file_name.as_str(), read.bytes.len()), ("large", 10));
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_is_refused_without_waiting_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(code(&path), "not_a_file");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_without_read_permission_says_so() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        // The superuser reads it all the same, and then there is nothing to see.
        if File::open(&path).is_err() {
            assert_eq!(code(&path), "permission_denied");
        }
    }
}
