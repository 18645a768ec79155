//! The only crate that knows Arrow, Parquet and DataFusion.
//!
//! [`LocalLake`] keeps inputs by their digest, gives each attempt a workbench (declared inputs become typed tables,
//! written tables become checked and sorted captures), and writes captures as Parquet files. What was published is
//! found through the catalog that callers pass in; this crate never opens the database.

mod batch;
mod capture;
mod decode;
mod disk;
mod folder;
mod input_file;
mod inputs;
mod local;
pub mod query;
mod read;
mod rejects;
mod schema;
mod spill;
mod staged;
mod workbench;
mod write_error;

pub use folder::check_folder;
pub use input_file::open_input_file_within;
pub use local::{Afterwards, Cleaned, KnownFiles, LocalLake, Strays, input_path};
pub use rejects::RejectReader;
