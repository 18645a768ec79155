//! DataFusion's sort over spilled rows: sorted runs in files of ours, merged while they are read.
//!
//! Promises: the order is that of the sort in memory, rows of one key by line; memory and open files are bounded.
//!
//! Limits: a batch of its rows must fit several times in the memory it is given. That fails for single rows of some tens
//! of megabytes, and where rows of one megabyte lie side by side among very short ones, at 256 MiB; it is an error that
//! names the limit.

use std::error::Error;
use std::io::{self, BufWriter, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{BatchCoalescer, SortOptions, take_record_batch};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::context::SessionConfig;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::spill_file::{SpillFile as RunFile, SpillWriter as RunWriter, TempFileFactory};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::expressions::col;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{Stream, StreamExt, stream};
use model::manifest::DatasetSpec;
use model::{Failure, FailureKind};

use super::unsorted;
use crate::disk::DiskFile;
use crate::schema::LINE;
use crate::spill::{SpillFile, SpillFolder, SpillReader, SpilledRows, not_read, not_written};

/// Less does not sort: the merge needs a batch of each run.
const MEMORY_BYTES_MIN: u64 = 32 * 1024 * 1024;

/// Most rows of one batch: with few columns, more make the sort no faster.
const BATCH_ROWS_MAX: u64 = 8_192;

/// As few rows of one batch must do where some are much longer than others: fewer make the sort slow.
const BATCH_ROWS_UNEVEN: u64 = 64;

/// Runs that are merged at one time, and so files that are open.
const RUNS_MAX: usize = 64;

/// Bytes that are read from a run at one time.
const READ_BYTES: usize = 128 * 1024;

/// What a sort may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct SortMemory {
    pub(super) bytes: u64,
}

impl SortMemory {
    /// As much as rows may use that are not sorted yet, if that is enough for a sort.
    pub(super) fn of(staging_memory_bytes: u64) -> Self {
        Self { bytes: staging_memory_bytes.max(MEMORY_BYTES_MIN) }
    }

    /// Rows of one batch, so that many fit; and one fits also if its rows are as long as the longest, unless that is so
    /// much longer than others that a batch full of it is not to be expected.
    fn batch_rows(self, rows: &SpilledRows) -> usize {
        let (average, longest) = rows.row_bytes();
        let usual = (self.bytes / 64 / average.max(1)).clamp(1, BATCH_ROWS_MAX);
        let fitting = (self.bytes / 4 / longest.max(1)).max(BATCH_ROWS_UNEVEN);
        usize::try_from(usual.min(fitting)).unwrap_or(1)
    }
}

/// Rows by key, then by line; those without a line come last.
pub(super) struct Sorted<'a> {
    spec: &'a DatasetSpec,
    memory: SortMemory,
    // Before its runtime, to be dropped on it.
    stream: SendableRecordBatchStream,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Sorted<'a> {
    pub(super) fn new(
        spec: &'a DatasetSpec,
        rows: SpilledRows,
        keys: &[String],
        memory: SortMemory,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| unsorted(spec, &error))?;
        let stream = sorted(rows, keys, memory).map_err(|error| failure(spec, memory, &error))?;
        Ok(Self { spec, memory, stream, runtime })
    }
}

impl Iterator for Sorted<'_> {
    type Item = Result<RecordBatch, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.runtime.block_on(self.stream.next())?;
        Some(batch.map_err(|error| failure(self.spec, self.memory, &error)))
    }
}

fn sorted(rows: SpilledRows, keys: &[String], memory: SortMemory) -> EngineResult<SendableRecordBatchStream> {
    let batch_rows = memory.batch_rows(&rows);
    let bytes = usize::try_from(memory.bytes).unwrap_or(usize::MAX);
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(batch_rows);
    let options = &mut config.options_mut().execution;
    // Sorting a run needs its rows a second time, as comparable keys: half of the memory for rows, half for that.
    options.sort_spill_reservation_bytes = bytes / 2;
    options.sort_in_place_threshold_bytes = options.sort_in_place_threshold_bytes.min(bytes / 16);
    let runs = DiskManagerBuilder::default()
        .with_temp_file_factory(Arc::new(Runs(rows.folder().clone())))
        .with_max_spill_merge_fan_in(RUNS_MAX);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(bytes)))
        .with_disk_manager_builder(runs)
        .build_arc()?;

    let source = Source::new(&rows, batch_rows).map_err(external)?;
    // From here on the source alone keeps the file, and lets it go when it is read.
    drop(rows);
    let schema = Arc::clone(&source.schema);
    let ascending = SortOptions { descending: false, nulls_first: false };
    let columns = keys.iter().map(String::as_str).chain([LINE]);
    let order = columns.map(|name| Ok(PhysicalSortExpr::new(col(name, &schema)?, ascending)));
    let order = LexOrdering::new(order.collect::<EngineResult<Vec<_>>>()?);
    let order = order.ok_or_else(|| DataFusionError::Internal("there is nothing to sort by".to_owned()))?;
    let source = StreamingTableExec::try_new(schema, vec![Arc::new(source)], None, [], false, None)?;
    let context = TaskContext::default().with_session_config(config).with_runtime(environment);
    execute_stream(Arc::new(SortExec::new(order, Arc::new(source))), Arc::new(context))
}

/// The rows in the order of writing, for the engine to read once.
#[derive(Debug)]
struct Source {
    schema: SchemaRef,
    batch_rows: usize,
    reader: Mutex<Option<SpillReader>>,
}

impl Source {
    fn new(rows: &SpilledRows, batch_rows: usize) -> Result<Self, Failure> {
        let reader = rows.read()?;
        Ok(Self { schema: reader.schema(), batch_rows, reader: Mutex::new(Some(reader)) })
    }
}

impl PartitionStream for Source {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        let coalescer = BatchCoalescer::new(Arc::clone(&self.schema), self.batch_rows);
        let batches = Coalesced { reader, coalescer };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream::iter(batches)))
    }
}

/// Batches of equal size with memory of their own, whatever sizes a guest wrote. The engine keeps an account of each
/// batch, and a slice would count as all that it is a slice of.
struct Coalesced {
    reader: Option<SpillReader>,
    coalescer: BatchCoalescer,
}

impl Coalesced {
    fn advance(&mut self) -> EngineResult<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
                return Ok(Some(take_record_batch(&batch, &UInt32Array::from_iter_values(0..rows))?));
            }
            let Some(reader) = &mut self.reader else { return Ok(None) };
            match reader.next() {
                Some(batch) => self.coalescer.push_batch(batch.map_err(external)?)?,
                None => {
                    self.reader = None;
                    self.coalescer.finish_buffered_batch()?;
                }
            }
        }
    }
}

impl Iterator for Coalesced {
    type Item = EngineResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// Makes the files of sorted runs.
struct Runs(SpillFolder);

impl TempFileFactory for Runs {
    fn create_temp_file(&self, _description: &str) -> EngineResult<Arc<dyn RunFile>> {
        let (file, open) = self.0.create().map_err(external)?;
        Ok(Arc::new(Run { file, open: Mutex::new(Some(open)) }))
    }
}

/// One sorted run.
struct Run {
    file: SpillFile,
    /// Until it is written.
    open: Mutex<Option<Box<dyn DiskFile>>>,
}

impl RunFile for Run {
    fn size(&self) -> Option<u64> {
        None
    }

    fn read_stream(&self) -> EngineResult<Pin<Box<dyn Stream<Item = EngineResult<Bytes>> + Send>>> {
        Ok(Box::pin(stream::iter(Chunks(self.file.open().map_err(external)?))))
    }

    fn open_writer(&self) -> EngineResult<Box<dyn RunWriter>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        let open = open.ok_or_else(|| DataFusionError::Internal("a run is written once".to_owned()))?;
        Ok(Box::new(Writer(BufWriter::with_capacity(READ_BYTES, open))))
    }
}

struct Writer(BufWriter<Box<dyn DiskFile>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl RunWriter for Writer {
    fn finish(&mut self) -> EngineResult<()> {
        Ok(self.0.flush()?)
    }
}

/// The bytes of a run. Reading blocks, on the thread that does nothing else.
struct Chunks(std::fs::File);

impl Iterator for Chunks {
    type Item = EngineResult<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = vec![0; READ_BYTES];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return None,
                Ok(read) => {
                    bytes.truncate(read);
                    return Some(Ok(Bytes::from(bytes)));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(Err(external(not_read(&error)))),
            }
        }
    }
}

fn external(failure: Failure) -> DataFusionError {
    DataFusionError::External(Box::new(failure))
}

/// What is below the engine's error: a failure of ours, a disk that takes no more, or too little memory.
fn failure(spec: &DatasetSpec, memory: SortMemory, error: &DataFusionError) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if let Some(failure) = found.downcast_ref::<Failure>() {
            return failure.clone();
        }
        if let Some(error) = found.downcast_ref::<io::Error>() {
            return not_written(error);
        }
        if let Some(DataFusionError::ResourcesExhausted(_)) = found.downcast_ref::<DataFusionError>() {
            let message = format!(
                "the rows of `{}` are too wide to be sorted in {} bytes of memory; raise `limits.staging_memory_bytes` \
                 in spine.toml",
                spec.name, memory.bytes
            );
            return Failure::new(FailureKind::Pipeline, "staging_memory", message).because(error);
        }
        cause = found.source();
    }
    unsorted(spec, error)
}
