//! The plugin as a whole: its manifest, and which piece of work answers to which name.

use serde_json::Value;

use crate::error::Error;
use crate::host::Host;
use crate::manifest::{CONTRACT, CheckSpec, DatasetSpec, Folder, FormatSpec, Http, Secret, json};
use crate::work::{AnyCheck, AnyPipeline, AnySource, AnyTask, Cursor, Discovery, Finding, Page, Partition, Summary};

/// Everything a plugin offers. Made by [`plugin!`](crate::plugin!).
#[derive(Clone, Copy)]
pub struct Plugin {
    pub name: &'static str,
    pub version: &'static str,
    pub description: &'static str,
    pub datasets: &'static [fn() -> DatasetSpec],
    pub formats: &'static [fn() -> FormatSpec],
    pub pipelines: &'static [&'static dyn AnyPipeline],
    pub sources: &'static [&'static dyn AnySource],
    pub checks: &'static [&'static dyn AnyCheck],
    pub tasks: &'static [&'static dyn AnyTask],
    pub folders: &'static [Folder],
    pub http: &'static [Http],
    pub secrets: &'static [Secret],
}

impl Plugin {
    /// The manifest, as the component's `describe` returns it.
    pub fn manifest(&self) -> String {
        let checks = self.check_specs();
        json::object(|manifest| {
            manifest.text("contract", CONTRACT);
            manifest.text("name", self.name);
            manifest.text("version", self.version);
            manifest.text("description", self.description);
            manifest.list("datasets", self.datasets.len(), &mut |at, it| self.datasets[at]().write(&checks, it));
            manifest.list("formats", self.formats.len(), &mut |at, it| self.formats[at]().write(it));
            manifest.list("pipelines", self.pipelines.len(), &mut |at, it| self.pipelines[at].describe(it));
            manifest.list("sources", self.sources.len(), &mut |at, it| self.sources[at].describe(it));
            manifest.list("tasks", self.tasks.len(), &mut |at, it| self.tasks[at].describe(it));
            let (folders, http) = (self.folders.len(), self.http.len());
            manifest.list("capabilities", folders + http + self.secrets.len(), &mut |at, it| match at {
                _ if at < folders => self.folders[at].write(it),
                _ if at < folders + http => self.http[at - folders].write(it),
                _ => self.secrets[at - folders - http].write(it),
            });
        })
    }

    /// What the manifest cannot say because a list of `plugin!` lacks it; empty if nothing is wrong. The host finds
    /// everything else.
    pub fn problems(&self) -> Vec<String> {
        let datasets: Vec<&str> = self.datasets.iter().map(|spec| spec().name).collect();
        let mut found = Vec::new();
        for (check, spec) in self.check_specs() {
            for dataset in spec.datasets.iter().filter(|dataset| !datasets.contains(dataset)) {
                found.push(format!("check `{check}` judges `{dataset}`, which `plugin!` does not list"));
            }
        }
        found
    }

    fn check_specs(&self) -> Vec<(&'static str, CheckSpec)> {
        self.checks.iter().map(|check| (check.name(), check.spec_any())).collect()
    }

    pub fn run(&self, name: &str, host: &Host) -> Result<Summary, Error> {
        self.named("pipeline", name, self.pipelines, |it| it.name())?.run_any(host)
    }

    pub fn discover(&self, name: &str, since: Option<Cursor>, host: &Host) -> Result<Discovery, Error> {
        self.named("source", name, self.sources, |it| it.name())?.discover_any(since, host)
    }

    pub fn fetch(&self, name: &str, partition: &Partition, cursor: Option<Cursor>, host: &Host) -> Result<Page, Error> {
        self.named("source", name, self.sources, |it| it.name())?.fetch_any(partition, cursor, host)
    }

    /// Runs a check; the text is the category of its findings.
    pub fn check(&self, name: &str, dataset: &str, host: &Host) -> Result<(&'static str, Vec<Finding>), Error> {
        let check = self.named("check", name, self.checks, |it| it.name())?;
        Ok((check.category().name(), check.check_any(dataset, host)?))
    }

    pub fn call(&self, name: &str, input: &str, host: &Host) -> Result<Value, Error> {
        self.named("task", name, self.tasks, |it| it.name())?.call_any(input, host)
    }

    fn named<T: Copy>(&self, what: &str, name: &str, all: &[T], name_of: fn(&T) -> &'static str) -> Result<T, Error> {
        all.iter()
            .find(|work| name_of(work) == name)
            .copied()
            .ok_or_else(|| Error::config("unknown_name", format!("plugin `{}` has no {what} `{name}`", self.name)))
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}

/// Declares the plugin: once in a crate, at its root.
///
/// Makes `pub static PLUGIN`, `pub fn manifest() -> String`, and on wasm the exports of the component. Datasets and
/// formats are types; work is constant values, so that one struct with fields may serve several names. Every list may
/// be left out; the order is fixed.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// # dataset! { struct Quotes = "demo.quotes" { day: Date, symbol: Utf8 } key [symbol] partition_by [day] }
/// # file_format! { struct Psv = "psv" { symbol: Utf8 } delimited { delimiter: '|' } }
/// # #[derive(Debug)] struct Echo;
/// # impl Task for Echo {
/// #     const NAME: &'static str = "demo.echo";
/// #     type Params = NoParams;
/// #     fn spec() -> TaskSpec { TaskSpec::new("Answers.") }
/// #     fn call(&self, _: NoParams, _: &Host) -> Result<Json, Error> { Ok(json!({})) }
/// # }
/// spine_sdk::plugin! {
///     name: "demo",
///     version: env!("CARGO_PKG_VERSION"),
///     description: "Shows what a plugin is.",
///     datasets: [Quotes],
///     formats: [Psv],
///     tasks: [Echo],
///     folders: [Folder::optional("drop", "Files to pick up.")],
///     http: [Http::required("api", "https://api.example.com", "Quotes.")],
///     secrets: [Secret::optional("api_key", "For more than 10 requests a day.")],
/// }
///
/// # fn main() {
/// assert!(manifest().contains(r#""name":"demo.quotes""#));
/// assert!(PLUGIN.problems().is_empty());
/// # }
/// ```
#[macro_export]
macro_rules! plugin {
    (
        name: $name:expr,
        version: $version:expr
        $(, description: $description:expr)?
        $(, datasets: [ $($dataset:ty),* $(,)? ])?
        $(, formats: [ $($format:ty),* $(,)? ])?
        $(, pipelines: [ $($pipeline:expr),* $(,)? ])?
        $(, sources: [ $($source:expr),* $(,)? ])?
        $(, checks: [ $($check:expr),* $(,)? ])?
        $(, tasks: [ $($task:expr),* $(,)? ])?
        $(, folders: [ $($folder:expr),* $(,)? ])?
        $(, http: [ $($http:expr),* $(,)? ])?
        $(, secrets: [ $($secret:expr),* $(,)? ])?
        $(,)?
    ) => {
        /// What this plugin offers.
        pub static PLUGIN: $crate::Plugin = $crate::Plugin {
            name: $name,
            version: $version,
            description: $crate::__or!($($description)?, ""),
            datasets: &[$($(<$dataset as $crate::Dataset>::spec),*)?],
            formats: &[$($(<$format as $crate::Format>::spec),*)?],
            pipelines: &[$($(&$pipeline),*)?],
            sources: &[$($(&$source),*)?],
            checks: &[$($(&$check),*)?],
            tasks: &[$($(&$task),*)?],
            folders: &[$($($folder),*)?],
            http: &[$($($http),*)?],
            secrets: &[$($($secret),*)?],
        };

        /// The manifest of this plugin: a JSON document.
        pub fn manifest() -> ::std::string::String {
            PLUGIN.manifest()
        }

        $crate::__export!(PLUGIN);
    };
}

#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ident) => {};
}

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ident) => {
        struct __Component;

        impl $crate::guest::Exported for __Component {
            fn plugin() -> &'static $crate::Plugin {
                &$plugin
            }
        }

        $crate::guest::bindings::export!(__Component with_types_in $crate::guest::bindings);
    };
}
