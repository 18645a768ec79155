//! Plugins as an operator sees them.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::manifest::CapabilitySpec;
use crate::time::Timestamp;

/// Where a plugin version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginState {
    /// New runs use it.
    Active,
    /// Another version is active; the runs that began on this one end on it.
    Draining,
    /// It trapped again and again: no run begins until its time is over, and then one that tries it.
    Quarantined,
    /// It asks for more than was approved for its name, and waits for an operator.
    Pending,
    /// It cannot run; `reasons` say why.
    Refused,
}

impl PluginState {
    pub const ALL: [Self; 5] = [Self::Active, Self::Draining, Self::Quarantined, Self::Pending, Self::Refused];

    /// Whether runs are carried out by a version in this state, now or once its time in quarantine is over.
    pub const fn is_served(self) -> bool {
        match self {
            Self::Active | Self::Draining | Self::Quarantined => true,
            Self::Pending | Self::Refused => false,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Quarantined => "quarantined",
            Self::Pending => "pending",
            Self::Refused => "refused",
        }
    }
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
    /// Why it is not active.
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

/// Something that happened to a version of a plugin. Events of one name are numbered from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginEvent {
    pub seq: u64,
    pub at: Timestamp,
    pub name: String,
    pub version: String,
    pub digest: Digest,
    #[serde(rename = "type")]
    pub kind: PluginEventKind,
    /// Why, in words; empty where the kind says it all.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginEventKind {
    /// New runs use it from then on.
    Activated,
    Refused,
    Pending,
    /// An operator approved what it asks for.
    Approved,
    /// Another version took its place. Runs that began on it end on it.
    Replaced,
    /// The last of them has ended.
    Drained,
    /// It was compared with the active version.
    Shadowed,
    /// It became active without a file of its own, after it was compared.
    Promoted,
    /// An operator brought another version back, and this one does not come back by itself.
    RolledBack,
    Quarantined,
    /// A run tried it after quarantine and went well.
    Released,
    /// Its file is gone.
    Removed,
}

impl PluginEventKind {
    pub const ALL: [Self; 12] = [
        Self::Shadowed,
        Self::Promoted,
        Self::Activated,
        Self::Refused,
        Self::Pending,
        Self::Approved,
        Self::Replaced,
        Self::Drained,
        Self::RolledBack,
        Self::Quarantined,
        Self::Released,
        Self::Removed,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Shadowed => "shadowed",
            Self::Promoted => "promoted",
            Self::Activated => "activated",
            Self::Refused => "refused",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Replaced => "replaced",
            Self::Drained => "drained",
            Self::RolledBack => "rolled_back",
            Self::Quarantined => "quarantined",
            Self::Released => "released",
            Self::Removed => "removed",
        }
    }
}

/// What an operator approved for a plugin name: from which place in the plugins folder it comes, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub name: String,
    /// Below the plugins folder, such as `finra.wasm`.
    pub place: String,
    pub asked: Vec<CapabilitySpec>,
    pub at: Timestamp,
}

/// What the versions of a plugin ask for, what they are granted, and what was approved for the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginGrants {
    pub name: String,
    /// The only component that gets what is granted, if the grants are bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where the plugin came from when it was approved.
    pub place: Option<String>,
    /// What `spine.toml` grants the name, in words, each grant one.
    pub grants: Vec<String>,
    pub asked: Vec<AskedCapability>,
}

/// One thing that a version of a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedCapability {
    pub version: String,
    pub digest: Option<Digest>,
    pub state: PluginState,
    pub file: String,
    pub asks: String,
    pub required: bool,
    /// Whether `spine.toml` grants it to this component, or a part of it: some of the addresses that it asks for.
    pub granted: bool,
    /// Whether it was approved for the name; what nobody had to approve counts as such.
    pub approved: bool,
    /// Whether the runs of this version have it: what waits, or was refused, has nothing.
    pub in_force: bool,
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
