//! What authors of plugins work with: the project that a plugin begins as, the tools that make a component of it, its
//! cases, and the hostile inputs that follow from its manifest.
//!
//! Everything that a new project needs is carried inside of this crate, so `spine-host` alone is enough. Nothing here runs
//! a plugin: that takes a host, and `cli` has one.

mod carried;
mod case;
mod hostile;
mod language;
mod making;
mod names;
mod project;
mod tools;
mod world;

pub use case::{Case, Expected, ExpectedReject, cases};
pub use hostile::{Hostile, Making, Sample, Shape, files, ordinary, texts};
pub use language::Language;
pub use making::{Made, make};
pub use names::checked_name;
pub use project::create;
pub use tools::{Source, sources};
