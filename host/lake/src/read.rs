//! From an input to tables: declared formats, rows in batches, and a reject for each line that is no row.
//!
//! Nothing is sniffed but what the format leaves open (line ends, compression). Reading is lazy: a batch is made when it
//! is asked for. Every reader of an input makes the same batches, so that lines are counted once however many read.

mod column;
mod delimited;
mod json;
mod moment;
mod number;
mod open;
mod parquet;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use model::ports::{DataError, Field, TableBatch, TableReader};
use model::{Failure, FailureKind};

use self::delimited::DelimitedRows;
use self::json::JsonRows;
pub(crate) use self::open::{Layout, OpenInput};
use self::parquet::ParquetRows;
use self::rows::{Rows, Tally};
use crate::batch::ArrowBatch;
use crate::schema::{LINE, boundary_fields};

/// Reads one input once, front to back.
#[derive(Debug)]
pub(crate) struct FileReader {
    input: Arc<OpenInput>,
    source: Source,
    /// Positions of the selected columns.
    columns: Vec<usize>,
    schema: SchemaRef,
    /// Batches made so far.
    batches: u64,
    data_lines: u64,
    rejected: u64,
    ended: bool,
}

#[derive(Debug)]
enum Source {
    Delimited(DelimitedRows),
    Json(JsonRows),
    Parquet(ParquetRows),
}

struct Chunk {
    batch: RecordBatch,
    tally: Tally,
    ended: bool,
}

impl FileReader {
    /// Reads all columns, or those named; `_line` always comes last.
    ///
    /// # Errors
    ///
    /// `bad_select` for a column that the format does not have.
    pub(crate) fn new(input: &Arc<OpenInput>, select: Option<&[String]>) -> Result<Self, Failure> {
        input.touch();
        let source = match &input.layout {
            Layout::Delimited(file) => Source::Delimited(DelimitedRows::new(file.clone())),
            Layout::Json { text, records } => {
                Source::Json(JsonRows::of_document(text.clone(), Arc::clone(records), &input.columns))
            }
            Layout::JsonLines(text) => Source::Json(JsonRows::of_lines(text.clone(), &input.columns)),
            Layout::Parquet(content) => Source::Parquet(
                ParquetRows::new(content, &input.columns, &input.schema).map_err(|why| broken(input, &why))?,
            ),
        };
        let columns = crate::batch::positions(&input.schema, select, Some(LINE))?;
        let schema = Arc::new(input.schema.project(&columns).map_err(|error| broken(input, &error.to_string()))?);
        let input = Arc::clone(input);
        Ok(Self { input, source, columns, schema, batches: 0, data_lines: 0, rejected: 0, ended: false })
    }

    /// Reads to the end, for the count.
    pub(crate) fn drain(&mut self) -> Result<(), Failure> {
        while self.advance()?.is_some() {}
        Ok(())
    }

    /// The next rows of all columns.
    pub(crate) fn advance(&mut self) -> Result<Option<RecordBatch>, Failure> {
        self.input.touch();
        while !self.ended {
            let chunk = match self.chunk() {
                Ok(chunk) => chunk,
                Err(why) => {
                    self.ended = true;
                    let failure = broken(&self.input, &why);
                    self.input.account().broken.get_or_insert_with(|| failure.clone());
                    return Err(failure);
                }
            };
            self.data_lines += chunk.tally.data_lines;
            self.rejected += chunk.tally.rejected();
            self.ended = chunk.ended;
            self.count(chunk.tally);
            if chunk.batch.num_rows() > 0 {
                return Ok(Some(chunk.batch));
            }
        }
        Ok(None)
    }

    fn chunk(&mut self) -> Result<Chunk, String> {
        let (mut rows, columns) = match &mut self.source {
            Source::Parquet(source) => {
                return Ok(match source.next()? {
                    Some((batch, tally)) => Chunk { batch, tally, ended: false },
                    None => {
                        let batch = RecordBatch::new_empty(Arc::clone(&self.input.schema));
                        Chunk { batch, tally: Tally::default(), ended: true }
                    }
                });
            }
            Source::Delimited(source) => (source.lines_left(), &self.input.columns),
            Source::Json(source) => (source.lines_left(), &self.input.columns),
        };
        rows = rows.min(model::limits::BATCH_ROWS_MAX);
        let mut rows = Rows::new(columns, rows);
        let ended = match &mut self.source {
            Source::Delimited(source) => source.fill(&mut rows),
            Source::Json(source) => source.fill(&mut rows),
            Source::Parquet(_) => true,
        };
        let (batch, tally) = rows.finish(&self.input.schema).map_err(|error| error.to_string())?;
        Ok(Chunk { batch, tally, ended })
    }

    /// Adds what this reader found to the input's account and to the rejects of the attempt, unless another reader was
    /// here before.
    fn count(&mut self, tally: Tally) {
        let mut account = self.input.account();
        if account.batches == self.batches && !account.ended {
            account.batches += 1;
            account.data_lines += tally.data_lines;
            for reject in tally.rejects {
                self.input.rejects.add(self.input.place, reject);
            }
            if self.ended {
                account.ended = true;
                account.last_line_complete = self.last_line_complete();
            }
        }
        self.batches += 1;
    }

    fn last_line_complete(&self) -> bool {
        match &self.source {
            Source::Delimited(source) => source.last_line_complete(),
            Source::Json(source) => source.last_line_complete(),
            Source::Parquet(_) => true,
        }
    }
}

impl TableReader for FileReader {
    fn schema(&self) -> Vec<Field> {
        boundary_fields(&self.schema)
    }

    fn info(&self) -> Vec<(String, String)> {
        let mut info = vec![
            ("file_name", self.input.file_name.clone()),
            ("format", self.input.format.name.clone()),
            ("input_hash", self.input.digest.to_string()),
            ("bytes", self.input.bytes.to_string()),
        ];
        if self.ended {
            info.push(("data_lines", self.data_lines.to_string()));
            info.push(("rejected", self.rejected.to_string()));
            info.push(("last_line_complete", self.last_line_complete().to_string()));
            info.extend(self.input.footer().map(|footer| ("footer", footer.to_owned())));
        }
        info.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn next(&mut self) -> Result<Option<Box<dyn TableBatch>>, DataError> {
        let batch = self.advance().map_err(|failure| DataError::new(&failure.code, failure.message))?;
        let Some(batch) = batch else { return Ok(None) };
        let batch = batch.project(&self.columns).map_err(|error| DataError::new("internal", error.to_string()))?;
        Ok(Some(Box::new(ArrowBatch::new(batch))))
    }
}

/// Whether a text is a date of the form `YYYY-MM-DD`.
pub(crate) fn date(text: &str) -> Option<i32> {
    moment::DateFormat::Iso.date(text.as_bytes()).ok()
}

fn broken(input: &OpenInput, why: &str) -> Failure {
    let (file, format) = (&input.file_name, &input.format.name);
    let message = format!("`{file}` is broken as format `{format}`: {why}; fetch it again");
    Failure::new(FailureKind::Parse, "bad_document", message)
}
