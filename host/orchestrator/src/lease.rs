//! What a run holds alone while it is at work, and how long it waits for that.
//!
//! A run takes its leases with its start, and the ledger frees them with its end. One that is refused keeps its calls,
//! waits without a place, and is tried again when a run of this process that had the same lease has let go of it, or a
//! short time later: the holder may be another process's.

use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::policy::{ConcurrencyKey, ConcurrencyPolicy};
use model::ports::{Exclusive, Start};
use model::run::{Claim, Conclusion, RunStatus};
use model::{Partition, Timestamp};

use crate::attempt::Attempted;
use crate::job::{Course, Job, Turn};
use crate::patience::is_away;

/// How long it waits before it tries again, unless it hears that the holder has ended.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// How long leases last, and how often they are extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeasePolicy {
    /// A process that was not heard of for so long has lost its runs.
    pub ttl: Duration,
    /// How often a process says that it is alive. A few times less than `ttl`, so that one that is lost does not matter.
    pub beat: Duration,
}

impl Default for LeasePolicy {
    /// 30 seconds, extended every 10.
    fn default() -> Self {
        Self { ttl: Duration::from_secs(30), beat: Duration::from_secs(10) }
    }
}

/// The instant so much later.
pub(crate) fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.plus_micros(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}

impl Job {
    /// What only so many runs may hold at one time, by the policy: the partition that the parameters name, else what it
    /// reads; or the latter; or a name. Nothing for work that has none of that.
    pub(crate) fn exclusive(&self, course: &Course) -> Vec<Exclusive> {
        let name = &self.target.name;
        let partition = || self.partition().map(|partition| format!("{name}|{partition}"));
        let input = || course.read.hash.map(|hash| format!("{name}|{hash}"));
        let ConcurrencyPolicy { slots, key, .. } = &self.policy.concurrency;
        let key = match key {
            _ if self.dry_run => None,
            ConcurrencyKey::Partition => partition().or_else(input),
            ConcurrencyKey::Input => input(),
            ConcurrencyKey::Named(name) => Some(name.clone()),
        };
        key.into_iter().map(|key| Exclusive { key, slots: *slots }).collect()
    }

    /// The partition of the first output, if the parameters have a value for each of its columns.
    fn partition(&self) -> Option<Partition> {
        let dataset = self.target.manifest.dataset(self.target.outputs().first()?)?;
        let text = |column: &String| match self.params.shown.get(column)? {
            serde_json::Value::String(text) => Some((column.clone(), text.clone())),
            serde_json::Value::Null => None,
            value => Some((column.clone(), value.to_string())),
        };
        dataset.partition_by.iter().map(text).collect()
    }

    /// Has the ledger record that the attempt begins, and take its leases. What is returned stands in its way.
    pub(crate) async fn begin(
        &self,
        course: &mut Course,
        snapshot: u64,
        started_at: Timestamp,
        exclusive: Vec<Exclusive>,
    ) -> Option<Attempted> {
        let heart = &self.shared.heart;
        let claim = Claim { worker: heart.worker(), attempt: course.attempt };
        let start = Start {
            run_id: self.run_id,
            attempt: course.attempt,
            plugin: Some(self.target.plugin.clone()),
            conditions: self.conditions(),
            input_hash: course.read.hash,
            inputs: course.read.files.clone(),
            snapshot,
            worker: claim.worker,
            keeper: course.keeper,
            lease_until: heart.until(),
            exclusive,
            started_at,
        };
        match self.shared.start(start).await {
            Ok(()) => {
                course.begun(claim, heart.watch(self.run_id, claim, self.cancel.clone()));
                None
            }
            Err(failure) => Some(match failure.code.as_str() {
                "lease_held" => Attempted::Held(failure),
                // This host was not heard of for so long that it counts as dead, but nobody else has the run.
                "lost" if self.shared.has_come_to(self.run_id, RunStatus::Queued, course.attempt - 1).await => {
                    heart.renew(claim.worker);
                    Attempted::Held(failure)
                }
                // Somebody else has it, or had it since.
                "lost" | "kept" | "illegal_transition" => Attempted::Lost(failure),
                // It is as it was: queued, for whoever looks for such runs once the ledger is back.
                _ if is_away(&failure) => Attempted::Lost(failure),
                _ => Attempted::Decided(self.failed(failure)),
            }),
        }
    }

    /// What a run does that may not begin yet: it waits, but not for ever.
    pub(crate) async fn wait_for_lease(&self, course: &mut Course, held: Failure) -> Turn {
        let now = self.shared.parts.clock.now();
        if course.claim.is_some() {
            // It was at work before it lost a race, and has lost its lease since.
            return self.ended(course, self.failed(held)).await;
        }
        course.attempt -= 1;
        if course.attempt == 0 {
            course.started_at = None;
        }
        let wait_max = Duration::from_millis(self.policy.concurrency.wait_ms);
        let until = after(*course.held_since.get_or_insert(now), wait_max);
        if now >= until {
            let cancelled = self.failed(locked(held, wait_max));
            return self.ended(course, Conclusion { status: RunStatus::Cancelled, ..cancelled }).await;
        }
        tracing::info!("the run waits: {held}");
        let key = held.details.into_iter().find(|(name, _)| name == "lease").map(|(_, key)| key);
        Turn::Held { key: key.unwrap_or_default(), not_before: after(now, TRY_AGAIN).min(until) }
    }
}

fn locked(held: Failure, wait_max: Duration) -> Failure {
    let message = format!(
        "the run waited {} s for what another one holds, and was given up; nothing was published: {held}",
        wait_max.as_secs_f64()
    );
    let Failure { details, .. } = held;
    Failure { details, ..Failure::new(FailureKind::Orchestration, "locked", message).retryable(true) }
}
