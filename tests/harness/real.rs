//! The publishers' real files, where somebody has them. They may not be shipped.

use std::path::PathBuf;

/// The path of a real file below `SPINE_REAL_DATA` (default: `../shared/data` beside the project), or none with a
/// message that the test is skipped.
pub fn real_file(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SPINE_REAL_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let file = folder.join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("skipped: no real file `{path}`; set SPINE_REAL_DATA to the folder that has it");
    None
}
