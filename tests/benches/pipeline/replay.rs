//! A workbench whose file is parsed already, so that what is left is the plugin and its boundary.

use std::sync::Arc;

use model::ports::{
    Blob, DataError, Field, FileEntry, Finished, InputBytes, RejectedRow, TableBatch, TableReader, TableWriter,
    Workbench,
};
use model::{DatasetName, Failure};

/// The batches of one file, and what its reader says of it at the start and at the end.
#[derive(Debug)]
pub(crate) struct Parsed {
    schema: Vec<Field>,
    info: [Vec<(String, String)>; 2],
    batches: Vec<Box<dyn TableBatch>>,
}

impl Parsed {
    pub(crate) fn read(reader: &mut dyn TableReader) -> Self {
        let (schema, before) = (reader.schema(), reader.info());
        let batches = std::iter::from_fn(|| reader.next().unwrap()).collect();
        Self { schema, info: [before, reader.info()], batches }
    }
}

/// Hands out the parsed file for every declared input; the rest is the real workbench.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) parsed: Arc<Parsed>,
    pub(crate) bench: Box<dyn Workbench>,
}

#[derive(Debug)]
struct Reader {
    parsed: Arc<Parsed>,
    next: usize,
}

impl TableReader for Reader {
    fn schema(&self) -> Vec<Field> {
        self.parsed.schema.clone()
    }

    fn info(&self) -> Vec<(String, String)> {
        self.parsed.info[usize::from(self.next > self.parsed.batches.len())].clone()
    }

    fn next(&mut self) -> Result<Option<Box<dyn TableBatch>>, DataError> {
        self.next += 1;
        let Some(batch) = self.parsed.batches.get(self.next - 1) else { return Ok(None) };
        let names: Vec<String> = self.parsed.schema.iter().map(|field| field.name.clone()).collect();
        // Selecting every column shares the rows.
        batch.select(&names).map(Some)
    }
}

impl Workbench for Replay {
    fn input(&mut self, name: &str, select: &str) -> Result<Box<dyn TableReader>, Failure> {
        if name.contains([':', '.', '/']) {
            return self.bench.input(name, select);
        }
        Ok(Box::new(Reader { parsed: Arc::clone(&self.parsed), next: 0 }))
    }

    fn open(&mut self, name: &str) -> Result<Box<dyn Blob>, Failure> {
        self.bench.open(name)
    }

    fn output(&mut self, dataset: &str) -> Result<Box<dyn TableWriter>, Failure> {
        self.bench.output(dataset)
    }

    fn files(&mut self, folder: &str) -> Result<Vec<FileEntry>, Failure> {
        self.bench.files(folder)
    }

    fn save(&mut self, folder: &str, name: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        self.bench.save(folder, name, bytes)
    }

    fn keep(&mut self, exchange: InputBytes) {
        self.bench.keep(exchange);
    }

    fn reject(&mut self, rows: Vec<RejectedRow>) -> Result<(), Failure> {
        self.bench.reject(rows)
    }

    fn begin_partition(&mut self) {}

    fn end_partition(&mut self) {}

    fn written(&self) -> Vec<DatasetName> {
        self.bench.written()
    }

    fn finish(self: Box<Self>) -> Result<Finished, Failure> {
        self.bench.finish()
    }

    fn abandon(self: Box<Self>) -> Result<Finished, Failure> {
        self.bench.abandon()
    }
}
