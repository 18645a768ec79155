//! Between the types of the contract and the SDK's own.

use super::bindings::exports::spine::plugin::{quality, source};
use super::bindings::spine::plugin::{host, tables};
use crate::column::Buffers;
use crate::error::{Error, Kind};
use crate::host::{Anomaly, Reject};
use crate::table::Field;
use crate::work::{Discovery, Finding, Page};

impl From<Error> for host::Error {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind.name().to_owned(),
            code: error.code,
            message: error.message,
            retryable: error.retryable,
            retry_after_ms: error.retry_after_ms,
            details: error.details,
        }
    }
}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        Self {
            kind: Kind::from_name(&error.kind),
            code: error.code,
            message: error.message,
            retryable: error.retryable,
            retry_after_ms: error.retry_after_ms,
            details: error.details,
        }
    }
}

impl From<tables::DataError> for Error {
    /// A table that refuses what a plugin asks of it is the plugin's fault.
    fn from(error: tables::DataError) -> Self {
        Self { details: error.details, ..Self::new(Kind::Pipeline, error.code, error.message) }
    }
}

impl From<tables::Field> for Field {
    fn from(field: tables::Field) -> Self {
        Self { name: field.name, dtype: field.dtype, nullable: field.nullable, details: field.details }
    }
}

impl From<&Field> for tables::Field {
    fn from(field: &Field) -> Self {
        let Field { name, dtype, nullable, details } = field.clone();
        Self { name, dtype, nullable, details }
    }
}

impl From<Buffers> for tables::Buffers {
    fn from(buffers: Buffers) -> Self {
        Self { rows: buffers.rows, parts: buffers.parts }
    }
}

impl From<tables::Buffers> for Buffers {
    fn from(buffers: tables::Buffers) -> Self {
        Self { rows: buffers.rows, parts: buffers.parts }
    }
}

impl From<Reject> for host::RejectedRow {
    fn from(reject: Reject) -> Self {
        Self { line: reject.line, code: reject.code, message: reject.message, details: reject.details }
    }
}

impl From<Anomaly> for host::Anomaly {
    fn from(anomaly: Anomaly) -> Self {
        Self {
            severity: anomaly.severity.to_owned(),
            category: anomaly.category,
            message: anomaly.message,
            details: anomaly.details,
        }
    }
}

impl From<Discovery> for source::Discovery {
    fn from(discovery: Discovery) -> Self {
        let partitions = discovery.partitions.into_iter();
        Self {
            partitions: partitions
                .map(|it| source::Partition { key: it.key, version: it.version, details: it.details })
                .collect(),
            cursor: discovery.cursor.map(|cursor| cursor.0),
            more: discovery.more,
        }
    }
}

impl From<Page> for source::Page {
    fn from(page: Page) -> Self {
        Self {
            rows: page.rows,
            status: page.status.name().to_owned(),
            cursor: page.cursor.map(|cursor| cursor.0),
            details: page.details,
        }
    }
}

pub(super) fn finding(category: &str, finding: Finding) -> quality::Finding {
    quality::Finding {
        status: finding.status.name().to_owned(),
        category: category.to_owned(),
        message: finding.message,
        details: finding.details,
        sample_rows: finding.sample_rows,
    }
}

/// Owned pairs, as the contract takes them.
pub(super) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
