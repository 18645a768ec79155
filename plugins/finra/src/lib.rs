//! The FINRA domain: daily short-sale volume (Reg SHO) and weekly OTC transparency volume.
//!
//! `regsho` and `otc` are the two subjects; each has its tables, its pipeline and its checks. `calendar` holds the
//! sessions of the exchange. Nothing here reads a clock, a random number or a file: the host brings the rows.

pub mod calendar;
mod evidence;
mod not_empty;
pub mod otc;
pub mod regsho;
mod row_count;

use spine_sdk::prelude::*;

spine_sdk::plugin! {
    name: "finra",
    version: env!("CARGO_PKG_VERSION"),
    description: "FINRA daily short-sale volume and weekly OTC transparency volume",
    datasets: [
        regsho::RegshoDaily,
        regsho::RegshoFacilityDaily,
        otc::OtcVenueVolume,
        otc::OtcSymbolSummary,
        otc::OtcVenueShare,
    ],
    formats: [regsho::SixColumns, regsho::FiveColumns, otc::WeeklyFile],
    pipelines: [regsho::DailyPipeline, otc::WeeklyPipeline],
    sources: [regsho::Drop],
    checks: [
        not_empty::NotEmpty,
        regsho::DateMatchesFile,
        regsho::SessionDate,
        regsho::ShortLeTotal,
        regsho::ExemptLeShort,
        row_count::RowCountBand,
        regsho::FacilityMatches,
        regsho::FacilityAssumed,
        otc::TierMatches,
        otc::TotalsReconcile,
        otc::PublicationDay,
    ],
    tasks: [],
    folders: [Folder::optional("drop", "Daily short-sale volume files to pick up (source finra.regsho_drop).")],
}

#[cfg(test)]
mod tests;
