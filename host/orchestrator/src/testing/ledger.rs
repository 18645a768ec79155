//! A ledger in memory that keeps the promises of the port: guarded transitions, keys, heads checked in the commit.

mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use model::capture::Head;
use model::catalog::{CatalogCapture, CatalogDataset, CatalogView, Snapshot};
use model::failure::{Failure, FailureKind};
use model::manifest::CapabilitySpec;
use model::plugin::{Approval, PluginEvent, PluginEventKind, PluginRecord, PluginRef, PluginState};
use model::ports::{
    Adoption, AsOf, Exclusive, Heard, Held, Incumbent, Interrupted, Ledger, NewRun, PluginStanding, Reaped,
    RecordedAttempt, RecordedRun, Registration, Requeue, Start, Submission, Worker, kept, lost,
};
use model::reject::Reject;
use model::run::{CaptureOutcome, Conclusion, LogLine, RunCapture, RunReport, RunStatus};
use model::work::WorkSpec;
use model::{CaptureId, DatasetName, Digest, FieldIds, Manifest, Partition, RunId, Timestamp, WorkerId};
use tokio::sync::watch;

use super::states::Shared;
use state::report;

type Place = (DatasetName, Partition);

#[derive(Debug, Default)]
pub(crate) struct FakeLedger {
    pub(crate) state: Mutex<State>,
    /// How many lines were appended to logs.
    appended: watch::Sender<usize>,
    /// How many attempts began.
    begun: watch::Sender<usize>,
    /// How many attempts were followed by another.
    requeued: watch::Sender<usize>,
    /// How many heartbeats there were.
    beats: watch::Sender<usize>,
    pub(super) shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) runs: BTreeMap<RunId, RunReport>,
    pub(crate) conclusions: Vec<Conclusion>,
    pub(crate) starts: Vec<Start>,
    pub(crate) requeues: Vec<Requeue>,
    pub(crate) specs: BTreeMap<RunId, WorkSpec>,
    /// Every published capture, oldest first.
    pub(crate) published: BTreeMap<Place, Vec<Head>>,
    pub(crate) quarantined: usize,
    /// The log of each run, as a reader of the ledger sees it.
    pub(crate) logs: BTreeMap<RunId, Vec<LogLine>>,
    /// What the next calls of `append_log` fail with.
    pub(crate) append_fails: VecDeque<Failure>,
    held: BTreeMap<(DatasetName, Partition, Digest), CaptureId>,
    /// What the next calls of `conclude` fail with.
    pub(crate) conclude_fails: VecDeque<Failure>,
    /// Who holds what, and until when.
    pub(crate) leases: BTreeMap<String, (RunId, WorkerId, Timestamp)>,
    /// Runs whose worker counts as dead.
    pub(crate) lost: BTreeSet<RunId>,
    /// Workers that expired and still have runs.
    pub(crate) dead: BTreeSet<WorkerId>,
    /// Who keeps which queued run.
    pub(crate) keepers: BTreeMap<RunId, WorkerId>,
    /// Heartbeats by worker.
    told: BTreeMap<WorkerId, usize>,
    /// How often somebody looked for runs that nobody keeps.
    pub(crate) looks: usize,
    /// What the next calls fail with that nothing comes of: each as the one it names is asked.
    pub(crate) away: VecDeque<(&'static str, Failure)>,
    /// The next calls that are done, and nobody told.
    pub(crate) untold: VecDeque<&'static str>,
    /// What every heartbeat fails with.
    pub(crate) heartbeat_fails: Option<Failure>,
    /// Plugin names whose datasets do not fit.
    pub(crate) misfits: BTreeSet<String>,
    pub(crate) registered: BTreeMap<String, PluginRecord>,
    pub(crate) active: BTreeMap<String, Digest>,
    /// Every version that was ever active, by plugin, the latest last.
    activated: BTreeMap<String, Vec<PluginRecord>>,
    /// What versions ask for.
    asked: BTreeMap<Digest, Vec<CapabilitySpec>>,
    held_back: BTreeSet<(String, Digest)>,
    pub(crate) approved: BTreeMap<String, Approval>,
    pub(crate) plugin_events: Vec<(Digest, PluginEventKind)>,
    pub(crate) cursors: BTreeMap<String, Vec<u8>>,
    keys: BTreeMap<String, NewRun>,
    snapshot: u64,
}

impl FakeLedger {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until this many lines have been appended to logs, those of conclusions left out.
    pub(crate) async fn appended(&self, lines: usize) {
        self.appended.subscribe().wait_for(|&count| count >= lines).await.unwrap();
    }

    /// Waits until this many attempts have begun.
    pub(crate) async fn begun(&self, attempts: usize) {
        self.begun.subscribe().wait_for(|&count| count >= attempts).await.unwrap();
    }

    /// Waits until this many attempts are to be followed by another.
    pub(crate) async fn requeued(&self, attempts: usize) {
        self.requeued.subscribe().wait_for(|&count| count >= attempts).await.unwrap();
    }

    /// Waits until there were this many heartbeats.
    pub(crate) async fn beats(&self, beats: usize) {
        self.beats.subscribe().wait_for(|&count| count >= beats).await.unwrap();
    }

    pub(crate) fn messages(&self, run: RunId) -> Vec<String> {
        let state = self.state();
        state.logs.get(&run).into_iter().flatten().map(|line| line.message.clone()).collect()
    }

    pub(crate) fn revisions(&self, day: &str) -> Vec<Digest> {
        let place = ("d.t".parse().unwrap(), [("day", day)].into_iter().collect());
        let state = self.state();
        state.published.get(&place).into_iter().flatten().map(|head| head.content_hash).collect()
    }
}

#[async_trait::async_trait]
impl Ledger for FakeLedger {
    async fn submit(&self, run: NewRun) -> Result<Submission, Failure> {
        let mut state = self.state();
        if let Some(key) = &run.spec.idempotency_key {
            if let Some(bound) = state.keys.get(key) {
                if (&bound.spec.name, &bound.spec.params) != (&run.spec.name, &run.spec.params) {
                    return Err(Failure::new(FailureKind::Orchestration, "key_reused", "other parameters"));
                }
                let status = state.runs[&bound.run_id].status;
                let ended_badly = status.is_terminal() && status != RunStatus::Completed;
                if !ended_badly && bound.request_hash != run.request_hash {
                    return Err(Failure::new(FailureKind::Orchestration, "key_reused", "other content"));
                }
                if run.rebind != Some(bound.run_id) {
                    return Ok(Submission::Existing(bound.run_id));
                }
            }
            state.keys.insert(key.clone(), run.clone());
        }
        if let Some(keeper) = run.keeper {
            state.keepers.insert(run.run_id, keeper.worker);
        }
        state.specs.insert(run.run_id, run.spec.clone());
        state.runs.insert(run.run_id, report(&run));
        Ok(Submission::New)
    }

    async fn start(&self, start: Start) -> Result<(), Failure> {
        let mut state = self.state();
        state.is_away("start")?;
        if state.dead.contains(&start.worker) {
            return Err(lost(start.run_id));
        }
        if let Some(by) = state.living_keeper(start.run_id).filter(|by| start.keeper != Some(*by)) {
            return Err(kept(start.run_id, by));
        }
        let run = &state.runs[&start.run_id];
        let may_begin = run.status == RunStatus::Running || run.status.may_become(RunStatus::Running);
        if !may_begin || run.attempt + 1 != start.attempt {
            let message = format!("run `{}` is {}", start.run_id, run.status.name());
            return Err(Failure::new(FailureKind::Orchestration, "illegal_transition", message));
        }
        let (now, owner) = (start.started_at, (start.run_id, start.worker));
        for Exclusive { key, .. } in &start.exclusive {
            let held = state.leases.get(key).filter(|(run, worker, until)| (*run, *worker) != owner && *until > now);
            if let Some((by, _, until)) = held {
                return Err(Held { key: key.clone(), by: *by, until: *until }.into());
            }
        }
        for Exclusive { key, .. } in &start.exclusive {
            state.leases.insert(key.clone(), (start.run_id, start.worker, start.lease_until));
        }
        state.has_begun(start);
        self.begun.send_modify(|count| *count += 1);
        state.is_untold("start")
    }

    async fn requeue(&self, requeue: Requeue) -> Result<RunReport, Failure> {
        let mut state = self.state();
        state.is_away("requeue")?;
        let start = state.starts.iter().rfind(|start| start.run_id == requeue.run_id);
        assert_eq!(start.unwrap().worker, requeue.worker);
        let is_lost = state.lost.contains(&requeue.run_id);
        let run = state.runs.get_mut(&requeue.run_id).unwrap();
        if is_lost || (run.status, run.attempt) != (RunStatus::Running, requeue.attempt) {
            return Err(lost(requeue.run_id));
        }
        run.status = RunStatus::Queued;
        run.not_before = Some(requeue.not_before);
        let report = run.clone();
        state.keepers.insert(requeue.run_id, requeue.worker);
        state.logs.entry(requeue.run_id).or_default().extend(requeue.logs.iter().cloned());
        state.leases.retain(|_, (run, _, _)| *run != requeue.run_id);
        state.requeues.push(requeue);
        self.requeued.send_modify(|count| *count += 1);
        state.is_untold("requeue")?;
        Ok(report)
    }

    async fn heartbeat(&self, worker: &Worker, until: Timestamp) -> Result<Heard, Failure> {
        self.beats.send_modify(|count| *count += 1);
        let mut state = self.state();
        *state.told.entry(worker.id).or_default() += 1;
        if let Some(failure) = state.heartbeat_fails.clone() {
            return Err(failure);
        }
        for (_, its, expires) in state.leases.values_mut().filter(|(_, its, _)| *its == worker.id) {
            *expires = until.max(*expires);
            assert_eq!(*its, worker.id);
        }
        let begun = state.starts.iter().filter(|start| start.worker == worker.id).map(|start| start.run_id);
        let held = |run: &RunId| state.runs[run].status == RunStatus::Running && !state.lost.contains(run);
        let at_work: Vec<RunId> = begun.filter(held).collect();
        let kept = state.keepers.keys().filter(|run| state.living_keeper(**run) == Some(worker.id)).copied();
        Ok(Heard { at_work, kept: kept.collect() })
    }

    async fn reap(&self, _: Interrupted) -> Result<Vec<Reaped>, Failure> {
        let mut state = self.state();
        let lost = std::mem::take(&mut state.lost);
        for run in &lost {
            state.runs.get_mut(run).unwrap().status = RunStatus::Queued;
            state.leases.retain(|_, (its, _, _)| its != run);
        }
        Ok(lost.into_iter().map(|run| Reaped { run, became: RunStatus::Queued }).collect())
    }

    async fn adopt(&self, adoption: Adoption) -> Result<Vec<RecordedRun>, Failure> {
        let mut state = self.state();
        state.looks += 1;
        let wanted = |run: &&RunReport| {
            run.status == RunStatus::Queued
                && state.living_keeper(run.run_id).is_none_or(|by| by == adoption.worker)
                && adoption.names.contains(&run.name)
                && !adoption.but.contains(&run.run_id)
        };
        let found = state.runs.values().filter(wanted).take(adoption.most as usize);
        let found: Vec<RecordedRun> = found.map(|run| state.whole(run)).collect();
        state.keepers.extend(found.iter().map(|run| (run.run_id, adoption.worker)));
        Ok(found)
    }

    async fn give_up(&self, worker: WorkerId, runs: Vec<RunId>) -> Result<(), Failure> {
        self.state().keepers.retain(|run, its| *its != worker || !runs.contains(run));
        Ok(())
    }

    async fn leave(&self, worker: WorkerId) -> Result<(), Failure> {
        self.state().keepers.retain(|_, its| *its != worker);
        Ok(())
    }

    async fn kept_by(&self, run: RunId) -> Result<Option<WorkerId>, Failure> {
        let state = self.state();
        if state.runs[&run].status == RunStatus::Queued {
            return Ok(state.living_keeper(run));
        }
        let worker = state.starts.iter().rfind(|start| start.run_id == run).map(|start| start.worker);
        Ok(worker.filter(|worker| !state.lost.contains(&run) && !state.dead.contains(worker)))
    }

    async fn children(&self, parent: RunId) -> Result<Vec<RecordedRun>, Failure> {
        let state = self.state();
        let children = state.runs.values().filter(|run| run.lineage.parent_run_id == Some(parent));
        Ok(children.map(|run| state.whole(run)).collect())
    }

    async fn recorded(&self, run: RunId) -> Result<Option<RecordedRun>, Failure> {
        let state = self.state();
        Ok(state.runs.get(&run).map(|run| state.whole(run)))
    }

    async fn done_under(&self, input_key: Digest) -> Result<Option<RunId>, Failure> {
        let state = self.state();
        let did_it = |it: &&Conclusion| it.input_key == Some(input_key) && it.same_as.is_none();
        let completed = |it: &&Conclusion| it.status == RunStatus::Completed;
        Ok(state.conclusions.iter().filter(did_it).rfind(completed).map(|it| it.run_id))
    }

    async fn heads(&self, wanted: Vec<Place>) -> Result<Vec<Option<Head>>, Failure> {
        let mut state = self.state();
        state.is_away("heads")?;
        Ok(wanted.iter().map(|place| state.published.get(place).and_then(|all| all.last().cloned())).collect())
    }

    async fn held(&self, wanted: Vec<(DatasetName, Partition, Digest)>) -> Result<Vec<Option<CaptureId>>, Failure> {
        let state = self.state();
        Ok(wanted.iter().map(|wanted| state.held.get(wanted).copied()).collect())
    }

    async fn append_log(&self, run: RunId, lines: Vec<LogLine>) -> Result<(), Failure> {
        let mut state = self.state();
        if let Some(failure) = state.append_fails.pop_front() {
            return Err(failure);
        }
        assert!(!state.runs[&run].status.is_terminal(), "nothing is added to the log of a run that has ended");
        self.appended.send_modify(|count| *count += lines.len());
        state.logs.entry(run).or_default().extend(lines);
        Ok(())
    }

    async fn conclude(&self, conclusion: Conclusion) -> Result<RunReport, Failure> {
        let mut state = self.state();
        state.is_away("conclude")?;
        if let Some(failure) = state.conclude_fails.pop_front() {
            return Err(failure);
        }
        let status = state.runs[&conclusion.run_id].status;
        let last = state.starts.iter().rfind(|start| start.run_id == conclusion.run_id);
        let at_work = last.map(|start| (start.worker, start.attempt));
        let is_late = conclusion.claim.is_some_and(|claim| at_work != Some((claim.worker, claim.attempt)));
        let is_revoked = conclusion.claim.is_none() && conclusion.status == RunStatus::Cancelled;
        if is_late
            || state.lost.contains(&conclusion.run_id)
            || ((status == RunStatus::Running) != conclusion.claim.is_some() && !is_revoked)
        {
            return Err(lost(conclusion.run_id));
        }
        state.leases.retain(|_, (run, _, _)| *run != conclusion.run_id);
        let never_began = (status, conclusion.status) == (RunStatus::Queued, RunStatus::Failed);
        assert!(status.may_become(conclusion.status) || never_began, "{status:?} -> {:?}", conclusion.status);
        for outcome in &conclusion.captures {
            if let CaptureOutcome::Publish { staged, expected_head } = outcome {
                let place = (staged.dataset.clone(), staged.partition.clone());
                let head = state.published.get(&place).and_then(|all| all.last()).map(|head| head.capture_id);
                if head != *expected_head {
                    return Err(Failure::new(FailureKind::Orchestration, "conflict", "another head").retryable(true));
                }
            }
        }
        let captures: Vec<RunCapture> = conclusion.captures.iter().map(|it| state.carry_out(it)).collect();
        state.snapshot += 1;
        state.keepers.remove(&conclusion.run_id);
        if let Some(cursor) = &conclusion.cursor {
            state.cursors.insert(cursor.source.clone(), cursor.cursor.clone());
        }
        let run = state.runs.get_mut(&conclusion.run_id).unwrap();
        (run.status, run.finished_at) = (conclusion.status, Some(conclusion.finished_at));
        run.unchanged = conclusion.status == RunStatus::Completed
            && !captures.is_empty()
            && captures.iter().all(|capture| capture.unchanged);
        run.captures = captures;
        run.error.clone_from(&conclusion.error);
        run.quality.clone_from(&conclusion.quality);
        run.result.clone_from(&conclusion.result);
        (run.rows_in, run.rows_out, run.rejected) = (conclusion.rows_in, conclusion.rows_out, conclusion.rejected);
        run.input_hash = conclusion.input_hash.or(run.input_hash);
        let report = run.clone();
        state.logs.entry(conclusion.run_id).or_default().extend(conclusion.logs.iter().cloned());
        state.conclusions.push(conclusion);
        state.is_untold("conclude")?;
        Ok(report)
    }

    async fn report(&self, run: RunId) -> Result<Option<RunReport>, Failure> {
        Ok(self.state().runs.get(&run).cloned())
    }

    async fn catalog(&self, _: AsOf) -> Result<Arc<CatalogView>, Failure> {
        let state = self.state();
        let at = Timestamp::from_micros(1);
        let mut datasets: BTreeMap<DatasetName, Vec<CatalogCapture>> = BTreeMap::new();
        for ((dataset, partition), heads) in &state.published {
            let captures = datasets.entry(dataset.clone()).or_default();
            captures.extend(heads.iter().map(|head| CatalogCapture {
                capture_id: head.capture_id,
                partition: partition.clone(),
                revision: head.revision,
                captured_at: at,
                run_id: RunId::new(at, [0; 10]),
                rows: head.rows,
                content_hash: head.content_hash,
                latest: head.revision as usize == heads.len(),
                file: None,
            }));
        }
        let manifest = Manifest::parse(super::MANIFEST).unwrap();
        let spec = |name: &DatasetName| manifest.dataset(name).unwrap().clone();
        let dataset = |(name, captures): (DatasetName, _)| {
            let spec = spec(&name);
            CatalogDataset { fields: FieldIds::first(&spec), spec, captures }
        };
        let datasets = datasets.into_iter().map(dataset).collect();
        Ok(Arc::new(CatalogView { snapshot: Snapshot { id: state.snapshot, at }, datasets }))
    }

    async fn latest(&self) -> Result<Arc<CatalogView>, Failure> {
        self.state().is_away("latest")?;
        let mut view = CatalogView::clone(&*self.catalog(AsOf::Latest).await?);
        view.datasets.iter_mut().for_each(|dataset| dataset.captures.retain(|capture| capture.latest));
        Ok(Arc::new(view))
    }

    async fn cursor(&self, source: &str) -> Result<Option<Vec<u8>>, Failure> {
        let mut state = self.state();
        state.is_away("cursor")?;
        Ok(state.cursors.get(source).cloned())
    }

    async fn completed_runs(&self, version: Digest, at_most: u32) -> Result<Vec<RunId>, Failure> {
        let state = self.state();
        let of_version =
            state.starts.iter().rev().filter(|it| it.plugin.as_ref().is_some_and(|it| it.digest == version));
        let completed = |run: &RunId| state.runs.get(run).is_some_and(|it| it.status == RunStatus::Completed);
        Ok(of_version.map(|it| it.run_id).filter(completed).take(at_most as usize).collect())
    }

    async fn attempt(&self, run: RunId, number: u32) -> Result<Option<RecordedAttempt>, Failure> {
        let state = self.state();
        let start = state.starts.iter().find(|start| start.run_id == run && start.attempt == number);
        Ok(start.map(|it| RecordedAttempt {
            plugin: it.plugin.clone(),
            snapshot: it.snapshot,
            started_at: it.started_at,
            inputs: it.inputs.clone(),
        }))
    }

    async fn plugin_standing(&self) -> Result<PluginStanding, Failure> {
        let state = self.state();
        let incumbent = |(name, version): (&String, &Vec<PluginRecord>)| {
            let last = version.last()?;
            let digest = last.digest?;
            let of_file = |kind| matches!(kind, PluginEventKind::Activated | PluginEventKind::Removed);
            let told = state.plugin_events.iter().rfind(|(of, kind)| *of == digest && of_file(*kind));
            Some(Incumbent {
                name: name.clone(),
                version: last.version.clone(),
                digest,
                file: last.file.clone(),
                asked: state.asked.get(&digest).cloned().unwrap_or_default(),
                removed: told.is_some_and(|(_, kind)| *kind == PluginEventKind::Removed),
            })
        };
        Ok(PluginStanding {
            incumbents: state.activated.iter().filter_map(incumbent).collect(),
            held_back: state.held_back.iter().cloned().collect(),
            approved: state.approved.values().cloned().collect(),
        })
    }

    async fn plugin_versions(&self, name: &str) -> Result<Vec<PluginRef>, Failure> {
        let state = self.state();
        let versions = state.activated.get(name).into_iter().flatten().rev();
        let version = |it: &PluginRecord| {
            Some(PluginRef { name: it.name.clone(), version: it.version.clone(), digest: it.digest? })
        };
        Ok(versions.filter_map(version).collect())
    }

    async fn plugin_history(&self, _: &str) -> Result<Vec<PluginEvent>, Failure> {
        Ok(Vec::new())
    }

    async fn rejects(&self, run: RunId, at_most: usize) -> Result<Vec<Reject>, Failure> {
        let state = self.state();
        let concluded = state.conclusions.iter().rfind(|conclusion| conclusion.run_id == run);
        Ok(concluded.map(|it| it.rejects.rows.iter().take(at_most).cloned().collect()).unwrap_or_default())
    }

    async fn check_schema(&self, plugin: &PluginRecord, _: &Manifest) -> Result<(), Failure> {
        match self.state().misfits.contains(&plugin.name) {
            true => Err(Failure::new(FailureKind::Validation, "schema_changed", "column `k` was int64")),
            false => Ok(()),
        }
    }

    async fn register(&self, registration: Registration) -> Result<(), Failure> {
        let mut state = self.state();
        let Registration { found, held_back, approved, events } = registration;
        let active = |record: &PluginRecord| record.state == PluginState::Active;
        if found.iter().any(|(record, _)| active(record) && state.misfits.contains(&record.name)) {
            return Err(Failure::new(FailureKind::Validation, "schema_changed", "column `k` was int64"));
        }
        for (record, manifest) in found {
            if let (true, Some(digest)) = (active(&record), record.digest) {
                let asked = manifest.map(|manifest| manifest.capabilities.clone());
                state.asked.insert(digest, asked.unwrap_or_default());
                state.active.insert(record.name.clone(), digest);
                let versions = state.activated.entry(record.name.clone()).or_default();
                versions.retain(|version| version.digest != Some(digest));
                versions.push(record.clone());
            }
            state.registered.insert(record.file.clone(), record);
        }
        for (name, digest, held) in held_back {
            match held {
                true => state.held_back.insert((name, digest)),
                false => state.held_back.remove(&(name, digest)),
            };
        }
        state.approved.extend(approved.into_iter().map(|approval| (approval.name.clone(), approval)));
        state.plugin_events.extend(events.into_iter().map(|event| (event.digest, event.kind)));
        Ok(())
    }
}
