//! Rolling windows of weeks: what they hold, whether they are whole, and which way they go.
//!
//! Numbers are `f64`, added in the order of the weeks, so that the same values give the same bits everywhere. A week
//! without a value is absent; a zero is a value.

mod gate;
mod trend;
mod window;

pub use gate::Gate;
pub use trend::{Direction, THRESHOLD_PERCENT, Trend, change_percent, trend};
pub use window::{Aggregates, Rolled, Window};
