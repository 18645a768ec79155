//! What becomes of the captures of one run.

use std::collections::HashSet;

use model::failure::Failure;
use model::run::{CaptureOutcome, Conclusion, RunCapture, RunCaptureState};
use model::{CaptureId, DatasetName, Digest, Partition};

use crate::catalog::publish::{Commit, publish};
use crate::catalog::tables::Tables;
use crate::commands::held::{self, Held};
use crate::failure::{corrupt, internal};
use crate::read::heads::{self, PartitionHead};
use crate::read::runs::RunRow;
use crate::writer::Scribe;

/// Publishes, keeps back or recognises each capture, and returns them in the order of the conclusion. Those that are
/// published share one snapshot.
///
/// # Errors
///
/// `conflict` (retryable) if a partition's head is not the one the run saw.
pub(super) async fn deliver(
    scribe: &mut Scribe<'_>,
    conclusion: &Conclusion,
    run: &RunRow,
) -> Result<Vec<RunCapture>, Failure> {
    let plugin = plugin(run)?;
    let wanted: Vec<(DatasetName, Partition)> = conclusion.captures.iter().map(partition).collect();
    distinct(&wanted)?;
    let heads = heads::read(scribe.connection().await?, &wanted).await?;
    for (outcome, head) in conclusion.captures.iter().zip(&heads) {
        check_head(outcome, head.as_ref())?;
    }
    let mut tables = Tables::read(scribe, wanted.iter().map(|(dataset, _)| dataset)).await?;

    let mut deliveries = Vec::new();
    for (outcome, head) in conclusion.captures.iter().zip(&heads) {
        match outcome {
            CaptureOutcome::Publish { staged, .. } => {
                deliveries.push((held::delivery(staged, conclusion.run_id, plugin), head.as_ref()));
            }
            CaptureOutcome::Quarantine { staged } => tables.check(&staged.dataset, &staged.partition)?,
            CaptureOutcome::Held { .. } | CaptureOutcome::Unchanged { .. } => {}
        }
    }
    let author = run.plugin_name.as_deref().unwrap_or("spine");
    let commit = Commit { author, message: format!("{} by {}", run.name, run.run_id) };
    let mut published = publish(scribe, &mut tables, &deliveries, &commit).await?.into_iter();

    let held = conclusion.captures.iter().filter_map(|outcome| match outcome {
        CaptureOutcome::Publish { staged, .. } => Some((staged, published.next())),
        CaptureOutcome::Quarantine { staged } => Some((staged, None)),
        CaptureOutcome::Held { .. } | CaptureOutcome::Unchanged { .. } => None,
    });
    let held: Vec<Held<'_>> = held
        .map(|(staged, published)| Held {
            staged,
            run: conclusion.run_id,
            plugin,
            concluded_at: conclusion.finished_at,
            published,
        })
        .collect();
    held::record(scribe, &held)?;
    Ok(delivered(conclusion, &held))
}

fn delivered(conclusion: &Conclusion, held: &[Held<'_>]) -> Vec<RunCapture> {
    let mut new = held.iter();
    let captures = conclusion.captures.iter().filter_map(|outcome| match outcome {
        CaptureOutcome::Publish { .. } | CaptureOutcome::Quarantine { .. } => new.next().map(Held::of_run),
        CaptureOutcome::Held { dataset, partition, capture_id, rows, content_hash } => Some(RunCapture {
            dataset: dataset.clone(),
            partition: partition.clone(),
            capture_id: *capture_id,
            revision: None,
            rows: *rows,
            content_hash: *content_hash,
            unchanged: false,
            state: RunCaptureState::Quarantined,
        }),
        CaptureOutcome::Unchanged { dataset, partition, head } => Some(RunCapture {
            dataset: dataset.clone(),
            partition: partition.clone(),
            capture_id: head.capture_id,
            revision: Some(head.revision),
            rows: head.rows,
            content_hash: head.content_hash,
            unchanged: true,
            state: RunCaptureState::Unchanged,
        }),
    });
    captures.collect()
}

fn partition(outcome: &CaptureOutcome) -> (DatasetName, Partition) {
    match outcome {
        CaptureOutcome::Publish { staged, .. } | CaptureOutcome::Quarantine { staged } => {
            (staged.dataset.clone(), staged.partition.clone())
        }
        CaptureOutcome::Held { dataset, partition, .. } | CaptureOutcome::Unchanged { dataset, partition, .. } => {
            (dataset.clone(), partition.clone())
        }
    }
}

fn distinct(wanted: &[(DatasetName, Partition)]) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    match wanted.iter().find(|one| !seen.insert(*one)) {
        None => Ok(()),
        Some((dataset, partition)) => {
            let message = format!("a run delivered `{dataset}` {partition} twice; the second would replace the first");
            Err(internal("duplicate_partition", message))
        }
    }
}

/// A capture is judged against the head that its run saw, so that head must still be the head.
fn check_head(outcome: &CaptureOutcome, head: Option<&PartitionHead>) -> Result<(), Failure> {
    let (dataset, partition, expected): (_, _, Option<CaptureId>) = match outcome {
        CaptureOutcome::Quarantine { .. } | CaptureOutcome::Held { .. } => return Ok(()),
        CaptureOutcome::Publish { staged, expected_head } => (&staged.dataset, &staged.partition, *expected_head),
        CaptureOutcome::Unchanged { dataset, partition, head } => (dataset, partition, Some(head.capture_id)),
    };
    let found = head.map(|head| head.head.capture_id);
    if found == expected {
        return Ok(());
    }
    let text = |id: Option<CaptureId>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let message = format!(
        "`{dataset}` {partition} was published by another run meanwhile: the latest capture was {} and is {}; \
         nothing was written, run it again",
        text(expected),
        text(found)
    );
    Err(Failure::new(model::FailureKind::Orchestration, "conflict", message).retryable(true))
}

fn plugin(run: &RunRow) -> Result<Digest, Failure> {
    match &run.plugin_digest {
        Some(digest) => digest.parse().map_err(|_| corrupt("a digest", digest)),
        None => Err(internal("not_started", format!("run `{}` has captures but never started", run.run_id))),
    }
}
