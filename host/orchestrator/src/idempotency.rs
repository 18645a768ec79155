//! Whether work that was done before is done again: what a pipeline declares as its idempotency, and what was asked for.

use model::Digest;
use model::failure::Failure;
use model::run::{CaptureOutcome, Conclusion, RunReport, RunStatus};
use model::work::Idempotency;

use crate::identity;
use crate::job::Job;

impl Job {
    /// Whether content that is the latest already is published once more.
    pub(crate) fn publishes_anyway(&self) -> bool {
        self.spec.force || self.target.idempotency() == Idempotency::Append
    }

    /// What stands for this work, if a run of the same may be spared. A secret is part of the work and kept nowhere, so
    /// nobody can tell whether it is the same.
    pub(crate) fn input_key(&self) -> Option<Digest> {
        let may_be_spared = self.target.idempotency() == Idempotency::Input
            && !self.dry_run
            && self.inputs.is_ok()
            && self.params.secrets.is_empty();
        may_be_spared.then(|| identity::input_key(&self.spec, self.target.plugin.digest))
    }

    /// The end of a run whose work an earlier one did, if what that delivered is still the latest. Called with the leases
    /// of the run taken: whoever had them before has ended. What cannot be told is done again.
    pub(crate) async fn done_before(&self) -> Option<Conclusion> {
        let key = self.input_key().filter(|_| !self.spec.force)?;
        match self.shared.patiently(|| self.same_done(key)).await {
            Ok(done) => done,
            Err(failure) => {
                tracing::warn!(code = %failure.code, "could not tell whether the work was done before: {failure}");
                None
            }
        }
    }

    async fn same_done(&self, key: Digest) -> Result<Option<Conclusion>, Failure> {
        let ledger = &self.shared.parts.ledger;
        let Some(run) = ledger.done_under(key).await? else { return Ok(None) };
        let Some(before) = ledger.report(run).await? else { return Ok(None) };
        if before.status != RunStatus::Completed || before.captures.is_empty() {
            return Ok(None);
        }
        let RunReport { captures, rows_in, rows_out, rejected, result, .. } = before;
        let wanted = captures.iter().map(|it| (it.dataset.clone(), it.partition.clone())).collect();
        let heads = ledger.heads(wanted).await?;
        let mut outcomes = Vec::with_capacity(captures.len());
        for (capture, head) in captures.into_iter().zip(heads) {
            match head.filter(|head| head.capture_id == capture.capture_id) {
                Some(head) => {
                    let (dataset, partition) = (capture.dataset, capture.partition);
                    outcomes.push(CaptureOutcome::Unchanged { dataset, partition, head });
                }
                // Somebody has published something else since.
                None => return Ok(None),
            }
        }
        tracing::info!(same_as = %run, "no plugin is called: parameters, inputs and plugin are those of an earlier run");
        let completed = self.completed(outcomes);
        Ok(Some(Conclusion { rows_in, rows_out, rejected, result, same_as: Some(run), ..completed }))
    }
}
