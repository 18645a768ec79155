//! The publishers' real files, where somebody has them. They may not be shipped.

use std::path::{Path, PathBuf};

/// The text of a real file below `SPINE_REAL_DATA` (default: `../shared/data` beside the project), or none with a
/// message that the test is skipped.
#[expect(clippy::disallowed_methods, reason = "tests of real files are told where they are by the environment")]
pub(super) fn read(path: &str) -> Option<String> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SPINE_REAL_DATA").map_or_else(beside, PathBuf::from);
    let text = std::fs::read_to_string(folder.join(path)).ok();
    if text.is_none() {
        println!("skipped: no real file `{path}`; set SPINE_REAL_DATA to the folder that has it");
    }
    text
}
