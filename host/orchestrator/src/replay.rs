//! Carrying a recorded run out again, to prove that it gives the same bits.
//!
//! A replay is an attempt with nothing new in it: the version that ran, from where versions are kept, the inputs and what
//! servers answered by their digests, what it saw of folders and of its source's cursor, the parameters, the instant at which the virtual clock starts, the seed, and the snapshot that the run could
//! read. It writes nothing, holds no lease and makes no run. What it delivers is held against what the ledger has.
//!
//! Limits: a run with a secret parameter cannot be replayed, since its value is kept nowhere. A granted secret is not read
//! again, unless the guest was shown its value. What the guest asks for that it did not ask for then is `not_recorded`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::catalog::{CatalogFile, CatalogView};
use model::failure::{Failure, FailureKind};
use model::plugin::PluginRef;
use model::ports::{
    AsOf, Cancel, EXCHANGE, Finished, FoundPlugin, KeptInput, Outlook, Prepared, RecordedAttempt, RecordedRun, SIGHT,
    Sight,
};
use model::quality::{CheckResult, CheckStatus};
use model::reject::{LEDGER_ROWS_MAX, Reject};
use model::replay::{ReplayReport, ReplayedOutput};
use model::run::{RunKind, RunReport, RunStatus};
use model::{CaptureId, DatasetName, Digest, Manifest, Partition, RunId};

use crate::attempt::{Delivered, Reads};
use crate::blocking::blocking;
use crate::conceal;
use crate::inputs;
use crate::job::Job;
use crate::orchestrator::Orchestrator;
use crate::params;
use crate::plugins::{Target, Visit};

type Place = (DatasetName, Partition);

impl Orchestrator {
    /// Carries the last attempt of a run out again and compares what it delivers.
    ///
    /// # Errors
    ///
    /// `bad_id` if there is no such run; `not_replayable` with the reason if it cannot be carried out again as it was;
    /// `secret_lost`, `not_kept`, `input_missing` if what it needs is not kept.
    pub async fn replay(&self, run: RunId) -> Result<ReplayReport, Failure> {
        let ledger = &self.shared.parts.ledger;
        let recording = self.recording(run).await?;
        let digest = recording.plugin.digest;
        let visit = Visit::begin(&self.shared, digest);
        let manifest = usable(run, self.shared.parts.components.bring_back(digest).await?)?;
        let delivered = self.carry_out_again(&recording, &manifest, digest).await?;
        drop(visit);
        let everything = ledger.catalog(AsOf::Latest).await?;
        let rejects = ledger.rejects(run, LEDGER_ROWS_MAX).await?;
        let Recording { report, plugin, .. } = recording;
        blocking("compare what was delivered", move || compared(&report, plugin, delivered, &rejects, &everything))
            .await
    }

    /// What is recorded of a run that can be carried out again.
    pub(crate) async fn recording(&self, run: RunId) -> Result<Recording, Failure> {
        let ledger = &self.shared.parts.ledger;
        let Some(recorded) = ledger.recorded(run).await? else {
            let message = format!("no run `{run}` in this data folder; `spine-host runs list` shows what is there");
            return Err(Failure::new(FailureKind::Validation, "bad_id", message));
        };
        let report = self.recorded(run).await?;
        let attempt = ledger.attempt(run, report.attempt).await?;
        let (attempt, plugin) = replayable(&report, attempt)?;
        Ok(Recording { recorded, report, attempt, plugin })
    }

    /// Has a version of the plugin carry a recorded run out.
    pub(crate) async fn carry_out_again(
        &self,
        recording: &Recording,
        manifest: &Arc<Manifest>,
        digest: Digest,
    ) -> Result<Delivered, Failure> {
        let Recording { recorded, report, attempt, .. } = recording;
        let target = Target::of(manifest, digest, &report.name).ok_or_else(|| {
            not_replayable(report.run_id, format!("version {} does not offer `{}`", manifest.version, report.name))
        })?;
        let _place = self.shared.again.acquire().await;
        let job = self.replayed_job(report.run_id, recorded.clone(), target).await?;
        // Whoever asked may not wait any more: then nobody wants its end.
        let _stop = StopWhenDropped(job.cancel.clone());
        let catalog = snapshot(&*self.shared.parts.ledger.catalog(AsOf::Snapshot(attempt.snapshot)).await?);
        let inputs = job.inputs.as_ref().map_err(Clone::clone)?;
        let sight = self.sight(report, attempt).await?;
        let outside = job.outside_again(self.exchanges(attempt).await?).await?;
        let secrets = job.params.secrets.and(outside.secrets.values());
        let (started_at, cursor, outlook) = (attempt.started_at, sight.cursor.clone(), Outlook::Recorded(sight));
        let reads = Reads { inputs, catalog: &catalog, started_at, cursor, outlook, outside, secrets: &secrets };
        let mut course = job.course(report.attempt, Some(attempt.started_at), None);
        let mut delivered = job.work(&mut course, reads).await;
        if let Ok(answer) = &mut delivered.answer {
            // As it is recorded.
            answer.result.iter_mut().for_each(|result| secrets.hide_in_json(result));
            answer.checks.iter_mut().for_each(|check| conceal::in_check(&secrets, check));
        }
        Ok(delivered)
    }

    /// What came of the requests that an attempt made.
    async fn exchanges(&self, attempt: &RecordedAttempt) -> Result<Vec<KeptInput>, Failure> {
        let named = attempt.inputs.iter().filter(|(name, _)| name.starts_with(EXCHANGE)).cloned();
        let (named, lake): (Vec<_>, _) = (named.collect(), Arc::clone(&self.shared.parts.lake));
        let read = move || named.into_iter().map(|(name, digest)| lake.kept_input(&name, digest)).collect();
        blocking("read what servers answered", read).await
    }

    /// What an attempt saw of granted folders and of its source's cursor. One that saw nothing has nothing kept.
    async fn sight(&self, report: &RunReport, attempt: &RecordedAttempt) -> Result<Sight, Failure> {
        let named = attempt.inputs.iter().find(|(name, _)| name == SIGHT).cloned();
        let Some((name, digest)) = named else {
            if report.kind == RunKind::Source {
                let why = "it is a source's, and what its folders and its cursor held then is not kept: it ended before it \
                           looked, or an earlier host recorded it";
                return Err(not_replayable(report.run_id, why.to_owned()));
            }
            return Ok(Sight::default());
        };
        let lake = Arc::clone(&self.shared.parts.lake);
        let kept = blocking("read what was seen", move || lake.kept_input(&name, digest)).await?;
        let damaged = || not_replayable(report.run_id, "what was kept of its folders cannot be read".to_owned());
        Sight::from_bytes(&kept.bytes).ok_or_else(damaged)
    }

    async fn replayed_job(&self, run_id: RunId, recorded: RecordedRun, target: Target) -> Result<Job, Failure> {
        let RecordedRun { spec, created_at, .. } = recorded;
        let policy = self.shared.parts.policy_of(&target.name, &target.manifest)?;
        let params = params::recorded(target.params(), &spec.params).map_err(|lost| secret_lost(run_id, lost))?;
        let inputs = inputs::read_again(&self.shared.parts.lake, &spec.inputs).await;
        let shared = Arc::clone(&self.shared);
        let (dry_run, progress, cancel) = (true, None, Cancel::default());
        Ok(Job { shared, target, run_id, spec, policy, params, inputs, dry_run, progress, cancel, created_at })
    }
}

/// Stops a guest when nobody waits for it any more.
struct StopWhenDropped(Cancel);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A run as it was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    recorded: RecordedRun,
    pub(crate) report: RunReport,
    attempt: RecordedAttempt,
    /// The version that carried it out.
    plugin: PluginRef,
}

/// What has to be recorded of a run that can be carried out again.
fn replayable(report: &RunReport, attempt: Option<RecordedAttempt>) -> Result<(RecordedAttempt, PluginRef), Failure> {
    let run = report.run_id;
    if !report.status.is_terminal() {
        return Err(not_replayable(run, format!("it is {}", report.status.name())));
    }
    if matches!(report.status, RunStatus::Cancelled | RunStatus::TimedOut) {
        return Err(not_replayable(
            run,
            "somebody stopped it, or its time was up: it has no end of its own".to_owned(),
        ));
    }
    if report.error.as_ref().is_some_and(|error| error.code == "interrupted") {
        return Err(not_replayable(run, "its host died under it: it has no end of its own".to_owned()));
    }
    let Some(attempt) = attempt else { return Err(not_replayable(run, "it never began".to_owned())) };
    match &attempt.plugin {
        Some(plugin) => Ok((attempt.clone(), plugin.clone())),
        None => Err(not_replayable(run, "its work was other runs: replay those".to_owned())),
    }
}

fn usable(run: RunId, found: FoundPlugin) -> Result<Arc<Manifest>, Failure> {
    let errors = found.findings.iter().map(|finding| finding.message.as_str());
    let why = errors.collect::<Vec<_>>().join("; ");
    found.manifest.ok_or_else(|| not_replayable(run, format!("its version does not load in this host any more: {why}")))
}

fn not_replayable(run: RunId, why: String) -> Failure {
    Failure::new(FailureKind::Orchestration, "not_replayable", format!("run `{run}` cannot be replayed: {why}"))
}

/// The value of a secret parameter is in no ledger and under no digest, so nobody can hand it to the guest again.
fn secret_lost(run: RunId, lost: Failure) -> Failure {
    if lost.code != "secret_lost" {
        return lost;
    }
    let message = format!(
        "run `{run}` cannot be replayed: it had a secret parameter, whose value was in the guest's memory only and is kept \
         nowhere; a secret that is granted in spine.toml instead does not hinder a replay"
    );
    Failure { message, ..lost }
}

/// What an attempt may read: the heads of a snapshot.
fn snapshot(view: &CatalogView) -> Arc<CatalogView> {
    let mut view = view.clone();
    view.datasets.iter_mut().for_each(|dataset| dataset.captures.retain(|capture| capture.latest));
    Arc::new(view)
}

fn compared(
    report: &RunReport,
    plugin: PluginRef,
    delivered: Delivered,
    rejects_then: &[Reject],
    catalog: &CatalogView,
) -> Result<ReplayReport, Failure> {
    let Delivered { answer, finished, .. } = delivered;
    let (prepared, rejected, rejects, mut checks): (Vec<Prepared>, u64, Vec<Reject>, Vec<CheckResult>) = match finished
    {
        Some(Finished { captures, rejected, rejects, checks, .. }) => (captures, rejected, rejects.rows, checks),
        None => Default::default(),
    };
    let then: BTreeMap<Place, (Digest, CaptureId)> = report
        .captures
        .iter()
        .map(|it| ((it.dataset.clone(), it.partition.clone()), (it.content_hash, it.capture_id)))
        .collect();
    let now: BTreeMap<Place, &Prepared> =
        prepared.iter().map(|it| ((it.dataset.clone(), it.partition.clone()), it)).collect();
    let (result, guest_failed) = match answer {
        Ok(answer) => {
            checks.extend(answer.checks);
            (answer.result, None)
        }
        Err(failure) => (None, Some(failure)),
    };
    let has_failed = guest_failed.is_some();
    let mut findings = Vec::new();
    let mut outputs = Vec::new();
    // A run that failed delivered nothing, whatever had been prepared.
    let delivers = !then.is_empty() || report.error.is_none();
    let places: BTreeSet<&Place> = then.keys().chain(now.keys().filter(|_| delivers)).collect();
    for place in places {
        let (was, is) = (then.get(place), now.get(place));
        let (recorded_hash, replayed_hash) = (was.map(|it| it.0), is.map(|it| it.content_hash));
        let mut difference = None;
        if recorded_hash != replayed_hash {
            if let (Some((_, capture)), Some(prepared)) = (was, is) {
                let file = file_of(catalog, &place.0, *capture);
                difference = Some(prepared.data.compare(file)?);
            }
            findings.push(finding(place, recorded_hash, replayed_hash, difference.as_ref()));
        }
        let (dataset, partition) = place.clone();
        outputs.push(ReplayedOutput { dataset, partition, recorded_hash, replayed_hash, difference });
    }
    let recorded_error = report.error.clone().filter(|_| then.is_empty());
    let said = |failure: &Option<Failure>| failure.as_ref().map(|it| format!("{}: {}", it.code, it.message));
    let of_guest = guest_failed.is_some() || recorded_error.as_ref().is_some_and(is_of_guest);
    if of_guest && said(&recorded_error) != said(&guest_failed) {
        let words = |failure: &Option<Failure>| said(failure).unwrap_or_else(|| "it went well".to_owned());
        findings.push(format!("then: {}; now: {}", words(&recorded_error), words(&guest_failed)));
    }
    if report.error.is_none() && !has_failed && report.result != result {
        let brief = |result: &Option<serde_json::Value>| match result {
            Some(value) => model::brief(&value.to_string()).into_owned(),
            None => "none".to_owned(),
        };
        findings.push(format!("the result was {} then, and is {} now", brief(&report.result), brief(&result)));
    }
    if report.rejected != rejected {
        findings.push(format!("{} rows were rejected then, and {rejected} now", report.rejected));
    } else if let Some((then, now)) = rejects_then.iter().zip(&rejects).find(|(then, now)| then != now) {
        let told = |reject: &Reject| {
            let at = reject.line.map(|line| format!(" in line {line}")).unwrap_or_default();
            format!("`{}`{at}: {}", reject.code, reject.message)
        };
        findings.push(format!("a reject was {} then, and is {} now", told(then), told(now)));
    }
    // What was checked is known of a run that came as far as that.
    if !of_guest && (report.error.is_none() || !report.quality.is_empty()) {
        findings.extend(judged_otherwise(&report.quality, &checks));
    }
    Ok(ReplayReport {
        run_id: report.run_id,
        attempt: report.attempt,
        plugin,
        identical: findings.is_empty(),
        outputs,
        recorded_error,
        replayed_error: guest_failed,
        recorded_rejected: report.rejected,
        replayed_rejected: rejected,
        findings,
    })
}

/// The checks that found something else. What that does to a run is the operator's to say, and not compared.
fn judged_otherwise(then: &[CheckResult], now: &[CheckResult]) -> Vec<String> {
    let (then, now) = (by_check(then), by_check(now));
    let names: BTreeSet<_> = then.keys().chain(now.keys()).collect();
    let others = names.into_iter().filter(|name| then.get(*name) != now.get(*name));
    others.map(|(dataset, check)| format!("the check `{check}` of `{dataset}` found something else")).collect()
}

/// Whether a check passed, what it says, and the values that it found and looked for.
type Found<'a> = (bool, &'a str, Option<&'a str>, Option<&'a str>);

fn by_check(results: &[CheckResult]) -> BTreeMap<(&DatasetName, &str), BTreeSet<Found<'_>>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for result in results {
        let CheckResult { check, dataset, status, message, actual, expected, .. } = result;
        let of_check = found.entry((dataset, check.as_str())).or_default();
        of_check.insert((*status == CheckStatus::Pass, message.as_str(), actual.as_deref(), expected.as_deref()));
    }
    found
}

/// Whether a failure is what the guest or its input gives, and not what the host then decides about it.
fn is_of_guest(failure: &Failure) -> bool {
    !matches!(failure.kind, FailureKind::Validation | FailureKind::Orchestration | FailureKind::Storage)
}

pub(crate) fn file_of<'a>(
    catalog: &'a CatalogView,
    dataset: &DatasetName,
    capture: CaptureId,
) -> Option<&'a CatalogFile> {
    let captures = &catalog.dataset(dataset)?.captures;
    captures.iter().find(|it| it.capture_id == capture)?.file.as_ref()
}

fn finding(
    (dataset, partition): &Place,
    then: Option<Digest>,
    now: Option<Digest>,
    difference: Option<&model::difference::Difference>,
) -> String {
    let place = format!("`{dataset}` {partition}");
    match (then, now, difference) {
        (Some(_), None, _) => format!("{place} was delivered then, and is not now"),
        (None, _, _) => format!("{place} is delivered now, and was not then"),
        (_, _, Some(difference)) => {
            let columns = difference.columns.iter().map(|(column, rows)| format!("`{column}` in {rows} rows"));
            let columns: Vec<String> = columns.collect();
            let columns = if columns.is_empty() { "none".to_owned() } else { columns.join(", ") };
            format!(
                "{place} differs: {} rows more, {} less, {} others; columns with other values: {columns}",
                difference.added, difference.removed, difference.changed
            )
        }
        _ => format!("{place} differs"),
    }
}
