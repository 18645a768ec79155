//! Rows that a run wrote and nobody else sees yet: in memory while they are few, else in a file.
//!
//! Who reads them does not learn which. The order of the rows is that in which they were added.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use model::Failure;

use crate::spill::{SpillFolder, SpillReader, SpillWriter, SpilledRows};

/// Rows being written.
#[derive(Debug)]
pub(crate) enum StagedWriter {
    Memory(Vec<RecordBatch>),
    Spilled(Box<SpillWriter>),
}

impl Default for StagedWriter {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl StagedWriter {
    /// Moves the rows to a file; what is added from now on goes there too.
    pub(crate) fn spill(&mut self, folder: &SpillFolder, schema: &Schema) -> Result<(), Failure> {
        if let Self::Memory(batches) = self {
            let mut writer = SpillWriter::create(folder, schema)?;
            batches.iter().try_for_each(|batch| writer.write(batch))?;
            *self = Self::Spilled(Box::new(writer));
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        match self {
            Self::Memory(batches) => {
                batches.push(batch);
                Ok(())
            }
            Self::Spilled(writer) => writer.write(&batch),
        }
    }

    pub(crate) fn is_spilled(&self) -> bool {
        matches!(self, Self::Spilled(_))
    }

    /// What was added so far.
    pub(crate) fn rows(&mut self) -> Result<StagedRows, Failure> {
        match self {
            Self::Memory(batches) => Ok(StagedRows::Memory(batches.clone())),
            Self::Spilled(writer) => writer.all().map(StagedRows::Spilled),
        }
    }
}

/// Some rows. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum StagedRows {
    Memory(Vec<RecordBatch>),
    Spilled(SpilledRows),
}

impl StagedRows {
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Memory(batches) => batches.iter().map(|batch| batch.num_rows() as u64).sum(),
            Self::Spilled(rows) => rows.count(),
        }
    }

    /// Their batches, one at a time.
    ///
    /// # Errors
    ///
    /// Of kind `storage`, as of each batch, if they are in a file that cannot be read.
    pub(crate) fn read(&self) -> Result<StagedReader, Failure> {
        Ok(match self {
            Self::Memory(batches) => StagedReader::Memory(batches.clone().into_iter()),
            Self::Spilled(rows) => StagedReader::Spilled(Box::new(rows.read()?)),
        })
    }
}

#[derive(Debug)]
pub(crate) enum StagedReader {
    Memory(std::vec::IntoIter<RecordBatch>),
    Spilled(Box<SpillReader>),
}

impl Iterator for StagedReader {
    type Item = Result<RecordBatch, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Memory(batches) => batches.next().map(Ok),
            Self::Spilled(batches) => batches.next(),
        }
    }
}
