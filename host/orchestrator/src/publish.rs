//! From prepared captures to what the ledger is asked to do with each: compare with the heads, write the new ones. And
//! back: what the ledger did not take is removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use model::capture::{Head, StagedCapture};
use model::catalog::CatalogView;
use model::failure::{Failure, FailureKind};
use model::ports::Prepared;
use model::run::CaptureOutcome;
use model::{CaptureId, DatasetName, Partition};

use crate::blocking::blocking;
use crate::identity;
use crate::job::Job;

/// Decides about captures that may be published: unchanged, or written and to be published over the head that the
/// attempt started from.
///
/// # Errors
///
/// `conflict` if another run has published to one of the partitions since; nothing was written then.
pub(crate) async fn outcomes(
    job: &Job,
    catalog: &CatalogView,
    captures: Vec<Prepared>,
) -> Result<Vec<CaptureOutcome>, Failure> {
    let wanted: Vec<_> = captures.iter().map(|it| (it.dataset.clone(), it.partition.clone())).collect();
    let heads = job.shared.patiently(|| job.shared.parts.ledger.heads(wanted.clone())).await?;
    let mut judged = Vec::with_capacity(captures.len());
    for (at, capture) in captures.into_iter().enumerate() {
        let head = heads.get(at).cloned().flatten();
        let seen = seen(catalog, &capture.dataset, &capture.partition);
        if seen != head.as_ref().map(|head| head.capture_id) {
            return Err(conflict(&capture.dataset, &capture.partition));
        }
        judged.push((capture, head));
    }
    all(job, judged.into_iter().map(|(capture, head)| publish(job, capture, head).boxed()).collect()).await
}

async fn publish(job: &Job, capture: Prepared, head: Option<Head>) -> Result<CaptureOutcome, Failure> {
    match head {
        Some(head) if head.content_hash == capture.content_hash && !job.publishes_anyway() => {
            let Prepared { dataset, partition, .. } = capture;
            Ok(CaptureOutcome::Unchanged { dataset, partition, head })
        }
        head => {
            let expected_head = head.map(|head| head.capture_id);
            Ok(CaptureOutcome::Publish { staged: stage(job, capture).await?, expected_head })
        }
    }
}

/// Writes captures that a check keeps from being published. One whose content already waits in quarantine is named
/// again: a bad file that stays in a folder does not fill the disk, run by run.
pub(crate) async fn quarantined(job: &Job, captures: Vec<Prepared>) -> Result<Vec<CaptureOutcome>, Failure> {
    let content = |it: &Prepared| (it.dataset.clone(), it.partition.clone(), it.content_hash);
    let wanted: Vec<_> = captures.iter().map(content).collect();
    let held = job.shared.patiently(|| job.shared.parts.ledger.held(wanted.clone())).await?;
    let held = held.into_iter().chain(std::iter::repeat(None));
    let writes = captures.into_iter().zip(held).map(|(capture, held)| quarantine(job, capture, held).boxed());
    all(job, writes.collect()).await
}

async fn quarantine(job: &Job, capture: Prepared, held: Option<CaptureId>) -> Result<CaptureOutcome, Failure> {
    let Some(capture_id) = held else {
        return Ok(CaptureOutcome::Quarantine { staged: stage(job, capture).await? });
    };
    let Prepared { dataset, partition, rows, content_hash, .. } = capture;
    Ok(CaptureOutcome::Held { dataset, partition, capture_id, rows, content_hash })
}

type Write<'a> = BoxFuture<'a, Result<CaptureOutcome, Failure>>;

/// Carries out some writes at a time. If one fails no other is begun, and the files that were written go again.
async fn all(job: &Job, writes: Vec<Write<'_>>) -> Result<Vec<CaptureOutcome>, Failure> {
    let failed = AtomicBool::new(false);
    let mut waiting = writes.into_iter();
    let begun = std::iter::from_fn(|| if failed.load(Ordering::Relaxed) { None } else { waiting.next() });
    let mut writing = stream::iter(begun).buffered(job.writers());
    let (mut outcomes, mut failure) = (Vec::new(), None);
    // To the end, also after a failure: a write that has begun makes its file whether anybody waits for it or not.
    while let Some(written) = writing.next().await {
        match written {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                failure.get_or_insert(error);
            }
        }
    }
    match failure {
        None => Ok(outcomes),
        Some(failure) => {
            discard(job, outcomes).await;
            Err(failure)
        }
    }
}

/// Removes the files that were written for these outcomes. Only for those that the ledger did not take and never will.
pub(crate) async fn discard(job: &Job, outcomes: Vec<CaptureOutcome>) {
    let staged = outcomes.into_iter().filter_map(|outcome| match outcome {
        CaptureOutcome::Publish { staged, .. } | CaptureOutcome::Quarantine { staged } => Some(staged),
        CaptureOutcome::Held { .. } | CaptureOutcome::Unchanged { .. } => None,
    });
    let staged: Vec<StagedCapture> = staged.filter(|staged| staged.file.is_some()).collect();
    if staged.is_empty() {
        return;
    }
    let lake = Arc::clone(&job.shared.parts.lake);
    let removed = blocking("remove what was not published", move || {
        lake.discard(&staged);
        Ok(())
    });
    if let Err(failure) = removed.await {
        tracing::warn!(code = %failure.code, "files that were not published are left to the next start: {failure}");
    }
}

/// Writes the file of one capture; a dry run only names it.
async fn stage(job: &Job, capture: Prepared) -> Result<StagedCapture, Failure> {
    let parts = &job.shared.parts;
    let capture_id = identity::capture_id(&*parts.clock, &*parts.entropy);
    let Prepared { dataset, partition, rows, content_hash, data } = capture;
    let run = job.run_id;
    let file = match job.dry_run {
        true => None,
        false => blocking("write a capture", move || data.write(capture_id, run)).await?,
    };
    Ok(StagedCapture { capture_id, dataset, partition, rows, content_hash, file })
}

/// The head of a partition when the attempt started.
fn seen(catalog: &CatalogView, dataset: &DatasetName, partition: &Partition) -> Option<CaptureId> {
    let captures = &catalog.dataset(dataset)?.captures;
    captures.iter().rev().find(|it| it.latest && &it.partition == partition).map(|it| it.capture_id)
}

fn conflict(dataset: &DatasetName, partition: &Partition) -> Failure {
    let message = format!("another run published `{dataset}` {partition} while this one worked; nothing was published");
    Failure::new(FailureKind::Orchestration, "conflict", message).retryable(true)
}
