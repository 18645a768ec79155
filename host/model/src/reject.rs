//! Input rows that did not become output rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most rejects of one run that are rows of the ledger. A run with more has a file for all of them.
pub const LEDGER_ROWS_MAX: usize = 1_000;

/// Most bytes of text among the rejects that the report of a dry run shows; one is shown however long it is.
pub const REPORT_BYTES_MAX: u64 = 1024 * 1024;

/// Why a line is not in the output. Nothing is dropped without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// `bad_field`, `blank_key`, `bad_key`, `field_count`, `bad_document`, `duplicate_key`, `not_published`, or a plugin's own.
    pub code: String,
    pub message: String,
    /// 1 is the first line of the file, header included.
    pub line: Option<u64>,
    /// The line as it stands in the file, without its line end; bytes that are not UTF-8 become U+FFFD.
    pub raw: Option<String>,
}

impl Reject {
    /// Bytes of its text.
    pub fn text_bytes(&self) -> u64 {
        (self.message.len() + self.raw.as_ref().map_or(0, String::len)) as u64
    }
}

/// The rejects of a run as they are kept: few as rows of the ledger, many in a file, never both. Of a dry run the first
/// are here, for its report, and nothing is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejects {
    /// By input, then in order of line.
    pub rows: Vec<Reject>,
    pub file: Option<RejectFile>,
}

/// A Parquet file with the rejects of one run, in the order of [`Rejects::rows`]. Durable before a row names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectFile {
    /// Relative to `rejects/`.
    pub path: String,
    pub bytes: u64,
    pub rows: u64,
    /// Rejected lines by code, those included that a limit kept out of the file.
    pub codes: BTreeMap<String, u64>,
}
