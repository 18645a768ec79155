//! One run from its turn to what becomes of it: its attempts, whether another follows, and the ledger's last word.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use model::failure::{Failure, FailureKind};
use model::policy::Policy;
use model::ports::{Cancel, NewRun, Progress, Requeue};
use model::run::{Claim, Conclusion, LogLine, RunReport, RunStatus};
use model::work::WorkSpec;
use model::{RunId, Timestamp, WorkerId};
use tracing::{error, info, warn};

use crate::attempt::Attempted;
use crate::blocking::panicked;
use crate::gate::{AtGate, Pass};
use crate::heartbeat::Watched;
use crate::identity::{self, InputsRead};
use crate::inputs::Inputs;
use crate::log::RunLog;
use crate::orchestrator::Shared;
use crate::params::Params;
use crate::patience::is_away;
use crate::plugins::Target;
use crate::publish;
use crate::queue::Ticket;
use crate::report;
use crate::resilience::retry::{self, Decision};

/// Races for a partition that one run may lose before it fails. They are not calls that its policy counts.
const RACES_MAX: u32 = 2;

/// A run that was asked for: validated, and pinned to a plugin version.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) target: Target,
    pub(crate) run_id: RunId,
    pub(crate) spec: WorkSpec,
    /// Of its name, as it is now; the retries are those of `spec`.
    pub(crate) policy: Policy,
    pub(crate) params: Params,
    pub(crate) inputs: Inputs,
    pub(crate) dry_run: bool,
    pub(crate) progress: Option<Progress>,
    pub(crate) cancel: Cancel,
    pub(crate) created_at: Timestamp,
}

/// What has happened to a run so far.
#[derive(Debug)]
pub(crate) struct Course {
    /// Calls so far.
    pub(crate) attempt: u32,
    /// Races lost.
    races: u32,
    /// Attempts whose version was retired under them: these do not count as calls.
    retired: u32,
    pub(crate) started_at: Option<Timestamp>,
    /// What the ledger knows as begun.
    pub(crate) claim: Option<Claim>,
    /// Who keeps the run while it is queued, as the ledger was told.
    pub(crate) keeper: Option<WorkerId>,
    /// Keeps that alive.
    watched: Option<Watched>,
    /// Since when it waits for a lease.
    pub(crate) held_since: Option<Timestamp>,
    /// Since when the gate refuses the next call.
    pub(crate) refused_since: Option<Timestamp>,
    /// Whether the rate limit was charged for the next call, which then had to wait for a lease.
    pub(crate) is_charged: bool,
    pub(crate) read: InputsRead,
    /// What the ledger has not been told yet.
    pub(crate) log: RunLog,
}

/// What a turn of a run came to.
#[derive(Debug)]
pub(crate) enum Turn {
    Ended(Box<RunReport>),
    /// The attempt failed, and the ledger has it that another follows.
    Again {
        not_before: Timestamp,
        failure: Box<Failure>,
    },
    /// No call was made: the gate is to be asked again then.
    Waits {
        until: Timestamp,
    },
    /// It may not begin yet: another run holds the lease.
    Held {
        key: String,
        not_before: Timestamp,
    },
    /// The run is somebody else's, and so is its end.
    Lost,
}

impl Course {
    /// The ledger has it that an attempt began.
    pub(crate) fn begun(&mut self, claim: Claim, watched: Watched) {
        (self.claim, self.watched, self.held_since, self.keeper) = (Some(claim), Some(watched), None, None);
    }

    /// Lets nobody stop the attempt any more: what it came to is about to be recorded. Whether it was lost before.
    fn is_lost(&mut self) -> bool {
        self.watched.take().is_some_and(|watched| watched.is_lost())
    }
}

impl Job {
    pub(crate) fn new_run(&self, rebind: Option<RunId>) -> NewRun {
        let request_hash = self.spec.idempotency_key.is_some().then(|| identity::request_hash(&self.spec));
        let keeper = Some(self.shared.heart.keeper());
        NewRun {
            run_id: self.run_id,
            spec: self.spec.clone(),
            request_hash,
            rebind,
            keeper,
            created_at: self.created_at,
        }
    }

    /// What every log line about the run is joined to. Of the highest level, so that a filter which lets an error
    /// through lets it say whose it is.
    pub(crate) fn span(&self) -> tracing::Span {
        let plugin = &self.target.plugin;
        tracing::error_span!(
            "run",
            run.id = %self.run_id,
            run.name = %self.target.name,
            plugin.name = %plugin.name,
            plugin.digest = %plugin.digest,
        )
    }

    pub(crate) fn ticket(&self, not_before: Option<Timestamp>) -> Ticket {
        let (lane, priority) = (self.spec.routing.lane, self.spec.routing.priority);
        let is_gated = (self.policy.breaker.is_some() || self.policy.rate_limit.is_some()) && !self.dry_run;
        let gate = is_gated.then(|| self.target.name.clone());
        let (plugin, deadline) = (self.target.plugin.name.clone(), self.spec.routing.deadline);
        Ticket { run: self.run_id, lane, priority, plugin, not_before, gate, deadline }
    }

    pub(crate) fn writers(&self) -> usize {
        self.shared.parts.concurrency.writers.max(1)
    }

    /// A course that begins, or goes on after so many calls.
    pub(crate) fn course(&self, attempt: u32, started_at: Option<Timestamp>, keeper: Option<WorkerId>) -> Course {
        let read = self.inputs.as_ref().map(|inputs| InputsRead::new(inputs, &[])).unwrap_or_default();
        Course {
            attempt,
            races: 0,
            retired: 0,
            started_at,
            claim: None,
            keeper,
            watched: None,
            held_since: None,
            refused_since: None,
            is_charged: false,
            read,
            log: self.log(),
        }
    }

    fn log(&self) -> RunLog {
        let ledger = (!self.dry_run).then(|| Arc::clone(&self.shared.parts.ledger));
        RunLog::new(self.run_id, ledger)
    }

    /// Tries once, and once more after each race that it loses.
    pub(crate) async fn turn(&mut self, course: &mut Course) -> Turn {
        let mut pass = None;
        let turn = match AssertUnwindSafe(self.calls(course, &mut pass)).catch_unwind().await {
            Ok(turn) => turn,
            Err(_) => self.ended(course, self.failed(panicked("carry the run out"))).await,
        };
        self.leave_gate(course, pass, &turn).await;
        turn
    }

    async fn calls(&mut self, course: &mut Course, pass: &mut Option<Pass>) -> Turn {
        if let Some(failure) = self.too_late() {
            return self.ended(course, self.failed(failure)).await;
        }
        match self.at_gate(course).await {
            AtGate::Passed(passed) => *pass = passed,
            AtGate::Turned(turn) => return turn,
        }
        info!(dry_run = self.dry_run, attempt = course.attempt + 1, "the run begins");
        let shared = Arc::clone(&self.shared);
        loop {
            course.attempt += 1;
            let last = course.races >= RACES_MAX;
            // Runs that lost a race try again one after the other, or they would only race each other once more.
            let _turn = if course.races == 0 { None } else { Some(shared.turn.lock().await) };
            let started_at = self.pin();
            let call = self.call(course);
            if let Err(until) = self.shared.quarantine.admit(&self.target.plugin.digest, &call) {
                course.attempt -= 1;
                return self.quarantined(course, until).await;
            }
            let attempted = self.attempt(course, started_at).await;
            self.tell_quarantine(&call, &attempted).await;
            match attempted {
                Attempted::Raced(conclusion) if last => return self.ended(course, conclusion).await,
                Attempted::Raced(_) => {}
                Attempted::Held(failure) => return self.wait_for_lease(course, failure).await,
                Attempted::Lost(failure) => return self.left(course, &failure),
                Attempted::Decided(conclusion) if self.dry_run => {
                    return Turn::Ended(Box::new(report::concluded(self, course, conclusion)));
                }
                Attempted::Decided(conclusion) => match self.settled(course, conclusion, last).await {
                    Settled::As(turn) => return turn,
                    Settled::Raced => {}
                },
            }
            course.races += 1;
            let note = format!("attempt {} lost a race for a partition, trying again", course.attempt);
            warn!("{note}");
            course.log.push(self.host_line("warn", note));
        }
    }

    /// Has the ledger record what an attempt came to: the end of the run, or that another follows.
    async fn settled(&self, course: &mut Course, conclusion: Conclusion, last: bool) -> Settled {
        let is_lost = course.is_lost();
        let conclusion = match conclusion.status {
            RunStatus::Cancelled if is_lost => instead(conclusion, interrupted()),
            _ => conclusion,
        };
        let conclusion = Conclusion { claim: course.claim, ..conclusion };
        let retry = self.retry(course, &conclusion);
        if let Some((Claim { worker, .. }, (after, failure))) = course.claim.zip(retry) {
            match self.requeued(course, worker, &conclusion, after, failure).await {
                // Its stop cannot be taken back: whoever adopts the run begins it afresh.
                Ok(_) if is_lost => {
                    self.shared.give_up(vec![(self.run_id, course.keeper)]).await;
                    return Settled::As(lost(failure));
                }
                Ok(not_before) => {
                    return Settled::As(Turn::Again { not_before, failure: Box::new(failure.clone()) });
                }
                Err(unqueued) if is_away(&unqueued) || is_anothers(&unqueued) => {
                    return Settled::As(self.left(course, &unqueued));
                }
                // The run then ends with its failure.
                Err(unqueued) => {
                    warn!(code = %unqueued.code, "the ledger does not let the run be tried again: {unqueued}");
                }
            }
        }
        match self.shared.conclude(conclusion.clone()).await {
            Ok(report) => {
                self.tell_of_stages(&conclusion, &report);
                Settled::As(Turn::Ended(Box::new(report)))
            }
            Err(failure) if failure.code == "conflict" && !last => {
                publish::discard(self, conclusion.captures).await;
                Settled::Raced
            }
            Err(failure) if is_anothers(&failure) => {
                publish::discard(self, conclusion.captures).await;
                Settled::As(lost(&failure))
            }
            // What was written stays: nobody told whether it is published.
            Err(failure) if is_away(&failure) => Settled::As(self.left(course, &failure)),
            Err(failure) => Settled::As(self.unpublished(course, conclusion, failure).await),
        }
    }

    /// How long to wait before the next call, if this end calls for one.
    fn retry<'a>(&self, course: &Course, conclusion: &'a Conclusion) -> Option<(Duration, &'a Failure)> {
        if conclusion.status != RunStatus::Failed {
            return None;
        }
        let failure = conclusion.error.as_ref()?;
        let parts = &self.shared.parts;
        // Inputs are read before the first call: what could not be read will not be there later.
        if self.inputs.is_err() {
            return None;
        }
        if self.was_retired(failure) {
            return Some((Duration::ZERO, failure));
        }
        let (calls, unit) = (course.attempt - course.races - course.retired, identity::unit(&*parts.entropy));
        match retry::decide(&self.spec.retry, failure, calls, unit, parts.clock.now(), self.spec.routing.deadline) {
            Decision::Retry { after } => Some((after, failure)),
            Decision::GiveUp { .. } => None,
        }
    }

    /// Whether an attempt ended because its version's time was up. A guest can claim the code, not that.
    fn was_retired(&self, failure: &Failure) -> bool {
        failure.code == "version_retired" && self.target.hold.is_over()
    }

    /// Has the ledger record that another attempt follows. Returns when it may begin.
    async fn requeued(
        &self,
        course: &mut Course,
        worker: WorkerId,
        conclusion: &Conclusion,
        after: Duration,
        failure: &Failure,
    ) -> Result<Timestamp, Failure> {
        let at = self.shared.parts.clock.now();
        let not_before = at.plus_micros(i64::try_from(after.as_micros()).unwrap_or(i64::MAX));
        let note = format!("attempt {} failed, the next begins at {not_before}: {failure}", course.attempt);
        warn!(code = %failure.code, "{note}");
        let line = self.host_line("warn", note);
        let logs = conclusion.logs.iter().cloned().chain([line]).collect();
        let (run_id, attempt, error, usage) = (self.run_id, course.attempt, failure.clone(), conclusion.usage);
        self.shared.requeue(Requeue { run_id, attempt, worker, error, usage, not_before, logs, at }).await?;
        (course.claim, course.keeper) = (None, Some(worker));
        // Nor does it count as a call: the run is not to blame.
        course.retired += u32::from(self.was_retired(failure));
        // All that was said is in the ledger.
        course.log = self.log();
        Ok(not_before)
    }

    /// Why the run does not even begin: somebody stopped it while it waited, or its time is up.
    fn too_late(&self) -> Option<Failure> {
        if self.cancel.is_cancelled() {
            return Some(cancelled());
        }
        let deadline = self.spec.routing.deadline?;
        (self.shared.parts.clock.now() >= deadline).then(|| past_deadline(deadline))
    }

    /// Has the ledger record an end without captures. If even that fails the caller is told all the same; the ledger
    /// finds the run interrupted at the next start.
    pub(crate) async fn ended(&self, course: &Course, conclusion: Conclusion) -> Turn {
        match self.recorded(course, conclusion).await {
            Ok(report) => Turn::Ended(Box::new(report)),
            Err(unrecorded) => unrecorded,
        }
    }

    /// Tells those who want to hear of every end.
    pub(crate) fn told(&self, report: &RunReport) {
        log_end(report);
        if !self.dry_run {
            self.shared.parts.told(report);
        }
    }

    /// Ends a run whose captures the ledger did not take. Whether a commit that failed was made is known once the run
    /// has ended in another way, since it ends once: then, and only then, nothing names the files, and they go.
    async fn unpublished(&self, course: &Course, mut conclusion: Conclusion, failure: Failure) -> Turn {
        let captures = std::mem::take(&mut conclusion.captures);
        match self.recorded(course, instead(conclusion, failure)).await {
            Ok(report) => {
                publish::discard(self, captures).await;
                Turn::Ended(Box::new(report))
            }
            Err(Turn::Lost) => {
                publish::discard(self, captures).await;
                Turn::Lost
            }
            Err(unrecorded) => unrecorded,
        }
    }

    /// As [`Job::ended`]; the error is what becomes of a run whose end the ledger did not record.
    async fn recorded(&self, course: &Course, conclusion: Conclusion) -> Result<RunReport, Turn> {
        if self.dry_run {
            return Ok(report::concluded(self, course, conclusion));
        }
        let conclusion = Conclusion { claim: course.claim, ..conclusion };
        self.shared.conclude(conclusion.clone()).await.map_err(|failure| {
            if is_anothers(&failure) || is_away(&failure) {
                return self.left(course, &failure);
            }
            if let Some(claim) = course.claim {
                // Whoever reaps finds the run once this worker has expired: what begins from now on is another's.
                self.shared.heart.renew(claim.worker);
            }
            error!(code = %failure.code, "the ledger could not record the end of the run: {failure}");
            let mut report = report::concluded(self, course, conclusion);
            let error = report.error.get_or_insert_with(|| failure.clone());
            error.causes.push(format!("the ledger could not record the end of the run: {failure}"));
            Turn::Ended(Box::new(report))
        })
    }

    /// The run is left to whoever has it by now, or once this worker counts as dead: what begins from now on is
    /// another's.
    pub(crate) fn left(&self, course: &Course, failure: &Failure) -> Turn {
        if let Some(claim) = course.claim.filter(|_| is_away(failure)) {
            self.shared.heart.renew(claim.worker);
        }
        lost(failure)
    }

    /// The end of a run that comes to nothing.
    pub(crate) fn failed(&self, failure: Failure) -> Conclusion {
        let asked = self.cancel.is_cancelled();
        let status = crate::verdict::status(&failure, asked);
        Conclusion::nothing(self.run_id, status, Some(failure), self.shared.parts.clock.now())
    }

    pub(crate) fn host_line(&self, level: &str, message: String) -> LogLine {
        let at = self.shared.parts.clock.now();
        LogLine { at, level: level.to_owned(), origin: "host".to_owned(), message, fields: Vec::new() }
    }
}

/// The same end, but failed and without captures: what the ledger could not publish.
fn instead(conclusion: Conclusion, failure: Failure) -> Conclusion {
    Conclusion {
        status: RunStatus::Failed,
        error: Some(failure),
        rows_out: 0,
        captures: Vec::new(),
        result: None,
        cursor: None,
        input_key: None,
        same_as: None,
        ..conclusion
    }
}

/// What became of the end of an attempt.
enum Settled {
    As(Turn),
    /// Another run has published in between.
    Raced,
}

/// Whether the ledger refused because somebody else has the run, or has ended it.
fn is_anothers(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "lost" | "illegal_transition")
}

fn lost(failure: &Failure) -> Turn {
    warn!(code = %failure.code, "the run is left to whoever has it now: {failure}");
    Turn::Lost
}

fn interrupted() -> Failure {
    let message = "this host could not say for too long that it carries the run out, and stopped it; nothing was \
                   published, run it again";
    Failure::new(FailureKind::Orchestration, "interrupted", message).retryable(true)
}

pub(crate) fn past_deadline(deadline: Timestamp) -> Failure {
    let message = format!("the run had not ended by its deadline, {deadline}; nothing was published");
    Failure::new(FailureKind::Orchestration, "deadline", message)
}

pub(crate) fn cancelled() -> Failure {
    Failure::new(FailureKind::Orchestration, "cancelled", "the run was cancelled; nothing was published")
}

pub(crate) fn log_end(report: &RunReport) {
    let RunReport { attempt, rows_in, rows_out, rejected, unchanged, .. } = report;
    let status = report.status.name();
    match &report.error {
        None => info!(status, unchanged, attempt, rows_in, rows_out, rejected, "the run has ended"),
        Some(failure) => {
            let (kind, code) = (failure.kind.name(), failure.code.as_str());
            warn!(status, attempt, rows_in, rejected, kind, code, "the run has ended: {failure}");
        }
    }
}
