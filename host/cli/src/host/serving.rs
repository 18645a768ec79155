//! A host that others can reach on loopback, until it is told to stop.

use std::sync::Arc;

use model::failure::{Failure, FailureKind};
use runtime::WatchMode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::operations::Interventions;
use super::{Counts, Host, HostOptions, data_folder, watching};
use crate::args::Global;
use crate::output;
use crate::owner::OwnerLock;
use crate::shutdown::Stop;
use crate::system::{OsEntropy, SystemClock};

/// A host with its API listening.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) host: Host,
    pub(crate) address: String,
    stop: CancellationToken,
    ready: api::Ready,
    api: JoinHandle<()>,
}

impl Served {
    /// Listens on `listen` and says so in the data folder.
    ///
    /// # Errors
    ///
    /// `usage` (exit code 2) if `listen` is no free loopback address.
    pub(crate) async fn start(host: Host, listen: &str) -> Result<Self, Failure> {
        let listener = bind(listen).await?;
        let address = listener.local_addr().map_err(|error| cannot_listen(listen, &error))?.to_string();
        let token = host.lock.announce(&address, &OsEntropy)?;
        let (stop, ready) = (CancellationToken::new(), api::Ready::default());
        let parts = api_parts(&host, token, ready.clone())?;
        let api = tokio::spawn(api::serve(listener, parts, stop.clone()));
        let resumed = host.orchestrator.resume().await?;
        if !resumed.is_empty() {
            tracing::info!(runs = resumed.len(), "took up runs that an earlier host left queued");
        }
        host.orchestrator.keep_tending(host.place.interrupted());
        ready.set(true);
        Ok(Self { host, address, stop, ready, api })
    }

    /// Has changes of the plugins folder take effect, for as long as it is awaited.
    pub(super) fn follow(&mut self, watch: Option<WatchMode>) -> impl Future<Output = ()> + use<> {
        let folder = self.host.folder.take();
        let orchestrator = self.host.orchestrator.clone();
        async move {
            match (folder, watch) {
                (Some(folder), Some(mode)) => watching::follow(orchestrator, folder, mode).await,
                _ => std::future::pending().await,
            }
        }
    }

    /// Lets running work end, answers what was asked, and lets the folder go; a signal cancels what still runs. `tell`
    /// is told how many runs are waited for, if any.
    pub(crate) async fn stop(self, stop: &mut Stop, tell: impl FnOnce(usize)) {
        let orchestrator = self.host.orchestrator.clone();
        let ending = self.end();
        tokio::pin!(ending);
        // One look closes the door: nobody comes in after the count.
        tokio::select! {
            biased;
            () = &mut ending => return,
            () = std::future::ready(()) => {}
        }
        let left = orchestrator.live_runs();
        if left > 0 {
            tell(left);
        }
        tokio::select! {
            () = &mut ending => return,
            () = stop.asked() => {}
        }
        orchestrator.cancel_all();
        ending.await;
    }

    async fn end(self) {
        self.ready.set(false);
        match self.host.place.is_shared() {
            true => self.host.orchestrator.hand_over().await,
            false => self.host.orchestrator.drain().await,
        }
        self.stop.cancel();
        if let Err(error) = self.api.await {
            tracing::error!(%error, "the API ended badly");
        }
        self.host.storage.close().await;
    }
}

/// Loads the plugins and stays until SIGTERM or Ctrl-C; a second signal cancels what still runs.
pub(crate) async fn serve(global: &Global, listen: &str, watch: Option<WatchMode>) -> Result<(), Failure> {
    let config = global.configuration()?;
    let data = data_folder(&global.data)?;
    let Some(lock) = OwnerLock::acquire(&data)? else {
        let message = format!(
            "another process owns `{}`; stop it first, or name another data folder with `--data`",
            data.display()
        );
        return Err(Failure::new(FailureKind::Orchestration, "locked", message));
    };
    let mut stop = Stop::listen()?;
    let options = HostOptions { plugins: global.plugins.clone(), data, config };
    let host = tokio::select! {
        biased;
        // Nothing was promised to anybody yet.
        () = stop.asked() => return Ok(()),
        host = Host::open(options, lock) => host?,
    };
    for plugin in host.orchestrator.plugins() {
        for warning in plugin.warnings {
            tracing::warn!(plugin.name = %plugin.name, "{warning}");
        }
    }
    let Counts { active, refused, pending } = host.counts();
    let load_ms = host.load.as_millis();
    let mut served = Served::start(host, listen).await?;
    let waiting = if pending == 0 { String::new() } else { format!(" pending={pending}") };
    let address = &served.address;
    output::note(&format!("ready http://{address} plugins={active} refused={refused} load_ms={load_ms}{waiting}"));

    let retention = served.host.retention.clone();
    let following = served.follow(watch);
    tokio::select! {
        () = stop.asked() => {}
        () = following => {}
        // Ends only where there is nothing to do.
        () = async { retention.daily(Arc::new(SystemClock)).await; std::future::pending().await } => {}
    }
    tracing::info!("stopping: running work may end; a second signal cancels it");
    served.stop(&mut stop, |_| {}).await;
    Ok(())
}

async fn bind(listen: &str) -> Result<TcpListener, Failure> {
    let addresses: Vec<std::net::SocketAddr> =
        tokio::net::lookup_host(listen).await.map_err(|error| cannot_listen(listen, &error))?.collect();
    let Some(address) = addresses.iter().find(|address| address.ip().is_loopback()) else {
        let message = format!("`{listen}` is not a loopback address: this version listens on this machine only");
        return Err(Failure::new(FailureKind::Config, "usage", message));
    };
    TcpListener::bind(address).await.map_err(|error| cannot_listen(listen, &error))
}

fn cannot_listen(listen: &str, error: &std::io::Error) -> Failure {
    let message = format!("cannot listen on `{listen}`: {error}; `--listen 127.0.0.1:0` picks a free port");
    Failure::new(FailureKind::Config, "usage", message)
}

fn api_parts(host: &Host, token: String, ready: api::Ready) -> Result<api::Parts, Failure> {
    let storage = host.storage.clone();
    let wal_bytes = move || storage.wal_bytes() as f64;
    host.metrics
        .gauge("spine_sqlite_wal_bytes", "Size of the write-ahead log of the ledger.", wal_bytes)
        .map_err(|error| Failure::new(FailureKind::Internal, "metrics", error.to_string()))?;
    Ok(api::Parts {
        engine: Arc::new(host.orchestrator.clone()),
        quarantine: host.storage.clone(),
        dead_letters: host.storage.clone(),
        runs: host.storage.clone(),
        vitals: host.storage.clone(),
        operations: Arc::new(Interventions::of(host)),
        token,
        allowed_hosts: Vec::new(),
        metrics: host.metrics.clone(),
        ready,
        body_bytes_max: api::body_bytes_max(host.input_bytes_max),
        head_patience: api::HEAD_PATIENCE,
    })
}
