//! An orchestrator on a ledger, as a worker has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::limits::Limits;
use model::policy::{PolicySpec, RetryPolicy};
use model::ports::{FoundPlugin, Interrupted, NoComponents, NoSecrets, ParamValue, RunFilter, RunListener, RunRequest};
use model::run::{RunReport, RunStatus};
use model::{Digest, Failure, Manifest};
use orchestrator::{Concurrency, LeasePolicy, Orchestrator, Parts, SwapPolicy, Versions};
use serde_json::json;
use storage::{Faults, Storage};
use tokio::sync::watch;

use crate::body::{Bodies, MANIFEST, WORK};
use crate::lake::NoLake;
use crate::system::System;
use crate::witness::Witness;

/// How long a worker on a server counts as alive after it was last heard of.
pub const LEASE: Duration = Duration::from_millis(1_000);

const BEAT: Duration = Duration::from_millis(100);

/// The version of the plugin that every worker has.
pub const FIRST: Digest = Digest::new([7; 32]);

/// How often a worker looks for what nobody has.
const TEND: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Host {
    pub storage: Arc<Storage>,
    pub orchestrator: Orchestrator,
    /// How often it has tended.
    rounds: watch::Sender<u64>,
}

/// What a host is opened with.
#[derive(Debug)]
pub struct Opening<'a> {
    /// A path, or `postgres://`.
    pub ledger: &'a str,
    pub folder: &'a Path,
    pub faults: Arc<dyn Faults>,
    /// Runs at one time.
    pub runs: usize,
    /// Whether each step of a run is told on standard output.
    pub tells: bool,
}

pub fn is_server(ledger: &str) -> bool {
    ledger.starts_with("postgres://")
}

impl Host {
    /// Opens the ledger; the owner of a file ends what was at work before.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn open(opening: Opening<'_>) -> Result<Self, Failure> {
        let Opening { ledger, folder, faults, runs, tells } = opening;
        let (clock, captures) = (Arc::new(System), folder.join("captures"));
        let storage = Storage::open_with_faults(ledger, &captures, clock, Arc::new(System), faults).await?;
        let storage = Arc::new(storage);
        storage.recover(Interrupted::Requeue).await?;
        let ttl = if is_server(ledger) { LEASE } else { Duration::from_secs(3_600) };
        let listener = move |report: &RunReport| {
            if tells {
                println!("end {} {}", report.run_id, report.status.name());
            }
        };
        let retry = json!({ "attempts_max": 50, "strategy": { "constant": { "delay_ms": 20 } }, "jitter": 0.0 });
        let spec: PolicySpec = serde_json::from_value(json!({
            "breaker": {},
            "concurrency": { "slots": 64, "key": { "named": "k" } },
        }))
        .map_err(|error| bad(&error))?;
        let all: PolicySpec = serde_json::from_value(json!({ "retry": retry })).map_err(|error| bad(&error))?;
        let mut policy: BTreeMap<String, PolicySpec> = BTreeMap::new();
        for name in [crate::body::FLAKY, crate::body::BAD, crate::body::SLOW] {
            policy.insert(name.to_owned(), all.clone());
        }
        policy.insert(WORK.to_owned(), PolicySpec { retry: all.retry, ..spec });
        let beats = watch::Sender::new(0);
        let orchestrator = Orchestrator::new(Parts {
            ledger: Arc::new(Witness { storage: storage.clone(), folder: folder.to_owned(), beats: beats.clone() }),
            states: storage.clone(),
            lake: Arc::new(NoLake),
            invoker: Arc::new(Bodies { folder: folder.to_owned(), tells, beats }),
            components: Arc::new(NoComponents),
            clock: Arc::new(System),
            timer: Arc::new(System),
            entropy: Arc::new(System),
            secrets: Arc::new(NoSecrets),
            limits: Limits::standard(),
            policies: BTreeMap::new(),
            severities: BTreeMap::new(),
            retry: RetryPolicy::default(),
            policy,
            bulkheads: BTreeMap::new(),
            concurrency: Concurrency { runs, writers: 1 },
            lanes: BTreeMap::new(),
            lease: LeasePolicy { ttl, beat: BEAT },
            swap: SwapPolicy::default(),
            host: format!("process {}", std::process::id()),
            versions: Versions { host: "kills".to_owned(), wasmtime: "none".to_owned() },
            ended: Some(RunListener(Arc::new(listener))),
            advanced: None,
        });
        let host = Self { storage, orchestrator, rounds: watch::Sender::new(0) };
        host.install(FIRST).await?;
        host.orchestrator.resume().await?;
        Ok(host)
    }

    /// Has a version of the plugin answer from now on.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn install(&self, digest: Digest) -> Result<(), Failure> {
        let manifest = Manifest::parse(MANIFEST).map_err(|problem| bad(&problem))?;
        let (file, manifest) = (PathBuf::from("k.wasm"), Some(Arc::new(manifest)));
        let (place, findings) = ("k.wasm".to_owned(), Vec::new());
        let found = FoundPlugin { file, place, digest: Some(digest), manifest, findings };
        self.orchestrator.install(vec![found]).await.map(drop)
    }

    /// Looks for what nobody has again and again, more often than a host does by itself.
    pub fn tend(&self) {
        let (orchestrator, rounds) = (self.orchestrator.clone(), self.rounds.clone());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TEND);
            loop {
                ticks.tick().await;
                drop(orchestrator.tend(Interrupted::Requeue).await);
                rounds.send_modify(|rounds| *rounds += 1);
            }
        });
    }

    /// Returns when another round of [`Host::tend`] has ended.
    pub async fn round(&self) {
        drop(self.rounds.subscribe().changed().await);
    }

    /// Returns when no worker is left that could be alive, and those that died are forgotten. For a host that has
    /// drained: it is none itself then.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn outlive(&self) -> Result<(), Failure> {
        while self.storage.has_workers().await? {
            self.round().await;
        }
        // The round that is under way may have looked before the last one expired.
        self.round().await;
        self.round().await;
        Ok(())
    }

    /// Returns when every run has ended.
    ///
    /// # Errors
    ///
    /// Those of the ledger.
    pub async fn finish(&self) -> Result<(), Failure> {
        while self.is_any_open().await? {
            self.round().await;
        }
        Ok(())
    }

    async fn is_any_open(&self) -> Result<bool, Failure> {
        for status in [RunStatus::Queued, RunStatus::Running] {
            let filter = RunFilter { status: Some(status), ..RunFilter::default() };
            if !self.storage.runs(&filter).await?.runs.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A task with a key that is also its parameter.
pub fn request(name: &str, key: &str) -> RunRequest {
    let params = BTreeMap::from([("key".to_owned(), ParamValue::Text(key.to_owned()))]);
    RunRequest { name: name.to_owned(), params, key: Some(key.to_owned()), ..RunRequest::default() }
}

fn bad(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(model::FailureKind::Internal, "harness", error.to_string())
}
