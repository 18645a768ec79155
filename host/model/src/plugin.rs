//! Plugins as an operator sees them.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::time::Timestamp;

/// Where a plugin is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginState {
    /// New runs use it.
    Active,
    /// It cannot run; `reasons` say why.
    Refused,
}

/// One component that was found in the plugins folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// From the manifest; the file's stem where there is none.
    pub name: String,
    pub version: String,
    pub digest: Option<Digest>,
    pub state: PluginState,
    pub file: String,
    /// `pipeline finra.regsho_daily`, `source ...`, `task ...`.
    pub exports: Vec<String>,
    pub loaded_at: Timestamp,
    /// Why it is refused.
    pub reasons: Vec<String>,
    /// What keeps a part of it from working although it is active, as it was when the plugin was loaded.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The plugin version that a run is pinned to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRef {
    pub name: String,
    pub version: String,
    pub digest: Digest,
}

/// One thing that `plugin check` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub code: String,
    pub severity: FindingSeverity,
    pub message: String,
    pub hint: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingSeverity {
    Error,
    Warning,
}

impl Finding {
    pub fn error(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.to_owned(), severity: FindingSeverity::Error, message: message.into(), hint: hint.into() }
    }

    pub fn warning(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.to_owned(), severity: FindingSeverity::Warning, message: message.into(), hint: hint.into() }
    }
}
