//! Sorting of rows that are in memory.
//!
//! Rows that came in order are not copied.

use std::collections::BTreeSet;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::error::ArrowError;
use arrow::row::{Row, Rows};
use model::Partition;
use model::limits::BATCH_ROWS_MAX;
use model::manifest::DatasetSpec;

use super::duplicates::raw_line;
use super::{Duplicates, Ordered, comparable, data_columns, listed, only_declared, partition_of, sort_columns};
use crate::schema::batch_bytes;
use crate::staged::StagedRows;

/// Bytes that one sorted batch should not exceed much.
const SORTED_BATCH_BYTES: u64 = 128 * 1024 * 1024;

/// Where a row is: batch and row in it.
type At = (u32, u32);

pub(super) fn order(
    spec: &DatasetSpec,
    batches: &[RecordBatch],
    declared: &BTreeSet<Partition>,
    mut duplicates: Duplicates,
) -> Result<Ordered, ArrowError> {
    let mut parts = only_declared(declared);
    let Some(first) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(Ordered { parts: listed(parts), duplicates });
    };
    let keys = sort_columns(spec);
    let rows = batches.iter().map(|batch| comparable(batch, &keys)).collect::<Result<Vec<_>, _>>()?;
    let partitions =
        batches.iter().map(|batch| comparable(batch, &spec.partition_by)).collect::<Result<Vec<_>, _>>()?;
    let at = |rows: &'_ [Rows], (batch, row): At| -> (usize, usize) {
        debug_assert!((row as usize) < rows[batch as usize].num_rows());
        (batch as usize, row as usize)
    };
    let row = |place: At| -> Row<'_> {
        let (batch, row) = at(&rows, place);
        rows[batch].row(row)
    };
    let partition = |place: At| -> Row<'_> {
        let (batch, row) = at(&partitions, place);
        partitions[batch].row(row)
    };
    let mut places: Vec<At> = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (batch, rows) in batches.iter().enumerate() {
        let batch_at = u32::try_from(batch).unwrap_or(u32::MAX);
        places.extend((0..u32::try_from(rows.num_rows()).unwrap_or(u32::MAX)).map(|row| (batch_at, row)));
    }
    let was_sorted = places.windows(2).all(|pair| row(pair[0]) < row(pair[1]));
    if !was_sorted {
        places.sort_by(|one, other| row(*one).cmp(&row(*other)));
        for group in places.chunk_by(|one, other| row(*one) == row(*other)).filter(|group| group.len() > 1) {
            name(batches, group, &keys, &mut duplicates)?;
        }
    }
    let columns = data_columns(first.schema_ref());
    let data = batches.iter().map(|batch| batch.project(&columns)).collect::<Result<Vec<_>, _>>()?;
    for group in places.chunk_by(|one, other| partition(*one) == partition(*other)) {
        let name = partition_of(&batches[group[0].0 as usize], group[0].1 as usize, &spec.partition_by)?;
        parts.insert(name, StagedRows::Memory(gather(&data, group, was_sorted)?));
    }
    Ok(Ordered { parts: listed(parts), duplicates })
}

/// Adds the rows of one shared key.
fn name(batches: &[RecordBatch], group: &[At], keys: &[String], duplicates: &mut Duplicates) -> Result<(), ArrowError> {
    let mut group: Vec<(&RecordBatch, usize)> =
        group.iter().map(|&(batch, row)| (&batches[batch as usize], row as usize)).collect();
    group.sort_by_key(|(batch, row)| {
        let line = raw_line(batch, *row);
        (line.is_none(), line)
    });
    group.into_iter().try_for_each(|(batch, row)| duplicates.add(batch, row, keys))?;
    duplicates.end_key();
    Ok(())
}

fn gather(data: &[RecordBatch], group: &[At], was_sorted: bool) -> Result<Vec<RecordBatch>, ArrowError> {
    let (first, last) = (group[0], group[group.len() - 1]);
    if was_sorted && first.0 == last.0 {
        return Ok(vec![data[first.0 as usize].slice(first.1 as usize, group.len())]);
    }
    let rows = data.iter().map(RecordBatch::num_rows).sum::<usize>().max(1) as u64;
    let row_bytes = (data.iter().map(batch_bytes).sum::<u64>() / rows).max(1);
    let batch_rows = usize::try_from(SORTED_BATCH_BYTES / row_bytes).unwrap_or(1).clamp(1, BATCH_ROWS_MAX);
    let mut sorted = Vec::with_capacity(group.len().div_ceil(batch_rows));
    for chunk in group.chunks(batch_rows) {
        sorted.push(match data {
            [one] => take_record_batch(one, &UInt32Array::from_iter_values(chunk.iter().map(|place| place.1)))?,
            many => {
                let many: Vec<&RecordBatch> = many.iter().collect();
                let places: Vec<_> = chunk.iter().map(|&(batch, row)| (batch as usize, row as usize)).collect();
                interleave_record_batch(&many, &places)?
            }
        });
    }
    Ok(sorted)
}
