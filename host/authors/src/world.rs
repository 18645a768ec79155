//! The world of one component: exports exactly what its manifest offers, so that no author stubs an export.

use model::Manifest;
use model::manifest::CheckedBy;

/// The name of the world in [`text`].
pub(crate) const WORLD: &str = "made";

/// The world that fits a manifest; `package` is the line with which the contract begins.
pub(crate) fn text(manifest: &Manifest, package: &str) -> String {
    let judges = manifest.datasets.iter().flat_map(|it| &it.checks).any(|check| check.by == CheckedBy::Plugin);
    let exports = [
        ("plugin", true),
        ("source", !manifest.sources.is_empty()),
        ("pipeline", !manifest.pipelines.is_empty()),
        ("quality", judges),
        ("task", !manifest.tasks.is_empty()),
    ];
    let exports = exports.into_iter().filter(|(_, offered)| *offered);
    let exports: String = exports.map(|(interface, _)| format!("    export {interface};\n")).collect();
    format!(
        "{package}\n\n/// Made from the manifest of `{}`.\nworld {WORLD} {{\n    import tables;\n    \
         import host;\n    import http;\n{exports}}}\n",
        manifest.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_exports_what_the_manifest_offers_and_no_more() {
        let manifest = Manifest::parse(
            r#"{"contract": "0.1.0", "name": "p", "version": "1", "pipelines": [{"name": "p.one", "outputs": []}],
            "datasets": [{"name": "p.d", "columns": [], "key": [], "partition_by": [], "checks": [
                {"name": "unique_key", "category": "INTEGRITY", "severity": "block", "by": "host"}]}]}"#,
        );
        let world = text(&manifest.unwrap(), "package spine:plugin@0.1.1;");
        assert!(world.contains("export plugin;\n    export pipeline;\n}"), "{world}");
        assert!(world.starts_with("package spine:plugin@0.1.1;\n"), "{world}");
    }
}
