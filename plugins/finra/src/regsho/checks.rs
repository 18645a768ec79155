//! Quality checks of daily short-sale volume.

mod dates;
mod row_count;
mod volumes;

pub use dates::{DateMatchesFile, SessionDate};
pub use row_count::RowCountBand;
pub use volumes::{ExemptLeShort, ShortLeTotal};
