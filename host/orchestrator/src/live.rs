//! The runs that this process is carrying out: who waits for them, who may stop them, and when all are done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::RunId;
use model::failure::{Failure, FailureKind};
use model::ports::Cancel;
use model::run::RunReport;
use tokio::sync::watch;

/// The end of a run, to wait for.
pub(crate) type End = watch::Receiver<Option<Arc<RunReport>>>;

#[derive(Debug)]
pub(crate) struct LiveRuns {
    inner: Mutex<Inner>,
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Inner {
    runs: BTreeMap<RunId, (Cancel, End)>,
    closed: bool,
}

/// The place of one run among the live ones; leaves it when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    live: Arc<LiveRuns>,
    run: RunId,
    end: watch::Sender<Option<Arc<RunReport>>>,
}

impl LiveRuns {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Takes a run in. Done before the ledger knows of it, so that whoever finds it in the ledger can wait for it.
    ///
    /// # Errors
    ///
    /// `not_ready` once [`LiveRuns::drain`] was called.
    pub(crate) fn enter(self: &Arc<Self>, run: RunId, cancel: Cancel) -> Result<Seat, Failure> {
        let end = watch::Sender::new(None);
        let mut inner = self.inner();
        if inner.closed {
            let message = "this host is shutting down and takes no new runs; start it again and repeat the command";
            return Err(Failure::new(FailureKind::Orchestration, "not_ready", message).retryable(true));
        }
        inner.runs.insert(run, (cancel, end.subscribe()));
        self.count.send_replace(inner.runs.len());
        drop(inner);
        Ok(Seat { live: Arc::clone(self), run, end })
    }

    pub(crate) fn find(&self, run: RunId) -> Option<(Cancel, End)> {
        self.inner().runs.get(&run).cloned()
    }

    /// Takes no new runs, and returns when the live ones have ended.
    pub(crate) async fn drain(&self) {
        self.inner().closed = true;
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`, so this ends with a count of zero only.
        drop(count.wait_for(|&count| count == 0).await);
    }

    pub(crate) fn cancel_all(&self) {
        for (cancel, _) in self.inner().runs.values() {
            cancel.cancel();
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.inner().runs.len()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    pub(crate) fn end(&self) -> End {
        self.end.subscribe()
    }

    /// Tells everybody who waits, and leaves.
    pub(crate) fn leave(self, report: RunReport) {
        self.end.send_replace(Some(Arc::new(report)));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.live.inner();
        inner.runs.remove(&self.run);
        self.live.count.send_replace(inner.runs.len());
    }
}

/// Waits for the report; none if the run was dropped before its end, which happens only as the process ends.
pub(crate) async fn ended(mut end: End) -> Option<RunReport> {
    let report = end.wait_for(Option::is_some).await.ok()?;
    report.as_deref().cloned()
}
