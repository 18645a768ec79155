//! Which version of a plugin an attempt is carried out by.
//!
//! Each attempt takes the version that is active at the instant it begins, and ends on it. A run that waited, for its turn
//! or for a retry, is not held to what was active when it was asked for, unless the version that is active now would not
//! take its parameters: then it is carried out by the one it was asked of, while that drains.

use model::Timestamp;
use model::failure::{Failure, FailureKind};
use model::plugin::{PluginEvent, PluginEventKind};
use model::ports::Registration;
use tracing::{info, warn};

use crate::attempt::Attempted;
use crate::job::{Course, Job, Turn};
use crate::quarantine::Change;
use crate::resilience::breaker::CallId;

impl Job {
    /// Takes the version that is active now. Returns when that was.
    pub(crate) fn pin(&mut self) -> Timestamp {
        let shared = &self.shared;
        let (target, now) = shared.lifecycle.at(&self.target.name, || shared.parts.clock.now());
        let Some(target) = target.filter(|target| target.plugin.digest != self.target.plugin.digest) else {
            return now;
        };
        // Its parameters were checked against what the version it was asked of declares.
        if target.kind() != self.target.kind() || target.params() != self.target.params() {
            return now;
        }
        if let Ok(policy) = shared.parts.policy_of(&target.name, &target.manifest) {
            self.policy = policy;
        }
        info!(plugin.version = %target.plugin.version, plugin.digest = %target.plugin.digest, "the attempt is carried out by the version that is active by now");
        self.target = target;
        now
    }

    pub(crate) fn call(&self, course: &Course) -> CallId {
        CallId(format!("{}/{}", self.run_id, course.attempt))
    }

    /// The version is in quarantine: the run waits for the time when somebody tries it, or ends where it has none.
    pub(crate) async fn quarantined(&self, course: &mut Course, until: Timestamp) -> Turn {
        let too_late = self.spec.routing.deadline.is_some_and(|deadline| until >= deadline);
        let plugin = &self.target.plugin;
        match self.shared.quarantine.refusal(&plugin.name, &plugin.digest) {
            Some(failure) if self.dry_run => self.ended(course, self.failed(failure)).await,
            Some(failure) if too_late => self.not_called(course, failure).await,
            _ => {
                course.refused_since.get_or_insert_with(|| self.shared.parts.clock.now());
                Turn::Waits { until }
            }
        }
    }

    /// Tells the quarantine how an attempt ended.
    pub(crate) async fn tell_quarantine(&self, call: &CallId, attempted: &Attempted) {
        let (quarantine, digest) = (&self.shared.quarantine, &self.target.plugin.digest);
        let change = match attempted {
            Attempted::Decided(conclusion) | Attempted::Raced(conclusion) => {
                quarantine.record(digest, call, conclusion.error.as_ref())
            }
            Attempted::Held(_) | Attempted::Lost(_) => {
                quarantine.withdraw(digest, call);
                Change::Nothing
            }
        };
        let (kind, detail) = match change {
            Change::Nothing => return,
            Change::Quarantined { until, why } => {
                warn!("in quarantine until {until}: {why}");
                (PluginEventKind::Quarantined, format!("until {until}: {why}"))
            }
            Change::Released => (PluginEventKind::Released, String::new()),
        };
        let plugin = &self.target.plugin;
        let (name, version, at) = (plugin.name.clone(), plugin.version.clone(), self.shared.parts.clock.now());
        let event = PluginEvent { seq: 0, at, name, version, digest: plugin.digest, kind, detail };
        let registration = Registration { events: vec![event], ..Registration::default() };
        if let Err(failure) = self.shared.parts.ledger.register(registration).await {
            warn!(code = %failure.code, "the history of the plugin does not tell of its quarantine: {failure}");
        }
    }

    /// The version has drained for as long as it may.
    pub(crate) fn version_retired(&self) -> Failure {
        let plugin = &self.target.plugin;
        let message = format!(
            "version {} of plugin `{}` was retired while the attempt was at work: another version is active, and `swap.drain` \
             is over; nothing was published",
            plugin.version, plugin.name
        );
        Failure::new(FailureKind::Orchestration, "version_retired", message).retryable(true)
    }
}
