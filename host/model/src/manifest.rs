//! The manifest: what a plugin offers, as `describe` returns it.
//!
//! Authoritative for the host. Unknown keys are ignored, so that a manifest of a newer SDK still loads; everything
//! else that is wrong is found by [`Manifest::problems`], all at once. Its JSON Schema is `wit/manifest.schema.json`.

mod asking;
mod capability;
mod format;
mod validate;

pub use capability::{Access, CapabilityKind, CapabilitySpec, is_method};
pub use format::{FileFormat, Footer, FooterRule, FormatColumn, FormatKind};

use serde::{Deserialize, Serialize};
use spine_primitives::DataType;
pub use spine_primitives::ParamType;

use crate::dataset::DatasetName;
use crate::evolution::Migration;
use crate::policy::PolicySpec;
use crate::quality::{CheckCategory, Severity};
use crate::work::Idempotency;

/// The contract this host speaks. A plugin built against another 0.1.x works; another minor or major does not.
pub const CONTRACT: &str = "0.1.1";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The contract version the plugin was built against, `0.1.0`.
    pub contract: String,
    /// The domain: first word of every name below.
    pub name: String,
    pub version: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub datasets: Vec<DatasetSpec>,
    #[serde(default)]
    pub formats: Vec<FileFormat>,
    #[serde(default)]
    pub pipelines: Vec<PipelineSpec>,
    #[serde(default)]
    pub sources: Vec<SourceSpec>,
    #[serde(default)]
    pub tasks: Vec<TaskSpec>,
    #[serde(default)]
    pub capabilities: Vec<CapabilitySpec>,
}

/// A table that the plugin owns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetSpec {
    pub name: DatasetName,
    #[serde(default)]
    pub description: String,
    pub columns: Vec<ColumnSpec>,
    /// The natural key: no two rows of one partition share it. Rows are stored in its order.
    pub key: Vec<String>,
    /// The columns whose values name the publisher's unit of delivery; `utf8` or `date32`.
    pub partition_by: Vec<String>,
    /// Checks run on what a run wrote to this dataset, before it is published.
    #[serde(default)]
    pub checks: Vec<CheckSpec>,
    /// What its author means to change of the schema that captures have; none if nothing is to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
}

impl DatasetSpec {
    pub fn column(&self, name: &str) -> Option<&ColumnSpec> {
        self.columns.iter().find(|column| column.name == name)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnSpec {
    pub name: String,
    #[serde(rename = "type", with = "crate::text")]
    pub data_type: DataType,
    #[serde(default)]
    pub nullable: bool,
    /// `shares`, `USD`, `fraction`, `percent`...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(default)]
    pub description: String,
}

/// A check of a dataset. Status, category and severity are those of `runs show`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckSpec {
    pub name: String,
    pub category: CheckCategory,
    pub severity: Severity,
    #[serde(default)]
    pub by: CheckedBy,
    #[serde(default)]
    pub description: String,
}

/// Who carries a check out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckedBy {
    /// The host: `header`, `unique_key` (always on), `trailer_count`, `last_line_complete`.
    Host,
    /// The plugin's export `quality`.
    #[default]
    Plugin,
}

/// Checks the host knows how to carry out.
pub const HOST_CHECKS: [&str; 4] = ["header", "unique_key", "trailer_count", "last_line_complete"];

/// The host's check of itself, on any dataset: whether every reject of a run was kept with its text. Never declared.
pub const REJECTS_KEPT: &str = "rejects_kept";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineSpec {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub params: Vec<ParamSpec>,
    /// Files the pipeline reads, each named by a parameter of type `file`.
    #[serde(default)]
    pub inputs: Vec<InputSpec>,
    pub outputs: Vec<DatasetName>,
    #[serde(default)]
    pub accounting: RowAccounting,
    #[serde(default, with = "crate::text")]
    pub idempotency: Idempotency,
    /// The stages that each capture passes, first to last; empty where any may be reported.
    #[serde(default)]
    pub stages: Vec<String>,
    /// How often it is tried, when its target is left alone, how often it may begin; `spine.toml` overrides it.
    #[serde(default, deserialize_with = "PolicySpec::of_manifest", skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicySpec>,
}

/// How many rows go out for what came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowAccounting {
    /// Rows of the first output that the run wrote + rejected rows = data lines read, or the run fails.
    OneToOne,
    #[default]
    Aggregate,
}

/// A file that a parameter names, and the formats it may have: the first whose header fits is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// The name for `host.input`, and of the parameter of type `file`.
    pub name: String,
    pub formats: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParamSpec {
    pub name: String,
    #[serde(rename = "type", with = "crate::text")]
    pub param_type: ParamType,
    #[serde(default)]
    pub required: bool,
    /// A parameter of type `file`: this one is required where the name of that file does not hold one date,
    /// `YYYYMMDD` or `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_unless_dated: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// The only values that may be given; empty for any.
    #[serde(default)]
    pub allowed: Vec<String>,
    /// Whether case, spaces, `_` and `-` make no difference between a value and the allowed ones. The plugin gets the
    /// value as it was given.
    #[serde(default)]
    pub any_spelling: bool,
    #[serde(default)]
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// The guest alone sees the value: everybody else is shown a placeholder.
    #[serde(default)]
    pub secret: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceSpec {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub params: Vec<ParamSpec>,
    pub outputs: Vec<DatasetName>,
    /// See [`PipelineSpec::policy`].
    #[serde(default, deserialize_with = "PolicySpec::of_manifest", skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicySpec>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub params: Vec<ParamSpec>,
    /// See [`PipelineSpec::policy`].
    #[serde(default, deserialize_with = "PolicySpec::of_manifest", skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicySpec>,
}

impl Manifest {
    /// Parses what `describe` returned. The error is a sentence with the place.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("the manifest is not what the contract says: {error}"))
    }

    pub fn dataset(&self, name: &DatasetName) -> Option<&DatasetSpec> {
        self.datasets.iter().find(|dataset| &dataset.name == name)
    }

    pub fn format(&self, name: &str) -> Option<&FileFormat> {
        self.formats.iter().find(|format| format.name == name)
    }

    pub fn pipeline(&self, name: &str) -> Option<&PipelineSpec> {
        self.pipelines.iter().find(|pipeline| pipeline.name == name)
    }

    pub fn source(&self, name: &str) -> Option<&SourceSpec> {
        self.sources.iter().find(|source| source.name == name)
    }

    pub fn task(&self, name: &str) -> Option<&TaskSpec> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// The policy that a pipeline, source or task declares.
    pub fn policy(&self, name: &str) -> Option<&PolicySpec> {
        let pipeline = self.pipeline(name).and_then(|it| it.policy.as_ref());
        let source = || self.source(name).and_then(|it| it.policy.as_ref());
        let task = || self.task(name).and_then(|it| it.policy.as_ref());
        pipeline.or_else(source).or_else(task)
    }

    /// What the plugin offers, for people: `pipeline finra.regsho_daily`, ...
    pub fn exports(&self) -> Vec<String> {
        let pipelines = self.pipelines.iter().map(|it| format!("pipeline {}", it.name));
        let sources = self.sources.iter().map(|it| format!("source {}", it.name));
        let tasks = self.tasks.iter().map(|it| format!("task {}", it.name));
        pipelines.chain(sources).chain(tasks).collect()
    }

    /// Everything that is wrong with this manifest; empty if it may be used.
    pub fn problems(&self) -> Vec<String> {
        validate::problems(self)
    }
}
