//! What host and guests must agree on, in plain Rust without I/O, clock or randomness.
//!
//! Small on purpose: it is compiled into every component. Nothing here knows Arrow, WIT or a database.

mod data_type;
pub mod date;
pub mod decimal;
mod failure_kind;
pub mod hash;
mod length;
mod param_type;
pub mod rolling;
mod spelling;
mod week;

pub use data_type::{DataType, UnknownDataType};
pub use failure_kind::{FailureKind, UnknownFailureKind};
pub use length::{TEXT_CHARS_MAX, is_longer};
pub use param_type::{ParamType, UnknownParamType};
pub use spelling::plain_word;
pub use week::{LOOKBACK_WEEKS_DEFAULT, LOOKBACK_WEEKS_MAX, LookbackTooLong, NotAWeekEnding, WeekEnding};
