//! The gate on the way of a run: it waits without a place, or ends where waiting does not help.

use std::time::Duration;

use model::failure::Failure;
use model::run::{Conclusion, RunReport, RunStatus};
use tracing::{info, warn};

use super::{Entry, Pass, Refusal, Refuser};
use crate::attempt::Attempted;
use crate::job::{Course, Job, Turn};
use crate::lease::after;
use crate::patience::is_away;
use crate::resilience::breaker::{CallId, Outcome};

/// Longest time that a run waits for an open breaker. A target that does not come back for longer is better known as
/// failed than waited for unseen.
const BREAKER_WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// How long a run waits before it asks again what nobody could tell.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What became of a run that came to the gate.
pub(crate) enum AtGate {
    /// None for a run that no gate looks at.
    Passed(Option<Pass>),
    /// The turn is over.
    Turned(Turn),
}

impl Job {
    /// Asks the gate for the next call. A refusal that time ends is no call: the run waits, and asks again. It does not
    /// wait beyond its deadline, nor more than ten minutes for a breaker, and not at all for what only an operator can
    /// change; then it ends with the refusal as its failure.
    pub(crate) async fn at_gate(&self, course: &mut Course) -> AtGate {
        if self.dry_run {
            return AtGate::Passed(None);
        }
        let call = CallId(format!("{}/{}", self.run_id, course.attempt + 1));
        match self.shared.gate.enter(&self.target.name, &self.policy, call, course.is_charged).await {
            Ok(Entry::Admitted(pass)) => {
                course.refused_since = None;
                self.shared.dispatcher.passed(self.run_id);
                AtGate::Passed(Some(pass))
            }
            Ok(Entry::Refused(refusal)) => AtGate::Turned(self.refused(course, refusal).await),
            Ok(Entry::Never(failure)) => AtGate::Turned(self.not_called(course, failure).await),
            // Nobody knows what it allows.
            Err(failure) if is_away(&failure) => {
                warn!(code = %failure.code, "breaker and rate limit are asked again: {failure}");
                AtGate::Turned(Turn::Waits { until: after(self.shared.parts.clock.now(), ASK_AGAIN) })
            }
            // The ledger has the next word: it records that the attempt begins, or not.
            Err(failure) => {
                self.shared.dispatcher.passed(self.run_id);
                warn!(code = %failure.code, "begins without asking breaker and rate limit: {failure}");
                AtGate::Passed(None)
            }
        }
    }

    /// Tells the gate how a turn ended that it let begin. A run that then had to wait, for a lease or for its plugin, made
    /// no call: it gives its place back, and is not charged for the same call twice.
    pub(crate) async fn leave_gate(&self, course: &mut Course, pass: Option<Pass>, turn: &Turn) {
        let Some(pass) = pass else { return };
        let (gate, name) = (&self.shared.gate, &self.target.name);
        course.is_charged = matches!(turn, Turn::Held { .. } | Turn::Waits { .. });
        let left = match turn {
            Turn::Held { .. } | Turn::Waits { .. } => gate.give_back(name, pass).await,
            _ => gate.leave(name, &self.policy, pass, outcome(turn)).await,
        };
        match left {
            Ok(true) => self.shared.dispatcher.hasten(&self.target.name),
            Ok(false) => {}
            Err(failure) => warn!(code = %failure.code, "the breaker was not told how the call ended: {failure}"),
        }
    }

    async fn refused(&self, course: &mut Course, refusal: Refusal) -> Turn {
        let now = self.shared.parts.clock.now();
        let is_first = course.refused_since.is_none();
        // Waiting here is not waiting for a lease.
        course.held_since = None;
        let since = *course.refused_since.get_or_insert(now);
        let too_late = self.spec.routing.deadline.is_some_and(|deadline| refusal.until >= deadline);
        let too_long = match refusal.by {
            Refuser::Breaker => refusal.until > after(since, BREAKER_WAIT_MAX),
            // Work that comes back to it in time is all that a limit asks for.
            Refuser::RateLimit => false,
        };
        if too_late || too_long {
            return self.not_called(course, refusal.failure).await;
        }
        if is_first {
            let note = format!("waits, and asks again at {}: {}", refusal.until, refusal.failure);
            info!("{note}");
            let line = self.host_line("info", note);
            if let Err(failure) = self.shared.parts.ledger.append_log(self.run_id, vec![line]).await {
                warn!(code = %failure.code, "the log does not tell why the run waits: {failure}");
            }
        }
        Turn::Waits { until: refusal.until }
    }

    /// Ends a run that the gate does not let through. The ledger knows no run that failed without an attempt, so there
    /// is one, without a call.
    pub(crate) async fn not_called(&self, course: &mut Course, failure: Failure) -> Turn {
        let now = self.shared.parts.clock.now();
        course.refused_since = None;
        course.attempt += 1;
        course.started_at.get_or_insert(now);
        // It does nothing that another run could be in the way of.
        let conclusion = match self.begin(course, 0, now, Vec::new()).await {
            None => self.failed(failure),
            Some(Attempted::Decided(conclusion) | Attempted::Raced(conclusion)) => conclusion,
            Some(Attempted::Held(failure)) => return self.wait_for_lease(course, failure).await,
            Some(Attempted::Lost(failure)) => return self.left(course, &failure),
        };
        let logs = course.log.settle().await;
        self.ended(course, Conclusion { logs, ..conclusion }).await
    }
}

fn outcome(turn: &Turn) -> Outcome {
    match turn {
        Turn::Ended(report) => of_report(report),
        Turn::Again { failure, .. } => Outcome::of(failure),
        Turn::Waits { .. } | Turn::Held { .. } | Turn::Lost => Outcome::Cancelled,
    }
}

fn of_report(report: &RunReport) -> Outcome {
    match (&report.error, report.status) {
        (None, RunStatus::Completed) => Outcome::Succeeded,
        (Some(failure), _) => Outcome::of(failure),
        (None, _) => Outcome::Cancelled,
    }
}
