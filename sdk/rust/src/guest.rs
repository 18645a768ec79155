//! The component's side of the contract: exports that dispatch to a [`Plugin`], imports behind the SDK's own types.
//!
//! Only on wasm, and the only module that knows the generated bindings.

mod convert;
mod imports;

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "domain",
        pub_export_macro: true,
    });
}

use bindings::exports::spine::plugin::{pipeline, plugin, quality, source, task};
use bindings::spine::plugin::host::Error as HostError;

use crate::host::Host;
use crate::plugin::Plugin;
use crate::work::{Cursor, Partition};

/// A component that exports a plugin; [`plugin!`](crate::plugin!) makes one.
pub trait Exported {
    fn plugin() -> &'static Plugin;
}

fn host() -> Host {
    Host::new(Box::new(imports::Imports))
}

impl<T: Exported> plugin::Guest for T {
    fn describe() -> Result<String, String> {
        let problems = T::plugin().problems();
        if problems.is_empty() { Ok(T::plugin().manifest()) } else { Err(problems.join("; ")) }
    }
}

impl<T: Exported> pipeline::Guest for T {
    fn run(pipeline: String) -> Result<String, HostError> {
        let summary = T::plugin().run(&pipeline, &host())?;
        Ok(summary.to_string())
    }
}

impl<T: Exported> source::Guest for T {
    fn discover(source: String, since: Option<Vec<u8>>) -> Result<source::Discovery, HostError> {
        let discovery = T::plugin().discover(&source, since.map(Cursor), &host())?;
        Ok(discovery.into())
    }

    fn fetch(source: String, partition: source::Partition, cursor: Option<Vec<u8>>) -> Result<source::Page, HostError> {
        let partition = Partition { key: partition.key, version: partition.version, details: partition.details };
        let page = T::plugin().fetch(&source, &partition, cursor.map(Cursor), &host())?;
        Ok(page.into())
    }
}

impl<T: Exported> quality::Guest for T {
    fn check(check: String, dataset: String) -> Result<Vec<quality::Finding>, HostError> {
        let (category, findings) = T::plugin().check(&check, &dataset, &host())?;
        Ok(findings.into_iter().map(|finding| convert::finding(category, finding)).collect())
    }
}

impl<T: Exported> task::Guest for T {
    fn call(task: String, input: String) -> Result<String, HostError> {
        let answer = T::plugin().call(&task, &input, &host())?;
        Ok(answer.to_string())
    }
}
