//! Input rows that did not become output rows.

use serde::{Deserialize, Serialize};

/// Why a line is not in the output. Nothing is dropped without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// `bad_field`, `blank_key`, `field_count`, `bad_document`, `duplicate_key`, or a plugin's own.
    pub code: String,
    pub message: String,
    /// 1 is the first line of the file, header included.
    pub line: Option<u64>,
    /// The line as it stands in the file, without its line end; bytes that are not UTF-8 become U+FFFD.
    pub raw: Option<String>,
}
