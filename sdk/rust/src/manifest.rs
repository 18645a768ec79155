//! The manifest's parts, as a plugin's code declares them, and the JSON they become.
//!
//! Authors meet these types in the `spec` functions of their work; the macros write the rest.

mod capability;
mod file;
pub(crate) mod json;
mod policy;
mod work;

pub use capability::{Folder, Http, Secret};
pub use file::{FileColumnSpec, FooterRule, FooterSpec, FormatKind, FormatSpec};
pub use policy::{Breaker, Policy, RateLimit, Retry};
pub use work::{Category, CheckSpec, Idempotency, ParamSpec, ParamType, PipelineSpec, Severity, SourceSpec, TaskSpec};

use spine_primitives::DataType;

pub use json::Object;

/// The contract this SDK speaks.
pub const CONTRACT: &str = "0.1.1";

/// One column of a dataset. Made by [`dataset!`](crate::dataset!).
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSpec {
    pub name: &'static str,
    pub data_type: DataType,
    pub nullable: bool,
    pub unit: Option<&'static str>,
    pub description: String,
}

impl ColumnSpec {
    #[doc(hidden)]
    pub fn new(name: &'static str, data_type: DataType, nullable: bool, doc: &[&str]) -> Self {
        Self { name, data_type, nullable, unit: None, description: sentence(doc) }
    }

    /// The unit of the values: `shares`, `USD`, `fraction`, `percent`.
    #[must_use]
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    fn write(&self, column: &mut Object<'_>) {
        column.text("name", self.name);
        column.text("type", &self.data_type.to_string());
        column.flag("nullable", self.nullable);
        column.text_if("unit", self.unit);
        column.text("description", &self.description);
    }
}

/// A check that the host carries out, with severity `block`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostCheck {
    /// The file has the header of one of its declared formats. A file that has none of them never becomes rows.
    Header,
    /// No two rows of a partition share the natural key. On for every dataset, declared or not.
    UniqueKey,
    /// The footer counts the data lines, and is there where it is due.
    TrailerCount,
    /// The last line ends with a line end.
    LastLineComplete,
}

impl HostCheck {
    fn write(self, check: &mut Object<'_>) {
        let (name, category) = match self {
            Self::Header => ("header", Category::Integrity),
            Self::UniqueKey => ("unique_key", Category::Integrity),
            Self::TrailerCount => ("trailer_count", Category::Completeness),
            Self::LastLineComplete => ("last_line_complete", Category::Completeness),
        };
        check.text("name", name);
        check.text("category", category.name());
        check.text("severity", Severity::Block.name());
        check.text("by", "host");
    }
}

/// A table that the plugin owns. Made by [`dataset!`](crate::dataset!).
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetSpec {
    pub name: &'static str,
    pub description: String,
    pub columns: Vec<ColumnSpec>,
    pub key: Vec<&'static str>,
    pub partition_by: Vec<&'static str>,
    pub host_checks: Vec<HostCheck>,
    /// What is meant to change of a schema that captures have already.
    pub migration: Option<Migration>,
}

/// Changes of a dataset that its author means. Without it a version that drops or retypes a column, or changes a key or
/// a unit, is refused once there are captures; new columns that may be null need none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migration {
    /// Columns that are not there any more. Captures of before keep them.
    pub drops: Vec<&'static str>,
    /// Columns of a wider type than before.
    pub retypes: Vec<&'static str>,
    /// Columns of another unit than before. Captures of before keep their numbers.
    pub units: Vec<&'static str>,
    /// The natural key is another one.
    pub key: bool,
}

impl Migration {
    fn write(&self, migration: &mut Object<'_>) {
        migration.texts("drops", &self.drops);
        migration.texts("retypes", &self.retypes);
        migration.texts("units", &self.units);
        migration.flag("key", self.key);
    }
}

impl DatasetSpec {
    pub(crate) fn write(&self, plugin_checks: &[(&'static str, CheckSpec)], dataset: &mut Object<'_>) {
        dataset.text("name", self.name);
        dataset.text("description", &self.description);
        dataset.list("columns", self.columns.len(), &mut |at, it| self.columns[at].write(it));
        dataset.texts("key", &self.key);
        dataset.texts("partition_by", &self.partition_by);
        let own: Vec<_> = plugin_checks.iter().filter(|(_, check)| check.datasets.contains(&self.name)).collect();
        let of_host = self.host_checks.len();
        dataset.list("checks", of_host + own.len(), &mut |at, it| match at.checked_sub(of_host) {
            Some(at) => own[at].1.write(own[at].0, it),
            None => self.host_checks[at].write(it),
        });
        if let Some(migration) = &self.migration {
            dataset.object("migration", |it| migration.write(it));
        }
    }
}

/// What [`dataset!`](crate::dataset!) makes of a doc comment.
#[doc(hidden)]
pub fn description(doc: &[&str]) -> String {
    sentence(doc)
}

/// Joins the lines of a doc comment into one text.
pub(crate) fn sentence(doc: &[&str]) -> String {
    let mut text = String::new();
    for line in doc.iter().map(|line| line.trim()).filter(|line| !line.is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(line);
    }
    text
}
