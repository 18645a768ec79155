//! Stand-ins of the ports, and a bench that wires them: a ledger in memory, a lake whose input files are scripts, an
//! invoker that can be held at a gate.

mod components;
mod invoker;
mod lake;
mod ledger;
mod states;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::grants::{FolderGrant, SecretSource};
use model::limits::Limits;
use model::manifest::Access;
use model::policy::RetryPolicy;
use model::ports::{
    Engine, Entropy, FoundPlugin, GivenFile, ParamValue, RunListener, RunRequest, SecretReader, Upstreams,
};
use model::run::RunReport;
use model::secret::SecretValue;
use model::{Clock, Digest, Failure, FailureKind, Grants, Manifest, Timer, Timestamp};
use tokio::sync::watch;

use crate::{Concurrency, LeasePolicy, Orchestrator, Parts, SwapPolicy, Versions, identity};

pub(crate) use components::FakeComponents;
pub(crate) use invoker::FakeInvoker;
pub(crate) use lake::FakeLake;
pub(crate) use ledger::FakeLedger;

/// Secrets whose values are in the names of their variables; the others cannot be read.
#[derive(Debug)]
struct Vault;

impl SecretReader for Vault {
    fn read(&self, source: &SecretSource) -> Result<SecretValue, Failure> {
        match source {
            SecretSource::Env(name) => Ok(SecretValue::new(format!("value of {name}"))),
            SecretSource::File(_) | SecretSource::Command(_) => {
                Err(Failure::new(FailureKind::Config, "secret_unreadable", format!("{} is gone", source.place())))
            }
        }
    }
}

/// Grants folders for reading, each by its name and its path.
pub(crate) fn reading(folders: &[(&str, &str)]) -> Grants {
    let grant = |path: &str| FolderGrant { path: path.into(), access: Access::Read };
    let folders = folders.iter().map(|(name, path)| ((*name).to_owned(), grant(path)));
    Grants { folders: folders.collect(), ..Grants::default() }
}

/// One microsecond passes with each look at it; the rest is up to the test.
#[derive(Clone, Debug)]
pub(crate) struct HandClock(pub(crate) Arc<watch::Sender<i64>>);

impl HandClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(1_700_000_000_000_000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap();
        self.0.send_modify(|now| *now += micros);
    }

    pub(crate) fn set(&self, at: Timestamp) {
        self.0.send_modify(|now| *now = at.as_micros());
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        let mut shown = 0;
        // Nobody is woken by a look.
        self.0.send_if_modified(|now| {
            shown = *now;
            *now += 1;
            false
        });
        Timestamp::from_micros(shown)
    }
}

impl Timer for HandClock {
    fn until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut hands = self.0.subscribe();
        Box::pin(async move {
            // The clock may be gone with the bench.
            drop(hands.wait_for(|now| *now >= at.as_micros()).await);
        })
    }
}

#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        for (byte, from) in bytes.iter_mut().rev().zip(count.iter().rev()) {
            *byte = *from;
        }
    }
}

/// An orchestrator over stand-ins.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) ledger: Arc<FakeLedger>,
    pub(crate) lake: Arc<FakeLake>,
    pub(crate) invoker: Arc<FakeInvoker>,
    pub(crate) components: Arc<FakeComponents>,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) clock: HandClock,
    /// Status of each run that ended.
    pub(crate) ended: Arc<Mutex<Vec<&'static str>>>,
}

impl Bench {
    /// With the plugin `d` installed.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Parts)) -> Self {
        let bench = Self::empty(change);
        bench.orchestrator.install(vec![found("d.wasm", b"d1", MANIFEST)]).await.unwrap();
        bench
    }

    pub(crate) fn empty(change: impl FnOnce(&mut Parts)) -> Self {
        let (ledger, lake, invoker) =
            (Arc::new(FakeLedger::default()), Arc::new(FakeLake::default()), Arc::new(FakeInvoker::default()));
        Self::over(ledger, lake, invoker, HandClock::new(), change)
    }

    fn over(
        ledger: Arc<FakeLedger>,
        lake: Arc<FakeLake>,
        invoker: Arc<FakeInvoker>,
        clock: HandClock,
        change: impl FnOnce(&mut Parts),
    ) -> Self {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&ended);
        let components = Arc::new(FakeComponents::default());
        let mut parts = Parts {
            ledger: ledger.clone(),
            states: ledger.clone(),
            lake: lake.clone(),
            invoker: invoker.clone(),
            components: components.clone(),
            clock: Arc::new(clock.clone()),
            timer: Arc::new(clock.clone()),
            entropy: Arc::new(Counting::default()),
            secrets: Arc::new(Vault),
            limits: Limits::standard(),
            policies: BTreeMap::new(),
            severities: BTreeMap::new(),
            retry: RetryPolicy::default(),
            policy: BTreeMap::new(),
            bulkheads: BTreeMap::new(),
            concurrency: Concurrency { runs: 16, writers: 2 },
            lanes: BTreeMap::new(),
            lease: LeasePolicy::default(),
            swap: SwapPolicy::default(),
            host: "here".to_owned(),
            versions: Versions { host: "1.2.3".to_owned(), wasmtime: "48.0.0".to_owned() },
            ended: Some(RunListener(Arc::new(move |report: &RunReport| {
                heard.lock().unwrap().push(report.status.name());
            }))),
            advanced: None,
        };
        change(&mut parts);
        Self { ledger, lake, invoker, components, orchestrator: Orchestrator::new(parts), clock, ended }
    }

    /// The servers that its guests reach.
    pub(crate) fn upstreams(&self) -> Arc<dyn Upstreams> {
        self.orchestrator.upstreams()
    }

    /// Another host on the same ledger, lake and clock.
    pub(crate) async fn again(&self) -> Orchestrator {
        self.again_with(|_| {}).await
    }

    pub(crate) async fn again_with(&self, change: impl FnOnce(&mut Parts)) -> Orchestrator {
        let next = self.another(change);
        next.install(vec![found("d.wasm", b"d1", MANIFEST)]).await.unwrap();
        next
    }

    /// Another host that has no plugins yet.
    pub(crate) fn another(&self, change: impl FnOnce(&mut Parts)) -> Orchestrator {
        let (ledger, lake, invoker) = (self.ledger.clone(), self.lake.clone(), self.invoker.clone());
        let components = self.components.clone();
        // Its ids are others than those of this one.
        let elsewhere = |parts: &mut Parts| {
            parts.entropy = Arc::new(Counting(AtomicU64::new(1 << 32)));
            parts.components = components;
            change(parts);
        };
        Self::over(ledger, lake, invoker, self.clock.clone(), elsewhere).orchestrator
    }

    /// Runs `d.daily` on a script.
    pub(crate) async fn run(&self, script: &str) -> RunReport {
        self.orchestrator.submit(daily(script)).await.unwrap()
    }

    pub(crate) async fn refused(&self, request: RunRequest) -> Failure {
        self.orchestrator.submit(request).await.unwrap_err()
    }
}

pub(crate) fn named(name: &str) -> RunRequest {
    RunRequest { name: name.to_owned(), ..RunRequest::default() }
}

/// `d.daily` on a file that holds this script.
pub(crate) fn daily(script: &str) -> RunRequest {
    let file = GivenFile { file_name: "day.txt".to_owned(), bytes: Ok(Arc::new(script.as_bytes().to_vec())) };
    RunRequest { files: BTreeMap::from([("file".to_owned(), file)]), ..named("d.daily") }
}

pub(crate) fn keyed(key: &str, script: &str) -> RunRequest {
    RunRequest { key: Some(key.to_owned()), ..daily(script) }
}

pub(crate) fn text(value: &str) -> ParamValue {
    ParamValue::Text(value.to_owned())
}

pub(crate) fn error_code(report: &RunReport) -> &str {
    report.error.as_ref().map_or("", |failure| &failure.code)
}

pub(crate) fn found(file: &str, content: &[u8], manifest: &str) -> FoundPlugin {
    let manifest = Manifest::parse(manifest).unwrap();
    assert_eq!(manifest.problems(), Vec::<String>::new());
    FoundPlugin {
        file: PathBuf::from(file),
        place: file.to_owned(),
        digest: Some(digest(content)),
        manifest: Some(Arc::new(manifest)),
        findings: Vec::new(),
    }
}

pub(crate) fn digest(content: &[u8]) -> Digest {
    identity::digest(content)
}

pub(crate) const MANIFEST: &str = r#"{
    "contract": "0.1.0", "name": "d", "version": "1.0.0",
    "datasets": [{"name": "d.t", "columns": [{"name": "day", "type": "utf8"}, {"name": "k", "type": "utf8"}],
        "key": ["k"], "partition_by": ["day"],
        "checks": [
            {"name": "trailer_count", "category": "COMPLETENESS", "severity": "block", "by": "host"},
            {"name": "band", "category": "COMPLETENESS", "severity": "warn"}]}],
    "formats": [{"name": "psv", "kind": "delimited", "delimiter": "|", "columns": [
        {"header": "K", "name": "k", "type": "utf8"}]}],
    "pipelines": [{"name": "d.daily", "accounting": "one-to-one", "outputs": ["d.t"],
        "params": [{"name": "file", "type": "file", "required": true}, {"name": "note", "type": "string"}, {"name": "day", "type": "string"},
            {"name": "token", "type": "string", "secret": true}],
        "inputs": [{"name": "file", "formats": ["psv"]}]},
        {"name": "d.each", "outputs": ["d.t"], "idempotency": "append",
            "params": [{"name": "file", "type": "file", "required": true}],
            "inputs": [{"name": "file", "formats": ["psv"]}]},
        {"name": "d.once", "outputs": ["d.t"], "idempotency": "input",
            "params": [{"name": "file", "type": "file", "required": true}, {"name": "note", "type": "string"},
                {"name": "token", "type": "string", "secret": true}],
            "inputs": [{"name": "file", "formats": ["psv"]}]},
        {"name": "d.staged", "outputs": ["d.t"], "stages": ["landed", "normalized", "aggregated"],
            "params": [{"name": "file", "type": "file", "required": true}],
            "inputs": [{"name": "file", "formats": ["psv"]}]}],
    "sources": [{"name": "d.drop", "outputs": ["d.t"]}],
    "tasks": [{"name": "d.add", "params": [{"name": "n", "type": "integer", "default": 1}]}]
}"#;
