//! Sorting of rows that are in a file: one pass over the sorted rows splits them, finds duplicates, and keeps each
//! partition as a piece of one more file.
//!
//! Memory holds some batches and what the engine sorts with. The pass runs on a thread of its own, because the engine
//! needs a runtime and nobody knows whether the caller is on one.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::row::Rows;
use model::manifest::DatasetSpec;
use model::{Failure, FailureKind, Partition};

use super::engine::{SortMemory, Sorted};
use super::{
    Duplicates, Ordered, comparable, data_columns, listed, only_declared, partition_of, sort_columns, unsorted,
};
use crate::schema::{dataset_schema, staging_schema};
use crate::spill::{Extent, SpillWriter, SpilledRows};
use crate::staged::StagedRows;

pub(super) fn order(
    spec: &DatasetSpec,
    rows: SpilledRows,
    declared: &BTreeSet<Partition>,
    duplicates: Duplicates,
    memory: SortMemory,
) -> Result<Ordered, Failure> {
    let stopped = |why: &str| Failure::new(FailureKind::Internal, "sort", format!("the sort stopped: {why}"));
    thread::scope(|scope| {
        let pass = || pass(spec, rows, declared, duplicates, memory);
        match thread::Builder::new().name("sort".to_owned()).spawn_scoped(scope, pass) {
            Ok(sorting) => sorting.join().unwrap_or_else(|_| Err(stopped("it panicked"))),
            Err(error) => Err(stopped(&format!("no thread could be started: {error}"))),
        }
    })
}

fn pass(
    spec: &DatasetSpec,
    rows: SpilledRows,
    declared: &BTreeSet<Partition>,
    duplicates: Duplicates,
    memory: SortMemory,
) -> Result<Ordered, Failure> {
    let mut split = Split {
        spec,
        keys: sort_columns(spec),
        columns: data_columns(&staging_schema(spec)),
        out: SpillWriter::create(rows.folder(), &dataset_schema(spec))?,
        parts: only_declared(declared),
        duplicates,
        open: None,
        last: None,
    };
    for batch in Sorted::new(spec, rows, &split.keys, memory)? {
        split.add(&batch?)?;
    }
    split.finish()
}

fn unsorted_in(spec: &DatasetSpec) -> impl Fn(ArrowError) -> Failure + Copy {
    move |error| unsorted(spec, &error)
}

/// The pass over the sorted rows.
struct Split<'a> {
    spec: &'a DatasetSpec,
    keys: Vec<String>,
    /// Of those, what a capture keeps.
    columns: Vec<usize>,
    out: SpillWriter,
    parts: BTreeMap<Partition, StagedRows>,
    duplicates: Duplicates,
    /// The partition that the last row is in, and where its rows begin.
    open: Option<(Partition, Extent)>,
    last: Option<Last>,
}

/// The last row of the batch before.
struct Last {
    row: RecordBatch,
    key: Vec<u8>,
    partition: Vec<u8>,
}

impl Split<'_> {
    fn add(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let Some(last) = batch.num_rows().checked_sub(1) else { return Ok(()) };
        let unsorted = unsorted_in(self.spec);
        let keys = comparable(batch, &self.keys).map_err(unsorted)?;
        let partitions = comparable(batch, &self.spec.partition_by).map_err(unsorted)?;
        self.find_duplicates(batch, &keys).map_err(unsorted)?;
        // A dataset with duplicates has no captures.
        if self.duplicates.is_empty() {
            self.keep(batch, &partitions)?;
        }
        self.last = Some(Last {
            row: batch.slice(last, 1),
            key: keys.row(last).as_ref().to_vec(),
            partition: partitions.row(last).as_ref().to_vec(),
        });
        Ok(())
    }

    fn find_duplicates(&mut self, batch: &RecordBatch, keys: &Rows) -> Result<(), ArrowError> {
        for row in 0..batch.num_rows() {
            let before = match (row.checked_sub(1), &self.last) {
                (Some(before), _) => Some((keys.row(before).data(), batch, before)),
                (None, Some(last)) => Some((last.key.as_slice(), &last.row, 0)),
                (None, None) => None,
            };
            match before.filter(|(key, ..)| *key == keys.row(row).data()) {
                Some((_, batch_before, before)) => {
                    if !self.duplicates.is_adding() {
                        self.duplicates.add(batch_before, before, &self.keys)?;
                    }
                    self.duplicates.add(batch, row, &self.keys)?;
                }
                None => self.duplicates.end_key(),
            }
        }
        Ok(())
    }

    fn keep(&mut self, batch: &RecordBatch, partitions: &Rows) -> Result<(), Failure> {
        let unsorted = unsorted_in(self.spec);
        let data = batch.project(&self.columns).map_err(unsorted)?;
        let mut from = 0;
        while from < batch.num_rows() {
            let is_next = |row: &usize| partitions.row(*row) != partitions.row(from);
            let to = (from + 1..batch.num_rows()).find(is_next).unwrap_or(batch.num_rows());
            let before = self.last.as_ref().filter(|_| from == 0).map(|last| last.partition.as_slice());
            if before != Some(partitions.row(from).data()) {
                self.close()?;
                let partition = partition_of(batch, from, &self.spec.partition_by).map_err(unsorted)?;
                self.open = Some((partition, self.out.end()));
            }
            self.out.write(&data.slice(from, to - from))?;
            from = to;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        if let Some((partition, from)) = self.open.take() {
            self.parts.insert(partition, StagedRows::Spilled(self.out.rows_since(from)?));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Ordered, Failure> {
        self.duplicates.end_key();
        self.close()?;
        Ok(Ordered { parts: listed(self.parts), duplicates: self.duplicates })
    }
}
