//! `tables.batch`: immutable rows held for the guest, charged to it until they are released.

use std::sync::Arc;

use bytes::Bytes;
use model::manifest::CONTRACT;
use model::ports::{self, DataError, SharedBuffers, TableBatch};
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, Lower, Resource};

use super::held::ReaderId;
use crate::attempt::{HostState, LimitReached};
use crate::bindings::tables;

/// The interface that batches belong to, in the version that is linked.
const TABLES: &str = "spine:plugin/tables";

/// What a batch handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Batch {
    /// None once released.
    rows: Option<Arc<dyn TableBatch>>,
    /// What is charged for it.
    bytes: u64,
    /// The reader it came from, by whatever steps.
    reader: ReaderId,
}

/// A call without an error result was made on a released batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedReleased;

impl std::fmt::Display for UsedReleased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "a batch was asked for its schema or row count after it was released: a batch ends with the next `next` of \
             its reader, call `keep` to hold it longer",
        )
    }
}

impl std::error::Error for UsedReleased {}

fn released() -> DataError {
    DataError::new(
        "released",
        "this batch was released: it ends with the next `next` of its reader, call `keep` to hold it longer",
    )
}

impl HostState {
    /// Puts `rows` into the table, charged, until the next `next` of `reader`.
    pub(super) fn hand_out(
        &mut self,
        rows: Box<dyn TableBatch>,
        reader: ReaderId,
    ) -> Result<Resource<Batch>, DataError> {
        let bytes = rows.bytes();
        self.held.check(bytes)?;
        let batch = Batch { rows: Some(Arc::from(rows)), bytes, reader };
        let batch = self.table.push(batch).map_err(|_| self.too_many_handles())?;
        self.held.charge(bytes);
        self.held.pass(reader, batch.rep());
        Ok(batch)
    }

    fn too_many_handles(&self) -> DataError {
        LimitReached::handles(&self.facts.plugin, self.limits.handles).into()
    }

    /// Releases what passes with the next batch of `reader`.
    pub(super) fn release_passed(&mut self, reader: ReaderId) {
        for batch in self.held.passed(reader) {
            if let Ok(batch) = self.table.get_mut(&Resource::<Batch>::new_borrow(batch)) {
                let bytes = batch.release();
                self.held.refund(bytes);
            }
        }
    }

    /// The rows behind a handle and the reader they came from. The outer error is a handle that is none.
    pub(super) fn rows(&self, batch: &Resource<Batch>) -> wasmtime::Result<Result<Live, DataError>> {
        let batch = self.table.get(batch)?;
        Ok(batch.rows.clone().map(|rows| Live { rows, reader: batch.reader }).ok_or_else(released))
    }

    /// Makes another batch out of one, with `room` for its output checked before it is made.
    fn derive(
        &mut self,
        name: &'static str,
        batch: &Resource<Batch>,
        room: impl FnOnce(&dyn TableBatch) -> Result<u64, DataError>,
        make: impl FnOnce(&dyn TableBatch, u64) -> Result<Box<dyn TableBatch>, DataError>,
    ) -> Called<Resource<Batch>> {
        self.called(name, format_args!(""))?;
        let live = match self.rows(batch)? {
            Ok(live) => live,
            Err(error) => return Ok(Err(error.into())),
        };
        let made = room(&*live.rows).and_then(|bytes| self.held.check(bytes)).and_then(|()| {
            let room = self.held.room();
            make(&*live.rows, room)
        });
        Ok(made.and_then(|made| self.hand_out(made, live.reader)).map_err(Into::into))
    }
}

/// A batch that was not released.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) rows: Arc<dyn TableBatch>,
    reader: ReaderId,
}

impl Batch {
    /// Lets go of the rows and returns the bytes that are no longer held; 0 the second time.
    fn release(&mut self) -> u64 {
        self.rows = None;
        std::mem::take(&mut self.bytes)
    }
}

/// What a fallible call of `tables` returns.
pub(super) type Called<T> = wasmtime::Result<Result<T, tables::DataError>>;

/// What crosses the boundary of one column, as the record `buffers` of the contract, but not the guest's own yet.
#[derive(Debug, ComponentType, Lower)]
#[component(record)]
struct Sent {
    rows: u32,
    parts: Vec<Bytes>,
}

/// Names of columns as the record of a call has them.
struct Names<'a>(&'a [String]);

impl std::fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names = self.0.iter();
        names.next().map_or(Ok(()), |first| f.write_str(first))?;
        names.try_for_each(|name| write!(f, " {name}"))
    }
}

/// Links `batch.columns` such that its bytes are copied once, from where they lie in the host into the guest's memory.
/// The generated function wants vectors of its own.
pub(crate) fn share_columns(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let mut tables = linker.instance(&format!("{TABLES}@{CONTRACT}"))?;
    tables.func_wrap(
        "[method]batch.columns",
        |mut store: StoreContextMut<'_, HostState>, (batch, names): (Resource<Batch>, Vec<String>)| {
            let columns = store.data_mut().shared_columns(&batch, &names)?;
            let sent = |SharedBuffers { rows, parts }| Sent { rows, parts };
            Ok((columns.map(|columns| columns.into_iter().map(sent).collect::<Vec<_>>()),))
        },
    )
}

impl HostState {
    fn shared_columns(&mut self, batch: &Resource<Batch>, names: &[String]) -> Called<Vec<SharedBuffers>> {
        self.called("batch.columns", format_args!("{}", Names(names)))?;
        let columns = self.rows(batch)?.and_then(|live| {
            self.held.check(live.rows.columns_bytes(names)?)?;
            live.rows.columns(names)
        });
        Ok(columns.map_err(Into::into))
    }
}

impl tables::HostBatch for HostState {
    fn schema(&mut self, batch: Resource<Batch>) -> wasmtime::Result<Vec<tables::Field>> {
        self.called("batch.schema", format_args!(""))?;
        let live = self.rows(&batch)?.map_err(|_| UsedReleased)?;
        Ok(live.rows.schema().into_iter().map(Into::into).collect())
    }

    fn num_rows(&mut self, batch: Resource<Batch>) -> wasmtime::Result<u32> {
        self.called("batch.num-rows", format_args!(""))?;
        Ok(self.rows(&batch)?.map_err(|_| UsedReleased)?.rows.rows())
    }

    /// Not linked: [`shared_columns`] takes its place.
    fn columns(&mut self, batch: Resource<Batch>, names: Vec<String>) -> Called<Vec<tables::Buffers>> {
        Ok(self.shared_columns(&batch, &names)?.map(|columns| columns.into_iter().map(Into::into).collect()))
    }

    fn select(&mut self, batch: Resource<Batch>, names: Vec<String>) -> Called<Resource<Batch>> {
        self.derive("batch.select", &batch, |_| Ok(0), |rows, _| rows.select(&names))
    }

    fn filter(&mut self, batch: Resource<Batch>, keep: Vec<u8>) -> Called<Resource<Batch>> {
        self.derive("batch.filter", &batch, |rows| Ok(rows.bytes()), |rows, _| rows.filter(&keep))
    }

    fn take(&mut self, batch: Resource<Batch>, rows: Vec<u8>) -> Called<Resource<Batch>> {
        self.derive("batch.take", &batch, |_| Ok(0), |batch, room| batch.take(&rows, room))
    }

    fn with_column(
        &mut self,
        batch: Resource<Batch>,
        column: tables::Field,
        data: tables::Buffers,
    ) -> Called<Resource<Batch>> {
        let column = ports::Field::from(column);
        let data = ports::Buffers::from(data);
        let added = data.parts.iter().map(|part| part.len() as u64).sum::<u64>();
        let room = |rows: &dyn TableBatch| Ok(rows.bytes().saturating_add(added));
        self.derive("batch.with-column", &batch, room, |rows, _| rows.with_column(&column, data))
    }

    fn keep(&mut self, batch: Resource<Batch>) -> Called<()> {
        self.called("batch.keep", format_args!(""))?;
        let live = self.rows(&batch)?;
        Ok(live.map(|live| self.held.stay(live.reader, batch.rep())).map_err(Into::into))
    }

    fn release(&mut self, batch: Resource<Batch>) -> wasmtime::Result<()> {
        self.called("batch.release", format_args!(""))?;
        let place = batch.rep();
        let batch = self.table.get_mut(&batch)?;
        self.held.stay(batch.reader, place);
        let bytes = batch.release();
        self.held.refund(bytes);
        Ok(())
    }

    fn drop(&mut self, batch: Resource<Batch>) -> wasmtime::Result<()> {
        let place = batch.rep();
        let mut batch = self.table.delete(batch)?;
        self.held.stay(batch.reader, place);
        self.held.refund(batch.release());
        Ok(())
    }
}
