//! What the server is made of.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::ports::{DeadLetters, Engine, Operations, Quarantine, Runs, Vitals};

use crate::metrics::Metrics;

/// Room for what a request holds beside its inputs.
const ENVELOPE_BYTES: u64 = 16 * 1024 * 1024;

/// See [`Parts::head_patience`].
pub const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of one request where an input may have `input_bytes` (`limits.input_bytes`): it comes as base64, a third
/// longer, and a pipeline may take a small second one.
pub fn body_bytes_max(input_bytes: u64) -> usize {
    let encoded = input_bytes.saturating_add(input_bytes / 2);
    usize::try_from(encoded.saturating_add(ENVELOPE_BYTES)).unwrap_or(usize::MAX)
}

/// Everything [`crate::serve`] needs beside its listener.
#[derive(Clone)]
pub struct Parts {
    pub engine: Arc<dyn Engine>,
    pub quarantine: Arc<dyn Quarantine>,
    pub dead_letters: Arc<dyn DeadLetters>,
    pub runs: Arc<dyn Runs>,
    pub vitals: Arc<dyn Vitals>,
    pub operations: Arc<dyn Operations>,
    /// What a caller of `/api` must show.
    pub token: String,
    /// Names (`host:port`) that `Host` may have beside the loopback ones of the listener.
    pub allowed_hosts: Vec<String>,
    pub metrics: Metrics,
    pub ready: Ready,
    /// [`body_bytes_max`], or less in tests.
    pub body_bytes_max: usize,
    /// How long the head of a request may take, and how long a connection may be idle before it: [`HEAD_PATIENCE`], or less
    /// in tests.
    pub head_patience: Duration,
}

impl fmt::Debug for Parts {
    /// Leaves the token out: this may be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, quarantine, dead_letters, runs, operations, allowed_hosts, ready, body_bytes_max, .. } =
            self;
        f.debug_struct("Parts")
            .field("engine", engine)
            .field("quarantine", quarantine)
            .field("dead_letters", dead_letters)
            .field("runs", runs)
            .field("operations", operations)
            .field("allowed_hosts", allowed_hosts)
            .field("ready", ready)
            .field("body_bytes_max", body_bytes_max)
            .finish_non_exhaustive()
    }
}

/// Whether the host may be given work. Clones are one flag; it starts as not ready.
#[derive(Clone, Debug, Default)]
pub struct Ready(Arc<AtomicBool>);

impl Ready {
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_of_the_limit_fits_into_a_request() {
        for input in [1, 1 << 20, 1 << 30, 3 << 30] {
            let encoded = usize::try_from(input).unwrap().div_ceil(3) * 4;
            assert!(body_bytes_max(input) > encoded + 1024 * 1024, "{input}");
        }
        assert_eq!(body_bytes_max(u64::MAX), usize::MAX);
    }
}
