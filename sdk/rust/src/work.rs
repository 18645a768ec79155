//! What a plugin can do: one trait for each kind of work, implemented by one struct for each piece of work.

mod check;
mod delivery;
mod pipeline;
mod source;
mod task;

pub use check::{AnyCheck, Check, Finding, Status};
pub use delivery::Delivery;
pub use pipeline::{AnyPipeline, Pipeline, Summary};
pub use source::{AnySource, Cursor, Discovery, Page, PageStatus, Partition, Source};
pub use task::{AnyTask, Task};
