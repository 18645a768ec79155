//! The end of an attempt: inputs read to their end, checks, captures to be.

use std::sync::Arc;

use model::manifest::DatasetSpec;
use model::ports::{Finished, Prepared, Workbench};
use model::quality::CheckResult;
use model::reject::Reject;
use model::{DatasetName, Digest, Failure, FieldIds, Partition};

use super::refused::reject_every_line;
use super::{LocalWorkbench, checks};
use crate::capture::{Duplicate, PreparedCapture, content_hash, order};
use crate::inputs::Keeping;
use crate::read::{FileReader, OpenInput};
use crate::rejects::Kept;

pub(super) fn finish(mut bench: LocalWorkbench) -> Result<Finished, Failure> {
    let ended = end(&mut bench)?;
    let Ended { inputs, keeping, .. } = &ended;
    let mut found = Found::default();
    for name in &bench.order.outputs {
        let Some(spec) = bench.order.manifest.dataset(name) else { continue };
        finish_dataset(&bench, spec, inputs, keeping, &mut found)?;
    }
    if !found.is_news {
        // Else the first capture that is written waits, while the disk takes its own file as well.
        keeping.settle()?;
    }
    if found.duplicates > 0 {
        reject_every_line(&bench, inputs, std::mem::take(&mut found.rejects))?;
    }
    finished(bench, ended, found)
}

/// What is on record of an attempt that failed: what it read, and its rejects.
pub(super) fn abandon(mut bench: LocalWorkbench) -> Result<Finished, Failure> {
    let ended = end(&mut bench)?;
    bench.staged.drain(..).try_for_each(|(_, staged)| std::mem::take(&mut *staged.lock()).check_whole())?;
    ended.keeping.settle()?;
    finished(bench, ended, Found::default())
}

/// What an attempt comes to before anybody looks at what it wrote.
struct Ended {
    inputs: Vec<Arc<OpenInput>>,
    keeping: Arc<Keeping>,
    rows_written: u64,
}

fn end(bench: &mut LocalWorkbench) -> Result<Ended, Failure> {
    bench.end_partition();
    let rows_written = bench.staged.iter().map(|(_, staged)| staged.lock().size().0).sum();
    let inputs: Vec<Arc<OpenInput>> = bench.inputs.all().cloned().collect();
    for input in &inputs {
        drain(input)?;
    }
    bench.inputs.keep_sight(&bench.order);
    Ok(Ended { inputs, keeping: Arc::new(bench.inputs.keeping()), rows_written })
}

fn finished(mut bench: LocalWorkbench, ended: Ended, mut found: Found) -> Result<Finished, Failure> {
    let Kept { rejects, rejected, cut } = bench.rejects.finish()?;
    let written = bench.order.outputs.iter().filter(|name| found.written.contains(name));
    let specs = written.filter_map(|name| bench.order.manifest.dataset(name));
    found.checks.extend(specs.filter_map(|spec| checks::rejects_kept(spec, rejected, cut)));
    Ok(Finished {
        captures: found.captures,
        checks: found.checks,
        rejects,
        rejected,
        rows_in: ended.inputs.iter().map(|input| input.account().data_lines).sum(),
        rows_written: ended.rows_written,
        bytes_in: bench.inputs.bytes(),
        bytes_written: bench.budget.bytes_spent(),
        found_inputs: bench.inputs.found(),
        saved: Box::new(std::mem::take(&mut bench.saved)),
    })
}

#[derive(Default)]
struct Found {
    captures: Vec<Prepared>,
    checks: Vec<CheckResult>,
    rejects: Vec<Reject>,
    duplicates: u64,
    /// Datasets that have rows or partitions.
    written: Vec<DatasetName>,
    /// Whether some capture differs from what is published, so that it will be written whatever is decided about it.
    is_news: bool,
}

/// Reads what the guest left unread: lines count whether somebody wanted them or not.
fn drain(input: &Arc<OpenInput>) -> Result<(), Failure> {
    let (ended, broken) = {
        let account = input.account();
        (account.ended, account.broken.clone())
    };
    if let Some(failure) = broken {
        return Err(failure);
    }
    if ended { Ok(()) } else { FileReader::new(input, None)?.drain() }
}

fn finish_dataset(
    bench: &LocalWorkbench,
    spec: &DatasetSpec,
    inputs: &[Arc<OpenInput>],
    keeping: &Arc<Keeping>,
    found: &mut Found,
) -> Result<(), Failure> {
    let Some((_, staged)) = bench.staged.iter().find(|(name, _)| name == &spec.name) else { return Ok(()) };
    let mut staging = std::mem::take(&mut *staged.lock());
    if staging.is_empty() {
        return Ok(());
    }
    found.written.push(spec.name.clone());
    let (rows, declared) = (staging.rows()?, std::mem::take(&mut staging.declared));
    // Rows in a file are gone when nobody needs them: not staged any more, only being sorted.
    drop(staging);
    let ordered = order(spec, rows, &declared, &bench.order.limits)?;
    found.checks.push(checks::unique_key(spec, &ordered.duplicates));
    let fed_by: Vec<&OpenInput> =
        inputs.iter().map(Arc::as_ref).filter(|input| bench.origins.may_feed(input, &spec.name)).collect();
    found.checks.extend(checks::file_checks(spec, &fed_by, &bench.order.params));
    if !ordered.duplicates.is_empty() {
        found.duplicates += ordered.duplicates.count;
        let kept_max = usize::try_from(bench.order.limits.rejects).unwrap_or(usize::MAX);
        found.rejects.extend(ordered.duplicates.named.iter().take(kept_max).map(|duplicate| reject(spec, duplicate)));
        return Ok(());
    }
    let shared = Arc::new(spec.clone());
    let fields = Arc::new(fields(bench, spec));
    for part in ordered.parts {
        let content_hash = content_hash(spec, &part.rows)?;
        let rows = part.rows.count();
        found.is_news |= rows > 0 && head(bench, spec, &part.partition) != Some(content_hash);
        let data = Box::new(PreparedCapture {
            spec: Arc::clone(&shared),
            fields: Arc::clone(&fields),
            partition: part.partition.clone(),
            rows: part.rows,
            store: Arc::clone(&bench.captures),
            inputs: Arc::clone(keeping),
        });
        found.captures.push(Prepared {
            dataset: spec.name.clone(),
            partition: part.partition,
            rows,
            content_hash,
            data,
        });
    }
    Ok(())
}

/// The ids of columns in files: those on record, and for what is not on record yet those that come next.
fn fields(bench: &LocalWorkbench, spec: &DatasetSpec) -> FieldIds {
    let recorded = bench.order.catalog.dataset(&spec.name).map(|dataset| dataset.fields.clone());
    recorded.unwrap_or_default().with(spec)
}

/// The content of the latest published capture of a partition.
fn head(bench: &LocalWorkbench, spec: &DatasetSpec, partition: &Partition) -> Option<Digest> {
    let captures = &bench.order.catalog.dataset(&spec.name)?.captures;
    captures
        .iter()
        .find(|capture| capture.latest && &capture.partition == partition)
        .map(|capture| capture.content_hash)
}

fn reject(spec: &DatasetSpec, duplicate: &Duplicate) -> Reject {
    let message = format!("{} rows of `{}` share the key {}", duplicate.rows, spec.name, duplicate.key);
    Reject { code: "duplicate_key".to_owned(), message, line: duplicate.line, raw: None }
}
