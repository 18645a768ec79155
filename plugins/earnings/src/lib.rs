//! The earnings domain: what companies reported against what was expected of them.
//!
//! `surprise` is the arithmetic, exact in integers; `tables` the dataset and the two vendors' formats; `pipeline`
//! joins them. Nothing here reads a clock, a random number or a file: the host brings the rows.

mod checks;
mod pipeline;
pub mod surprise;
mod tables;
mod vendor;

pub use checks::{NotEmpty, RowCountBand, VendorSurprise};
pub use pipeline::SurprisesPipeline;
pub use tables::{Russell3000, Surprises, Zacks};

spine_sdk::plugin! {
    name: "earnings",
    version: env!("CARGO_PKG_VERSION"),
    description: "Earnings announcements: reported against estimated earnings per share",
    datasets: [Surprises],
    formats: [Russell3000, Zacks],
    pipelines: [SurprisesPipeline],
    sources: [],
    checks: [NotEmpty, RowCountBand, VendorSurprise],
    tasks: [],
}

#[cfg(test)]
mod tests;
