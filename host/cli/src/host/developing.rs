//! A host for one plugin that is being written: each change of the source is built, swapped in and run.
//!
//! The component gets into the plugins folder of a scratch place by a rename, and takes the place of the version before by
//! the way that every dropped file takes. A build that fails changes nothing there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use authors::{Language, Source};
use model::failure::{Failure, FailureKind, Reading};
use model::plugin::{PluginRecord, PluginState};
use model::run::RunReport;
use model::work::Routing;
use model::{CaptureId, Digest};
use orchestrator::Orchestrator;
use runtime::{FolderWatch, WatchMode};
use sha2::{Digest as _, Sha256};

use super::orders::{Order, run_here};
use super::scratch::ScratchFolder;
use super::serving::Served;
use super::trial::{self, TestOrder};
use super::{Host, HostOptions, data_folder};
use crate::args::Global;
use crate::output::{self, row_count};
use crate::owner::OwnerLock;
use crate::shutdown::Stop;

/// How long a version may take to become active; compiling an interpreter takes a while.
const SWAP_MAX: Duration = Duration::from_secs(120);

/// How often to look whether it is.
const POLL: Duration = Duration::from_millis(20);

/// What is being worked on.
#[derive(Clone, Debug)]
pub(crate) struct DevOrder {
    pub(crate) folder: PathBuf,
    /// What to run after each build; the cases, if nothing.
    pub(crate) run: Option<String>,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) listen: String,
}

/// Serves until it is asked to stop. `show` is given the report of each run.
///
/// # Errors
///
/// `bad_folder` if the folder holds no project; those of a host that opens.
pub(crate) async fn develop(
    global: &Global,
    order: DevOrder,
    show: impl Fn(&RunReport) -> Result<(), Failure>,
) -> Result<(), Failure> {
    Language::of(&order.folder)?;
    let mut stop = Stop::listen()?;
    let scratch = ScratchFolder::new("spine-dev-")?;
    let (plugins, data) = (scratch.path().join("plugins"), data_folder(&scratch.path().join("data"))?);
    std::fs::create_dir(&plugins)
        .map_err(|error| Failure::io(Reading::Own, "make", &plugins.display().to_string(), &error))?;
    let lock = OwnerLock::acquire(&data)?.ok_or_else(|| {
        Failure::new(FailureKind::Orchestration, "locked", format!("somebody else owns `{}`", data.display()))
    })?;
    let mut config = global.configuration()?;
    // It is tried out again and again, also while it is broken.
    config.swap.quarantine_after = u32::MAX;
    let options = HostOptions { plugins: plugins.clone(), data, config };
    let mut served = Served::start(Host::open(options, lock).await?, &order.listen).await?;
    output::note(&format!("serving http://{}; Ctrl-C ends it", served.address));
    let following = served.follow(Some(WatchMode::Notify));
    let round = Round { global, order: &order, plugins: &plugins, host: &served.host, show: &show };
    tokio::select! {
        () = following => {}
        ended = round.again_and_again(&mut stop) => ended?,
    }
    served.stop(&mut stop, |_| {}).await;
    Ok(())
}

/// What each round of building and running needs.
struct Round<'a, Show> {
    global: &'a Global,
    order: &'a DevOrder,
    plugins: &'a Path,
    host: &'a Host,
    show: &'a Show,
}

impl<Show: Fn(&RunReport) -> Result<(), Failure>> Round<'_, Show> {
    async fn again_and_again(&self, stop: &mut Stop) -> Result<(), Failure> {
        let mut watch = FolderWatch::new(WatchMode::Notify);
        let mut before: Option<RunReport> = None;
        loop {
            // Seen before the build, so that what changes meanwhile is built next.
            let (seen, folders) = authors::sources(&self.order.folder);
            watch.follow(folders);
            let built = tokio::select! {
                built = super::make_component(&self.order.folder, None) => built,
                () = stop.asked() => return Ok(()),
            };
            match built {
                Ok(made) => {
                    let tried = self.swap_and_run(&made.component, before.as_ref(), stop).await;
                    if stop.was_asked() {
                        return Ok(());
                    }
                    match tried {
                        Ok(report) => before = report.or(before),
                        Err(failure) => output::complain_about(&failure),
                    }
                }
                Err(failure) => {
                    output::complain_about(&failure);
                    let goes_on = "the version before goes on; mend the source, and it is built again";
                    output::note(if before.is_some() { goes_on } else { "mend the source, and it is built again" });
                }
            }
            tokio::select! {
                () = changed(&mut watch, &self.order.folder, &seen) => {}
                () = stop.asked() => return Ok(()),
            }
        }
    }

    /// Lets a component take its place, and runs what is wanted.
    async fn swap_and_run(
        &self,
        component: &Path,
        before: Option<&RunReport>,
        stop: &mut Stop,
    ) -> Result<Option<RunReport>, Failure> {
        let digest = drop_into(self.plugins, component)?;
        let record = tokio::select! {
            record = settled(&self.host.orchestrator, digest) => record?,
            () = stop.asked() => return Err(Failure::new(FailureKind::Orchestration, "cancelled", "stopped")),
        };
        if record.state != PluginState::Active {
            let reasons = record.reasons.join("; ");
            return Err(Failure::new(
                FailureKind::Orchestration,
                "plugin_refused",
                format!("the new version is refused: {reasons}"),
            ));
        }
        output::note(&format!("{} {} ({}) is active", record.name, record.version, digest.short()));
        let Some(name) = &self.order.run else {
            self.cases(component).await?;
            return Ok(None);
        };
        let order = Order {
            name: name.clone(),
            text: self.order.params.clone(),
            json: BTreeMap::new(),
            force: false,
            dry_run: false,
            key: None,
            detach: false,
            ephemeral: false,
            routing: Routing::default(),
        };
        let report = run_here(&self.host.orchestrator, self.host.input_bytes_max, &order, stop).await?;
        (self.show)(&report)?;
        if let Some(error) = &report.error {
            output::complain_about(error);
        }
        if let Some(before) = before {
            differences(before, &report).iter().for_each(|line| output::note(line));
        }
        Ok(Some(report))
    }

    async fn cases(&self, component: &Path) -> Result<(), Failure> {
        let order = TestOrder {
            component: component.to_owned(),
            cases: trial::cases_beside(component),
            only: None,
            update: false,
            cases_only: true,
            quick: true,
            seed: 1,
        };
        let tested = trial::tested(self.global, &order).await?;
        for finding in &tested.findings {
            output::note(&format!("{}: {}\n  hint: {}", finding.code, finding.message, finding.hint));
        }
        let (runs, verdict) =
            (tested.runs.len(), if tested.ok { "as they have to be" } else { "not as they have to be" });
        output::note(&format!("{runs} cases: {verdict}"));
        Ok(())
    }
}

/// Puts the component into the folder at once; its digest.
fn drop_into(plugins: &Path, component: &Path) -> Result<Digest, Failure> {
    let failed = |error: std::io::Error| Failure::io(Reading::Own, "copy", &component.display().to_string(), &error);
    let bytes = std::fs::read(component).map_err(failed)?;
    let name = component.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let partial = plugins.join(format!(".{name}.partial"));
    std::fs::write(&partial, &bytes).and_then(|()| std::fs::rename(&partial, plugins.join(name))).map_err(failed)?;
    Ok(Digest::new(Sha256::digest(&bytes).into()))
}

/// What became of a version that was dropped.
async fn settled(orchestrator: &Orchestrator, digest: Digest) -> Result<PluginRecord, Failure> {
    let looking = async {
        loop {
            let record = orchestrator.plugins().into_iter().find(|plugin| plugin.digest == Some(digest));
            match record {
                Some(record) if record.state != PluginState::Draining => return record,
                Some(_) | None => tokio::time::sleep(POLL).await,
            }
        }
    };
    tokio::time::timeout(SWAP_MAX, looking).await.map_err(|_| {
        let message = format!("the host did not take the new version within {} seconds", SWAP_MAX.as_secs());
        Failure::new(FailureKind::Orchestration, "not_ready", message)
    })
}

/// Returns when a source is another than it was.
async fn changed(watch: &mut FolderWatch, folder: &Path, seen: &[Source]) {
    while authors::sources(folder).0 == seen {
        watch.changed(None).await;
    }
}

/// How a run differs from the one before it, in words.
fn differences(before: &RunReport, now: &RunReport) -> Vec<String> {
    let mut lines = Vec::new();
    if (before.rows_out, before.rejected) != (now.rows_out, now.rejected) {
        let (were, rejects) = (row_count(before.rows_out), before.rejected);
        lines.push(format!("  before    {were}, {rejects} rejected"));
    }
    let known = |id: &CaptureId| before.captures.iter().any(|capture| capture.capture_id == *id);
    for capture in now.captures.iter().filter(|capture| !known(&capture.capture_id)) {
        let then =
            before.captures.iter().find(|it| (&it.dataset, &it.partition) == (&capture.dataset, &capture.partition));
        let then =
            then.map_or_else(|| "was not there before".to_owned(), |it| format!("had {} before", row_count(it.rows)));
        lines.push(format!("  differs   {} {}: {then}", capture.dataset, capture.partition));
    }
    lines
}
