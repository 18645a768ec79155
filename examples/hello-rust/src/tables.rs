//! What is read and what is written.

use spine_sdk::prelude::*;

file_format! {
    /// Pipe-separated, no footer.
    pub struct HelloPsv = "hello_psv" {
        day: Date => header("Date").key().date_format("%Y-%m-%d"),
        symbol: Utf8 => header("Symbol").key(),
        volume: Int64 => header("Volume"),
    }
    delimited { delimiter: '|' }
}

dataset! {
    /// Volume by symbol, and its share of the file.
    pub struct Totals = "hello_rust.totals" {
        /// The day of the volume.
        day: Date,
        symbol: Utf8,
        volume: Int64 => unit("shares"),
        /// Null where the file has no volume at all.
        share: Option<Float64> => unit("fraction"),
    }
    key [symbol, day]
    partition_by [day]
}
