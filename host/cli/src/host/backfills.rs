//! Backfills, carried out by whoever owns the data folder. An owner that goes away leaves the backfill to the next one,
//! and the command goes on waiting there.

use std::collections::BTreeMap;
use std::time::Duration;

use model::RunId;
use model::failure::{Failure, FailureKind};
use model::ports::{BackfillRequest, BackfillWork, Engine as _, ParamValue, RunRequest};
use model::run::RunReport;
use model::work::Routing;
use orchestrator::Orchestrator;

use super::finding::{Owner, find_owner, unreachable};
use super::orders::{input_bytes_max, is_leaving, open, read_files, tell_of_others, unless_stopped};
use super::serving::Served;
use crate::args::Global;
use crate::progress::Bar;
use crate::remote::Remote;
use crate::shutdown::Stop;

/// How long one wait for the end lasts.
const WAIT: Duration = Duration::from_secs(60);

/// Name and parameters of an item.
pub(crate) type NamedItem = (String, BTreeMap<String, ParamValue>);

/// A backfill as the command line asks for it.
#[derive(Clone, Debug)]
pub(crate) struct BackfillOrder {
    pub(crate) items: Vec<NamedItem>,
    pub(crate) parallel: Option<u32>,
    pub(crate) stop_on_failure: bool,
    pub(crate) force: bool,
    pub(crate) key: Option<String>,
    pub(crate) detach: bool,
    pub(crate) routing: Routing,
}

/// Carries a backfill out.
pub(crate) async fn backfill(global: &Global, order: BackfillOrder) -> Result<RunReport, Failure> {
    let mut stop = Stop::listen()?;
    let mut begun: Option<RunId> = None;
    loop {
        match unless_stopped(&mut stop, find_owner(global)).await? {
            Owner::Us(_) if order.detach && begun.is_none() => {
                let message = "`--detach` needs a host that serves this data folder; start one with `spine-host serve`";
                return Err(unreachable(message.to_owned()));
            }
            Owner::Us((lock, data)) => {
                let host = unless_stopped(&mut stop, open(global, lock, data)).await?;
                // What an earlier owner left is taken up here.
                let served = Served::start(host, "127.0.0.1:0").await?;
                let answer =
                    here(&served.host.orchestrator, served.host.input_bytes_max, &order, begun, &mut stop).await;
                served.stop(&mut stop, tell_of_others).await;
                return answer;
            }
            Owner::Other(remote) => {
                match there(&remote, input_bytes_max(global)?, &order, &mut begun, &mut stop).await {
                    Err(failure) if is_leaving(&failure) => {}
                    answer => return answer,
                }
            }
        }
    }
}

async fn here(
    orchestrator: &Orchestrator,
    bytes_max: u64,
    order: &BackfillOrder,
    begun: Option<RunId>,
    stop: &mut Stop,
) -> Result<RunReport, Failure> {
    let _bar = Bar::start("backfill");
    let run = match begun {
        Some(run) => run,
        None => {
            let mut files = BTreeMap::new();
            for (name, _) in &order.items {
                files.entry(name.as_str()).or_insert_with(|| orchestrator.file_params(name));
            }
            let request = unless_stopped(stop, order.request(known(files)?, bytes_max)).await?;
            orchestrator.backfill(request).await?.run_id
        }
    };
    loop {
        tokio::select! {
            report = orchestrator.wait(run, WAIT) => match report? {
                Some(report) if report.status.is_terminal() => return Ok(report),
                Some(_) => {}
                None => return Err(lost(run)),
            },
            () = stop.asked() => drop(orchestrator.cancel(run).await?),
        }
    }
}

async fn there(
    remote: &Remote,
    bytes_max: u64,
    order: &BackfillOrder,
    begun: &mut Option<RunId>,
    stop: &mut Stop,
) -> Result<RunReport, Failure> {
    let _bar = Bar::start("backfill");
    let run = match *begun {
        Some(run) => run,
        None => {
            let mut files = BTreeMap::new();
            for (name, _) in &order.items {
                if !files.contains_key(name.as_str()) {
                    files.insert(name.as_str(), remote.file_params(name).await);
                }
            }
            let request = unless_stopped(stop, order.request(known(files)?, bytes_max)).await?;
            let report = remote.backfill(&request).await?;
            if report.status.is_terminal() || order.detach {
                return Ok(report);
            }
            *begun.insert(report.run_id)
        }
    };
    tokio::select! {
        report = remote.wait(run) => report,
        () = stop.asked() => {
            remote.cancel(run).await?;
            remote.wait(run).await
        }
    }
}

/// The parameters of type `file` of each name that somebody offers. If nobody offers any, no run is made.
fn known(files: BTreeMap<&str, Result<Vec<String>, Failure>>) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let (mut known, mut unknown) = (BTreeMap::new(), None);
    for (name, params) in files {
        match params {
            Ok(params) => drop(known.insert(name.to_owned(), params)),
            Err(failure) if is_leaving(&failure) => return Err(failure),
            Err(failure) => drop(unknown.get_or_insert(failure)),
        }
    }
    match unknown {
        Some(failure) if known.is_empty() => Err(failure),
        _ => Ok(known),
    }
}

impl BackfillOrder {
    /// The request, with the bytes of its files.
    async fn request(&self, files: BTreeMap<String, Vec<String>>, bytes_max: u64) -> Result<BackfillRequest, Failure> {
        let mut items = Vec::with_capacity(self.items.len());
        let mut bytes = 0;
        for (name, params) in &self.items {
            let mut item = RunRequest { name: name.clone(), params: params.clone(), ..RunRequest::default() };
            read_files(&mut item, files.get(name).map_or(&[], Vec::as_slice), bytes_max).await;
            bytes += item.files.values().filter_map(|file| Some(file.bytes.as_ref().ok()?.len() as u64)).sum::<u64>();
            if bytes > bytes_max {
                let message = format!(
                    "the files of one backfill may have {bytes_max} bytes together (`limits.input_bytes`), these have \
                     more; ask for fewer at once, or raise that limit"
                );
                return Err(Failure::new(FailureKind::Config, "usage", message));
            }
            let RunRequest { name, params, files, .. } = item;
            items.push(BackfillWork { name, params, files });
        }
        Ok(BackfillRequest {
            items,
            parallel: self.parallel,
            stop_on_failure: self.stop_on_failure,
            force: self.force,
            routing: self.routing,
            key: self.key.clone(),
            ..BackfillRequest::default()
        })
    }
}

fn lost(run: RunId) -> Failure {
    let message = format!("the ledger has no run `{run}` any more: its database was replaced");
    Failure::new(FailureKind::Database, "run_missing", message)
}
