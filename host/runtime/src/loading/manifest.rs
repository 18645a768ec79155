//! Reads the manifest a component returned and holds it against what the component exports.

use model::Manifest;
use model::manifest::{CONTRACT, CheckedBy};
use model::plugin::Finding;

use super::form::{self, Form};
use crate::plugin::Exports;

/// Longest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: usize = 4 << 20;

const HINT: &str = "the manifest's form is `wit/manifest.schema.json`; an SDK writes it from the plugin's code";

/// The manifest, as far as it can be read, and everything that is wrong with it.
pub(super) fn read(json: &str, exports: &Exports) -> (Option<Manifest>, Vec<Finding>) {
    if json.len() > MANIFEST_BYTES_MAX {
        let message = format!("the manifest has {} bytes, more than {MANIFEST_BYTES_MAX}", json.len());
        return (None, vec![Finding::error("bad_manifest", message, HINT)]);
    }
    // A manifest of another contract may have another form, so its version is read first and by itself.
    if let Some(finding) = other_contract(json) {
        return (None, vec![finding]);
    }
    let bad = |problem: String| Finding::error("bad_manifest", problem, HINT);
    let Form { wrong, unknown_keys } = form::look_at(json);
    match Manifest::parse(json) {
        Ok(manifest) => {
            let mut findings: Vec<_> = manifest.problems().into_iter().map(bad).collect();
            findings.extend(missing_exports(&manifest, &Offered::of(exports)));
            findings.extend(unknown_keys);
            (Some(manifest), findings)
        }
        Err(error) => {
            let wrong = if wrong.is_empty() { vec![error] } else { wrong };
            (None, wrong.into_iter().map(bad).chain(unknown_keys).collect())
        }
    }
}

fn other_contract(json: &str) -> Option<Finding> {
    #[derive(serde::Deserialize)]
    struct Version {
        contract: String,
    }
    let Version { contract } = serde_json::from_str(json).ok()?;
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    (minor(&contract) != minor(CONTRACT)).then(|| {
        Finding::error(
            "contract_version",
            format!("the manifest is of contract {contract}; this host speaks {CONTRACT}"),
            format!("rebuild the plugin against {CONTRACT}, or use a host that speaks {contract}"),
        )
    })
}

/// Which of the optional interfaces are there.
#[derive(Clone, Copy, Debug)]
struct Offered {
    source: bool,
    pipeline: bool,
    quality: bool,
    task: bool,
}

impl Offered {
    fn of(exports: &Exports) -> Self {
        Self {
            source: exports.source.is_some(),
            pipeline: exports.pipeline.is_some(),
            quality: exports.quality.is_some(),
            task: exports.task.is_some(),
        }
    }
}

fn missing_exports(manifest: &Manifest, offered: &Offered) -> Vec<Finding> {
    let checks = manifest.datasets.iter().flat_map(|dataset| {
        let checks = dataset.checks.iter().filter(|check| check.by == CheckedBy::Plugin);
        checks.map(move |check| format!("{} of {}", check.name, dataset.name))
    });
    let declared: [(&str, bool, Vec<String>); 4] = [
        ("source", offered.source, manifest.sources.iter().map(|it| it.name.clone()).collect()),
        ("pipeline", offered.pipeline, manifest.pipelines.iter().map(|it| it.name.clone()).collect()),
        ("quality", offered.quality, checks.collect()),
        ("task", offered.task, manifest.tasks.iter().map(|it| it.name.clone()).collect()),
    ];
    let missing = declared.into_iter().filter(|(_, there, names)| !there && !names.is_empty());
    missing
        .map(|(interface, _, names)| {
            Finding::error(
                "missing_export",
                format!(
                    "the manifest declares {}, but the component does not export `spine:plugin/{interface}@{CONTRACT}`",
                    names.join(", ")
                ),
                format!("export the interface `{interface}`, or take the declaration out of the manifest"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Offered = Offered { source: false, pipeline: false, quality: false, task: false };

    #[test]
    fn what_is_declared_must_be_exported() {
        let json = r#"{"contract": "0.1.0", "name": "p", "version": "1",
            "datasets": [{"name": "p.d", "columns": [], "key": [], "partition_by": [], "checks": [
                {"name": "by_plugin", "category": "INTEGRITY", "severity": "block"},
                {"name": "unique_key", "category": "INTEGRITY", "severity": "block", "by": "host"}]}],
            "pipelines": [{"name": "p.one", "outputs": []}, {"name": "p.two", "outputs": []}],
            "tasks": [{"name": "p.t"}]}"#;
        let manifest = Manifest::parse(json).unwrap();
        let messages = |offered| {
            missing_exports(&manifest, &offered).into_iter().map(|finding| finding.message).collect::<Vec<_>>()
        };
        let all = messages(NONE);
        assert_eq!(all.len(), 3);
        assert!(all[0].contains("p.one, p.two") && all[0].contains("spine:plugin/pipeline@0.1.1"));
        assert!(all[1].contains("by_plugin of p.d") && !all[1].contains("unique_key"));
        assert!(messages(Offered { pipeline: true, quality: true, task: true, ..NONE }).is_empty());
    }

    #[test]
    fn a_manifest_of_another_contract_is_told_by_its_version() {
        assert!(other_contract(r#"{"contract": "0.1.9"}"#).is_none());
        let finding = other_contract(r#"{"contract": "0.2.0", "datasets": 7}"#).unwrap();
        assert_eq!(finding.code, "contract_version");
        assert!(finding.message.contains("0.2.0") && finding.message.contains("0.1.1"));
    }
}
