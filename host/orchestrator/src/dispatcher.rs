//! Gives the runs that wait their turns.
//!
//! What waits here is in the ledger too, as queued, so nothing is lost with the process. A run holds its place for one
//! turn; one that is to be tried again waits for its time without a place. Nobody polls: a place that becomes free, a
//! time that has come, a stop that was asked for and a deadline that has passed each wake who it concerns.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::ports::Exclusive;
use model::{Clock, Failure, RunId, Timer, Timestamp, WorkerId};
use tokio::sync::{Notify, oneshot};
use tracing::{Instrument, Span};

use crate::heartbeat::Kept;
use crate::job::{Course, Job, Turn};
use crate::live::Seat;
use crate::queue::{Places, Queue, Waiting};

/// A run and all that belongs to it between two turns.
#[derive(Debug)]
pub(crate) struct Traveller {
    pub(crate) job: Job,
    pub(crate) course: Course,
    pub(crate) seat: Seat,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Dispatcher {
    inner: Mutex<Inner>,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    /// Told when a run waits for a time.
    later: Arc<Notify>,
}

#[derive(Debug)]
struct Inner {
    queue: Queue,
    parked: HashMap<RunId, Parked>,
    /// Those of them that wait for a lease, and its key.
    held: BTreeMap<RunId, String>,
    /// Whether somebody looks after those who wait for a time.
    is_watched: bool,
    /// None while runs are taken in.
    closing: Option<Closing>,
}

/// Which of the runs that wait are let go of as the host stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Those that wait for a time. Those that wait for a place, or for another run to end, have their turns still.
    Later,
    /// All of them: another host takes them.
    Waiting,
}

/// A queued run that this host lets go of, and the worker that kept it.
pub(crate) type LetGo = (RunId, Option<WorkerId>);

#[derive(Debug)]
struct Parked {
    traveller: Traveller,
    /// None of a dry run.
    kept: Option<Kept>,
    /// Dropped when the run's turn comes: whoever listens for a stop may go.
    _watched: oneshot::Sender<()>,
}

/// Room for a run that has not come yet; given back when dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Reservation {
    dispatcher: Arc<Dispatcher>,
    run: RunId,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.dispatcher.inner().queue.unreserve(self.run);
    }
}

impl Dispatcher {
    pub(crate) fn new(places: Places, clock: Arc<dyn Clock>, timer: Arc<dyn Timer>) -> Arc<Self> {
        let queue = Queue::new(places);
        let inner = Inner { queue, parked: HashMap::new(), held: BTreeMap::new(), is_watched: false, closing: None };
        Arc::new(Self { inner: Mutex::new(inner), clock, timer, later: Arc::default() })
    }

    /// Takes a run in: its turn comes when there is a place, and not before the time if there is one. Returns it if this
    /// host stops and another one is to take it.
    pub(crate) fn enqueue(self: &Arc<Self>, traveller: Traveller, not_before: Option<Timestamp>) -> Option<Traveller> {
        let run = traveller.job.run_id;
        let ticket = traveller.job.ticket(not_before);
        let (watched, begun) = oneshot::channel();
        let (cancel, deadline) = (traveller.job.cancel.clone(), traveller.job.spec.routing.deadline);
        let heart = Arc::clone(&traveller.job.shared.heart);
        let kept = traveller.course.keeper.map(|worker| heart.keep(run, worker));
        let (number, lost) = (kept.as_ref().map(Kept::number), kept.as_ref().map(Kept::lost).unwrap_or_default());
        {
            let mut inner = self.inner();
            let is_let_go = match inner.closing {
                None => false,
                Some(Closing::Later) => not_before.is_some() && !inner.held.contains_key(&run),
                Some(Closing::Waiting) => !traveller.job.dry_run,
            };
            if is_let_go {
                inner.held.remove(&run);
                inner.queue.leave(run);
                return Some(traveller);
            }
            inner.queue.push(ticket);
            inner.parked.insert(run, Parked { traveller, kept, _watched: watched });
            if not_before.is_some() && !inner.is_watched {
                inner.is_watched = true;
                tokio::spawn(watch_times(Arc::downgrade(self), Arc::clone(&self.later), Arc::clone(&self.timer)));
            }
        }
        self.later.notify_one();
        self.pump();
        if !self.inner().parked.contains_key(&run) {
            return None;
        }
        let (this, timer) = (Arc::clone(self), Arc::clone(&self.timer));
        tokio::spawn(async move {
            let past_deadline = async {
                match deadline {
                    Some(at) => timer.until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // The sender is dropped, never used.
                _ = begun => {}
                () = cancel.cancelled() => this.give_up(run),
                () = past_deadline => this.give_up(run),
                () = lost.cancelled() => this.let_go(run, number),
            }
        });
        None
    }

    /// Keeps room for a run that is about to come.
    ///
    /// # Errors
    ///
    /// `bulkhead_full` if its plugin has no room for another.
    pub(crate) fn reserve(self: &Arc<Self>, job: &Job) -> Result<Reservation, Failure> {
        let (run, plugin) = (job.run_id, &job.target.plugin.name);
        self.inner().queue.reserve(run, plugin).map_err(|full| full.failure(plugin))?;
        Ok(Reservation { dispatcher: Arc::clone(self), run })
    }

    /// Those of this name whom the gate refused may ask again.
    pub(crate) fn hasten(self: &Arc<Self>, name: &str) {
        {
            let mut inner = self.inner();
            let Inner { queue, parked, .. } = &mut *inner;
            let refused = parked.iter().filter(|(_, parked)| {
                let Traveller { job, course, .. } = &parked.traveller;
                course.refused_since.is_some() && job.target.name == name
            });
            for (run, _) in refused {
                queue.hasten(*run);
            }
            queue.open(name);
        }
        self.pump();
    }

    /// The run has passed its gate: the next may ask.
    pub(crate) fn passed(self: &Arc<Self>, run: RunId) {
        self.inner().queue.asked(run, None);
        self.pump();
    }

    /// Why a run waits; none if it does not wait here.
    pub(crate) fn why(&self, run: RunId) -> Option<Waiting> {
        self.inner().queue.why(run, self.clock.now())
    }

    /// The lease that a run waits for, if that is what it waits for.
    pub(crate) fn held(&self, run: RunId) -> Option<String> {
        self.inner().held.get(&run).cloned()
    }

    /// Lets go of runs that wait: they stay queued in the ledger.
    pub(crate) fn close(&self, closing: Closing) -> Vec<LetGo> {
        let mut inner = self.inner();
        inner.closing = Some(closing);
        let held: Vec<RunId> = inner.held.keys().copied().collect();
        let let_go = match closing {
            Closing::Later => inner.queue.withdraw_later(&held),
            Closing::Waiting => {
                let dry = inner.parked.iter().filter(|(_, parked)| parked.traveller.job.dry_run).map(|(run, _)| *run);
                let dry: Vec<RunId> = dry.collect();
                inner.held.clear();
                inner.queue.withdraw_all(&dry)
            }
        };
        let gone: Vec<Parked> = let_go.into_iter().filter_map(|run| inner.parked.remove(&run)).collect();
        drop(inner);
        let kept = |parked: &Parked| (parked.traveller.job.run_id, parked.kept.as_ref().map(Kept::worker));
        // Their seats, which go here, lock what this must not hold.
        gone.iter().map(kept).collect()
    }

    /// Runs that wait for a place.
    pub(crate) fn in_line(&self) -> usize {
        self.inner().queue.in_line()
    }

    /// Another worker has the run: whoever waits for it here waits for the ledger's word.
    fn let_go(&self, run: RunId, number: Option<u64>) {
        let mut inner = self.inner();
        // It may have come back since.
        if inner.parked.get(&run).is_none_or(|parked| parked.kept.as_ref().map(Kept::number) != number) {
            return;
        }
        inner.held.remove(&run);
        inner.queue.leave(run);
        let parked = inner.parked.remove(&run);
        drop(inner);
        drop(parked);
    }

    /// Begins every turn that may begin.
    fn pump(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut inner = self.inner();
        let due = inner.queue.take(now);
        due.iter().for_each(|run| drop(inner.held.remove(run)));
        let begun: Vec<Traveller> =
            due.into_iter().filter_map(|run| inner.parked.remove(&run)).map(|parked| parked.traveller).collect();
        drop(inner);
        for traveller in begun {
            self.begin(traveller);
        }
    }

    /// Has the oldest run that waits for each of these leases try again, now that a run has let go of them.
    fn freed(&self, freed: &[Exclusive]) {
        let mut inner = self.inner();
        for Exclusive { key, .. } in freed {
            let waits = inner.held.iter().find(|(_, its)| *its == key).map(|(run, _)| *run);
            if let Some(run) = waits {
                inner.held.remove(&run);
                inner.queue.hasten(run);
            }
        }
    }

    /// A run that is stopped while it waits needs no place to end.
    fn give_up(self: &Arc<Self>, run: RunId) {
        let mut inner = self.inner();
        inner.held.remove(&run);
        let parked = inner.queue.withdraw(run).and_then(|_| inner.parked.remove(&run));
        drop(inner);
        if let Some(parked) = parked {
            self.begin(parked.traveller);
        }
    }

    fn begin(self: &Arc<Self>, mut traveller: Traveller) {
        let this = Arc::clone(self);
        let span = traveller.span.clone();
        // Not tied to the caller: a run goes on when the caller has gone away.
        let turn = async move {
            let run = traveller.job.run_id;
            let turn = traveller.job.turn(&mut traveller.course).await;
            if !matches!(turn, Turn::Held { .. } | Turn::Waits { .. }) {
                this.freed(&traveller.job.exclusive(&traveller.course));
            }
            let let_go = match turn {
                Turn::Again { not_before, .. } => this.enqueue(traveller, Some(not_before)),
                Turn::Waits { until } => {
                    this.inner().queue.asked(run, Some(until));
                    this.enqueue(traveller, Some(until))
                }
                Turn::Held { key, not_before } => {
                    this.inner().held.insert(run, key);
                    this.enqueue(traveller, Some(not_before))
                }
                Turn::Lost => {
                    this.inner().queue.leave(run);
                    drop(traveller);
                    None
                }
                Turn::Ended(report) => {
                    traveller.job.told(&report);
                    this.inner().queue.leave(run);
                    traveller.seat.leave(*report);
                    None
                }
            };
            if let Some(Traveller { job, course, .. }) = &let_go {
                job.shared.give_up(vec![(run, course.keeper)]).await;
            }
            drop(let_go);
            this.pump();
        };
        tokio::spawn(turn.instrument(span));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        // Whoever looks after the times finds nobody and ends.
        self.later.notify_one();
    }
}

/// Wakes the dispatcher at each time that a run waits for. Ends with it.
async fn watch_times(dispatcher: Weak<Dispatcher>, later: Arc<Notify>, timer: Arc<dyn Timer>) {
    loop {
        let Some(this) = dispatcher.upgrade() else { return };
        let next = this.inner().queue.next_time();
        drop(this);
        match next {
            None => later.notified().await,
            Some(at) => tokio::select! {
                () = later.notified() => continue,
                () = timer.until(at) => {}
            },
        }
        if let Some(this) = dispatcher.upgrade() {
            this.pump();
        }
    }
}
