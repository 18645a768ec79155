//! Whether a folder that an operator names can be read.

use std::path::Path;

use model::failure::{Failure, Reading};

/// Looks into the folder.
///
/// # Errors
///
/// `not_found`, `permission_denied` or another I/O code if it is no folder that this process may read.
pub fn check_folder(path: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::io(Reading::Input, "read the folder", &path.display().to_string(), &error);
    std::fs::read_dir(path).map(drop).map_err(failed)
}
