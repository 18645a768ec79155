//! Tables of the host: readers, batches, writers, raw bytes.

mod reader;
mod writer;

pub use reader::{Batch, Reader, ReaderInfo};
pub use writer::Writer;

use spine_primitives::DataType;

use crate::backend::BlobBackend;
use crate::error::Error;

/// One column of a table of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// As the contract writes types, `decimal128(18,6)`; may be one that this SDK does not know.
    pub dtype: String,
    pub nullable: bool,
    pub details: Vec<(String, String)>,
}

impl Field {
    pub(crate) fn new(name: &str, data_type: DataType, nullable: bool) -> Self {
        Self { name: name.to_owned(), dtype: data_type.to_string(), nullable, details: Vec::new() }
    }
}

/// Raw bytes of an input that no declared format fits.
#[derive(Debug)]
pub struct Blob(pub(crate) Box<dyn BlobBackend>);

/// What one read of a whole blob asks for at a time.
const CHUNK_BYTES: u32 = 1 << 20;

impl Blob {
    /// In bytes.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// At most `length` bytes from `offset`; fewer at the end, none past it.
    pub fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        self.0.read(offset, length)
    }

    /// All bytes. The guest's memory holds them: for small inputs.
    pub fn read_all(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        loop {
            let chunk = self.read(bytes.len() as u64, CHUNK_BYTES)?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&chunk);
        }
    }
}
