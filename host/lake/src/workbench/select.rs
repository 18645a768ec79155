//! The `select` of `host.input`: which part of a table a guest wants.

use std::collections::BTreeMap;

use model::{Failure, FailureKind, Partition};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Select {
    #[serde(default)]
    partition: BTreeMap<String, String>,
    #[serde(default)]
    columns: Option<Vec<String>>,
    #[serde(default)]
    format: Option<String>,
}

impl Select {
    pub(super) fn parse(json: &str) -> Result<Self, Failure> {
        if json.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(json).map_err(|error| {
            bad(format!("`select` must be an object with `partition`, `columns` or `format`: {error}"))
        })
    }

    pub(super) fn columns(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }

    pub(super) fn format(&self) -> Option<&str> {
        self.format.as_deref()
    }

    /// Whether a partition has the wanted value in each column that is named.
    pub(super) fn takes(&self, partition: &Partition) -> bool {
        self.partition.iter().all(|(column, value)| partition.get(column) == Some(value))
    }

    pub(super) fn check_partition(&self, columns: &[String]) -> Result<(), Failure> {
        match self.partition.keys().find(|name| !columns.contains(name)) {
            None => Ok(()),
            Some(name) => Err(bad(format!("`{name}` is not a partition column; they are {}", columns.join(", ")))),
        }
    }

    pub(super) fn refuse_partition(&self, of: &str) -> Result<(), Failure> {
        if self.partition.is_empty() { Ok(()) } else { Err(bad(format!("{of} has no partitions to select"))) }
    }
}

fn bad(message: String) -> Failure {
    Failure::new(FailureKind::Pipeline, "bad_select", message)
}
