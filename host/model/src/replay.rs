//! What came of carrying a recorded run out again.

use serde::{Deserialize, Serialize};

use crate::dataset::{DatasetName, Partition};
use crate::difference::Difference;
use crate::failure::Failure;
use crate::ids::{Digest, RunId};
use crate::plugin::PluginRef;

/// A run carried out again as it was recorded: the version, the inputs, the parameters, the clock, the randomness and what
/// it could read of the lake. Nothing was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayReport {
    pub run_id: RunId,
    /// The attempt that was carried out again.
    pub attempt: u32,
    pub plugin: PluginRef,
    /// Whether everything that the run delivered was delivered again, bit for bit.
    pub identical: bool,
    pub outputs: Vec<ReplayedOutput>,
    /// How the run failed when it was recorded, and how it did now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_error: Option<Failure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_error: Option<Failure>,
    /// Rejected rows then and now.
    pub recorded_rejected: u64,
    pub replayed_rejected: u64,
    /// What differs, in words that name the place.
    pub findings: Vec<String>,
}

/// One capture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayedOutput {
    pub dataset: DatasetName,
    pub partition: Partition,
    /// None where the run did not deliver it.
    pub recorded_hash: Option<Digest>,
    pub replayed_hash: Option<Digest>,
    /// Where the hashes differ and both captures could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}
