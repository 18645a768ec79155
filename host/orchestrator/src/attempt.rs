//! One attempt: prepare, invoke, finish, judge, write. What it comes to is a conclusion for the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::catalog::CatalogView;
use model::failure::{Failure, FailureKind};
use model::manifest::RowAccounting;
use model::ports::{
    Answer, Finished, Invocation, Invoked, KeptInput, Outlook, Outside, SavedFiles, WorkOrder, Workbench,
};
use model::reject::Rejects;
use model::run::{CaptureOutcome, Conclusion, Conditions, RunStatus, SourceCursor};
use model::secret::Secrets;
use model::stage::StageDone;
use model::{Grants, Timestamp, Usage, limits::Limits};

use crate::blocking::blocking;
use crate::conceal::conceal;
use crate::identity::{self, InputsRead};
use crate::job::{Course, Job, cancelled};
use crate::parts::Versions;
use crate::patience::is_away;
use crate::plugins::Export;
use crate::publish;
use crate::trap::{self, TrappedRun};
use crate::verdict::{Tally, Verdict, apply_severities, blocked_by_guest, judge};

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Attempted {
    Decided(Conclusion),
    /// Another run published in between; this is the end of the run if it may not try again.
    Raced(Conclusion),
    /// It did not begin: another run holds what it needs.
    Held(Failure),
    /// The run is somebody else's, or the ledger is away, which alone knows whose it is.
    Lost(Failure),
}

/// What the guest and the lake delivered.
pub(crate) struct Delivered {
    pub(crate) answer: Result<Answer, Failure>,
    pub(crate) finished: Option<Finished>,
    stages: Vec<StageDone>,
    /// None if no guest was called.
    pub(crate) usage: Option<Usage>,
}

pub(crate) type Read = BTreeMap<String, KeptInput>;

/// What a guest finds when it begins.
pub(crate) struct Reads<'a> {
    pub(crate) inputs: &'a Read,
    pub(crate) catalog: &'a Arc<CatalogView>,
    pub(crate) started_at: Timestamp,
    /// Where a source goes on.
    pub(crate) cursor: Option<Vec<u8>>,
    pub(crate) outlook: Outlook,
    pub(crate) outside: Outside,
    /// All that nobody else may see.
    pub(crate) secrets: &'a Secrets,
}

impl Job {
    pub(crate) async fn attempt(&self, course: &mut Course, started_at: Timestamp) -> Attempted {
        course.started_at.get_or_insert(started_at);
        let catalog = self.shared.latest().await;
        if !self.dry_run {
            let snapshot = catalog.as_ref().map_or(0, |catalog| catalog.snapshot.id);
            let exclusive = self.exclusive(course);
            if let Some(stopped) = self.begin(course, snapshot, started_at, exclusive).await {
                return stopped;
            }
            // Only now: of two at one time the second sees what the first came to.
            if let Some(done) = self.done_before().await {
                return Attempted::Decided(done);
            }
        }
        let (inputs, catalog, cursor) = match (&self.inputs, catalog, self.cursor().await) {
            (Ok(inputs), Ok(catalog), Ok(cursor)) => (inputs, catalog, cursor),
            (Err(failure), _, _) => return Attempted::Decided(self.failed(failure.clone())),
            (_, Err(failure), _) | (_, _, Err(failure)) => return self.without_ledger(failure),
        };
        let outside = match self.outside().await {
            Ok(outside) => outside,
            Err(failure) => return Attempted::Decided(self.failed(failure)),
        };
        let secrets = self.params.secrets.and(outside.secrets.values());
        let outlook = Outlook::Live { cursor: cursor.clone(), is_source: self.target.export == Export::Source };
        let what = Reads { inputs, catalog: &catalog, started_at, cursor, outlook, outside, secrets: &secrets };
        let delivered = self.work(course, what).await;
        let mut attempted = self.decide(inputs, &catalog, delivered).await;
        if let Attempted::Decided(conclusion) | Attempted::Raced(conclusion) = &mut attempted {
            conclusion.logs = course.log.settle().await;
            self.account(conclusion);
            self.complete_trap(course, conclusion);
            conceal(&secrets, conclusion);
        }
        attempted
    }

    /// Where a source goes on.
    async fn cursor(&self) -> Result<Option<Vec<u8>>, Failure> {
        match self.target.export {
            Export::Source => {
                let ledger = &self.shared.parts.ledger;
                self.shared.patiently(|| ledger.cursor(&self.target.name)).await
            }
            Export::Pipeline | Export::Task => Ok(None),
        }
    }

    /// What becomes of an attempt that the ledger does not tell what it has to know.
    fn without_ledger(&self, failure: Failure) -> Attempted {
        match is_away(&failure) && !self.dry_run {
            true => Attempted::Lost(failure),
            false => Attempted::Decided(self.failed(failure)),
        }
    }

    /// Prepares the workbench, has the guest work on it, and finishes it: even after a trap, for its rejects.
    pub(crate) async fn work(&self, course: &mut Course, reads: Reads<'_>) -> Delivered {
        let nothing = |failure| Delivered { answer: Err(failure), finished: None, stages: Vec::new(), usage: None };
        let lake = Arc::clone(&self.shared.parts.lake);
        let order = self.order(course.attempt, &reads);
        let workbench = match blocking("prepare the inputs", move || lake.workbench(order)).await {
            Ok(workbench) => workbench,
            Err(failure) => return nothing(failure),
        };
        let invocation = self.invocation(course, reads, workbench);
        let mut hold = self.target.hold.clone();
        let Invoked { answer, workbench, stages, usage } = tokio::select! {
            biased;
            invoked = self.shared.parts.invoker.invoke(invocation) => invoked,
            () = hold.time_is_up() => return nothing(self.version_retired()),
        };
        tracing::debug!(
            usage.cpu_us,
            usage.wall_us,
            usage.memory_bytes_peak,
            usage.host_calls,
            "the guest has returned"
        );
        let finished = match workbench {
            Some(workbench) => {
                let has_failed = answer.is_err();
                let end = move || if has_failed { workbench.abandon() } else { workbench.finish() };
                blocking("finish what the guest wrote", end).await.map(Some)
            }
            None => Ok(None),
        };
        let usage = Some(used(usage, finished.as_ref().ok().and_then(Option::as_ref)));
        let nothing = |failure| Delivered { usage, ..nothing(failure) };
        match (answer, finished) {
            (answer, Ok(finished)) => Delivered { answer, finished, stages, usage },
            (Ok(_), Err(failure)) => Delivered { stages, ..nothing(failure) },
            // A guest that cannot write because the disk is full says so in its own words; the disk is why.
            (Err(guest), Err(mut failure)) if failure.kind == FailureKind::Storage && !self.cancel.is_cancelled() => {
                failure.causes.push(format!("the guest then failed: {guest}"));
                Delivered { stages, ..nothing(failure) }
            }
            (Err(mut failure), Err(second)) => {
                failure.causes.push(format!("and then: {second}"));
                Delivered { stages, ..nothing(failure) }
            }
        }
    }

    async fn decide(&self, inputs: &Read, catalog: &CatalogView, delivered: Delivered) -> Attempted {
        let Delivered { answer, finished, stages, usage } = delivered;
        let Finished { captures, mut checks, rejects, rejected, rows_in, found_inputs, saved, .. } =
            finished.unwrap_or_else(nothing_finished);
        // What is known whatever becomes of the attempt.
        let read = InputsRead::new(inputs, &found_inputs);
        let known = |conclusion: Conclusion| Conclusion {
            rows_in,
            rejects,
            rejected,
            stages: stages.clone(),
            usage,
            input_hash: read.hash.filter(|_| !found_inputs.is_empty()),
            inputs: if found_inputs.is_empty() { Vec::new() } else { read.files },
            ..conclusion
        };
        let answer = match answer {
            Ok(_) if self.cancel.is_cancelled() => Err(cancelled()),
            answer => answer,
        };
        let Answer { result, checks: by_plugin, cursor, .. } = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                let quality = blocked_by_guest(&failure, &self.target.manifest).into_iter().collect();
                return Attempted::Decided(Conclusion { quality, ..known(self.failed(failure)) });
            }
        };
        if let Err(failure) = self.check_stages(&stages) {
            return Attempted::Decided(known(self.failed(failure)));
        }
        checks.extend(by_plugin);
        apply_severities(&mut checks, &self.target.manifest, &self.shared.parts.severities);
        let tally = Tally {
            rows_in,
            rejected,
            captures: captures.iter().map(|capture| (capture.dataset.clone(), capture.rows)).collect(),
        };
        let rows_out = tally.captures.iter().map(|(_, rows)| rows).sum();
        let known = |conclusion: Conclusion| Conclusion { quality: checks.clone(), ..known(conclusion) };
        match judge(&self.target.name, &tally, &checks, self.target.outputs(), self.target.accounting()) {
            Verdict::Fail(failure) => Attempted::Decided(known(self.failed(failure))),
            Verdict::Quarantine(mut failure) => match publish::quarantined(self, captures).await {
                Ok(captures) => {
                    let stage_order = self.target.stages().to_vec();
                    let failed = known(self.failed(failure));
                    Attempted::Decided(Conclusion { rows_out, captures, result, stage_order, ..failed })
                }
                Err(away) if is_away(&away) => self.without_ledger(away),
                Err(unwritten) => {
                    failure.causes.insert(0, failure.message.clone());
                    let causes = [failure.causes, unwritten.causes.clone()].concat();
                    Attempted::Decided(known(self.failed(Failure { causes, ..unwritten })))
                }
            },
            Verdict::Publish => match publish::outcomes(self, catalog, captures).await {
                Ok(captures) => {
                    if let Err(failure) = self.place(saved).await {
                        return Attempted::Decided(known(self.failed(failure)));
                    }
                    let cursor = cursor.map(|cursor| SourceCursor { source: self.target.name.clone(), cursor });
                    let completed = self.completed(captures);
                    Attempted::Decided(Conclusion { rows_out, result, cursor, ..known(completed) })
                }
                Err(failure) if failure.code == "conflict" => Attempted::Raced(known(self.failed(failure))),
                Err(failure) if is_away(&failure) => self.without_ledger(failure),
                Err(failure) => Attempted::Decided(known(self.failed(failure))),
            },
        }
    }

    /// The report of a trap is not known whole by whoever saw it.
    fn complete_trap(&self, course: &Course, conclusion: &mut Conclusion) {
        let Conclusion { error: Some(error), inputs, .. } = conclusion else { return };
        let of = TrappedRun {
            run: self.run_id,
            name: &self.target.name,
            params: &self.params.shown,
            plugin: self.target.plugin.digest,
            is_replayable: !self.dry_run,
            inputs: if inputs.is_empty() { &course.read.files } else { inputs },
        };
        trap::complete(error, &of);
    }

    /// Puts the files that were saved at their places, now that the run is to be published.
    async fn place(&self, saved: Box<dyn SavedFiles>) -> Result<(), Failure> {
        if self.dry_run {
            return Ok(());
        }
        blocking("save files", move || saved.place()).await.map(drop)
    }

    /// Where rows and rejects are all the lines, a run that came to nothing has read those that it rejected: no others
    /// are accounted for.
    fn account(&self, conclusion: &mut Conclusion) {
        let came_to_nothing = conclusion.status != RunStatus::Completed && conclusion.captures.is_empty();
        if came_to_nothing && self.target.accounting() == RowAccounting::OneToOne {
            conclusion.rows_in = conclusion.rejected;
        }
    }

    pub(crate) fn completed(&self, captures: Vec<CaptureOutcome>) -> Conclusion {
        let nothing = self.failed(cancelled());
        let input_key = self.input_key();
        let stage_order = self.target.stages().to_vec();
        Conclusion { status: RunStatus::Completed, error: None, captures, input_key, stage_order, ..nothing }
    }

    fn order(&self, attempt: u32, reads: &Reads<'_>) -> WorkOrder {
        let pipeline = self.target.manifest.pipeline(&self.target.name);
        let formats = pipeline.map(|it| it.inputs.iter().map(|input| (input.name.clone(), input.formats.clone())));
        let Reads { inputs, catalog, outlook, outside, secrets, .. } = reads;
        WorkOrder {
            run_id: self.run_id,
            attempt,
            manifest: Arc::clone(&self.target.manifest),
            inputs: (*inputs).clone(),
            formats: formats.map(Iterator::collect).unwrap_or_default(),
            params: self.params.real.clone(),
            outputs: self.target.outputs().to_vec(),
            folders: outside.grants.folders.clone(),
            outlook: outlook.clone(),
            catalog: Arc::clone(catalog),
            limits: self.limits_and_grants().0,
            dry_run: self.dry_run,
            secrets: (*secrets).clone(),
        }
    }

    fn invocation(&self, course: &mut Course, reads: Reads<'_>, workbench: Box<dyn Workbench>) -> Invocation {
        let Reads { started_at, cursor, outside, secrets, .. } = reads;
        let params = self.params.real.to_string();
        Invocation {
            plugin: self.target.plugin.name.clone(),
            digest: self.target.plugin.digest,
            work: self.target.work(&params, cursor),
            checks: self.target.plugin_checks(),
            run_id: self.run_id,
            attempt: course.attempt,
            params,
            secrets: secrets.clone(),
            outside,
            started_at,
            seed: identity::seed(self.run_id, course.attempt),
            limits: self.limits_and_grants().0,
            workbench,
            cancel: self.cancel.clone(),
            progress: self.progress.clone(),
            log: course.log.sink(),
        }
    }

    pub(crate) fn conditions(&self) -> Conditions {
        let Versions { host, wasmtime } = self.shared.parts.versions.clone();
        let grants_hash = identity::grants_hash(&self.limits_and_grants().1);
        Conditions { host_version: host, wasmtime_version: wasmtime, grants_hash }
    }

    /// The limits of this plugin, within the timeout of its policy and the time that the run has left, and what
    /// it both asks for and is granted.
    pub(crate) fn limits_and_grants(&self) -> (Limits, Grants) {
        let parts = &self.shared.parts;
        let Some(policy) = parts.policies.get(&self.target.plugin.name) else {
            return (self.in_time(parts.limits.clone()), Grants::default());
        };
        (
            self.in_time(policy.limits.clone()),
            policy.grants.to_component(self.target.plugin.digest).asked_by(&self.target.manifest),
        )
    }

    fn in_time(&self, limits: Limits) -> Limits {
        let timeout = self.policy.timeout_ms.map_or(Duration::MAX, Duration::from_millis);
        let limits = Limits { wall_clock: limits.wall_clock.min(timeout), ..limits };
        let Some(deadline) = self.spec.routing.deadline else { return limits };
        let left = deadline.as_micros().saturating_sub(self.shared.parts.clock.now().as_micros());
        let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
        Limits { wall_clock: limits.wall_clock.min(left), ..limits }
    }
}

/// What the runtime saw and what the lake saw of an attempt. A lake that could not finish counts nothing.
fn used(usage: Usage, finished: Option<&Finished>) -> Usage {
    let Some(finished) = finished else { return usage };
    Usage {
        rows_in: finished.rows_in,
        rows_out: finished.rows_written,
        bytes_in: finished.bytes_in,
        bytes_out: finished.bytes_written,
        ..usage
    }
}

fn nothing_finished() -> Finished {
    Finished {
        captures: Vec::new(),
        checks: Vec::new(),
        rejects: Rejects::default(),
        rejected: 0,
        rows_in: 0,
        rows_written: 0,
        bytes_in: 0,
        bytes_written: 0,
        found_inputs: Vec::new(),
        saved: Box::new(()),
    }
}
