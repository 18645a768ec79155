//! Whether the entries of `spine.toml` name what the plugins offer.
//!
//! An entry that fits nothing would have no effect, and a severity without effect publishes what the operator wanted to
//! see blocked. So an entry for a plugin that was found must name one of its datasets or checks, or what it can run. A
//! grant that nobody asks for is only told: it lets nobody do anything, and a new version that asks for less must not
//! keep the host from starting. So is an entry for a plugin that was not found: its file may be dropped in later. Keys are
//! checked where the file is read.

use std::sync::Arc;

use model::failure::Failure;
use model::manifest::{CapabilityKind, CapabilitySpec, HOST_CHECKS, REJECTS_KEPT};
use model::{DatasetName, Manifest, suggestion};

use super::{Config, PluginConfig, bad_config};

impl Config {
    /// Compares every entry with the manifests that were found, those of refused plugins too. Returns what may be a
    /// mistake.
    ///
    /// # Errors
    ///
    /// `bad_config` (exit code 2) with every entry that names nothing, and the nearest name.
    pub(crate) fn check_names(&self, found: &[Arc<Manifest>]) -> Result<Vec<String>, Failure> {
        let mut names = Names { found, problems: Vec::new(), warnings: Vec::new() };
        self.plugins.iter().for_each(|(name, plugin)| names.plugin(name, plugin));
        self.policy.keys().for_each(|name| names.policy(name));
        self.severities.keys().for_each(|(dataset, check)| names.severity(dataset, check));
        let Names { problems, warnings, .. } = names;
        let file = self.file.as_deref().map_or_else(|| "spine.toml".into(), |file| file.to_string_lossy());
        if problems.is_empty() {
            return Ok(warnings.into_iter().map(|warning| format!("in `{file}`: {warning}")).collect());
        }
        Err(bad_config(&format!("in `{file}`: {}", problems.join("; "))))
    }
}

struct Names<'a> {
    found: &'a [Arc<Manifest>],
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl<'a> Names<'a> {
    fn plugin(&mut self, name: &str, plugin: &PluginConfig) {
        let manifests = self.manifests(name);
        if manifests.is_empty() {
            return self.not_found(&format!("plugins.{name}"), name);
        }
        let asked: Vec<&CapabilitySpec> = manifests.iter().flat_map(|manifest| &manifest.capabilities).collect();
        let place = format!("plugins.{name}.grants");
        self.named(name, &place, "folder", plugin.grants.folders.keys(), &asked);
        self.named(name, &place, "secret", plugin.grants.secrets.keys(), &asked);
        let addresses = || {
            asked.iter().filter_map(|asked| match &asked.kind {
                CapabilityKind::Http { address, .. } => Some(address),
                CapabilityKind::Folder { .. } | CapabilityKind::Secret => None,
            })
        };
        for (at, grant) in plugin.grants.http.iter().enumerate() {
            if !addresses().any(|asked| asked.meets(&grant.address)) {
                let known: Vec<String> = addresses().map(ToString::to_string).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let hint = suggestion(&grant.address.to_string(), &known);
                let asks = format!("the plugin `{name}` does not ask for `{}`", grant.address);
                self.warnings.push(format!("`{place}.http[{at}].host` has no effect: {asks}{hint}"));
            }
        }
    }

    /// Grants that go by the plugin's own word.
    fn named<'n>(
        &mut self,
        plugin: &str,
        place: &str,
        kind: &str,
        granted: impl Iterator<Item = &'n String>,
        asked: &[&CapabilitySpec],
    ) {
        let asked = asked.iter().filter(|asked| asked.kind.name() == kind).map(|asked| asked.name.as_str());
        let asked: Vec<&str> = asked.collect();
        for name in granted.filter(|name| !asked.contains(&name.as_str())) {
            let hint = suggestion(name, &asked);
            let asks = format!("the plugin `{plugin}` asks for no {kind} of this name");
            self.warnings.push(format!("`{place}.{kind}s.{name}` has no effect: {asks}{hint}"));
        }
    }

    fn policy(&mut self, name: &str) {
        let place = format!("policy.\"{name}\"");
        let plugin = name.split_once('.').map_or(name, |(plugin, _)| plugin);
        let manifests = self.manifests(plugin);
        if manifests.is_empty() {
            return self.not_found(&place, plugin);
        }
        let pipelines = manifests.iter().flat_map(|it| &it.pipelines).map(|it| it.name.as_str());
        let sources = manifests.iter().flat_map(|it| &it.sources).map(|it| it.name.as_str());
        let tasks = manifests.iter().flat_map(|it| &it.tasks).map(|it| it.name.as_str());
        let known: Vec<&str> = pipelines.chain(sources).chain(tasks).collect();
        if !known.contains(&name) {
            let hint = suggestion(name, &known);
            let offers = "has no pipeline, source or task of this name";
            self.problems.push(format!("`{place}`: the plugin `{plugin}` {offers}{hint}"));
        }
    }

    fn severity(&mut self, dataset: &DatasetName, check: &str) {
        let (plugin, place) = (dataset.domain(), format!("quality.\"{dataset}\""));
        let manifests = self.manifests(plugin);
        if manifests.is_empty() {
            return self.not_found(&format!("{place}.{check}"), plugin);
        }
        let specs: Vec<_> = manifests.iter().filter_map(|manifest| manifest.dataset(dataset)).collect();
        if specs.is_empty() {
            let known: Vec<String> =
                manifests.iter().flat_map(|manifest| &manifest.datasets).map(|spec| spec.name.to_string()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let hint = suggestion(&dataset.to_string(), &known);
            self.problems.push(format!("`{place}`: the plugin `{plugin}` has no dataset of this name{hint}"));
            return;
        }
        let declared = specs.iter().flat_map(|spec| &spec.checks).map(|check| check.name.as_str());
        let mut known: Vec<&str> = declared.chain(HOST_CHECKS).chain([REJECTS_KEPT]).collect();
        if !known.contains(&check) {
            known.sort_unstable();
            known.dedup();
            let hint = suggestion(check, &known);
            self.problems.push(format!("`{place}.{check}`: the dataset has no check of this name{hint}"));
        }
    }

    /// All that were found under a name: of two files with one name nobody knows yet which will be active.
    fn manifests(&self, name: &str) -> Vec<&'a Manifest> {
        self.found.iter().filter(|manifest| manifest.name == name).map(|manifest| &**manifest).collect()
    }

    fn not_found(&mut self, place: &str, plugin: &str) {
        let known: Vec<&str> = self.found.iter().map(|manifest| manifest.name.as_str()).collect();
        let hint = suggestion(plugin, &known);
        self.warnings.push(format!("`{place}` has no effect: no plugin `{plugin}` was found{hint}"));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn found() -> [Arc<Manifest>; 1] {
        let manifest = r#"{"contract": "0.1.0", "name": "finra", "version": "1",
            "capabilities": [{"kind": "folder", "name": "drop"}, {"kind": "secret", "name": "api_key"},
              {"kind": "http", "name": "cdn", "address": "*.finra.org"}],
            "pipelines": [{"name": "finra.daily", "outputs": []}], "tasks": [{"name": "finra.count"}],
            "datasets": [{"name": "finra.regsho_daily", "columns": [], "key": [], "partition_by": [],
              "checks": [{"name": "row_count_band", "category": "COMPLETENESS", "severity": "warn"}]}]}"#;
        [Arc::new(Manifest::parse(manifest).unwrap())]
    }

    fn checked(text: &str) -> Result<Vec<String>, Failure> {
        let config = Config { file: Some("etc/spine.toml".into()), ..Config::parse(text, Path::new("")).unwrap() };
        config.check_names(&found())
    }

    #[test]
    fn entries_that_name_what_a_plugin_offers_are_fine() {
        let text = r#"
            [plugins.finra.grants]
            folders = { drop = "inbox" }
            http = [{ host = "cdn.finra.org" }, { host = "*" }]
            secrets = { api_key = { env = "KEY" } }
            [policy."finra.daily"]
            [policy."finra.count"]
            [quality."finra.regsho_daily".row_count_band]
            severity = "block"
            [quality."finra.regsho_daily".trailer_count]
            severity = "warn"
            [quality."finra.regsho_daily".rejects_kept]
            severity = "block"
            "#;
        assert_eq!(checked(text), Ok(Vec::new()));
    }

    #[test]
    fn entries_that_name_nothing_are_errors_with_the_nearest_name_all_at_once() {
        let failure = checked(
            r#"
            [policy."finra.dayly"]
            [quality."finra.regsho_dayly".row_count_band]
            severity = "block"
            [quality."finra.regsho_daily".row_count_bnad]
            severity = "block"
            "#,
        )
        .unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_config", 2));
        for expected in [
            "in `etc/spine.toml`",
            "`policy.\"finra.dayly\"`: the plugin `finra` has no pipeline, source or task of this name, did you mean \
             `finra.daily`?",
            "`quality.\"finra.regsho_dayly\"`: the plugin `finra` has no dataset of this name, did you mean \
             `finra.regsho_daily`?",
            "`quality.\"finra.regsho_daily\".row_count_bnad`: the dataset has no check of this name, did you mean \
             `row_count_band`?",
        ] {
            assert!(failure.message.contains(expected), "{expected} is not in {}", failure.message);
        }
    }

    #[test]
    fn grants_that_nobody_asks_for_are_told_with_the_nearest_name() {
        let warnings = checked(
            r#"
            [plugins.finra.grants]
            folders = { dorp = "inbox", api_key = "inbox" }
            http = [{ host = "cdn.fimra.org" }]
            secrets = { apikey = { env = "KEY" } }
            "#,
        )
        .unwrap();
        for expected in [
            "`plugins.finra.grants.folders.dorp` has no effect: the plugin `finra` asks for no folder of this name, did you \
             mean `drop`?",
            "`plugins.finra.grants.folders.api_key` has no effect: the plugin `finra` asks for no folder of this name",
            "`plugins.finra.grants.http[0].host` has no effect: the plugin `finra` does not ask for \
             `https://cdn.fimra.org`, did you mean `https://*.finra.org`?",
            "`plugins.finra.grants.secrets.apikey` has no effect: the plugin `finra` asks for no secret of this name, did \
             you mean `api_key`?",
        ] {
            let expected = format!("in `etc/spine.toml`: {expected}");
            assert!(
                warnings.iter().any(|warning| warning.starts_with(&expected)),
                "{expected} is not in {warnings:#?}"
            );
        }
        assert_eq!(warnings.len(), 4, "{warnings:#?}");
    }

    #[test]
    fn entries_for_a_plugin_that_is_not_there_are_told_and_nothing_else() {
        let warnings = checked(
            r#"
            [plugins.fimra.limits]
            wall_clock = "1m"
            [policy."fimra.daily"]
            [quality."earnings.surprises".not_empty]
            severity = "warn"
            "#,
        )
        .unwrap();
        let [plugin, policy, severity] = warnings.as_slice() else { panic!("{warnings:?}") };
        for expected in ["etc/spine.toml", "`plugins.fimra` has no effect", "did you mean `finra`?"] {
            assert!(plugin.contains(expected), "{plugin}");
        }
        assert!(policy.contains("`policy.\"fimra.daily\"` has no effect"), "{policy}");
        assert!(severity.contains("no plugin `earnings` was found; there are `finra`"), "{severity}");
    }
}
