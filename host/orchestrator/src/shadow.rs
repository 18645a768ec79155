//! A candidate beside the active version, on the inputs of recorded runs: what it would change in the data, what the
//! checks would say, and what it would cost.
//!
//! Both versions carry each run out again (`replay`), one after the other, and the first run once before that, so that their
//! costs are taken under the same conditions. Rows are held against the captures that the run published, by natural key.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::catalog::CatalogView;
use model::failure::{Failure, FailureKind};
use model::plugin::{PluginEventKind, PluginRecord, PluginRef, PluginState};
use model::ports::{Answer, AsOf, Finished, FoundPlugin, Registration};
use model::quality::{CheckResult, CheckStatus};
use model::run::RunReport;
use model::shadow::{Budget, Cost, QualityChange, SHADOW_RUNS_MAX, ShadowOutput, ShadowReport, ShadowRun};
use model::{DatasetName, Digest, Manifest, RunId, Usage};

use crate::attempt::Delivered;
use crate::blocking::blocking;
use crate::orchestrator::Orchestrator;
use crate::plugins::{Visit, event, names, refused};
use crate::replay::file_of;
use crate::verdict::apply_severities;

impl Orchestrator {
    /// Runs a candidate, which is kept already, on the inputs of the last runs of the active version of its name. With a
    /// budget it is promoted at once if it is within.
    ///
    /// # Errors
    ///
    /// `plugin_refused` with every reason if it cannot be active; `unknown_name` if no version of its name is active;
    /// `usage` for a number of runs out of range; those of the ledger.
    pub async fn shadow(
        &self,
        candidate: FoundPlugin,
        last: u32,
        budget: Option<Budget>,
    ) -> Result<ShadowReport, Failure> {
        let _visit = candidate.digest.map(|digest| Visit::begin(&self.shared, digest));
        if last == 0 || last > SHADOW_RUNS_MAX {
            let message = format!("a candidate is compared on 1 to {SHADOW_RUNS_MAX} runs, not {last}");
            return Err(Failure::new(FailureKind::Config, "usage", message));
        }
        let is_multiple = |it: f64| it.is_finite() && it >= 0.0;
        if budget.is_some_and(|budget| !is_multiple(budget.cpu) || !is_multiple(budget.memory)) {
            let message = "`cpu` and `memory` of a budget are multiples of what the active version takes, such as 1.5";
            return Err(Failure::new(FailureKind::Config, "usage", message));
        }
        let record = self.candidate(&candidate).await?;
        let (Some(manifest), Some(digest)) = (candidate.manifest.clone(), candidate.digest) else {
            return Err(refused(&record));
        };
        let active = self.active_version(&manifest.name)?;
        let _visit_of_active = Visit::begin(&self.shared, active.0.digest);
        // Somebody else may have compared them until just now, and freed both.
        for version in [active.0.digest, digest] {
            self.shared.parts.components.bring_back(version).await?;
        }
        let new = PluginRef { name: manifest.name.clone(), version: manifest.version.clone(), digest };
        let ledger = &self.shared.parts.ledger;
        let mut report = ShadowReport {
            candidate: new,
            active: active.0.clone(),
            runs: Vec::new(),
            missing: missing(&active.1, &manifest),
            difference: model::difference::Difference::default(),
            active_cost: Cost::default(),
            candidate_cost: Cost::default(),
            over_budget: Vec::new(),
            promoted: false,
        };
        for (at, run) in ledger.completed_runs(active.0.digest, last).await?.into_iter().enumerate() {
            let compared = match self.compared(run, &active, (&manifest, digest), at == 0).await {
                Ok(compared) => compared,
                Err(failure) => skipped(run, &failure),
            };
            compared.outputs.iter().for_each(|output| report.difference.add(output.difference.clone()));
            add(&mut report.active_cost, compared.active_usage);
            add(&mut report.candidate_cost, compared.candidate_usage);
            report.runs.push(compared);
        }
        if let Some(budget) = budget {
            report.over_budget = report.beyond(&budget);
            if report.over_budget.is_empty() {
                self.roll_back(&manifest.name, Some(digest)).await?;
                report.promoted = true;
            }
        }
        Ok(report)
    }

    /// Checks a candidate as if it were to be active, and records it as known.
    async fn candidate(&self, candidate: &FoundPlugin) -> Result<PluginRecord, Failure> {
        let parts = &self.shared.parts;
        // It runs with the grants of its name, so what it asks for must be approved before.
        let approved = parts.ledger.plugin_standing().await?.approved;
        let record = self.alone(candidate.clone(), &approved);
        if record.state != PluginState::Active {
            return Err(refused(&record));
        }
        if let Some(manifest) = &candidate.manifest {
            parts.ledger.check_schema(&record, manifest).await?;
        }
        let waiting = PluginRecord { state: PluginState::Pending, ..record.clone() };
        let found = vec![(waiting, candidate.manifest.clone())];
        let event = event(&record, PluginEventKind::Shadowed, String::new(), parts.clock.now());
        let registration = Registration { found, events: event.into_iter().collect(), ..Registration::default() };
        parts.ledger.register(registration).await?;
        Ok(record)
    }

    fn active_version(&self, plugin: &str) -> Result<(PluginRef, Arc<Manifest>), Failure> {
        let set = self.plugin_set();
        let version = set.active(plugin).and_then(|entry| entry.version.clone());
        let version = version.ok_or_else(|| {
            let message = format!("no version of `{plugin}` is active, so there is nothing to compare this one with");
            Failure::new(FailureKind::Validation, "unknown_name", message)
        })?;
        Ok((version.plugin.clone(), Arc::clone(&version.manifest)))
    }

    async fn compared(
        &self,
        run: RunId,
        active: &(PluginRef, Arc<Manifest>),
        candidate: (&Arc<Manifest>, Digest),
        is_first: bool,
    ) -> Result<ShadowRun, Failure> {
        let parts = &self.shared.parts;
        let recording = self.recording(run).await?;
        if is_first {
            // Whoever comes first finds nothing in any cache: neither pays for that.
            self.carry_out_again(&recording, &active.1, active.0.digest).await?;
            self.carry_out_again(&recording, candidate.0, candidate.1).await?;
        }
        let old = self.carry_out_again(&recording, &active.1, active.0.digest).await?;
        let new = self.carry_out_again(&recording, candidate.0, candidate.1).await?;
        let catalog = parts.ledger.catalog(AsOf::Latest).await?;
        let (severities, manifest) = (parts.severities.clone(), Arc::clone(candidate.0));
        let judged = move |mut checks: Vec<CheckResult>, manifest: &Manifest| {
            apply_severities(&mut checks, manifest, &severities);
            checks
        };
        let active_manifest = Arc::clone(&active.1);
        let report = recording.report;
        let compare = move || {
            let (old_checks, new_checks) = (checks(&old), checks(&new));
            let quality = quality(&judged(old_checks, &active_manifest), &judged(new_checks, &manifest));
            held_against(&report, old, new, quality, &catalog)
        };
        blocking("compare two versions", compare).await
    }
}

/// What a candidate does not offer any more.
fn missing(active: &Manifest, candidate: &Manifest) -> Vec<String> {
    let offered: Vec<&str> = names(candidate).collect();
    names(active).filter(|name| !offered.contains(name)).map(str::to_owned).collect()
}

fn skipped(run: RunId, failure: &Failure) -> ShadowRun {
    ShadowRun {
        run_id: run,
        name: String::new(),
        outputs: Vec::new(),
        quality: Vec::new(),
        rejected_before: 0,
        rejected_after: 0,
        active_usage: None,
        candidate_usage: None,
        results: None,
        error: None,
        skipped: Some(format!("{}: {failure}", failure.code)),
    }
}

fn held_against(
    report: &RunReport,
    old: Delivered,
    new: Delivered,
    quality: Vec<QualityChange>,
    catalog: &CatalogView,
) -> Result<ShadowRun, Failure> {
    let rejected = |delivered: &Delivered| delivered.finished.as_ref().map_or(0, |finished| finished.rejected);
    let (rejected_before, rejected_after) = (rejected(&old), rejected(&new));
    let Delivered { answer, finished, usage, .. } = new;
    let result =
        |answer: &Result<Answer, Failure>| answer.as_ref().ok().map(|answer| answer.result.clone().unwrap_or_default());
    let results = result(&old.answer).zip(result(&answer)).filter(|(before, after)| before != after);
    let results = results.map(|(before, after)| [before, after]);
    let mut outputs = Vec::new();
    let prepared = finished.map(|Finished { captures, .. }| captures).unwrap_or_default();
    for capture in &prepared {
        let was = report
            .captures
            .iter()
            .find(|it| it.dataset == capture.dataset && it.partition == capture.partition)
            .and_then(|it| file_of(catalog, &it.dataset, it.capture_id));
        let difference = capture.data.compare(was)?;
        let (dataset, partition) = (capture.dataset.clone(), capture.partition.clone());
        outputs.push(ShadowOutput { dataset, partition, difference });
    }
    for gone in &report.captures {
        let is_there = prepared.iter().any(|it| it.dataset == gone.dataset && it.partition == gone.partition);
        if !is_there {
            let difference = model::difference::Difference { removed: gone.rows, ..Default::default() };
            outputs.push(ShadowOutput { dataset: gone.dataset.clone(), partition: gone.partition.clone(), difference });
        }
    }
    Ok(ShadowRun {
        run_id: report.run_id,
        name: report.name.clone(),
        outputs,
        quality,
        rejected_before,
        rejected_after,
        active_usage: old.usage,
        candidate_usage: usage,
        results,
        error: answer.err(),
        skipped: None,
    })
}

/// The checks of host and plugin.
fn checks(delivered: &Delivered) -> Vec<CheckResult> {
    let of_host = delivered.finished.iter().flat_map(|finished| finished.checks.clone());
    let of_plugin = delivered.answer.iter().flat_map(|answer| answer.checks.clone());
    of_host.chain(of_plugin).collect()
}

/// The checks whose worst result is another.
fn quality(before: &[CheckResult], after: &[CheckResult]) -> Vec<QualityChange> {
    type Worst = BTreeMap<(DatasetName, String), CheckStatus>;
    let worst = |checks: &[CheckResult]| {
        let mut worst = Worst::new();
        for check in checks {
            let status = worst.entry((check.dataset.clone(), check.check.clone())).or_insert(check.status);
            *status = (*status).max(check.status);
        }
        worst
    };
    let (before, after) = (worst(before), worst(after));
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let (before, after) = (before.get(name).copied(), after.get(name).copied());
        (before != after).then(|| QualityChange { check: name.1.clone(), dataset: name.0.clone(), before, after })
    });
    changes.collect()
}

fn add(cost: &mut Cost, usage: Option<Usage>) {
    let Some(usage) = usage else { return };
    cost.cpu_us += usage.cpu_us;
    cost.memory_bytes_peak = cost.memory_bytes_peak.max(usage.memory_bytes_peak);
}
