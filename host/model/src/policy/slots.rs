//! How many runs go on at one time: of one kind of work, and of one plugin.

use serde::{Deserialize, Serialize};

use super::POLICY_MS_MAX;
use super::number::{Checks, Number, Problem};
use crate::dataset::is_word;

/// How many runs hold the same thing at one time, by leases in the ledger.
///
/// The default: one run for each pipeline and partition, and a second one waits 10 s for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyPolicy {
    pub slots: u32,
    pub key: ConcurrencyKey,
    /// How long a run waits for a slot before it is refused as locked, in milliseconds; 0 asks once.
    pub wait_ms: u64,
}

impl Default for ConcurrencyPolicy {
    fn default() -> Self {
        Self { slots: 1, key: ConcurrencyKey::Partition, wait_ms: 10_000 }
    }
}

/// What runs exclude each other over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConcurrencyKey {
    /// The pipeline and the partition, where the parameters give it; else as [`ConcurrencyKey::Input`].
    Partition,
    /// The pipeline and the digest of its input.
    Input,
    /// Whatever has this name in its policy, of any pipeline: a lower-case word.
    Named(String),
}

/// [`ConcurrencyPolicy`] as it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencySpec {
    /// 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<Number>,
    /// `"partition"`, `"input"` or `{ named = "upstream" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ConcurrencyKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<Number>,
}

impl ConcurrencySpec {
    pub(super) fn over(&self, base: ConcurrencyPolicy, checks: &mut Checks<'_>) -> ConcurrencyPolicy {
        let slots = checks.whole("slots", self.slots, base.slots, 1..=1_000);
        let wait_ms = checks.whole("wait_ms", self.wait_ms, base.wait_ms, 0..=POLICY_MS_MAX);
        let key = match &self.key {
            Some(ConcurrencyKey::Named(name)) if !is_word(name) => {
                let allowed = "a lower-case word of at most 63 letters, digits and `_`";
                checks.of("key").refuse("named", format!("`{name}`"), allowed);
                base.key
            }
            Some(key) => key.clone(),
            None => base.key,
        };
        ConcurrencyPolicy { slots, key, wait_ms }
    }
}

/// How many runs of one plugin go on and wait at one time, so that one plugin leaves room for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkheadPolicy {
    pub runs: u32,
    /// Runs that wait for one of these; one more is refused.
    pub waiting: u32,
}

impl Default for BulkheadPolicy {
    fn default() -> Self {
        Self { runs: 4, waiting: 1_000 }
    }
}

/// [`BulkheadPolicy`] as it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkheadSpec {
    /// 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<Number>,
    /// 0 to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Number>,
}

impl BulkheadSpec {
    /// Lays this over `base`; `place` is what problems are named by.
    ///
    /// # Errors
    ///
    /// Every problem at once.
    pub fn resolve(&self, base: BulkheadPolicy, place: &str) -> Result<BulkheadPolicy, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut checks = Checks::new(place, &mut problems);
        let runs = checks.whole("runs", self.runs, base.runs, 1..=10_000);
        let waiting = checks.whole("waiting", self.waiting, base.waiting, 0..=1_000_000);
        if problems.is_empty() { Ok(BulkheadPolicy { runs, waiting }) } else { Err(problems) }
    }
}
