//! What the server is made of.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::ports::{Engine, Quarantine};

use crate::metrics::Metrics;

/// Most bytes of one request: an input of the standard limit (1 GiB) as base64, and its parameters. `api.body_bytes`.
pub const BODY_BYTES_MAX: usize = 1_536 * 1024 * 1024;

/// Everything [`crate::serve`] needs beside its listener.
#[derive(Clone)]
pub struct Parts {
    pub engine: Arc<dyn Engine>,
    pub quarantine: Arc<dyn Quarantine>,
    /// What a caller of `/api` must show.
    pub token: String,
    /// Names (`host:port`) that `Host` may have beside the loopback ones of the listener.
    pub allowed_hosts: Vec<String>,
    pub metrics: Metrics,
    pub ready: Ready,
    /// [`BODY_BYTES_MAX`], or less in tests.
    pub body_bytes_max: usize,
}

impl fmt::Debug for Parts {
    /// Leaves the token out: this may be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, quarantine, token: _, allowed_hosts, metrics: _, ready, body_bytes_max } = self;
        f.debug_struct("Parts")
            .field("engine", engine)
            .field("quarantine", quarantine)
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
