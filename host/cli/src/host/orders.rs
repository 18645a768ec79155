//! Work for whoever owns the data folder: this process if nobody does, else the owner, over its API.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lake::open_input_file_within;
use model::failure::{Failure, FailureKind};
use model::ports::{Cancel, Engine, GivenFile, ParamValue, Quarantine, RunRequest};
use model::run::RunReport;
use model::work::Routing;
use model::{CaptureId, CaptureRecord, RunId};
use orchestrator::Orchestrator;

use super::finding::{Owner, find_owner, owner_or, unreachable};
use super::rehearsal::{Rehearsal, Scratch};
use super::{Host, HostOptions, serving};
use crate::args::Global;
use crate::output;
use crate::owner::OwnerLock;
use crate::progress::Bar;
use crate::remote::Remote;
use crate::shutdown::Stop;

/// A run as the command line asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) name: String,
    /// `-p name=value`, parsed by the declared types.
    pub(crate) text: BTreeMap<String, String>,
    /// `--param-file`.
    pub(crate) json: BTreeMap<String, serde_json::Value>,
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
    pub(crate) key: Option<String>,
    pub(crate) detach: bool,
    /// In a scratch place, whoever owns the data folder.
    pub(crate) ephemeral: bool,
    pub(crate) routing: Routing,
}

impl Order {
    /// The request, with the files among its parameters still to be read.
    fn request(&self) -> RunRequest {
        let json = self.json.iter().map(|(name, value)| (name.clone(), ParamValue::Json(value.clone())));
        let text = self.text.iter().map(|(name, value)| (name.clone(), ParamValue::Text(value.clone())));
        RunRequest {
            name: self.name.clone(),
            params: json.chain(text).collect(),
            force: self.force,
            dry_run: self.dry_run,
            key: self.key.clone(),
            routing: self.routing,
            ..RunRequest::default()
        }
    }
}

/// What becomes of a quarantined capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Release,
    Discard,
}

pub(super) async fn open(global: &Global, lock: OwnerLock, data: PathBuf) -> Result<Host, Failure> {
    let config = global.configuration()?;
    let options = HostOptions { plugins: global.plugins.clone(), data, config };
    Host::open(options, lock).await
}

/// Where this process carries a run out.
enum Place {
    /// In the data folder, as its owner.
    Owned(OwnerLock, PathBuf),
    /// Apart from it, because it leaves nothing there.
    Apart(Scratch),
}

/// Carries out a run.
pub(crate) async fn run(global: &Global, order: Order) -> Result<RunReport, Failure> {
    // From the first moment on: a signal asks the run to stop, it does not tear the process down.
    let mut stop = Stop::listen()?;
    loop {
        let found = unless_stopped(&mut stop, place(global, &order)).await?;
        match found {
            Owner::Us(_) if order.detach => {
                let message = "`--detach` needs a host that serves this data folder; start one with `spine-host serve`";
                return Err(unreachable(message.to_owned()));
            }
            Owner::Us(place) => return run_at(place, global, &order, &mut stop).await,
            Owner::Other(remote) => match run_there(&remote, &order, input_bytes_max(global)?, &mut stop).await {
                // The owner was a short run that has just ended, before it took this one.
                Err(failure) if is_leaving(&failure) => {}
                answer => return answer,
            },
        }
    }
}

async fn place(global: &Global, order: &Order) -> Result<Owner<Place>, Failure> {
    if order.ephemeral {
        return Ok(Owner::Us(Place::Apart(Scratch::empty(&global.data)?)));
    }
    if order.dry_run {
        let ledger = global.ledger_place()?;
        return owner_or(&global.data, || Ok(Scratch::of(&global.data, &ledger)?.map(Place::Apart))).await;
    }
    Ok(match find_owner(global).await? {
        Owner::Us((lock, data)) => Owner::Us(Place::Owned(lock, data)),
        Owner::Other(remote) => Owner::Other(remote),
    })
}

async fn run_at(place: Place, global: &Global, order: &Order, stop: &mut Stop) -> Result<RunReport, Failure> {
    match place {
        Place::Owned(lock, data) => {
            let host = unless_stopped(stop, open(global, lock, data)).await?;
            // Others may come while we own the folder.
            let served = serving::Served::start(host, "127.0.0.1:0").await?;
            let host = &served.host;
            let answer = run_here(&host.orchestrator, host.input_bytes_max, order, stop).await;
            served.stop(stop, tell_of_others).await;
            answer
        }
        Place::Apart(scratch) => {
            let config = global.configuration()?;
            let opening = Rehearsal::open(scratch, global.plugins.clone(), &config);
            let rehearsal = unless_stopped(stop, opening).await?;
            let mut answer = run_here(&rehearsal.orchestrator, config.input_bytes_max(), order, stop).await;
            rehearsal.close().await;
            if let Ok(RunReport { error: Some(Failure { trap: Some(trap), .. }), .. }) = &mut answer {
                // Its record is gone by now.
                trap.reproduce.retain(|command| !command.starts_with("spine-host replay "));
            }
            answer
        }
    }
}

pub(super) fn tell_of_others(runs: usize) {
    let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
    output::note(&format!(
        "the run has ended; this process also carries out {runs} of other commands and ends with them; Ctrl-C cancels them"
    ));
}

/// What comes before the run, unless a signal comes first: then no run is made.
pub(super) async fn unless_stopped<T>(
    stop: &mut Stop,
    before: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = stop.asked() => {
            let message = "stopped before the run was made";
            Err(Failure::new(FailureKind::Orchestration, "cancelled", message))
        }
        done = before => done,
    }
}

pub(super) async fn run_here(
    orchestrator: &Orchestrator,
    bytes_max: u64,
    order: &Order,
    stop: &mut Stop,
) -> Result<RunReport, Failure> {
    let bar = Bar::start(&order.name);
    let cancel = Cancel::default();
    let mut request = order.request();
    request.progress = Some(bar.listener());
    request.cancel = cancel.clone();
    read_files(&mut request, &orchestrator.file_params(&order.name)?, bytes_max).await;
    let work = orchestrator.submit(request);
    tokio::pin!(work);
    tokio::select! {
        report = &mut work => report,
        () = stop.asked() => {
            cancel.cancel();
            work.await
        }
    }
}

async fn run_there(remote: &Remote, order: &Order, bytes_max: u64, stop: &mut Stop) -> Result<RunReport, Failure> {
    let _bar = Bar::start(&order.name);
    let mut request = order.request();
    let files = remote.file_params(&order.name).await?;
    read_files(&mut request, &files, bytes_max).await;
    let report = remote.spawn(&request).await?;
    // A dry run leaves nothing behind that could be looked at later.
    if report.status.is_terminal() || (order.detach && !order.dry_run) {
        return Ok(report);
    }
    let run = report.run_id;
    let ended = tokio::select! {
        report = remote.wait(run) => report,
        () = stop.asked() => match remote.cancel(run).await {
            Ok(_) => remote.wait(run).await,
            Err(failure) => Err(failure),
        },
    };
    ended.map_err(|failure| if is_leaving(&failure) { left_alone(order, run, failure) } else { failure })
}

/// The owner went away after it had made the run: asking another owner for it would make it twice.
fn left_alone(order: &Order, run: RunId, failure: Failure) -> Failure {
    let message = if order.dry_run {
        format!("the process that carried out {run} has gone, and nothing is left of a dry run; ask for it again")
    } else {
        format!("the process that carried out {run} has gone; `spine-host runs show {run}` tells how it ended")
    };
    Failure { causes: vec![failure.message], ..unreachable(message) }
}

/// The largest input that the configuration of this command allows any plugin.
pub(super) fn input_bytes_max(global: &Global) -> Result<u64, Failure> {
    Ok(global.configuration()?.input_bytes_max())
}

/// Whether nothing was asked of an owner that is about to let the folder go.
pub(super) fn is_leaving(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "gone" | "not_ready")
}

/// Reads the files among the parameters; the host itself reads only what it was granted.
pub(super) async fn read_files(request: &mut RunRequest, names: &[String], bytes_max: u64) {
    for name in names {
        let path = match request.params.get(name) {
            Some(ParamValue::Text(path) | ParamValue::Json(serde_json::Value::String(path))) => PathBuf::from(path),
            Some(ParamValue::Json(_)) | None => continue,
        };
        request.params.remove(name);
        let file_name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
        let file_name = file_name.into_owned();
        // A dead network file system must not stop the signals.
        let read = tokio::task::spawn_blocking(move || open_input_file_within(&path, bytes_max)).await;
        let bytes = match read {
            Ok(read) => read.map(|input| input.bytes),
            Err(error) => Err(Failure::new(FailureKind::Internal, "panicked", error.to_string())),
        };
        request.files.insert(name.clone(), GivenFile { file_name, bytes });
    }
}

/// Releases or discards a quarantined capture.
pub(crate) async fn judge(global: &Global, capture: CaptureId, verdict: Verdict) -> Result<CaptureRecord, Failure> {
    loop {
        match find_owner(global).await? {
            Owner::Us((lock, data)) => {
                let host = open(global, lock, data).await?;
                let quarantine: Arc<dyn Quarantine> = host.storage.clone();
                return match verdict {
                    Verdict::Release => quarantine.release(capture).await,
                    Verdict::Discard => quarantine.discard(capture).await,
                };
            }
            Owner::Other(remote) => match remote.judge(capture, verdict).await {
                Err(failure) if is_leaving(&failure) => {}
                answer => return answer,
            },
        }
    }
}
