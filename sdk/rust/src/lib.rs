#![doc = include_str!("../README.md")]

pub mod prelude;

pub mod column;
pub mod columns;
pub mod dataset;
pub mod error;
pub mod file_format;
pub mod host;
pub mod http;
pub mod manifest;
pub mod params;
pub mod plugin;
pub mod table;
pub mod work;

#[doc(hidden)]
pub mod backend;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use columns::{ColumnInfo, Columns};
pub use dataset::Dataset;
pub use error::{Error, Kind};
pub use file_format::Format;
pub use host::Host;
pub use params::Params;
pub use plugin::Plugin;
pub use work::{Check, Pipeline, Source, Task};

pub use serde_json::{Value as Json, json};
pub use spine_primitives::{date, decimal, hash, plain_word, rolling};
