//! The log of a run on its way to the ledger.
//!
//! Lines wait here and are written in batches while the run goes on, so that they can be read before it has ended and
//! are there if it never ends. What still waits when the run is concluded goes with the conclusion: each line is
//! written once, in the order in which it came. A guest never waits for the ledger, and what waits is bounded by what
//! the runtime lets an attempt say. A run that is over within [`FLUSH_AFTER`] costs no transaction more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::RunId;
use model::ports::{Ledger, LogSink};
use model::run::LogLine;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// How long a line waits at most before it is written.
const FLUSH_AFTER: Duration = Duration::from_millis(500);

/// Lines that are written at once, without waiting for more.
const FLUSH_LINES: usize = 200;

/// The log of one run, of all its attempts. Dropping it gives up what still waits.
#[derive(Debug)]
pub(crate) struct RunLog {
    run: RunId,
    /// None for a run that nobody records.
    ledger: Option<Arc<dyn Ledger>>,
    queue: Arc<Queue>,
    /// The task that writes.
    writer: Option<JoinHandle<()>>,
}

/// What waits, shared by those who speak and the one who writes.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Told when there is something to do: a first line, many lines, or the end.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<LogLine>,
    is_closed: bool,
}

impl RunLog {
    pub(crate) fn new(run: RunId, ledger: Option<Arc<dyn Ledger>>) -> Self {
        Self { run, ledger, queue: Arc::default(), writer: None }
    }

    /// The way in for a guest. Lines are written as they come until [`RunLog::settle`].
    pub(crate) fn sink(&mut self) -> LogSink {
        let Some(ledger) = &self.ledger else { return LogSink::none() };
        if self.writer.is_none() {
            self.queue.waiting().is_closed = false;
            let work = write(self.run, Arc::clone(ledger), Arc::clone(&self.queue));
            self.writer = Some(tokio::spawn(work.in_current_span()));
        }
        let queue = Arc::clone(&self.queue);
        LogSink(Arc::new(move |line| queue.push(line)))
    }

    /// Adds a line of the host.
    pub(crate) fn push(&self, line: LogLine) {
        if self.ledger.is_some() {
            self.queue.push(line);
        }
    }

    /// Stops writing and returns the lines that the ledger does not have. They wait on: whoever records them with the
    /// end of the run is the last to ask, and if that fails the next attempt goes on with them.
    pub(crate) async fn settle(&mut self) -> Vec<LogLine> {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A batch on its way is waited for; what it did not write is back in the queue.
            drop(writer.await);
        }
        self.queue.waiting().lines.clone()
    }
}

impl Drop for RunLog {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Queue {
    fn push(&self, line: LogLine) {
        let mut waiting = self.waiting();
        waiting.lines.push(line);
        let worth_a_look = matches!(waiting.lines.len(), 1 | FLUSH_LINES);
        drop(waiting);
        if worth_a_look {
            self.changed.notify_one();
        }
    }

    fn close(&self) {
        self.waiting().is_closed = true;
        self.changed.notify_one();
    }

    /// Returns when the queue is closed or holds this many lines; whether it is still open.
    async fn holds(&self, lines: usize) -> bool {
        loop {
            {
                let waiting = self.waiting();
                if waiting.is_closed || waiting.lines.len() >= lines {
                    return !waiting.is_closed;
                }
            }
            // Told before this waits, it does not wait.
            self.changed.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what waits until the queue is closed.
async fn write(run: RunId, ledger: Arc<dyn Ledger>, queue: Arc<Queue>) {
    let mut enough = FLUSH_LINES;
    while queue.holds(1).await {
        // Both ends of this wait lead on: many lines, or a line that has waited for long.
        if let Ok(false) = tokio::time::timeout(FLUSH_AFTER, queue.holds(enough)).await {
            return;
        }
        let mut batch = std::mem::take(&mut queue.waiting().lines);
        match ledger.append_log(run, batch.clone()).await {
            Ok(()) => enough = FLUSH_LINES,
            Err(failure) => {
                tracing::debug!(code = %failure.code, "the log of a run is written later: {failure}");
                let mut waiting = queue.waiting();
                batch.append(&mut waiting.lines);
                waiting.lines = batch;
                // Not at once again, however many they are.
                enough = usize::MAX;
            }
        }
    }
}
