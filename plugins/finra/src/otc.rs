//! Weekly OTC transparency volume: shares and trades of each security at each venue, one file a week and tier.
//!
//! The week is derived from the publication date in the file's name and the tier, because tiers are published with
//! different delays; a row's `lastUpdateDate` says when it was corrected and never which week it is of.

mod checks;
mod pipeline;
mod row_count;
mod rows;
mod tables;
mod tier;
mod totals;
mod week;

pub use checks::{PublicationDay, TierMatches, TotalsReconcile};
pub use pipeline::WeeklyPipeline;
pub(crate) use pipeline::empty_files;
pub(crate) use row_count::deliveries;
pub use tables::{OtcSymbolSummary, OtcVenueShare, OtcVenueVolume, WeeklyFile};
pub use tier::Tier;
