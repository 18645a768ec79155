//! Daily short-sale volume: one file a day of each feed, published in the evening.
//!
//! The consolidated feed and the feeds of single facilities are two datasets, because they arrive separately: a file
//! of one facility must never replace the consolidated day. Short volume includes short-exempt volume, so the two are
//! never added, and symbols are case-sensitive (`TPC` and `TpC` are two securities).

mod checks;
mod drop;
mod facility;
mod land;
mod markets;
mod part;
mod pipeline;
mod tables;

pub(crate) use checks::deliveries;
pub use checks::{DateMatchesFile, ExemptLeShort, FacilityAssumed, FacilityMatches, SessionDate, ShortLeTotal};
pub use drop::Drop;
pub use facility::Facility;
pub(crate) use land::empty_files;
pub use pipeline::DailyPipeline;
pub use tables::{FiveColumns, RegshoDaily, RegshoFacilityDaily, SixColumns};
