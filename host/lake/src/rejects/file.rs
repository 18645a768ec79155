//! The rejects of a run as a Parquet file, and back. Columns `code`, `message`, `line` and `raw`, by input and in order
//! of line, so that any reader of Parquet shows what `rejects` shows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType as ArrowType, Field, Int64Type, Schema, SchemaRef};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use model::RunId;
use model::failure::{Failure, FailureKind, Reading};
use model::reject::{Reject, RejectFile};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::{FOLDER, RejectStore, Unfinished, file_name};
use crate::write_error::WriteError;

/// Rows, and bytes of text, that are made into arrays at a time.
const BATCH_ROWS: usize = 4_096;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Encoded bytes that a row group may have before it is written: what the writer keeps in memory.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

const FILE_BUFFER_BYTES: usize = 256 * 1024;

/// What to do about a file that is not there, or not whole.
const ADVICE: &str = ": restore it from a backup, or run the input again";

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("code", ArrowType::Utf8, false),
        Field::new("message", ArrowType::Utf8, false),
        Field::new("line", ArrowType::Int64, true),
        Field::new("raw", ArrowType::Utf8, true),
    ]))
}

/// Writes the file of an attempt. After an error nothing is left of it.
pub(super) fn write(
    store: &Arc<RejectStore>,
    (run, attempt): (RunId, u32),
    rejects: impl Iterator<Item = io::Result<Reject>>,
    codes: BTreeMap<String, u64>,
) -> Result<RejectFile, Failure> {
    let path = file_name(run, attempt);
    let written = || -> Result<(u64, u64), WriteError> {
        let mut file = store.create(run)?;
        let sizes = encode(&mut file, rejects)?;
        file.name(&path)?;
        Ok(sizes)
    };
    let (bytes, rows) = written().map_err(|error| error.failure("the rejects", &format!("{FOLDER}/{path}")))?;
    Ok(RejectFile { path, bytes, rows, codes })
}

/// Returns bytes and rows.
fn encode(file: &mut Unfinished, rejects: impl Iterator<Item = io::Result<Reject>>) -> Result<(u64, u64), WriteError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by("spine".to_owned())
        .build();
    let out = BufWriter::with_capacity(FILE_BUFFER_BYTES, file);
    let mut writer = ArrowWriter::try_new(out, schema(), Some(properties))?;
    let mut columns = Columns::default();
    let mut rows = 0;
    for reject in rejects {
        columns.push(&reject?);
        rows += 1;
        if columns.is_full() {
            writer.write(&columns.take()?)?;
            if writer.in_progress_size() >= GROUP_BYTES {
                writer.flush()?;
            }
        }
    }
    writer.write(&columns.take()?)?;
    writer.finish()?;
    writer.inner_mut().flush()?;
    Ok((writer.bytes_written() as u64, rows))
}

/// Rejects on their way to becoming a batch.
#[derive(Default)]
struct Columns {
    code: StringBuilder,
    message: StringBuilder,
    line: Int64Builder,
    raw: StringBuilder,
    rows: usize,
    bytes: usize,
}

impl Columns {
    fn push(&mut self, reject: &Reject) {
        let Reject { code, message, line, raw } = reject;
        self.code.append_value(code);
        self.message.append_value(message);
        self.line.append_option(line.map(|line| i64::try_from(line).unwrap_or(i64::MAX)));
        self.raw.append_option(raw.as_ref());
        self.rows += 1;
        self.bytes += message.len() + raw.as_ref().map_or(0, String::len);
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn take(&mut self) -> Result<RecordBatch, ParquetError> {
        let Self { mut code, mut message, mut line, mut raw, .. } = std::mem::take(self);
        let columns = vec![
            Arc::new(code.finish()) as _,
            Arc::new(message.finish()) as _,
            Arc::new(line.finish()) as _,
            Arc::new(raw.finish()) as _,
        ];
        Ok(RecordBatch::try_new(schema(), columns)?)
    }
}

/// Reads the rejects of a run back, some at a time and in order.
pub struct RejectReader {
    batches: ParquetRecordBatchReader,
    path: String,
}

impl std::fmt::Debug for RejectReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RejectReader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RejectReader {
    /// Opens the file that the ledger names `path`, in a data folder that another process may own.
    ///
    /// # Errors
    ///
    /// Of kind `storage`: `not_found` if the file is gone, `corrupt` if it is not one that this program wrote.
    pub fn open(data_dir: &Path, path: &str) -> Result<Self, Failure> {
        let shown = format!("{FOLDER}/{path}");
        let unreadable = |error: io::Error| {
            let failure = Failure::io(Reading::Own, "read the rejects", &shown, &error);
            let advice = if error.kind() == io::ErrorKind::NotFound { ADVICE } else { "" };
            Failure { message: format!("{}{advice}", failure.message), ..failure }
        };
        let folder = Dir::open_ambient_dir(data_dir.join(FOLDER), ambient_authority()).map_err(unreadable)?;
        let file: File = folder.open(path).map_err(unreadable)?.into_std();
        let damaged = |error: ParquetError| damaged(&shown, &error.to_string());
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)?;
        if builder.schema().fields() != schema().fields() {
            return Err(self::damaged(&shown, "its columns are others"));
        }
        let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(damaged)?;
        Ok(Self { batches, path: shown })
    }
}

impl Iterator for RejectReader {
    type Item = Result<Vec<Reject>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        Some(batch.map(|batch| rejects(&batch)).map_err(|error| damaged(&self.path, &error.to_string())))
    }
}

fn rejects(batch: &RecordBatch) -> Vec<Reject> {
    let text = |column: usize| batch.column(column).as_string::<i32>();
    let (codes, messages, raws) = (text(0), text(1), text(3));
    let lines = batch.column(2).as_primitive::<Int64Type>();
    let reject = |row: usize| Reject {
        code: codes.value(row).to_owned(),
        message: messages.value(row).to_owned(),
        line: lines.is_valid(row).then(|| u64::try_from(lines.value(row)).unwrap_or_default()),
        raw: raws.is_valid(row).then(|| raws.value(row).to_owned()),
    };
    (0..batch.num_rows()).map(reject).collect()
}

fn damaged(path: &str, why: &str) -> Failure {
    let message = format!("`{path}` is damaged ({why}){ADVICE}");
    Failure::new(FailureKind::Storage, "corrupt", message)
}
