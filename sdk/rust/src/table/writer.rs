//! Writing rows of a dataset.

use std::marker::PhantomData;

use spine_primitives::DataType;

use super::Batch;
use crate::backend::WriterBackend;
use crate::column::{Column, Int64, Storage};
use crate::columns::ColumnInfo;
use crate::dataset::Dataset;
use crate::error::Error;

/// Most rows of one batch across the boundary.
const BATCH_ROWS_MAX: usize = 65_536;
/// Most bytes of one batch across the boundary.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

const LINE: ColumnInfo = ColumnInfo { name: "_line", data_type: DataType::Int64, nullable: false };

/// Takes rows of one dataset. They become visible only if the run is published.
#[derive(Debug)]
pub struct Writer<D> {
    backend: Box<dyn WriterBackend>,
    dataset: PhantomData<D>,
}

impl<D: Dataset> Writer<D> {
    pub(crate) fn new(backend: Box<dyn WriterBackend>) -> Self {
        Self { backend, dataset: PhantomData }
    }

    /// Writes rows, in as many batches as they need, and returns the rows written so far.
    pub fn write(&mut self, rows: D) -> Result<u64, Error> {
        write_columns(self.backend.as_mut(), D::NAME, D::COLUMNS, rows.into_storages(), None)
    }

    /// As [`Writer::write`], with the input line that each row came from: checks and rejects can then name it.
    pub fn write_lines(&mut self, rows: D, lines: Column<Int64>) -> Result<u64, Error> {
        let lines = Some(lines.into_storage());
        write_columns(self.backend.as_mut(), D::NAME, D::COLUMNS, rows.into_storages(), lines)
    }

    /// Writes a batch that never left the host. It has the columns of the dataset, and `_line` if it has it.
    pub fn write_batch(&mut self, batch: &Batch) -> Result<u64, Error> {
        self.backend.write_batch(batch.backend.as_ref())
    }

    /// Says that this run delivers this partition, whole, even if no row of it follows: a capture of zero rows then
    /// replaces what was there. Rows written declare their partitions by themselves.
    pub fn declare(&mut self, partition: &[(&str, &str)]) -> Result<(), Error> {
        self.backend.declare(partition)
    }
}

/// Not generic, so that a component holds it once.
fn write_columns(
    backend: &mut dyn WriterBackend,
    dataset: &str,
    columns: &[ColumnInfo],
    storages: Vec<Storage>,
    lines: Option<Storage>,
) -> Result<u64, Error> {
    let columns: Vec<_> = columns.iter().copied().chain([LINE]).zip(storages.into_iter().chain(lines)).collect();
    let rows = columns.first().map_or(0, |(_, storage)| storage.rows());
    if let Some((info, storage)) = columns.iter().find(|(_, storage)| storage.rows() != rows) {
        let (first, other, others) = (columns[0].0.name, info.name, storage.rows());
        let message = format!(
            "rows of `{dataset}` are incomplete: column `{first}` has {rows} values, column `{other}` has {others}"
        );
        return Err(Error::pipeline("unequal_columns", message));
    }
    let bytes: usize = columns.iter().map(|(_, storage)| storage.bytes()).sum();
    let batches = rows.div_ceil(BATCH_ROWS_MAX).max(bytes.div_ceil(BATCH_BYTES_MAX));
    if batches <= 1 {
        return send(backend, columns);
    }
    let step = rows.div_ceil(batches).max(1);
    let mut written = 0;
    for start in (0..rows).step_by(step) {
        let range = start..rows.min(start + step);
        let part = columns.iter().map(|(info, all)| (*info, all.gather(info.data_type, range.clone()))).collect();
        written = send(backend, part)?;
    }
    Ok(written)
}

fn send(backend: &mut dyn WriterBackend, columns: Vec<(ColumnInfo, Storage)>) -> Result<u64, Error> {
    let buffers = columns.into_iter().map(|(info, storage)| Ok((info.name, storage.into_buffers(info.data_type)?)));
    backend.write(buffers.collect::<Result<_, Error>>()?)
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::testing::MemoryHost;

    dataset! {
        struct Texts = "demo.texts" { day: Date, text: Utf8 }
        key [text]
        partition_by [day]
    }

    #[test]
    fn rows_of_unequal_columns_are_refused_by_name() {
        let mut rows = Texts::default();
        rows.day.push(1);
        let host = MemoryHost::new();
        let error = host.host().output::<Texts>().unwrap().write(rows).unwrap_err();
        assert_eq!(error.code, "unequal_columns");
        assert!(error.message.contains("`day` has 1") && error.message.contains("`text` has 0"), "{}", error.message);
    }

    #[test]
    fn more_rows_than_a_batch_holds_are_split_and_none_is_lost() {
        let texts: Vec<String> = (0..150_001).map(|row| format!("row {row}")).collect();
        let rows = Texts { day: Column::repeat(1, texts.len()), text: texts.iter().map(String::as_str).collect() };
        let host = MemoryHost::new();
        let lines = (2..).take(texts.len()).collect();
        assert_eq!(host.host().output::<Texts>().unwrap().write_lines(rows.clone(), lines).unwrap(), 150_001);
        assert_eq!(host.written::<Texts>(), rows);
        assert_eq!(host.lines::<Texts>().last(), Some(&150_002));
    }
}
