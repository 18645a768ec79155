//! What a capture file says about itself: which capture it is, and which run wrote it.
//!
//! Start-up cleaning reads it of files that no row of the ledger names, since only the ledger of that run may say that
//! nobody wants them. Readers of the data have no use for it.

use std::fs::File;

use model::{CaptureId, RunId};
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

const CAPTURE: &str = "spine.capture_id";
const RUN: &str = "spine.run_id";

/// What is written into the footer.
pub(super) fn stamp(capture: &str, run: &str) -> Vec<KeyValue> {
    [(CAPTURE, capture), (RUN, run)].map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned())).to_vec()
}

/// The run that wrote the file as this capture; none if the file does not say so itself.
pub(crate) fn writer(file: File, capture: CaptureId) -> Option<RunId> {
    let reader = SerializedFileReader::new(file).ok()?;
    let pairs = reader.metadata().file_metadata().key_value_metadata()?;
    let said = |key: &str| pairs.iter().find(|pair| pair.key == key)?.value.as_deref();
    if said(CAPTURE)?.parse() != Ok(capture) {
        return None;
    }
    said(RUN)?.parse().ok()
}
