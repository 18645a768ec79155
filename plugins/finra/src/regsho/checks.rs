//! Quality checks of daily short-sale volume.

mod dates;
mod facility;
mod row_count;
mod volumes;

pub use dates::{DateMatchesFile, SessionDate};
pub use facility::{FacilityAssumed, FacilityMatches};
pub(crate) use row_count::deliveries;
pub use volumes::{ExemptLeShort, ShortLeTotal};
