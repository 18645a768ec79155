//! What a component says about itself in its import and export names, read before anything is linked.
//!
//! Wasmtime links any 0.1.x by semantic versioning and names one missing thing at a time. A plugin's author needs all of
//! them, and which side is the old one.

use model::manifest::CONTRACT;
use model::plugin::Finding;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::linking::wasi;

/// The package of the contract.
const PACKAGE: &str = "spine:plugin";

/// What the contract's host side offers, by interface. A test holds these lists against `wit/`.
const OFFERED: [(&str, &[&str]); 3] = [
    (
        "host",
        &[
            "run-id", "attempt", "params", "now-us", "input", "open", "output", "files", "save", "reject", "report",
            "stage", "progress", "log", "metric", "secret",
        ],
    ),
    ("http", &["fetch"]),
    (
        "tables",
        &[
            "[method]batch.schema",
            "[method]batch.num-rows",
            "[method]batch.columns",
            "[method]batch.select",
            "[method]batch.filter",
            "[method]batch.take",
            "[method]batch.with-column",
            "[method]batch.keep",
            "[method]batch.release",
            "[method]reader.schema",
            "[method]reader.info",
            "[method]reader.next",
            "[method]writer.write",
            "[method]writer.write-batch",
            "[method]writer.declare",
            "[method]blob.size",
            "[method]blob.read",
        ],
    ),
];

/// `package/interface@version`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InterfaceName<'a> {
    package: &'a str,
    interface: &'a str,
    version: Option<&'a str>,
}

impl<'a> InterfaceName<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = match name.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (name, None),
        };
        let (package, interface) = path.split_once('/')?;
        Some(Self { package, interface, version })
    }

    /// Whether this is an interface of a contract that this host speaks.
    fn is_compatible(&self) -> bool {
        let minor = |version: &'a str| version.rsplit_once('.').map(|(minor, _)| minor);
        self.version.is_some_and(|version| minor(version).is_some() && minor(version) == minor(CONTRACT))
    }
}

/// Everything in the names of `component` that keeps it from running here.
pub(crate) fn findings(engine: &Engine, component: &Component) -> Vec<Finding> {
    let mut findings = Vec::new();
    let component_type = component.component_type();
    for (name, import) in component_type.imports(engine) {
        check_import(&mut findings, engine, name, &import.ty);
    }
    let exports: Vec<&str> = component_type.exports(engine).map(|(name, _)| name).collect();
    check_exports(&mut findings, &exports);
    findings
}

fn check_import(findings: &mut Vec<Finding>, engine: &Engine, name: &str, item: &ComponentItem) {
    let Some(interface) = InterfaceName::parse(name) else {
        findings.push(unknown_import(name));
        return;
    };
    if wasi::is_wasi(name) {
        return;
    }
    if interface.package != PACKAGE {
        findings.push(unknown_import(name));
        return;
    }
    if !interface.is_compatible() {
        findings.push(wrong_contract("imports", name));
        return;
    }
    let Some((_, offered)) = OFFERED.iter().find(|(offered, _)| *offered == interface.interface) else {
        findings.push(newer_import(name));
        return;
    };
    if let ComponentItem::ComponentInstance(instance) = item {
        let functions = instance.exports(engine).filter(|(_, it)| matches!(it.ty, ComponentItem::ComponentFunc(_)));
        for (function, _) in functions.filter(|(function, _)| !offered.contains(function)) {
            findings.push(newer_import(&format!("{name}#{function}")));
        }
    }
}

fn check_exports(findings: &mut Vec<Finding>, exports: &[&str]) {
    let mut has_manifest = false;
    for name in exports {
        let Some(interface) = InterfaceName::parse(name).filter(|it| it.package == PACKAGE) else { continue };
        has_manifest |= interface.interface == "plugin";
        if !interface.is_compatible() {
            findings.push(wrong_contract("exports", name));
        }
    }
    if !has_manifest {
        findings.push(Finding::error(
            "missing_export",
            format!("the component does not export `{PACKAGE}/plugin@{CONTRACT}`, so it cannot say what it offers"),
            "build it with a plugin SDK, or export the interface `plugin` of the contract",
        ));
    }
}

fn unknown_import(name: &str) -> Finding {
    Finding::error(
        "unknown_import",
        format!("the component imports `{name}`, which this host does not offer"),
        format!("a plugin may import `{PACKAGE}` and WASI only: remove the dependency that needs it"),
    )
}

fn newer_import(name: &str) -> Finding {
    Finding::error(
        "unknown_import",
        format!("the component imports `{name}`, which the contract of this host ({PACKAGE}@{CONTRACT}) does not have"),
        format!("use a newer host, or rebuild the plugin against {PACKAGE}@{CONTRACT}"),
    )
}

fn wrong_contract(verb: &str, name: &str) -> Finding {
    Finding::error(
        "contract_version",
        format!("the component {verb} `{name}`; this host speaks `{PACKAGE}@{CONTRACT}`"),
        format!("rebuild the plugin against {PACKAGE}@{CONTRACT}, or use a host that speaks the plugin's contract"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The functions of a WIT text as components name them, by interface.
    fn functions(wit: &str) -> Vec<(String, String)> {
        let (mut interface, mut resource) = (String::new(), None::<String>);
        let mut found = Vec::new();
        for line in wit.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("interface ") {
                interface = name.trim_end_matches(" {").to_owned();
            } else if let Some(name) = line.strip_prefix("resource ") {
                resource = Some(name.trim_end_matches(" {").to_owned());
            } else if line == "}" {
                resource = None;
            } else if let Some((name, _)) = line.split_once(": func(") {
                let name = resource.as_ref().map_or(name.to_owned(), |resource| format!("[method]{resource}.{name}"));
                found.push((interface.clone(), name));
            }
        }
        found
    }

    #[test]
    fn the_lists_of_offered_functions_are_those_of_the_contract() {
        let wit = [
            include_str!("../../../wit/host.wit"),
            include_str!("../../../wit/http.wit"),
            include_str!("../../../wit/tables.wit"),
        ];
        let mut written: Vec<_> = wit.into_iter().flat_map(functions).collect();
        let listed = |(interface, names): &(&str, &[&str])| {
            names.iter().map(|name| ((*interface).to_owned(), (*name).to_owned())).collect::<Vec<_>>()
        };
        let mut listed: Vec<_> = OFFERED.iter().flat_map(listed).collect();
        written.sort();
        listed.sort();
        assert_eq!(written, listed);
    }

    #[test]
    fn the_patch_version_alone_may_differ() {
        let compatible = |name| InterfaceName::parse(name).is_some_and(|it| it.is_compatible());
        assert!(compatible("spine:plugin/host@0.1.0") && compatible("spine:plugin/host@0.1.7"));
        assert!(!compatible("spine:plugin/host@0.2.0") && !compatible("spine:plugin/host@1.1.0"));
        assert!(!compatible("spine:plugin/host") && !compatible("spine:plugin/host@0"));
    }
}
