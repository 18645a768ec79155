//! The way in: submit runs, wait for them, stop them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::plugin::{PluginEvent, PluginGrants, PluginRecord};
use model::ports::{
    BackfillRequest, Cancel, Engine, Interrupted, RecordedRun, RunRequest, Standing, Submission, Upstreams,
};
use model::replay::ReplayReport;
use model::run::{Conclusion, RunReport, RunStatus};
use model::work::{Lineage, Routing, Trigger, WorkSpec};
use model::{Manifest, RunId, Timestamp, WorkerId};
use tokio::sync::watch;
use tracing::Instrument;

use crate::dispatcher::{Dispatcher, Traveller};
use crate::elsewhere::nobody_runs;
use crate::gate::Gate;
use crate::heartbeat::Heart;
use crate::job::{Job, cancelled};
use crate::live::{End, Live, LiveRuns, Seat, ended};
use crate::parts::Parts;
use crate::plugins::Lifecycle;
use crate::quarantine::Quarantine;
use crate::queue::Waiting;
use crate::servers::Servers;
use crate::{identity, inputs, params, report};

/// Carries out runs. Cheap to clone; the clones are one orchestrator.
#[derive(Clone, Debug)]
pub struct Orchestrator {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) quarantine: Quarantine,
    pub(crate) live: Arc<LiveRuns>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) upstreams: Arc<dyn Upstreams>,
    pub(crate) heart: Arc<Heart>,
    /// Queued runs that this host cannot carry out: their secrets are lost, say.
    unfit: Mutex<BTreeSet<RunId>>,
    /// Whether this host adopts what nobody has.
    is_tending: AtomicBool,
    /// Whether it stops.
    is_leaving: watch::Sender<bool>,
    /// Held by the one run that tries again after a race.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// Places of what is carried out again, by a replay or a comparison, beside those of runs.
    pub(crate) again: tokio::sync::Semaphore,
}

/// How many runs are carried out again at one time; the others wait.
const AGAIN_MAX: usize = 2;

impl Shared {
    pub(crate) fn begin_to_tend(&self) {
        self.is_tending.store(true, Ordering::SeqCst);
    }

    /// Takes a run in that the ledger has.
    pub(crate) fn enter(&self, job: &Job, span: tracing::Span) -> Result<Seat, Failure> {
        self.live.enter(job.run_id, job.cancel.clone(), span, None)
    }

    /// Closes the door: nobody comes in, and whoever waits for other hosts is told.
    pub(crate) fn leave(&self) {
        self.live.close();
        self.is_leaving.send_replace(true);
    }

    /// Returns when this host stops.
    pub(crate) fn leaving(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut is_leaving = self.is_leaving.subscribe();
        async move {
            // An error means that the host is gone.
            drop(is_leaving.wait_for(|leaving| *leaving).await);
        }
    }

    pub(crate) async fn drained(&self) {
        self.live.drain().await;
    }

    /// Whether this host would adopt a run that nobody has.
    pub(crate) fn may_adopt(&self, run: RunId) -> bool {
        self.is_tending.load(Ordering::SeqCst) && !self.unfit().contains(&run)
    }

    /// Runs that are here already, and those that cannot be carried out here.
    pub(crate) fn not_to_adopt(&self) -> Vec<RunId> {
        self.live.ids().into_iter().chain(self.unfit().iter().copied()).collect()
    }

    pub(crate) fn leave_alone(&self, runs: impl Iterator<Item = RunId>) {
        self.unfit().extend(runs);
    }

    fn unfit(&self) -> MutexGuard<'_, BTreeSet<RunId>> {
        self.unfit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a request.
pub(crate) enum Begun {
    Started {
        run: RunId,
        queued: RunReport,
        end: End,
    },
    /// The key's run, which may still be at work.
    Existing(RunReport),
    /// The key's run, which waits or is at work, but not in this process.
    Elsewhere(RunReport),
}

impl Orchestrator {
    #[cfg(test)]
    pub(crate) fn upstreams(&self) -> Arc<dyn Upstreams> {
        Arc::clone(&self.shared.upstreams)
    }

    /// An orchestrator without plugins.
    pub fn new(parts: Parts) -> Self {
        let gate = Arc::new(Gate::new(Arc::clone(&parts.states), Arc::clone(&parts.clock)));
        let upstreams = Arc::new(Servers::new(Arc::clone(&gate), &parts));
        let dispatcher = Dispatcher::new(parts.places(), Arc::clone(&parts.clock), Arc::clone(&parts.timer));
        let (lifecycle, heart) = (Lifecycle::default(), Heart::new(&parts));
        let quarantine = Quarantine::new(parts.swap.clone(), Arc::clone(&parts.clock));
        let (live, turn) = (LiveRuns::new(), tokio::sync::Mutex::new(()));
        let again = tokio::sync::Semaphore::new(AGAIN_MAX);
        let (unfit, is_tending, is_leaving) = (Mutex::default(), AtomicBool::new(false), watch::Sender::new(false));
        let shared = Shared {
            parts,
            lifecycle,
            quarantine,
            live,
            dispatcher,
            gate,
            upstreams,
            heart,
            unfit,
            is_tending,
            is_leaving,
            turn,
            again,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The manifests of the active plugins.
    pub fn manifests(&self) -> Vec<Arc<Manifest>> {
        let set = self.plugin_set();
        let active = set.entries.iter().filter(|entry| entry.is_active());
        active.filter_map(|entry| entry.manifest().cloned()).collect()
    }

    /// The parameters of type `file` of a pipeline, source or task, for whoever has to read them.
    ///
    /// # Errors
    ///
    /// `unknown_name` with the nearest name, `plugin_refused` with every reason.
    pub fn file_params(&self, name: &str) -> Result<Vec<String>, Failure> {
        let target = self.plugin_set().find(name)?;
        let files = target.params().iter().filter(|param| param.param_type == model::manifest::ParamType::File);
        Ok(files.map(|param| param.name.clone()).collect())
    }

    /// Runs that are queued or at work in this process.
    pub fn live_runs(&self) -> usize {
        self.shared.live.count()
    }

    /// Why a run of this process waits; none if it does not.
    pub fn why(&self, run: RunId) -> Option<Waiting> {
        self.shared.dispatcher.why(run)
    }

    /// Has runs hear at once of leases that somebody took from them: those of this process are stopped, and every run
    /// that lost one ends as `interrupted`.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn leases_were_taken(&self) -> Result<(), Failure> {
        self.shared.heart.once().await;
        self.shared.parts.ledger.reap(Interrupted::Fail).await.map(drop)
    }

    /// Asks every live run to stop.
    pub fn cancel_all(&self) {
        self.shared.live.cancel_all();
    }

    /// Makes a run of the request, or finds the run that its key is bound to.
    async fn begin(&self, request: RunRequest, wait: bool) -> Result<Begun, Failure> {
        self.begin_job(self.job(request).await?, wait).await
    }

    pub(crate) async fn begin_job(&self, job: Job, wait: bool) -> Result<Begun, Failure> {
        job.check_folders().await?;
        let mut room = Some(self.shared.dispatcher.reserve(&job)?);
        let (span, cancel) = (job.span(), job.cancel.clone());
        let queued = job.dry_run.then(|| report::queued(&job));
        let seat = self.shared.live.enter(job.run_id, cancel.clone(), span.clone(), queued)?;
        if job.dry_run {
            return Ok(self.begun(job, seat, span, None).await);
        }
        let mut rebind = None;
        loop {
            let new_run = job.new_run(rebind);
            let keeper = new_run.keeper.map(|keeper| keeper.worker);
            let submitted = self.shared.parts.ledger.submit(new_run);
            let old = match submitted.instrument(span.clone()).await? {
                Submission::New => return Ok(self.begun(job, seat, span, keeper).await),
                Submission::Existing(old) => old,
            };
            // Whoever waits for another's run takes nobody's room.
            drop(room.take());
            match self.existing(old, wait, &cancel).await? {
                // One that ended badly before this request came; one that was waited for is the answer.
                Existing::Ended(report) if report.status != RunStatus::Completed => {
                    (rebind, room) = (Some(old), Some(self.shared.dispatcher.reserve(&job)?));
                }
                Existing::Ended(report) | Existing::Joined(report) => return Ok(Begun::Existing(report)),
                Existing::Elsewhere(report) => return Ok(Begun::Elsewhere(report)),
            }
        }
    }

    /// The run that a request stands for, with its files kept.
    async fn job(&self, request: RunRequest) -> Result<Job, Failure> {
        let target = self.plugin_set().find(&request.name)?;
        if let Some(refusal) = self.shared.quarantine.refusal(&target.plugin.name, &target.plugin.digest) {
            return Err(refusal);
        }
        let params = params::validate(&target.name, target.params(), &request.params, &request.files)?;
        let RunRequest { files, force, dry_run, routing, lineage, key, progress, cancel, .. } = request;
        let parts = &self.shared.parts;
        let policy = parts.policy_of(&target.name, &target.manifest)?;
        if let Some(parent) = lineage.parent_run_id
            && self.report(parent).await?.is_none()
        {
            return Err(no_parent(parent));
        }
        let (kept, inputs) = inputs::keep(&parts.lake, files, dry_run).await;
        let spec = WorkSpec {
            name: target.name.clone(),
            kind: target.kind(),
            params: params.shown.clone(),
            inputs: kept,
            force,
            routing,
            lineage,
            idempotency_key: key.filter(|_| !dry_run),
            retry: policy.retry.clone(),
        };
        let run_id = identity::run_id(&*parts.clock, &*parts.entropy);
        let (shared, created_at) = (Arc::clone(&self.shared), parts.clock.now());
        Ok(Job { shared, target, run_id, spec, policy, params, inputs, dry_run, progress, cancel, created_at })
    }

    /// A run of work that the ledger has.
    pub(crate) async fn recorded_job(
        &self,
        run_id: RunId,
        spec: WorkSpec,
        created_at: Timestamp,
    ) -> Result<Job, Failure> {
        let target = self.plugin_set().find(&spec.name)?;
        let policy = self.shared.parts.policy_of(&target.name, &target.manifest)?;
        let params = params::recorded(target.params(), &spec.params)?;
        let inputs = inputs::read_again(&self.shared.parts.lake, &spec.inputs).await;
        let (shared, cancel) = (Arc::clone(&self.shared), Cancel::default());
        let (dry_run, progress) = (false, None);
        Ok(Job { shared, target, run_id, spec, policy, params, inputs, dry_run, progress, cancel, created_at })
    }

    /// The same work once more, as a new run.
    async fn repetition(&self, run: RunId) -> Result<WorkSpec, Failure> {
        let parts = &self.shared.parts;
        let Some(RecordedRun { spec, status, .. }) = parts.ledger.recorded(run).await? else {
            let message = format!("no run `{run}` in this data folder");
            return Err(Failure::new(FailureKind::Validation, "bad_id", message));
        };
        // What the dead letter of a run allows is the ledger's to say.
        if !status.may_be_repeated() && status != RunStatus::DeadLettered {
            return Err(not_repeatable(run, status));
        }
        let correlation_id = spec.lineage.correlation_id.clone().or_else(|| Some(run.to_string()));
        let lineage = Lineage { trigger: Trigger::Retry, retry_of: Some(run), correlation_id, ..spec.lineage };
        // Its deadline was another day's.
        let routing = Routing { deadline: None, ..spec.routing };
        Ok(WorkSpec { lineage, routing, ..spec })
    }

    /// Puts a new run in the queue.
    async fn begun(&self, job: Job, seat: Seat, span: tracing::Span, keeper: Option<WorkerId>) -> Begun {
        let begun = Begun::Started { run: job.run_id, queued: report::queued(&job), end: seat.end() };
        let (run, course) = (job.run_id, job.course(0, None, keeper));
        if let Some(let_go) = self.shared.dispatcher.enqueue(Traveller { job, course, seat, span }, None) {
            self.shared.give_up(vec![(run, keeper)]).await;
            drop(let_go);
        }
        begun
    }

    async fn existing(&self, run: RunId, wait: bool, cancel: &Cancel) -> Result<Existing, Failure> {
        let report = self.recorded(run).await?;
        let is_live = self.shared.live.find(run).is_some();
        if !is_live && report.status.is_terminal() {
            return Ok(Existing::Ended(report));
        }
        if wait {
            return self.end_of(run, cancel).await.map(Existing::Joined);
        }
        match is_live || self.goes_on_elsewhere(run).await? {
            true => Ok(Existing::Joined(report)),
            false => Ok(Existing::Elsewhere(report)),
        }
    }

    pub(crate) async fn recorded(&self, run: RunId) -> Result<RunReport, Failure> {
        self.shared.parts.ledger.report(run).await?.ok_or_else(|| {
            let message = format!("the key belongs to {run}, which the ledger does not have: its database is damaged");
            Failure::new(FailureKind::Database, "run_missing", message)
        })
    }

    async fn report(&self, run: RunId) -> Result<Option<RunReport>, Failure> {
        match self.shared.live.dry_run(run) {
            Some(report) => Ok(Some(report)),
            None => self.shared.parts.ledger.report(run).await,
        }
    }
}

/// A run that a key is bound to.
enum Existing {
    /// It had ended before the request came.
    Ended(RunReport),
    /// It was at work when the request came.
    Joined(RunReport),
    /// It has not ended, and is not this process's.
    Elsewhere(RunReport),
}

#[async_trait::async_trait]
impl Engine for Orchestrator {
    async fn spawn(&self, request: RunRequest) -> Result<RunReport, Failure> {
        let job = self.job(request).await?;
        let kept = job.spec.inputs.clone();
        match self.begin_job(job, false).await? {
            Begun::Started { queued, .. } => {
                inputs::settle(&self.shared.parts.lake, &kept).await;
                Ok(queued)
            }
            Begun::Existing(report) => Ok(report),
            Begun::Elsewhere(report) => Err(nobody_runs(report.run_id)),
        }
    }

    async fn submit(&self, request: RunRequest) -> Result<RunReport, Failure> {
        let cancel = request.cancel.clone();
        match self.begin(request, true).await? {
            Begun::Started { run, end, .. } => match ended(end).await {
                Some(report) => Ok(report),
                // It was lost, or let go of: somebody else has it now.
                None => self.end_of(run, &cancel).await,
            },
            Begun::Existing(report) => Ok(report),
            Begun::Elsewhere(report) => Err(nobody_runs(report.run_id)),
        }
    }

    async fn backfill(&self, request: BackfillRequest) -> Result<RunReport, Failure> {
        self.begin_backfill(request).await
    }

    async fn wait(&self, run: RunId, at_most: Duration) -> Result<Option<RunReport>, Failure> {
        if let Some(Live { end, .. }) = self.shared.live.find(run)
            && let Ok(Some(report)) = tokio::time::timeout(at_most, ended(end)).await
        {
            return Ok(Some(report));
        }
        let report = self.report(run).await?;
        let waits = |report: &RunReport| !at_most.is_zero() && !report.status.is_terminal();
        if report.as_ref().is_some_and(waits)
            && self.shared.live.find(run).is_none()
            && let Ok(Ok(report)) = tokio::time::timeout(at_most, self.end_of(run, &Cancel::default())).await
        {
            return Ok(Some(report));
        }
        Ok(report)
    }

    async fn cancel(&self, run: RunId) -> Result<Option<RunReport>, Failure> {
        if let Some(live) = self.shared.live.find(run) {
            tracing::info!(parent: &live.span, "asked to cancel the run");
            live.cancel.cancel();
            return self.report(run).await;
        }
        match self.report(run).await? {
            // In nobody's queue: its plugin is not here, or its secret is lost. Or another host's, which finds out when it
            // next says that it is alive, and stops it.
            Some(report) if !report.status.is_terminal() => {
                let ended =
                    Conclusion::nothing(run, RunStatus::Cancelled, Some(cancelled()), self.shared.parts.clock.now());
                let ended = self.shared.parts.ledger.conclude(ended).await?;
                self.cancel_children(&ended).await?;
                Ok(Some(ended))
            }
            report => Ok(report),
        }
    }

    async fn why(&self, run: RunId) -> Result<Option<Standing>, Failure> {
        let Some(report) = self.report(run).await? else { return Ok(None) };
        let waiting = self.shared.dispatcher.why(run);
        if let (Some(Waiting::Until(at)), Some(key)) = (&waiting, self.shared.dispatcher.held(run)) {
            let reason = format!("another run holds the lease `{key}`; asks again at {at}, or when that one has ended");
            let (code, until) = ("lease".to_owned(), Some(*at));
            return Ok(Some(Standing { run_id: run, status: report.status, code, reason, until }));
        }
        Ok(Some(standing(&report, waiting)))
    }

    async fn retry(&self, run: RunId) -> Result<RunReport, Failure> {
        let spec = self.repetition(run).await?;
        if spec.kind.is_of_runs() {
            return self.record_backfill(spec, Some(run)).await;
        }
        let parts = &self.shared.parts;
        let run_id = identity::run_id(&*parts.clock, &*parts.entropy);
        let job = self.recorded_job(run_id, spec, parts.clock.now()).await?;
        let _room = self.shared.dispatcher.reserve(&job)?;
        let span = job.span();
        let seat = self.shared.live.enter(job.run_id, job.cancel.clone(), span.clone(), None)?;
        let new_run = job.new_run(Some(run));
        let keeper = new_run.keeper.map(|keeper| keeper.worker);
        match self.shared.parts.ledger.submit(new_run).instrument(span.clone()).await? {
            Submission::New => match self.begun(job, seat, span, keeper).await {
                Begun::Started { queued, .. } | Begun::Existing(queued) | Begun::Elsewhere(queued) => Ok(queued),
            },
            Submission::Existing(later) => Err(moved_on(run, later)),
        }
    }

    async fn replay(&self, run: RunId) -> Result<ReplayReport, Failure> {
        Self::replay(self, run).await
    }

    fn file_params(&self, name: &str) -> Result<Vec<String>, Failure> {
        Self::file_params(self, name)
    }

    fn plugins(&self) -> Vec<PluginRecord> {
        Self::plugins(self)
    }

    async fn plugin_grants(&self, name: &str) -> Result<PluginGrants, Failure> {
        Self::plugin_grants(self, name).await
    }

    async fn plugin_history(&self, name: &str) -> Result<Vec<PluginEvent>, Failure> {
        Self::plugin_history(self, name).await
    }
}

/// What a run waits for, in words.
fn standing(report: &RunReport, waiting: Option<Waiting>) -> Standing {
    let (code, reason, until) = match waiting {
        None => return Standing::of(report),
        // A time that the ledger does not have is none of a retry: the gate named it.
        Some(Waiting::Until(at)) if report.not_before != Some(at) => (
            "gate",
            format!("its breaker, rate limit or quarantine lets nobody through, and is asked again at {at}"),
            Some(at),
        ),
        Some(Waiting::Until(at)) => {
            let (done, most) = (report.attempt, report.attempts_max);
            ("not_before", format!("attempt {done} of {most} failed, the next begins at {at}"), Some(at))
        }
        Some(Waiting::Lane { lane, places, ahead }) => {
            let reason = format!("all places ({places}) of the lane `{lane}` are taken, {ahead} runs go before it");
            ("lane", reason, None)
        }
        Some(Waiting::Plugin { plugin, places }) => {
            ("bulkhead", format!("the plugin `{plugin}` has as many runs at work as it may, {places}"), None)
        }
        Some(Waiting::Ready) => ("ready", "it begins now".to_owned(), None),
    };
    Standing { run_id: report.run_id, status: report.status, code: code.to_owned(), reason, until }
}

/// A later run stands for the work now, and repetitions of it count.
fn moved_on(run: RunId, later: RunId) -> Failure {
    let message =
        format!("the key of run `{run}` belongs to `{later}` by now: look how that one stands, and repeat it");
    Failure::new(FailureKind::Orchestration, "not_repeatable", message)
}

fn no_parent(parent: RunId) -> Failure {
    let message =
        format!("`parent_run_id` is `{parent}`, and there is no such run: name the run that asks, or leave it out");
    Failure::new(FailureKind::Validation, "bad_params", message)
}

fn not_repeatable(run: RunId, status: RunStatus) -> Failure {
    let message = format!(
        "run `{run}` is {}: only one that failed, timed out or was cancelled can be run again as it was",
        status.name()
    );
    Failure::new(FailureKind::Orchestration, "not_repeatable", message)
}
