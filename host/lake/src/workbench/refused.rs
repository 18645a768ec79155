//! A run whose rows share a key: nothing of it is published, so every data line of it is a reject.
//!
//! A line either has its row in a capture or is a reject; that is what makes `rows out + rejected = rows in` true of
//! every run. Such a run has no capture at all, so the lines that were good are rejects too, with a code of their own.
//! To report the staged rows as rows out instead would count what nobody can read, and leave these lines in no list:
//! neither in a dataset, nor in quarantine, nor among the rejects.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use model::Failure;
use model::reject::Reject;

use super::LocalWorkbench;
use crate::read::{FileReader, OpenInput};
use crate::rejects::NOWHERE;
use crate::schema::LINE;

/// Rejects each data line that is no reject yet: as one of `duplicates`, which say which keys are shared, or as
/// `not_published`. The inputs have been read to their end.
///
/// Without such inputs, as where the guest reads bytes or nothing, there are no data lines here, and the duplicates are
/// the rejects. With several inputs a row does not say whose line it came from, so a duplicate then takes the first line
/// of its number and goes without the text. A duplicate without a line is no line: the check `unique_key` speaks of it.
pub(super) fn reject_every_line(
    bench: &LocalWorkbench,
    inputs: &[Arc<OpenInput>],
    duplicates: Vec<Reject>,
) -> Result<(), Failure> {
    if inputs.is_empty() {
        duplicates.into_iter().for_each(|reject| bench.rejects.add(NOWHERE, reject));
        return Ok(());
    }
    let mut by_line: HashMap<u64, Vec<Reject>> = HashMap::new();
    for reject in duplicates {
        reject.line.into_iter().for_each(|line| by_line.entry(line).or_default().push(reject.clone()));
    }
    let rows_in: u64 = inputs.iter().map(|input| input.account().data_lines).sum();
    // A guest may have rejected lines without saying which: those are accounted for as well.
    let mut left = rows_in.saturating_sub(bench.rejects.rejected());
    for input in inputs {
        let rejected = bench.guest_rejects.lines(input.place);
        let mut reader = FileReader::new(input, Some(&[]))?;
        while let Some(batch) = reader.advance()? {
            for line in lines(&batch).filter(|line| !rejected.contains(line)) {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                let raw = bench.rejects.has_room().then(|| input.raw(line)).flatten();
                let reject = match by_line.get_mut(&line).and_then(Vec::pop) {
                    Some(reject) => Reject { raw: raw.filter(|_| inputs.len() == 1), ..reject },
                    None => not_published(line, raw),
                };
                bench.rejects.add(input.place, reject);
            }
        }
    }
    Ok(())
}

fn lines(batch: &arrow::array::RecordBatch) -> impl Iterator<Item = u64> {
    let lines = batch.column_by_name(LINE).and_then(|column| column.as_primitive_opt::<Int64Type>());
    lines.into_iter().flat_map(|lines| lines.values()).filter_map(|line| u64::try_from(*line).ok())
}

fn not_published(line: u64, raw: Option<String>) -> Reject {
    let message = "the line is good, and kept back with its run: other rows share a key, see the check unique_key";
    Reject { code: "not_published".to_owned(), message: message.to_owned(), line: Some(line), raw }
}
