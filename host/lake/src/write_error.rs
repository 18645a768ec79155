//! Why a Parquet file could not be written: the disk, the encoder, or the rows.

use std::io;

use model::failure::Reading;
use model::{Failure, FailureKind};
use parquet::errors::ParquetError;

pub(crate) enum WriteError {
    Io(io::Error),
    Parquet(ParquetError),
    /// What was to be written could not be read.
    Rows(Failure),
}

impl From<Failure> for WriteError {
    fn from(failure: Failure) -> Self {
        Self::Rows(failure)
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ParquetError> for WriteError {
    fn from(error: ParquetError) -> Self {
        match error {
            // The disk's own word is inside of what the encoder says.
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => Self::Io(*error),
                Err(inner) => Self::Parquet(ParquetError::External(inner)),
            },
            other => Self::Parquet(other),
        }
    }
}

impl WriteError {
    /// `what` is what was to be written: `the capture`.
    pub(crate) fn failure(self, what: &str, path: &str) -> Failure {
        match self {
            Self::Io(error) => Failure::io(Reading::Own, &format!("write {what}"), path, &error),
            Self::Parquet(error) => {
                let message = format!("could not encode {what} `{path}`: {error}");
                Failure::new(FailureKind::Internal, "encode", message).because(&error)
            }
            Self::Rows(failure) => failure,
        }
    }
}
