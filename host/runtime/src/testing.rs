//! Stand-ins for this crate's tests: a workbench in memory, and components written by hand.

mod bench;
mod components;
pub(crate) mod server;

use std::sync::{Arc, Mutex};

use model::Timestamp;
use model::limits::Limits;
use model::ports::LogSink;
use model::run::LogLine;

use crate::attempt::{Facts, HostState, Journal};
use crate::capabilities::http::Egress;

pub(crate) use bench::Bench;
pub(crate) use components::{MANIFEST, component, component_text};

/// What the calls of a guest work on that was granted nothing, with this seed and this workbench.
pub(crate) fn state(seed: u8, bench: Bench, sink: LogSink) -> HostState {
    let facts = Facts { plugin: "p".to_owned(), run_id: "run_1".to_owned(), attempt: 1, params: "{}".to_owned() };
    let journal = Journal::new(Timestamp::from_micros(0), &Limits::standard(), sink);
    HostState::new(facts, Limits::standard(), (1_000_000, [seed; 32]), journal, Box::new(bench), Egress::closed(), None)
}

/// A sink, and what came into it.
pub(crate) fn collector() -> (LogSink, Arc<Mutex<Vec<LogLine>>>) {
    let lines: Arc<Mutex<Vec<LogLine>>> = Arc::default();
    let to = Arc::clone(&lines);
    (LogSink(Arc::new(move |line| to.lock().unwrap().push(line))), lines)
}
