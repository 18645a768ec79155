//! The datasets and file formats of daily short-sale volume.
//!
//! The formats name their columns as the datasets do, so that a batch passes through with its volumes untouched.

use spine_sdk::prelude::*;

/// Most characters of a symbol. FINRA's layout has at most 14; the exchanges say nothing. Twice that leaves room.
const SYMBOL_CHARS: u32 = 28;

dataset! {
    /// Daily short-sale volume of the consolidated feed: all off-exchange trades that were reported to the media
    /// during regular hours. Exchanges are not in it.
    pub struct RegshoDaily = "finra.regsho_daily" {
        /// The session.
        trade_date: Date,
        /// The security, case-sensitive.
        symbol: Utf8,
        /// Shares sold short, short-exempt ones included.
        short_volume: Decimal<18, 6> => unit("shares"),
        /// The short-exempt part of the short volume.
        short_exempt_volume: Option<Decimal<18, 6>> => unit("shares"),
        /// All shares traded.
        total_volume: Decimal<18, 6> => unit("shares"),
        /// Short volume / total volume; null where nothing was traded.
        short_ratio: Option<Float64> => unit("fraction"),
        /// Codes of the facilities, separated by commas.
        market: Utf8,
    }
    key [symbol, trade_date]
    partition_by [trade_date]
    host_checks [Header, UniqueKey, TrailerCount, LastLineComplete]
}

dataset! {
    /// Daily short-sale volume of one facility: a trade reporting facility, or an exchange that publishes its own.
    pub struct RegshoFacilityDaily = "finra.regsho_facility_daily" {
        /// The session.
        trade_date: Date,
        /// The feed, by the prefix of its files.
        facility: Utf8,
        /// The security, case-sensitive and in the spelling of the feed.
        symbol: Utf8,
        /// Shares sold short, short-exempt ones included.
        short_volume: Decimal<18, 6> => unit("shares"),
        /// The short-exempt part of the short volume; null in feeds that do not tell it.
        short_exempt_volume: Option<Decimal<18, 6>> => unit("shares"),
        /// All shares traded.
        total_volume: Decimal<18, 6> => unit("shares"),
        /// Short volume / total volume; null where nothing was traded.
        short_ratio: Option<Float64> => unit("fraction"),
        /// The market's code, which means something else in each feed.
        market: Utf8,
    }
    key [facility, symbol, trade_date]
    partition_by [trade_date, facility]
    host_checks [Header, UniqueKey, TrailerCount, LastLineComplete]
}

file_format! {
    /// The layout of FINRA's own feeds: six columns, then a line with the number of data lines.
    pub struct SixColumns = "regsho_six" {
        trade_date: Date => header("Date").key().date_format("%Y%m%d"),
        symbol: Utf8 => header("Symbol").key().max_chars(SYMBOL_CHARS),
        short_volume: Decimal<18, 6> => header("ShortVolume"),
        short_exempt_volume: Decimal<18, 6> => header("ShortExemptVolume"),
        total_volume: Decimal<18, 6> => header("TotalVolume"),
        market: Utf8 => header("Market"),
    }
    delimited { delimiter: '|' }
    footer { rule: RecordCount, required: true, required_param: "trailer" }
}

file_format! {
    /// The layout of the exchanges BX and PSX: no exempt volume and no line with a count.
    pub struct FiveColumns = "regsho_five" {
        trade_date: Date => header("DATE").key().date_format("%Y%m%d"),
        symbol: Utf8 => header("SYMBOL").key().max_chars(SYMBOL_CHARS),
        short_volume: Decimal<18, 6> => header("SHORT VOLUME"),
        total_volume: Decimal<18, 6> => header("TOTAL VOLUME"),
        market: Utf8 => header("MARKET"),
    }
    delimited { delimiter: '|' }
}
