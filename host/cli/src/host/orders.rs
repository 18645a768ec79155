//! Work for whoever owns the data folder: this process if nobody does, else the owner, over its API.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lake::open_input_file_within;
use model::failure::{Failure, FailureKind};
use model::plugin::PluginRecord;
use model::ports::{Cancel, Engine, GivenFile, ParamValue, Quarantine, RunRequest};
use model::run::RunReport;
use model::{CaptureId, CaptureRecord};
use orchestrator::Orchestrator;

use super::rehearsal::{Rehearsal, Scratch};
use super::{Host, HostOptions, data_folder, serving};
use crate::args::Global;
use crate::config::Config;
use crate::owner::{self, OwnerLock};
use crate::progress::Bar;
use crate::remote::Remote;
use crate::shutdown::Stop;

/// How long to wait for an owner that is starting or ending.
const OWNER_PATIENCE: Duration = Duration::from_secs(10);

/// How often to look whether it has.
const OWNER_POLL: Duration = Duration::from_millis(20);

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

/// Who carries an order out: this process, with what it takes of the data folder, or the folder's owner.
enum Owner<T> {
    Us(T),
    Other(Remote),
}

/// Finds the owner of the data folder, or becomes it.
async fn find_owner(global: &Global) -> Result<Owner<(OwnerLock, PathBuf)>, Failure> {
    let data = data_folder(&global.data)?;
    owner_or(&data, || Ok(OwnerLock::acquire(&data)?.map(|lock| (lock, data.clone())))).await
}

/// Finds the owner of the data folder, or takes what work needs that is done without one: `take` gives none while there
/// is an owner.
async fn owner_or<T>(data: &Path, take: impl Fn() -> Result<Option<T>, Failure>) -> Result<Owner<T>, Failure> {
    let patience = Instant::now() + OWNER_PATIENCE;
    loop {
        if let Some(taken) = take()? {
            return Ok(Owner::Us(taken));
        }
        if let Some(address) = owner::find(data) {
            let remote = Remote::new(address);
            if remote.is_there().await {
                return Ok(Owner::Other(remote));
            }
        }
        if Instant::now() > patience {
            let message = format!(
                "another process owns `{0}` but does not answer where `{0}/spine.address` says; if it hangs, or that file \
                 or `spine.token` is gone, end that process and try again",
                data.display()
            );
            return Err(unreachable(message));
        }
        tokio::time::sleep(OWNER_POLL).await;
    }
}

async fn open(global: &Global, lock: OwnerLock, data: PathBuf) -> Result<Host, Failure> {
    let config = Config::load(global.config.as_deref())?;
    let options = HostOptions { plugins: global.plugins.clone(), data, config };
    Host::open(options, lock).await
}

/// Where this process carries a run out.
enum Place {
    /// In the data folder, as its owner.
    Owned(OwnerLock, PathBuf),
    /// Apart from it, because it is a dry run.
    Apart(Scratch),
}

/// Carries out a run.
pub(crate) async fn run(global: &Global, order: Order) -> Result<RunReport, Failure> {
    // From the first moment on: a signal asks the run to stop, it does not tear the process down.
    let mut stop = Stop::listen()?;
    let patience = Instant::now() + OWNER_PATIENCE;
    loop {
        let remote = match place(global, &order).await? {
            Owner::Us(_) if order.detach => {
                let message = "`--detach` needs a host that serves this data folder; start one with `spine-host serve`";
                return Err(unreachable(message.to_owned()));
            }
            Owner::Us(place) => return run_at(place, global, &order, &mut stop).await,
            Owner::Other(remote) => remote,
        };
        match run_there(&remote, &order, input_bytes_max(global)?, &mut stop).await {
            // The owner was a short run that has just ended, before it took this one.
            Err(failure) if is_leaving(&failure) && Instant::now() < patience => tokio::time::sleep(OWNER_POLL).await,
            answer => return answer,
        }
    }
}

async fn place(global: &Global, order: &Order) -> Result<Owner<Place>, Failure> {
    if order.dry_run {
        return owner_or(&global.data, || Ok(Scratch::of(&global.data)?.map(Place::Apart))).await;
    }
    Ok(match find_owner(global).await? {
        Owner::Us((lock, data)) => Owner::Us(Place::Owned(lock, data)),
        Owner::Other(remote) => Owner::Other(remote),
    })
}

async fn run_at(place: Place, global: &Global, order: &Order, stop: &mut Stop) -> Result<RunReport, Failure> {
    match place {
        Place::Owned(lock, data) => {
            let host = open(global, lock, data).await?;
            // Others may come while we own the folder.
            let served = serving::Served::start(host, "127.0.0.1:0").await?;
            let host = &served.host;
            let answer = run_here(&host.orchestrator, host.input_bytes_max, order, stop).await;
            served.stop().await;
            answer
        }
        Place::Apart(scratch) => {
            let config = Config::load(global.config.as_deref())?;
            let rehearsal = Rehearsal::open(scratch, global.plugins.clone(), &config).await?;
            let answer = run_here(&rehearsal.orchestrator, config.input_bytes_max(), order, stop).await;
            rehearsal.close().await;
            answer
        }
    }
}

async fn run_here(
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
    if order.detach || report.status.is_terminal() {
        return Ok(report);
    }
    tokio::select! {
        report = remote.wait(report.run_id) => report,
        () = stop.asked() => {
            remote.cancel(report.run_id).await?;
            remote.wait(report.run_id).await
        }
    }
}

/// The largest input that the configuration of this command allows any plugin.
fn input_bytes_max(global: &Global) -> Result<u64, Failure> {
    Ok(Config::load(global.config.as_deref())?.input_bytes_max())
}

/// Whether nothing was asked of an owner that is about to let the folder go.
fn is_leaving(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "gone" | "not_ready")
}

/// Reads the files among the parameters; the host itself reads only what it was granted.
async fn read_files(request: &mut RunRequest, names: &[String], bytes_max: u64) {
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
    match find_owner(global).await? {
        Owner::Us((lock, data)) => {
            let host = open(global, lock, data).await?;
            let quarantine: Arc<dyn Quarantine> = host.storage.clone();
            match verdict {
                Verdict::Release => quarantine.release(capture).await,
                Verdict::Discard => quarantine.discard(capture).await,
            }
        }
        Owner::Other(remote) => remote.judge(capture, verdict).await,
    }
}

/// What is in the plugins folder: as the owner loaded it, or loaded now.
pub(crate) async fn plugins(global: &Global) -> Result<Vec<PluginRecord>, Failure> {
    check_plugins_folder(&global.plugins)?;
    match find_owner(global).await? {
        Owner::Us((lock, data)) => Ok(open(global, lock, data).await?.orchestrator.plugins()),
        Owner::Other(remote) => remote.plugins().await,
    }
}

/// The same failure whether or not somebody else owns the data folder.
fn check_plugins_folder(path: &Path) -> Result<(), Failure> {
    std::fs::read_dir(path).map(drop).map_err(|error| owner::unusable_folder(path, &error))
}

fn unreachable(message: String) -> Failure {
    Failure::new(FailureKind::Orchestration, "unreachable", message).retryable(true)
}
