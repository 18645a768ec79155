//! The runs that this process is carrying out: who waits for them, who may stop them, and when all are done.
//!
//! Dry runs are in no ledger, so what they came to is kept here, for as long as it takes a caller to ask.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::RunId;
use model::failure::{Failure, FailureKind};
use model::ports::Cancel;
use model::run::RunReport;
use tokio::sync::watch;
use tracing::Span;

/// Dry runs whose reports are kept. A caller asks again within a second of its last answer.
const DRY_RUNS_KEPT: usize = 64;

/// The end of a run, to wait for.
pub(crate) type End = watch::Receiver<Option<Arc<RunReport>>>;

#[derive(Debug)]
pub(crate) struct LiveRuns {
    inner: Mutex<Inner>,
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Inner {
    runs: BTreeMap<RunId, Live>,
    /// Dry runs that have ended, the oldest first.
    dry: VecDeque<Arc<RunReport>>,
    closed: bool,
}

/// One run that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) cancel: Cancel,
    pub(crate) end: End,
    /// What log lines about the run are joined to.
    pub(crate) span: Span,
    /// What a dry run reports until it has ended.
    dry: Option<Arc<RunReport>>,
}

/// The place of one run among the live ones; leaves it when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    live: Arc<LiveRuns>,
    run: RunId,
    end: watch::Sender<Option<Arc<RunReport>>>,
    dry: bool,
}

impl LiveRuns {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Takes a run in. Done before the ledger knows of it, so that whoever finds it in the ledger can wait for it.
    /// `dry` is what a dry run reports until it has ended.
    ///
    /// # Errors
    ///
    /// `not_ready` once [`LiveRuns::close`] was called.
    pub(crate) fn enter(
        self: &Arc<Self>,
        run: RunId,
        cancel: Cancel,
        span: Span,
        dry: Option<RunReport>,
    ) -> Result<Seat, Failure> {
        let end = watch::Sender::new(None);
        let mut inner = self.inner();
        if inner.closed {
            let message = "this host is shutting down and takes no new runs; start it again and repeat the command";
            return Err(Failure::new(FailureKind::Orchestration, "not_ready", message).retryable(true));
        }
        let is_dry = dry.is_some();
        inner.runs.insert(run, Live { cancel, end: end.subscribe(), span, dry: dry.map(Arc::new) });
        self.count.send_replace(inner.runs.len());
        drop(inner);
        Ok(Seat { live: Arc::clone(self), run, end, dry: is_dry })
    }

    pub(crate) fn find(&self, run: RunId) -> Option<Live> {
        self.inner().runs.get(&run).cloned()
    }

    /// The report of a dry run, at work or ended not long ago.
    pub(crate) fn dry_run(&self, run: RunId) -> Option<RunReport> {
        let inner = self.inner();
        let ended = inner.dry.iter().map(Arc::as_ref).find(|report| report.run_id == run);
        let at_work = || inner.runs.get(&run).and_then(|live| live.dry.as_deref());
        ended.or_else(at_work).cloned()
    }

    /// Takes no new runs from now on.
    pub(crate) fn close(&self) {
        self.inner().closed = true;
    }

    /// Returns when the live runs have ended.
    pub(crate) async fn drain(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`, so this ends with a count of zero only.
        drop(count.wait_for(|&count| count == 0).await);
    }

    /// Whether no new runs are taken.
    pub(crate) fn is_closed(&self) -> bool {
        self.inner().closed
    }

    pub(crate) fn cancel_all(&self) {
        for live in self.inner().runs.values() {
            live.cancel.cancel();
        }
    }

    pub(crate) fn ids(&self) -> Vec<RunId> {
        self.inner().runs.keys().copied().collect()
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
        let report = Arc::new(report);
        if self.dry {
            let mut inner = self.live.inner();
            if inner.dry.len() == DRY_RUNS_KEPT {
                inner.dry.pop_front();
            }
            inner.dry.push_back(Arc::clone(&report));
        }
        // Whoever is told finds the run gone; those who drain are told last, by the drop.
        self.live.inner().runs.remove(&self.run);
        self.end.send_replace(Some(report));
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
