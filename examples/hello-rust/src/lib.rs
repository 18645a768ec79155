#![doc = include_str!("../README.md")]

mod check;
mod drop;
mod echo;
mod shares;
mod tables;

pub use check::SharesSumToOne;
pub use drop::Drop;
pub use echo::Echo;
pub use shares::{Shares, SharesParams};
pub use tables::{HelloPsv, Totals};

use spine_sdk::prelude::*;

spine_sdk::plugin! {
    name: "hello_rust",
    version: env!("CARGO_PKG_VERSION"),
    description: "The smallest plugin with every kind of work.",
    datasets: [Totals],
    formats: [HelloPsv],
    pipelines: [Shares],
    sources: [Drop],
    checks: [SharesSumToOne],
    tasks: [Echo],
    folders: [Folder::optional("drop", "Files to pick up.")],
}
