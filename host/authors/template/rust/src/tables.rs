//! What is read, and what is written.

use spine_sdk::prelude::*;

file_format! {
    /// The publisher's file: a header, then a line for each symbol. Lines that do not fit are rejects of the host's.
    pub struct PricesCsv = "prices_csv" {
        day: Date => header("Date").key().date_format("%Y-%m-%d"),
        symbol: Utf8 => header("Symbol").key(),
        open: Decimal<18, 6> => header("Open"),
        close: Decimal<18, 6> => header("Close"),
        volume: Option<Int64> => header("Volume").nulls(["", "--"]),
    }
    delimited { delimiter: ',' }
}

dataset! {
    /// One row for each symbol of a day.
    pub struct Prices = "@NAME@.prices" {
        /// The session.
        day: Date,
        /// Case-sensitive, as the publisher writes it.
        symbol: Utf8,
        open: Decimal<18, 6> => unit("USD"),
        close: Decimal<18, 6> => unit("USD"),
        /// Null where the publisher has none.
        volume: Option<Int64> => unit("shares"),
        /// 100 x (close - open) / open; null where the open is 0.
        change_pct: Option<Float64> => unit("percent"),
    }
    key [symbol, day]
    partition_by [day]
}
