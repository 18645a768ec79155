//! The only crate that writes the ledger and the catalog: one database holds both, a SQLite file or a PostgreSQL
//! database that several processes share.
//!
//! [`Storage`] keeps runs, captures and plugins, and a DuckLake 1.0 catalog of what was published. Because they share
//! a database, publishing a capture and ending its run is one transaction: nothing is ever half visible. Any DuckDB
//! can attach it read-only, also while a host writes to it; hosts are the catalog's only writers.
//!
//! Statements are the same on both databases (`dialect` has the few words that differ), and so are the tests.
//!
//! Nothing here reads or writes captures themselves. `lake` writes a Parquet file, syncs it, and only then is it named
//! here. What both must agree on:
//!
//! - A file lies at `captures/<domain>/<dataset>/<path>`, where `path` is what [`model::capture::StagedFile`] says.
//! - Its columns carry Parquet field ids: 1 to n for the columns of the dataset in the order of its manifest, then
//!   `_capture_id` (n + 1) and `_run_id` (n + 2), both text. They are the catalog's column ids, by which readers find
//!   columns, so the schema of a dataset is fixed once a capture of it is published.
//! - Its statistics are exact or absent, in the text forms of [`model::capture::ColumnStats`].

mod catalog;
mod commands;
mod create;
mod dialect;
mod failure;
mod faults;
mod ledger;
mod lock;
mod migrations;
mod open;
mod place;
mod read;
mod storage;
mod usage;
mod wal;
mod writer;

pub use commands::judge::Verdict;
pub use faults::{Faults, Point};
pub use read::findings::{RejectingRun, RunQuality};
pub use storage::Storage;

#[cfg(test)]
mod tests;
