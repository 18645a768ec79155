//! Stand-ins for this crate's tests: a workbench in memory, and components written by hand.

mod bench;
mod components;

use std::sync::{Arc, Mutex};

use model::ports::LogSink;
use model::run::LogLine;

pub(crate) use bench::Bench;
pub(crate) use components::{MANIFEST, component, component_text};

/// A sink, and what came into it.
pub(crate) fn collector() -> (LogSink, Arc<Mutex<Vec<LogLine>>>) {
    let lines: Arc<Mutex<Vec<LogLine>>> = Arc::default();
    let to = Arc::clone(&lines);
    (LogSink(Arc::new(move |line| to.lock().unwrap().push(line))), lines)
}
