//! What a plugin, dataset, capture, run and failure are. Knows nothing of databases, files, Wasmtime or HTTP.
//!
//! The other host crates meet only here: [`ports`] names what each of them offers to the orchestrator, and `cli`
//! wires them together. No I/O, no clock, no randomness, no async runtime.

pub mod address;
pub mod backfill;
mod brief;
pub mod capture;
pub mod catalog;
pub mod dataset;
pub mod difference;
pub mod evolution;
pub mod failure;
pub mod fields;
pub mod grants;
pub mod health;
pub mod ids;
pub mod limits;
pub mod manifest;
mod nearest;
pub mod plugin;
pub mod policy;
pub mod ports;
pub mod quality;
pub mod reject;
pub mod replay;
pub mod retention;
pub mod run;
pub mod secret;
pub mod shadow;
pub mod stage;
mod text;
pub mod time;
mod usage;
pub mod work;

pub use address::Address;
pub use brief::{brief, brief_message};
pub use capture::{CaptureRecord, CaptureState};
pub use dataset::{DatasetName, Partition};
pub use failure::{Failure, FailureKind, FailureType};
pub use fields::{FieldIds, HOST_COLUMNS};
pub use grants::Grants;
pub use ids::{CaptureId, Digest, RunId, WorkerId};
pub use manifest::Manifest;
pub use nearest::{nearest, suggestion};
pub use spine_primitives::{DataType, WeekEnding, date, decimal, hash, plain_word, rolling};
pub use time::{Clock, Timer, Timestamp};
pub use usage::Usage;
