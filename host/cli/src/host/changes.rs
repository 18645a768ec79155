//! What operators do about runs that are there: stop them, repeat them, ask why they wait, and deal with dead letters.
//! By whoever owns the data folder: this process if nobody does, else the owner, over its API.

use std::path::PathBuf;

use api::ResolveBody;
use model::RunId;
use model::failure::{Failure, FailureKind};
use model::ports::{DeadLetters as _, Engine as _, Ledger as _, Standing};
use model::replay::ReplayReport;
use model::run::RunReport;
use model::run::RunStatus;
use storage::Storage;

use super::finding::{Owner, find_owner};
use super::orders::{is_leaving, open, tell_of_others};
use super::serving::Served;
use crate::args::Global;
use crate::owner::{self, OwnerLock, OwnerSign};
use crate::remote::{Presence, Remote};
use crate::shutdown::Stop;

/// Asks a run to stop.
///
/// # Errors
///
/// `bad_id` if there is no such run, `already_ended` if it has ended.
pub(crate) async fn cancel(global: &Global, run: RunId) -> Result<RunReport, Failure> {
    loop {
        match find_owner(global).await? {
            Owner::Us((lock, data)) => {
                let host = open(global, lock, data).await?;
                not_ended(host.storage.report(run).await?, run)?;
                let cancelled = host.orchestrator.cancel(run).await?.ok_or_else(|| unknown(run));
                host.storage.close().await;
                return cancelled;
            }
            Owner::Other(remote) => match cancel_there(&remote, run).await {
                Err(failure) if is_leaving(&failure) => {}
                answer => return answer,
            },
        }
    }
}

async fn cancel_there(remote: &Remote, run: RunId) -> Result<RunReport, Failure> {
    not_ended(Some(remote.report(run).await?), run)?;
    remote.cancel(run).await
}

/// Repeats a run that ended badly, as a new run. Waits for its end unless `detach`.
///
/// # Errors
///
/// Those of [`model::ports::Engine::retry`].
pub(crate) async fn retry(global: &Global, run: RunId, detach: bool) -> Result<RunReport, Failure> {
    let mut stop = Stop::listen()?;
    loop {
        match find_owner(global).await? {
            Owner::Us(_) if detach => {
                let message = "`--detach` needs a host that serves this data folder; start one with `spine-host serve`";
                return Err(Failure::new(FailureKind::Network, "unreachable", message));
            }
            Owner::Us((lock, data)) => return retry_here(global, lock, data, run, &mut stop).await,
            Owner::Other(remote) => match remote.retry(run).await {
                Err(failure) if is_leaving(&failure) => {}
                Ok(report) if !detach => return wait_there(&remote, report.run_id, &mut stop).await,
                answer => return answer,
            },
        }
    }
}

async fn retry_here(
    global: &Global,
    lock: OwnerLock,
    data: PathBuf,
    run: RunId,
    stop: &mut Stop,
) -> Result<RunReport, Failure> {
    let host = open(global, lock, data).await?;
    let served = Served::start(host, "127.0.0.1:0").await?;
    let orchestrator = served.host.orchestrator.clone();
    let answer = async {
        let new = orchestrator.retry(run).await?.run_id;
        loop {
            tokio::select! {
                report = orchestrator.wait(new, WAIT) => match report? {
                    Some(report) if report.status.is_terminal() => return Ok(report),
                    Some(_) => {}
                    None => return Err(unknown(new)),
                },
                () = stop.asked() => drop(orchestrator.cancel(new).await?),
            }
        }
    }
    .await;
    served.stop(stop, tell_of_others).await;
    answer
}

/// How long one wait for the end of a run lasts.
const WAIT: std::time::Duration = std::time::Duration::from_secs(60);

async fn wait_there(remote: &Remote, run: RunId, stop: &mut Stop) -> Result<RunReport, Failure> {
    tokio::select! {
        report = remote.wait(run) => report,
        () = stop.asked() => {
            remote.cancel(run).await?;
            remote.wait(run).await
        }
    }
}

/// Carries a run out again as it was recorded, and compares what it delivers.
///
/// # Errors
///
/// Those of [`model::ports::Engine::replay`].
pub(crate) async fn replay(global: &Global, run: RunId) -> Result<ReplayReport, Failure> {
    loop {
        match find_owner(global).await? {
            Owner::Us((lock, data)) => {
                let host = open(global, lock, data).await?;
                let replayed = host.orchestrator.replay(run).await;
                host.storage.close().await;
                return replayed;
            }
            Owner::Other(remote) => match remote.replay(run).await {
                Err(failure) if is_leaving(&failure) => {}
                answer => return answer,
            },
        }
    }
}

/// Why a run stands where it stands. Only looks: where no host serves, the ledger answers.
pub(crate) async fn why(global: &Global, ledger: &Storage, run: RunId) -> Result<Standing, Failure> {
    if let OwnerSign::Listening(address) = owner::find(&global.data) {
        let remote = Remote::new(address);
        if remote.presence().await == Presence::Ready
            && let Ok(standing) = remote.why(run).await
        {
            return Ok(standing);
        }
    }
    let report = ledger.report(run).await?.ok_or_else(|| unknown(run))?;
    let mut standing = Standing::of(&report);
    if report.status == RunStatus::Running && is_left(global, ledger, run).await? {
        standing.code = "no_host".to_owned();
        standing.reason = "the process that carried it out is gone; the next host ends it as `interrupted`".to_owned();
    }
    Ok(standing)
}

/// Whether it is known that nobody carries a run out that has not ended.
pub(crate) async fn is_left(global: &Global, ledger: &Storage, run: RunId) -> Result<bool, Failure> {
    match global.ledger_place()?.is_shared() {
        true => Ok(!ledger.is_carried(run).await?),
        false => Ok(owner::has_no_owner(&global.data)),
    }
}

/// Says that a dead letter needs nothing more. Returns whether it was open.
pub(crate) async fn resolve(global: &Global, run: RunId, by: String, note: Option<String>) -> Result<bool, Failure> {
    loop {
        match find_owner(global).await? {
            Owner::Us((lock, data)) => {
                let host = open(global, lock, data).await?;
                let resolved = host.storage.resolve(run, &by, note.as_deref()).await;
                host.storage.close().await;
                return resolved;
            }
            Owner::Other(remote) => {
                let body = ResolveBody { by: by.clone(), note: note.clone() };
                match remote.resolve(run, &body).await {
                    Err(failure) if is_leaving(&failure) => {}
                    answer => return answer,
                }
            }
        }
    }
}

fn not_ended(report: Option<RunReport>, run: RunId) -> Result<(), Failure> {
    let report = report.ok_or_else(|| unknown(run))?;
    if !report.status.is_terminal() {
        return Ok(());
    }
    let message = format!("run `{run}` is {} already; nothing was changed", report.status.name());
    Err(Failure::new(FailureKind::Orchestration, "already_ended", message))
}

fn unknown(run: RunId) -> Failure {
    let message = format!("no run `{run}` in this data folder; `spine-host runs list` shows what is there");
    Failure::new(FailureKind::Validation, "bad_id", message)
}
