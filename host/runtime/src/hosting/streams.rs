//! `tables.reader`, `tables.writer` and `tables.blob`: what an attempt reads from and writes to.

use model::limits::BATCH_BYTES_MAX;
use model::ports::{self, TableReader, TableWriter};
use wasmtime::component::Resource;

use super::batches::Called;
use super::held::ReaderId;
use super::{Batch, kernel};
use crate::attempt::HostState;
use crate::bindings::tables;

/// Calls that move no more than a batch are not worth handing the thread's other guests to another thread.
const KERNEL_BYTES_MIN: u64 = 2 * BATCH_BYTES_MAX as u64;

/// What a reader handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Reader {
    reader: Box<dyn TableReader>,
    id: ReaderId,
}

/// What a writer handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Writer(pub(super) Box<dyn TableWriter>);

/// What a blob handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Blob(pub(super) Box<dyn ports::Blob>);

impl Reader {
    pub(super) fn new(reader: Box<dyn TableReader>, id: ReaderId) -> Self {
        Self { reader, id }
    }
}

fn sized<R>(bytes: u64, work: impl FnOnce() -> R) -> R {
    if bytes < KERNEL_BYTES_MIN { work() } else { kernel(work) }
}

impl tables::HostReader for HostState {
    fn schema(&mut self, reader: Resource<Reader>) -> wasmtime::Result<Vec<tables::Field>> {
        self.called("reader.schema", format_args!(""))?;
        Ok(self.table.get(&reader)?.reader.schema().into_iter().map(Into::into).collect())
    }

    fn info(&mut self, reader: Resource<Reader>) -> wasmtime::Result<Vec<(String, String)>> {
        self.called("reader.info", format_args!(""))?;
        Ok(self.table.get(&reader)?.reader.info())
    }

    fn next(&mut self, reader: Resource<Reader>) -> Called<Option<Resource<Batch>>> {
        self.called("reader.next", format_args!(""))?;
        let id = self.table.get(&reader)?.id;
        self.release_passed(id);
        let reader = self.table.get_mut(&reader)?;
        match reader.reader.next() {
            Ok(None) => Ok(Ok(None)),
            Ok(Some(rows)) => Ok(self.hand_out(rows, id).map(Some).map_err(Into::into)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        self.table.delete(reader)?;
        Ok(())
    }
}

impl tables::HostWriter for HostState {
    fn write(&mut self, writer: Resource<Writer>, columns: Vec<(String, tables::Buffers)>) -> Called<u64> {
        self.called("writer.write", format_args!("{} rows", columns.first().map_or(0, |(_, data)| data.rows)))?;
        let writer = self.table.get_mut(&writer)?;
        let columns: Vec<_> = columns.into_iter().map(|(name, data)| (name, ports::Buffers::from(data))).collect();
        let parts = columns.iter().flat_map(|(_, data)| &data.parts);
        let bytes = parts.map(|part| part.len() as u64).sum();
        Ok(sized(bytes, || writer.0.write(columns)).map_err(Into::into))
    }

    fn write_batch(&mut self, writer: Resource<Writer>, rows: Resource<Batch>) -> Called<u64> {
        self.called("writer.write-batch", format_args!(""))?;
        let live = match self.rows(&rows)? {
            Ok(live) => live,
            Err(error) => return Ok(Err(error.into())),
        };
        let writer = self.table.get_mut(&writer)?;
        let rows = live.rows;
        Ok(sized(rows.bytes(), || writer.0.write_batch(&*rows)).map_err(Into::into))
    }

    fn declare(&mut self, writer: Resource<Writer>, partition: Vec<(String, String)>) -> Called<()> {
        self.called("writer.declare", format_args!(""))?;
        Ok(self.table.get_mut(&writer)?.0.declare(&partition).map_err(Into::into))
    }

    fn drop(&mut self, writer: Resource<Writer>) -> wasmtime::Result<()> {
        self.table.delete(writer)?;
        Ok(())
    }
}

impl tables::HostBlob for HostState {
    fn size(&mut self, blob: Resource<Blob>) -> wasmtime::Result<u64> {
        self.called("blob.size", format_args!(""))?;
        Ok(self.table.get(&blob)?.0.size())
    }

    fn read(&mut self, blob: Resource<Blob>, offset: u64, length: u32) -> Called<Vec<u8>> {
        self.called("blob.read", format_args!("{offset} {length}"))?;
        let blob = self.table.get(&blob)?;
        let there = blob.0.size().saturating_sub(offset).min(u64::from(length));
        let read = self.held.check(there).and_then(|()| sized(there, || blob.0.read(offset, length)));
        Ok(read.map_err(Into::into))
    }

    fn drop(&mut self, blob: Resource<Blob>) -> wasmtime::Result<()> {
        self.table.delete(blob)?;
        Ok(())
    }
}
