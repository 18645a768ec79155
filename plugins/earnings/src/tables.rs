//! The dataset of surprises, and the two vendors' formats.

use spine_sdk::prelude::*;

dataset! {
    /// Reported against estimated earnings per share, one row an announcement.
    pub struct Surprises = "earnings.surprises" {
        /// The company, as the vendor writes it.
        ticker: Utf8,
        /// The day of the announcement.
        report_date: Date,
        /// The end of the fiscal period, where the vendor tells it.
        period_ending: Option<Date>,
        /// bmo before the market opens, amc after it closes.
        report_time: Option<Utf8>,
        /// What was expected.
        estimate: Option<Decimal<18, 6>> => unit("USD/share"),
        /// What was reported.
        reported: Option<Decimal<18, 6>> => unit("USD/share"),
        /// Reported minus estimate.
        surprise: Option<Decimal<18, 6>> => unit("USD/share"),
        /// 100 x surprise / |estimate|; null where the estimate is 0.
        surprise_pct: Option<Float64> => unit("percent"),
        /// beat, miss, inline (within 1 percent), no_estimate or not_reported.
        direction: Utf8,
        /// small below 3 percent, moderate below 10 percent, else large.
        magnitude: Option<Utf8>,
        /// The estimate is below 0.05 in magnitude, so the percentage means little.
        unstable_pct: Bool,
        /// The vendor's format: russell3000 or zacks.
        source_format: Utf8,
        /// The month of the announcement, YYYY-MM.
        report_month: Utf8,
    }
    key [source_format, ticker, report_date]
    partition_by [source_format, report_month]
    host_checks [Header, UniqueKey, LastLineComplete]
}

file_format! {
    /// Announcements of the Russell 3000.
    pub struct Russell3000 = "russell3000" {
        ticker: Utf8 => header("ticker").key(),
        report_date: Date => header("date").key(),
        period_ending: Option<Date> => header("period_ending").nulls(["", "--"]),
        estimate: Option<Decimal<18, 6>> => header("estimate").trim().nulls(["", "--"]),
        reported: Option<Decimal<18, 6>> => header("reported").trim().nulls(["", "--"]),
        vendor_surprise: Option<Utf8> => header("surprise").trim().nulls(["", "--"]),
        vendor_percent: Option<Utf8> => header("surprise%").trim().nulls(["", "--"]),
    }
    delimited { delimiter: ',', quote: '"' }
}

file_format! {
    /// A quarter of announcements from Zacks: dates with the day first, `--` for what is missing.
    pub struct Zacks = "zacks" {
        ticker: Utf8 => header("Symbol").key().trim(),
        company: Option<Utf8> => header("Company").nulls([""]),
        market_cap: Option<Utf8> => header("Market Cap(M)").nulls([""]),
        report_time: Option<Utf8> => header("Time").trim().nulls(["", "--"]),
        estimate: Option<Decimal<18, 6>> => header("Estimate").trim().thousands(',').nulls(["", "--"]),
        reported: Option<Decimal<18, 6>> => header("Reported").trim().thousands(',').nulls(["", "--"]),
        vendor_surprise: Option<Utf8> => header("Surprise").trim().nulls(["", "--"]),
        vendor_percent: Option<Utf8> => header("%Surp").trim().nulls(["", "--"]),
        price_change: Option<Utf8> => header("%Price Change**").nulls(["", "--"]),
        revenue_surprise: Option<Utf8> => header("%Rev Surprise").nulls(["", "--"]),
        report_date: Date => header("Date").key().trim().date_format("%d/%m/%Y"),
    }
    delimited { delimiter: ',', quote: '"' }
}
