//! Results of quality checks.

use serde::{Deserialize, Serialize};

use crate::dataset::DatasetName;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckStatus {
    Pass,
    Warn,
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckCategory {
    Integrity,
    Completeness,
    BusinessRule,
}

/// What a failed check does to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The capture is not published.
    Block,
    /// The capture is published and the finding recorded.
    Warn,
}

/// One result of one check of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    pub check: String,
    pub dataset: DatasetName,
    pub category: CheckCategory,
    pub severity: Severity,
    pub status: CheckStatus,
    pub message: String,
    pub actual: Option<String>,
    pub expected: Option<String>,
}

impl CheckResult {
    /// Returns whether this result keeps the captures of its run from being published.
    pub fn blocks(&self) -> bool {
        self.status == CheckStatus::Fail && self.severity == Severity::Block
    }
}
