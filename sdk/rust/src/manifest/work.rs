//! What a plugin can do: pipelines, sources, tasks, checks, their parameters and what they ask for.

use serde_json::Value;
pub use spine_primitives::ParamType;

use super::json::Object;
use super::policy::Policy;
use super::sentence;
use crate::dataset::Dataset;
use crate::file_format::Format;

/// What a pipeline does. The parameters, and with them the input files, come from [`crate::Pipeline::Params`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineSpec {
    pub description: &'static str,
    pub outputs: Vec<&'static str>,
    pub one_to_one: bool,
    pub idempotency: Idempotency,
    pub stages: Vec<&'static str>,
    pub policy: Option<Policy>,
}

/// When the host has work done again that was done before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idempotency {
    /// Always, and each run publishes a new revision, whatever the content.
    Append,
    /// Not if parameters, files and plugin are those of a run whose captures are still the latest. For work that depends
    /// on nothing else: neither on the time nor on other datasets.
    Input,
    /// Always; content that is the latest already is no new revision.
    #[default]
    State,
}

impl Idempotency {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Input => "input",
            Self::State => "state",
        }
    }
}

impl PipelineSpec {
    pub fn new(description: &'static str) -> Self {
        Self { description, ..Self::default() }
    }

    /// Declares a dataset that the pipeline writes. The first is the one whose rows are accounted for.
    #[must_use]
    pub fn output<D: Dataset>(mut self) -> Self {
        self.outputs.push(D::NAME);
        self
    }

    /// Promises that rows written + rejected = lines read; the host holds every run to it.
    #[must_use]
    pub fn one_to_one(mut self) -> Self {
        self.one_to_one = true;
        self
    }

    /// When work that was done before is done again.
    #[must_use]
    pub fn idempotency(mut self, idempotency: Idempotency) -> Self {
        self.idempotency = idempotency;
        self
    }

    /// The stages that each capture passes, first to last. [`Host::stage`](crate::Host::stage) reports them in this
    /// order; a run that skips one, or reports another, fails. Without them any may be reported.
    #[must_use]
    pub fn stages<const N: usize>(mut self, stages: [&'static str; N]) -> Self {
        self.stages = stages.to_vec();
        self
    }

    /// What it asks of the host about its calls: retries, a breaker, a rate limit, a timeout. The operator may override it.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    pub(crate) fn write(&self, name: &str, params: &[ParamSpec], pipeline: &mut Object<'_>) {
        pipeline.text("name", name);
        pipeline.text("description", self.description);
        write_params(params, pipeline);
        let files: Vec<_> = params.iter().filter(|param| param.param_type == ParamType::File).collect();
        pipeline.list("inputs", files.len(), &mut |at, input| {
            input.text("name", files[at].name);
            input.texts("formats", &files[at].formats);
        });
        pipeline.texts("outputs", &self.outputs);
        pipeline.text("accounting", if self.one_to_one { "one-to-one" } else { "aggregate" });
        if self.idempotency != Idempotency::default() {
            pipeline.text("idempotency", self.idempotency.name());
        }
        if !self.stages.is_empty() {
            pipeline.texts("stages", &self.stages);
        }
        write_policy(self.policy.as_ref(), pipeline);
    }
}

/// What a source finds and fetches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceSpec {
    pub description: &'static str,
    pub outputs: Vec<&'static str>,
    pub policy: Option<Policy>,
}

impl SourceSpec {
    pub fn new(description: &'static str) -> Self {
        Self { description, ..Self::default() }
    }

    /// Declares a dataset that the source writes.
    #[must_use]
    pub fn output<D: Dataset>(mut self) -> Self {
        self.outputs.push(D::NAME);
        self
    }

    /// What it asks of the host about its calls: see [`PipelineSpec::policy`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    pub(crate) fn write(&self, name: &str, params: &[ParamSpec], source: &mut Object<'_>) {
        source.text("name", name);
        source.text("description", self.description);
        write_params(params, source);
        source.texts("outputs", &self.outputs);
        write_policy(self.policy.as_ref(), source);
    }
}

/// What a task does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskSpec {
    pub description: &'static str,
    pub policy: Option<Policy>,
}

impl TaskSpec {
    pub fn new(description: &'static str) -> Self {
        Self { description, ..Self::default() }
    }

    /// What it asks of the host about its calls: see [`PipelineSpec::policy`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    pub(crate) fn write(&self, name: &str, params: &[ParamSpec], task: &mut Object<'_>) {
        task.text("name", name);
        task.text("description", self.description);
        write_params(params, task);
        write_policy(self.policy.as_ref(), task);
    }
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Integrity,
    Completeness,
    BusinessRule,
}

impl Category {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integrity => "INTEGRITY",
            Self::Completeness => "COMPLETENESS",
            Self::BusinessRule => "BUSINESS_RULE",
        }
    }
}

/// What a failed check does to the run; the operator may override it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// What was written is quarantined, not published.
    Block,
    /// It is published and the finding recorded.
    Warn,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Warn => "warn",
        }
    }
}

/// What a check judges, and how much it matters.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckSpec {
    pub category: Category,
    pub severity: Severity,
    pub description: &'static str,
    pub datasets: Vec<&'static str>,
}

impl CheckSpec {
    /// A check whose failure keeps what was written from being published.
    pub fn block(category: Category, description: &'static str) -> Self {
        Self { category, severity: Severity::Block, description, datasets: Vec::new() }
    }

    /// A check whose failure is recorded, and that is all.
    pub fn warn(category: Category, description: &'static str) -> Self {
        Self { category, severity: Severity::Warn, description, datasets: Vec::new() }
    }

    /// Adds a dataset that is judged. The check is called once for each of them that a run wrote.
    #[must_use]
    pub fn on<D: Dataset>(mut self) -> Self {
        self.datasets.push(D::NAME);
        self
    }

    pub(crate) fn write(&self, name: &str, check: &mut Object<'_>) {
        check.text("name", name);
        check.text("category", self.category.name());
        check.text("severity", self.severity.name());
        check.text("by", "plugin");
        check.text("description", self.description);
    }
}

/// One parameter. Made by [`params!`](crate::params!).
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    pub name: &'static str,
    pub param_type: ParamType,
    pub required: bool,
    pub required_unless_dated: Option<&'static str>,
    pub default: Option<Value>,
    pub allowed: Vec<&'static str>,
    pub any_spelling: bool,
    pub description: String,
    pub example: Option<&'static str>,
    pub secret: bool,
    /// For a file: the formats it may have; the first whose header fits is used.
    pub formats: Vec<&'static str>,
}

impl ParamSpec {
    #[doc(hidden)]
    pub fn of<T: crate::params::ParamValue>(name: &'static str, doc: &[&str]) -> Self {
        Self {
            name,
            param_type: T::TYPE,
            required: T::REQUIRED,
            required_unless_dated: None,
            default: None,
            allowed: Vec::new(),
            any_spelling: false,
            description: sentence(doc),
            example: None,
            secret: false,
            formats: Vec::new(),
        }
    }

    /// Adds a format that the file may have.
    #[must_use]
    pub fn format<F: Format>(mut self) -> Self {
        self.formats.push(F::NAME);
        self
    }

    /// The only values that may be given.
    #[must_use]
    pub fn one_of<const N: usize>(mut self, values: [&'static str; N]) -> Self {
        self.allowed = values.to_vec();
        self
    }

    /// Takes the values of `one_of` whatever the case, and with or without spaces, `_` and `-` in them. Your code gets
    /// the text as it was given: [`plain_word`](crate::plain_word) compares it.
    #[must_use]
    pub fn any_spelling(mut self) -> Self {
        self.any_spelling = true;
        self
    }

    /// For an `Option<...>`: required where the name of the file that the parameter `file` names does not hold one date
    /// ([`all_in_file_name`](crate::date::all_in_file_name)). The host refuses the run before it is made.
    #[must_use]
    pub fn required_unless_dated(mut self, file: &'static str) -> Self {
        self.required_unless_dated = Some(file);
        self
    }

    /// Shown in help.
    #[must_use]
    pub fn example(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    /// The value where none is given. The parameter is no longer required.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self.required = false;
        self
    }

    /// Keeps the value out of logs and the ledger.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    fn write(&self, param: &mut Object<'_>) {
        param.text("name", self.name);
        param.text("type", self.param_type.name());
        param.flag("required", self.required);
        param.text_if("required_unless_dated", self.required_unless_dated);
        if let Some(default) = &self.default {
            param.raw("default", &default.to_string());
        }
        param.texts("allowed", &self.allowed);
        param.flag("any_spelling", self.any_spelling);
        param.text("description", &self.description);
        param.text_if("example", self.example);
        param.flag("secret", self.secret);
    }
}

fn write_params(params: &[ParamSpec], work: &mut Object<'_>) {
    work.list("params", params.len(), &mut |at, it| params[at].write(it));
}

/// Left out where there is none: most work has none.
fn write_policy(policy: Option<&Policy>, work: &mut Object<'_>) {
    if let Some(policy) = policy {
        work.object("policy", |it| policy.write(it));
    }
}
