//! The way in: install plugins, submit runs, wait for them, stop them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::plugin::{PluginRecord, PluginState};
use model::ports::{Engine, RunRequest, Submission};
use model::run::{RunReport, RunStatus};
use model::{Manifest, RunId};
use tokio::sync::{Mutex, Semaphore};
use tracing::{Instrument, Span};

use crate::blocking::blocking;
use crate::grants;
use crate::identity;
use crate::job::Job;
use crate::live::{End, Live, LiveRuns, Seat, ended};
use crate::params;
use crate::parts::Parts;
use crate::plugins::{FoundPlugin, PluginSet, decide};
use crate::report;

/// Carries out runs. Cheap to clone; the clones are one orchestrator.
#[derive(Clone, Debug)]
pub struct Orchestrator {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    plugins: RwLock<Arc<PluginSet>>,
    live: Arc<LiveRuns>,
    pub(crate) slots: Semaphore,
    /// Held by the one run that tries again after a race.
    pub(crate) turn: Mutex<()>,
}

/// What became of a request.
enum Begun {
    Started {
        run: RunId,
        queued: RunReport,
        end: End,
    },
    /// The key's run, which may still be at work.
    Existing(RunReport),
}

impl Orchestrator {
    /// An orchestrator without plugins.
    pub fn new(parts: Parts) -> Self {
        let slots = Semaphore::new(parts.concurrency.runs.clamp(1, Semaphore::MAX_PERMITS));
        let plugins = RwLock::default();
        Self { shared: Arc::new(Shared { parts, plugins, live: LiveRuns::new(), slots, turn: Mutex::new(()) }) }
    }

    /// Decides which of the components that were found are active, records all of them and uses the active ones for
    /// new runs. Returns every component, with the reasons against the refused ones.
    ///
    /// # Errors
    ///
    /// Those of the ledger; the plugins are then as they were.
    pub async fn install(&self, found: Vec<FoundPlugin>) -> Result<Vec<PluginRecord>, Failure> {
        let parts = &self.shared.parts;
        let last_active = parts.ledger.active_plugins().await?.into_iter().collect();
        let mut set = decide(found, &last_active, &parts.policies, parts.clock.now());
        let (lake, policies) = (Arc::clone(&parts.lake), parts.policies.clone());
        let looked = move || {
            grants::warn(&mut set, &policies, &|path| lake.check_folder(path));
            Ok(set)
        };
        let mut set = blocking("look at the granted folders", looked).await?;
        self.register(&mut set).await?;
        let records = set.records();
        for record in records.iter().filter(|record| record.state == PluginState::Refused) {
            let digest = record.digest.map(tracing::field::display);
            tracing::warn!(plugin.name = %record.name, plugin.digest = digest, file = %record.file, "refused: {}", record.reasons.join("; "));
        }
        *self.shared.plugins.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(records)
    }

    /// Records the plugins together, or one by one to find those whose datasets do not fit the tables that are there.
    async fn register(&self, set: &mut PluginSet) -> Result<(), Failure> {
        let ledger = &self.shared.parts.ledger;
        let all: Vec<(PluginRecord, Option<Arc<Manifest>>)> =
            set.entries.iter().map(|entry| (entry.record.clone(), entry.manifest.clone())).collect();
        match ledger.register(all).await {
            Err(failure) if failure.code == "schema_changed" => {}
            done => return done,
        }
        for entry in &mut set.entries {
            match ledger.register(vec![(entry.record.clone(), entry.manifest.clone())]).await {
                Err(failure) if failure.code == "schema_changed" => {
                    entry.record.state = PluginState::Refused;
                    entry.record.reasons.push(format!("schema_changed: {failure}"));
                    ledger.register(vec![(entry.record.clone(), entry.manifest.clone())]).await?;
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// What was found in the plugins folder, active and refused.
    pub fn plugins(&self) -> Vec<PluginRecord> {
        self.plugin_set().records()
    }

    /// The manifests of the active plugins.
    pub fn manifests(&self) -> Vec<Arc<Manifest>> {
        let set = self.plugin_set();
        let active = set.entries.iter().filter(|entry| entry.record.state == PluginState::Active);
        active.filter_map(|entry| entry.manifest.clone()).collect()
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

    /// Takes no new runs from now on, and returns when the live ones have ended.
    pub async fn drain(&self) {
        self.shared.live.drain().await;
    }

    /// Asks every live run to stop.
    pub fn cancel_all(&self) {
        self.shared.live.cancel_all();
    }

    fn plugin_set(&self) -> Arc<PluginSet> {
        Arc::clone(&self.shared.plugins.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a run of the request, or finds the run that its key is bound to.
    async fn begin(&self, request: RunRequest, wait: bool) -> Result<Begun, Failure> {
        let target = self.plugin_set().find(&request.name)?;
        let params = params::validate(&target.name, target.params(), &request.params, &request.files)?;
        let RunRequest { files, force, dry_run, progress, cancel, .. } = request;
        let (clock, entropy) = (&*self.shared.parts.clock, &*self.shared.parts.entropy);
        let key = request.key.filter(|_| !dry_run);
        let (run_id, created_at) = (identity::run_id(clock, entropy), clock.now());
        let shared = Arc::clone(&self.shared);
        let job =
            Job { shared, target, run_id, params, files, force, dry_run, progress, cancel: cancel.clone(), created_at };
        job.check_folders().await?;
        let span = job.span();
        let queued = dry_run.then(|| report::queued(&job));
        let seat = self.shared.live.enter(run_id, cancel.clone(), span.clone(), queued)?;
        if dry_run {
            return Ok(start(job, seat, span));
        }
        let key = match key {
            Some(text) => Some(job.key(text).await?),
            None => None,
        };
        let mut rebind = None;
        loop {
            let submitted = self.shared.parts.ledger.submit(job.new_run(key.as_ref(), rebind));
            let old = match submitted.instrument(span.clone()).await? {
                Submission::New => return Ok(start(job, seat, span)),
                Submission::Existing(old) => old,
            };
            match self.existing(old, wait, &cancel).await? {
                // One that ended badly before this request came; one that was waited for is the answer.
                Existing::Ended(report) if report.status != RunStatus::Completed => rebind = Some(old),
                Existing::Ended(report) | Existing::Joined(report) => return Ok(Begun::Existing(report)),
            }
        }
    }

    async fn existing(&self, run: RunId, wait: bool, cancel: &model::ports::Cancel) -> Result<Existing, Failure> {
        if let Some(Live { end, .. }) = self.shared.live.find(run) {
            if !wait {
                return Ok(Existing::Joined(self.recorded(run).await?));
            }
            let report = tokio::select! {
                biased;
                report = ended(end) => report,
                () = cancel.cancelled() => return Err(stopped_waiting(run)),
            };
            return match report {
                Some(report) => Ok(Existing::Joined(report)),
                None => Ok(Existing::Joined(self.recorded(run).await?)),
            };
        }
        let report = self.recorded(run).await?;
        if report.status.is_terminal() { Ok(Existing::Ended(report)) } else { Err(nobody_runs(run)) }
    }

    async fn recorded(&self, run: RunId) -> Result<RunReport, Failure> {
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
}

fn start(job: Job, seat: Seat, span: Span) -> Begun {
    let begun = Begun::Started { run: job.run_id, queued: report::queued(&job), end: seat.end() };
    // Not tied to the caller: a run goes on when the caller has gone away.
    let work = async move {
        let report = job.carry_out().await;
        seat.leave(report);
    };
    tokio::spawn(work.instrument(span));
    begun
}

#[async_trait::async_trait]
impl Engine for Orchestrator {
    async fn spawn(&self, request: RunRequest) -> Result<RunReport, Failure> {
        match self.begin(request, false).await? {
            Begun::Started { queued: report, .. } | Begun::Existing(report) => Ok(report),
        }
    }

    async fn submit(&self, request: RunRequest) -> Result<RunReport, Failure> {
        match self.begin(request, true).await? {
            Begun::Started { run, end, .. } => ended(end).await.ok_or_else(|| nobody_runs(run)),
            Begun::Existing(report) => Ok(report),
        }
    }

    async fn wait(&self, run: RunId, at_most: Duration) -> Result<Option<RunReport>, Failure> {
        if let Some(Live { end, .. }) = self.shared.live.find(run)
            && let Ok(Some(report)) = tokio::time::timeout(at_most, ended(end)).await
        {
            return Ok(Some(report));
        }
        self.report(run).await
    }

    async fn cancel(&self, run: RunId) -> Result<Option<RunReport>, Failure> {
        if let Some(live) = self.shared.live.find(run) {
            tracing::info!(parent: &live.span, "asked to cancel the run");
            live.cancel.cancel();
        }
        self.report(run).await
    }

    fn file_params(&self, name: &str) -> Result<Vec<String>, Failure> {
        Self::file_params(self, name)
    }

    fn plugins(&self) -> Vec<PluginRecord> {
        Self::plugins(self)
    }
}

fn nobody_runs(run: RunId) -> Failure {
    let message = format!("{run} has not ended but nobody carries it out; restart the host that owns the data folder");
    Failure::new(FailureKind::Orchestration, "interrupted", message).retryable(true)
}

fn stopped_waiting(run: RunId) -> Failure {
    let message = format!("stopped waiting for {run}, which has the same key and goes on");
    Failure::new(FailureKind::Orchestration, "cancelled", message)
}
