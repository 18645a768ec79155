//! The words the stories are told with.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a harness fails its test where it stands, says what it skips, and is told by the environment"
)]

pub mod bench;
pub mod data_folder;
pub mod files;
pub mod fixtures;
mod gauges;
pub mod host;
pub mod hostile;
pub mod oracle;
pub mod random;
pub mod real;

pub use host::{Answer, Serving, TestHost, component, foreign, relabelled, spine_host, target_folder};
pub use oracle::Duck;
pub use real::real_file;
