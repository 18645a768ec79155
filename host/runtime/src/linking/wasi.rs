//! Which WASI is offered, and what stands in for the rest.
//!
//! Builds of interpreters import more of WASI than they use, the part of `wasi:http` for servers above all. They must load, so every interface
//! of `wasi:*` that is not offered is linked to functions that refuse, naming themselves.

use std::fmt;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime::{Engine, Result};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError, bindings};

use crate::attempt::HostState;
use crate::capabilities::wasi_http::{TYPES, is_of_servers};

/// The interfaces of WASI 0.2 that are there; most of them have nothing behind them.
const OFFERED: [&str; 29] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// A call to something of WASI that this host does not carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) function: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not granted: plugins reach nothing but what `spine:plugin/host` offers", self.function)
    }
}

impl std::error::Error for Denied {}

/// Whether an import of this name is linked whatever it is.
pub(crate) fn is_wasi(name: &str) -> bool {
    name.starts_with("wasi:")
}

fn is_offered(name: &str) -> bool {
    name.split_once('@').is_some_and(|(interface, version)| version.starts_with("0.2.") && OFFERED.contains(&interface))
}

/// The `wasi:*` imports of one component that need a stand-in.
pub(super) struct Foreign {
    imports: Vec<(String, ComponentItem)>,
    /// What it takes of an offered interface beyond what is offered of it.
    of_servers: Vec<(String, ComponentItem)>,
    /// Resources of offered interfaces, as the component numbers them and as the host knows them: `wasi:http` hands out
    /// streams of `wasi:io`.
    shared: Vec<(ResourceType, ResourceType)>,
}

impl Foreign {
    /// Finds what `component` imports beyond the offered interfaces.
    pub(super) fn of(engine: &Engine, component: &Component) -> Self {
        let component_type = component.component_type();
        let (mut imports, mut shared, mut of_servers) = (Vec::new(), Vec::new(), Vec::new());
        for (name, import) in component_type.imports(engine).filter(|(name, _)| is_wasi(name)) {
            if !is_offered(name) {
                imports.push((name.to_owned(), import.ty));
            } else if let ComponentItem::ComponentInstance(instance) = &import.ty {
                if name.starts_with("wasi:http/types@") {
                    let members = instance.exports(engine).filter(|(member, _)| is_of_servers(member));
                    of_servers.extend(members.map(|(member, item)| (member.to_owned(), item.ty)));
                }
                shared.extend(instance.exports(engine).filter_map(|(resource, item)| match item.ty {
                    ComponentItem::Resource(theirs) => Some((theirs, host_resource(resource)?)),
                    _ => None,
                }));
            }
        }
        Self { imports, of_servers, shared }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.imports.is_empty() && self.of_servers.is_empty()
    }

    fn resource(&self, theirs: ResourceType) -> ResourceType {
        let shared = self.shared.iter().find(|(shared, _)| *shared == theirs);
        shared.map_or_else(ResourceType::host::<Denied>, |(_, ours)| *ours)
    }
}

/// The host's type of a resource that other interfaces of WASI pass on.
fn host_resource(name: &str) -> Option<ResourceType> {
    Some(match name {
        "error" => ResourceType::host::<IoError>(),
        "pollable" => ResourceType::host::<DynPollable>(),
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "descriptor" => ResourceType::host::<bindings::filesystem::types::Descriptor>(),
        "network" => ResourceType::host::<bindings::sockets::network::Network>(),
        _ => return None,
    })
}

/// Links each of `foreign` to functions that refuse.
pub(super) fn deny(linker: &mut Linker<HostState>, foreign: &Foreign) -> Result<()> {
    let engine = linker.engine().clone();
    for (member, item) in &foreign.of_servers {
        deny_item(&mut linker.instance(TYPES)?, foreign, member, &format!("{TYPES}#{member}"), item)?;
    }
    for (name, item) in &foreign.imports {
        match item {
            ComponentItem::ComponentInstance(instance) => {
                let mut stand_in = linker.instance(name)?;
                for (member, item) in instance.exports(&engine) {
                    deny_item(&mut stand_in, foreign, member, &format!("{name}#{member}"), &item.ty)?;
                }
            }
            other => deny_item(&mut linker.root(), foreign, name, name, other)?,
        }
    }
    Ok(())
}

fn deny_item(
    linker: &mut LinkerInstance<'_, HostState>,
    foreign: &Foreign,
    member: &str,
    full_name: &str,
    item: &ComponentItem,
) -> Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let denied = Denied { function: full_name.to_owned() };
            linker.func_new(member, move |_, _, _, _| Err(denied.clone().into()))
        }
        ComponentItem::Resource(resource) => linker.resource(member, foreign.resource(*resource), |_, _| Ok(())),
        // Types need no definition. Modules and components as imports stay missing and are reported by the linker.
        ComponentItem::Type(_)
        | ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::ComponentInstance(_) => Ok(()),
    }
}
