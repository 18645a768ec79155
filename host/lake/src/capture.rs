//! From what a run wrote to captures: split, sorted, hashed, written.

mod difference;
mod hash;
mod order;
mod origin;
mod parquet;
mod path;
mod stats;
mod store;

pub(crate) use self::hash::content_hash;
pub(crate) use self::order::{Duplicate, Duplicates, normal_floats, order};
pub(crate) use self::origin::writer;
pub(crate) use self::parquet::PreparedCapture;
pub(crate) use self::path::{capture_at, is_unfinished_capture};
pub(crate) use self::store::CaptureStore;
