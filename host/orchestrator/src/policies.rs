//! The policy of a pipeline, source or task: the defaults, `[retry]`, what its manifest declares and what the operator
//! wrote for its name, each over the one before.

use model::Manifest;
use model::failure::{Failure, FailureKind};
use model::policy::Policy;

use crate::orchestrator::Orchestrator;
use crate::parts::Parts;
use crate::plugins::names;

impl Parts {
    /// Each layer was checked where it was read, and any of them fits over any other.
    pub(crate) fn policy_of(&self, name: &str, manifest: &Manifest) -> Result<Policy, Failure> {
        let base = Policy { retry: self.retry.clone(), ..Policy::default() };
        let written = [("manifest", manifest.policy(name)), ("policy", self.policy.get(name))];
        let layers: Vec<_> = written.into_iter().filter_map(|(place, spec)| Some((place, spec?))).collect();
        base.under(&layers).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let message = format!("the policy of `{name}` cannot be used: {}", problems.join("; "));
            Failure::new(FailureKind::Config, "bad_config", message)
        })
    }
}

impl Orchestrator {
    pub(crate) fn policy_of(&self, name: &str) -> Result<Policy, Failure> {
        let target = self.plugin_set().find(name)?;
        self.shared.parts.policy_of(name, &target.manifest)
    }

    /// Of everything that the active plugins offer, by name. What cannot be used is left out; its runs say why.
    pub(crate) fn pipeline_policies(&self) -> Vec<(String, Policy)> {
        let set = self.plugin_set();
        let active = set.entries.iter().filter(|entry| entry.is_active());
        let manifests = active.filter_map(|entry| entry.found.manifest.as_deref());
        let offered = manifests.flat_map(|manifest| names(manifest).map(move |name| (manifest, name)));
        let policies = offered
            .filter_map(|(manifest, name)| Some((name.to_owned(), self.shared.parts.policy_of(name, manifest).ok()?)));
        let mut policies: Vec<(String, Policy)> = policies.collect();
        policies.sort_by(|one, other| one.0.cmp(&other.0));
        policies
    }
}
