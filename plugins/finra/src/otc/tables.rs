//! The datasets and the file format of weekly volume.

use spine_sdk::prelude::*;

dataset! {
    /// Weekly volume of each security at each venue.
    pub struct OtcVenueVolume = "finra.otc_venue_volume" {
        /// The Friday of the week.
        week_ending: Date,
        /// NMS_TIER_1, NMS_TIER_2 or OTC.
        tier: Utf8,
        /// The security.
        symbol: Utf8,
        /// The name of the security.
        issue_name: Option<Utf8>,
        /// The venue, by its market participant identifier.
        mpid: Utf8,
        /// The name of the venue.
        venue_name: Option<Utf8>,
        /// Shares traded in the week.
        total_shares: Decimal<18, 6> => unit("shares"),
        /// Trades in the week.
        total_trades: Int64 => unit("trades"),
        /// Shares of an average trade; null without trades.
        avg_trade_size: Option<Float64> => unit("shares"),
        /// When the publisher last corrected the row.
        source_last_update_date: Option<Date>,
    }
    key [symbol, mpid]
    partition_by [week_ending, tier]
    host_checks [Header, UniqueKey, LastLineComplete]
}

dataset! {
    /// Weekly volume of each security over all venues, and how concentrated it is.
    pub struct OtcSymbolSummary = "finra.otc_symbol_summary" {
        /// The Friday of the week.
        week_ending: Date,
        /// NMS_TIER_1, NMS_TIER_2 or OTC.
        tier: Utf8,
        /// The security.
        symbol: Utf8,
        /// Shares traded in the week.
        total_shares: Decimal<18, 6> => unit("shares"),
        /// Trades in the week.
        total_trades: Int64 => unit("trades"),
        /// Venues that traded it.
        venue_count: Int64 => unit("venues"),
        /// Shares of an average trade; null without trades.
        avg_trade_size: Option<Float64> => unit("shares"),
        /// Herfindahl-Hirschman index: the sum of the squared shares of its venues, 1/n to 1; null without shares.
        hhi: Option<Float64> => unit("fraction"),
    }
    key [symbol]
    partition_by [week_ending, tier]
    host_checks [UniqueKey]
}

dataset! {
    /// Weekly volume of each venue over all securities of the tier, and its share of it.
    pub struct OtcVenueShare = "finra.otc_venue_share" {
        /// The Friday of the week.
        week_ending: Date,
        /// NMS_TIER_1, NMS_TIER_2 or OTC.
        tier: Utf8,
        /// The venue, by its market participant identifier.
        mpid: Utf8,
        /// The name of the venue.
        venue_name: Option<Utf8>,
        /// Shares traded in the week.
        total_shares: Decimal<18, 6> => unit("shares"),
        /// Trades in the week.
        total_trades: Int64 => unit("trades"),
        /// Securities it traded.
        symbol_count: Int64 => unit("securities"),
        /// Its part of all shares of the tier; null where none were traded.
        share: Option<Float64> => unit("fraction"),
        /// 1 for the greatest volume; equal volumes rank by mpid.
        rank: Int64,
    }
    key [mpid]
    partition_by [week_ending, tier]
    host_checks [UniqueKey]
}

/// Most characters of a symbol and of a market participant identifier. FINRA has none that are longer.
const NAME_CHARS: u32 = 20;

file_format! {
    /// The weekly download, separated by bars whatever its suffix says, without a last line of its own.
    pub struct WeeklyFile = "otc_weekly" {
        tier: Option<Utf8> => header("tierDescription").trim().nulls([""]),
        symbol: Utf8 => header("issueSymbolIdentifier").key().trim().max_chars(NAME_CHARS),
        issue_name: Option<Utf8> => header("issueName").trim().nulls([""]),
        venue_name: Option<Utf8> => header("marketParticipantName").trim().nulls([""]),
        mpid: Utf8 => header("MPID").key().trim().max_chars(NAME_CHARS),
        total_shares: Decimal<18, 6> => header("totalWeeklyShareQuantity").trim(),
        total_trades: Int64 => header("totalWeeklyTradeCount").trim(),
        source_last_update_date: Option<Date> => header("lastUpdateDate").trim().nulls([""]),
    }
    delimited { delimiter: '|' }
}
