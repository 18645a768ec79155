//! A component that passed every check: bound to the host, ready to be instantiated.

use std::sync::Arc;

use model::{Digest, Manifest};
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Result, Store};

use crate::attempt::HostState;
use crate::bindings::{pipeline, plugin, quality, source, task};

/// One version of a plugin.
pub(crate) struct Plugin {
    pub(crate) digest: Digest,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) component: Linked,
}

/// A component whose imports are bound and whose exports were found.
#[derive(Clone)]
pub(crate) struct Linked {
    pre: InstancePre<HostState>,
    pub(crate) exports: Exports,
}

/// Where the interfaces are that the component exports. Only `plugin` is a must.
#[derive(Clone)]
pub(crate) struct Exports {
    pub(crate) plugin: plugin::GuestIndices,
    pub(crate) source: Option<source::GuestIndices>,
    pub(crate) pipeline: Option<pipeline::GuestIndices>,
    pub(crate) quality: Option<quality::GuestIndices>,
    pub(crate) task: Option<task::GuestIndices>,
}

impl Linked {
    /// Looks up the exports by name. The errors are sentences about an interface that lacks a function, all of them.
    pub(crate) fn new(pre: InstancePre<HostState>) -> std::result::Result<Self, Vec<String>> {
        let mut missing = Vec::new();
        let exported = |interface: &str| {
            let name = format!("spine:plugin/{interface}@{}", model::manifest::CONTRACT);
            pre.component().get_export_index(None, &*name).is_some()
        };
        let plugin = plugin::GuestIndices::new(&pre).map_err(|error| missing.push(format!("{error:#}"))).ok();
        let source = exported("source").then(|| source::GuestIndices::new(&pre));
        let pipeline = exported("pipeline").then(|| pipeline::GuestIndices::new(&pre));
        let quality = exported("quality").then(|| quality::GuestIndices::new(&pre));
        let task = exported("task").then(|| task::GuestIndices::new(&pre));
        let source = keep(source, &mut missing);
        let pipeline = keep(pipeline, &mut missing);
        let quality = keep(quality, &mut missing);
        let task = keep(task, &mut missing);
        match plugin {
            Some(plugin) if missing.is_empty() => {
                Ok(Self { pre, exports: Exports { plugin, source, pipeline, quality, task } })
            }
            _ => Err(missing),
        }
    }

    /// Makes an instance in `store`.
    pub(crate) async fn instantiate(&self, store: &mut Store<HostState>) -> Result<Instance> {
        self.pre.instantiate_async(store).await
    }
}

impl Exports {
    /// Checks the types of all exports on an instance. The errors name a function each.
    pub(crate) fn check_types(&self, store: &mut Store<HostState>, instance: &Instance) -> Vec<String> {
        let checks = [
            ("plugin", self.plugin.load(&mut *store, instance).err()),
            ("source", self.source.as_ref().and_then(|it| it.load(&mut *store, instance).err())),
            ("pipeline", self.pipeline.as_ref().and_then(|it| it.load(&mut *store, instance).err())),
            ("quality", self.quality.as_ref().and_then(|it| it.load(&mut *store, instance).err())),
            ("task", self.task.as_ref().and_then(|it| it.load(&mut *store, instance).err())),
        ];
        checks
            .into_iter()
            .filter_map(|(interface, error)| Some(format!("interface `{interface}`: {:#}", error?)))
            .collect()
    }
}

fn keep<T>(export: Option<Result<T>>, missing: &mut Vec<String>) -> Option<T> {
    match export? {
        Ok(export) => Some(export),
        Err(error) => {
            missing.push(format!("{error:#}"));
            None
        }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.manifest.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}
