//! Prices of a day: reads the publisher's file, and adds how far each price moved.
//!
//! `tables.rs` says what comes in and what goes out, `load.rs` is the work, `check.rs` judges it before anybody sees it.

mod check;
mod load;
mod tables;

pub use check::ClosesArePositive;
pub use load::{Load, LoadParams};
pub use tables::{Prices, PricesCsv};

spine_sdk::plugin! {
    name: "@NAME@",
    version: env!("CARGO_PKG_VERSION"),
    description: "Prices of a day.",
    datasets: [Prices],
    formats: [PricesCsv],
    pipelines: [Load],
    checks: [ClosesArePositive],
}
