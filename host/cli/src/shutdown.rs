//! Signals that ask this process to stop: Ctrl-C and SIGTERM.

use model::failure::{Failure, FailureKind};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for both signals from its making on, so that none of them ends the process by itself.
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    was_asked: bool,
}

impl Stop {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(FailureKind::Internal, "no_signals", format!("cannot listen for signals: {error}"))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            was_asked: false,
        })
    }

    /// Returns when the process is asked to stop; again for each further time.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.was_asked = true;
    }

    /// Whether it was, by whoever waited for that.
    pub(crate) fn was_asked(&self) -> bool {
        self.was_asked
    }
}
