//! No-op runs through the orchestrator: a task whose body does nothing, with stand-ins for sandbox and lake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::capture::StagedCapture;
use model::limits::Limits;
use model::policy::RetryPolicy;
use model::ports::{
    Answer, Blob, Engine, FileEntry, Finished, FoundPlugin, InputBytes, Invocation, Invoked, Invoker, KeptInput, Lake,
    NoComponents, NoSecrets, RejectedRow, RunRequest, TableReader, TableWriter, WorkOrder, Workbench,
};
use model::reject::Rejects;
use model::run::RunStatus;
use model::{DatasetName, Digest, Failure, FailureKind, Manifest, Usage};
use orchestrator::{Concurrency, LeasePolicy, Orchestrator, Parts, SwapPolicy, Versions};
use storage::Storage;

use crate::IN_FLIGHT;
use crate::hands::{Counter, Stopwatch};
use crate::ledger::Runs;

const MANIFEST: &str = r#"{
    "contract": "0.1.0", "name": "bench", "version": "1.0.0", "tasks": [{"name": "bench.nothing"}]
}"#;

#[derive(Debug)]
pub(crate) struct WholeRuns(Orchestrator);

impl WholeRuns {
    pub(crate) async fn new(storage: Arc<Storage>) -> Self {
        let clock = Arc::new(Stopwatch::start());
        let orchestrator = Orchestrator::new(Parts {
            ledger: storage.clone(),
            states: storage,
            lake: Arc::new(NoLake),
            invoker: Arc::new(NoGuest),
            components: Arc::new(NoComponents),
            clock: clock.clone(),
            timer: clock,
            entropy: Arc::new(Counter::default()),
            secrets: Arc::new(NoSecrets),
            limits: Limits::standard(),
            policies: BTreeMap::new(),
            severities: BTreeMap::new(),
            retry: RetryPolicy::default(),
            policy: BTreeMap::new(),
            bulkheads: BTreeMap::new(),
            // Nobody waits for a place: what is measured is the way, not the queue.
            concurrency: Concurrency { runs: IN_FLIGHT, writers: 1 },
            lanes: BTreeMap::new(),
            lease: LeasePolicy::default(),
            swap: SwapPolicy::default(),
            host: "bench".to_owned(),
            versions: Versions { host: "0.1.0".to_owned(), wasmtime: "48.0.8".to_owned() },
            ended: None,
            advanced: None,
        });
        let plugin = FoundPlugin {
            file: PathBuf::from("bench.wasm"),
            place: "bench.wasm".to_owned(),
            digest: Some(Digest::new([7; 32])),
            manifest: Some(Arc::new(Manifest::parse(MANIFEST).unwrap())),
            findings: Vec::new(),
        };
        orchestrator.install(vec![plugin]).await.unwrap();
        Self(orchestrator)
    }
}

impl Runs for WholeRuns {
    async fn run(&self) {
        let request = RunRequest { name: "bench.nothing".to_owned(), ..RunRequest::default() };
        let report = self.0.submit(request).await.unwrap();
        assert_eq!(report.status, RunStatus::Completed, "{:?}", report.error);
    }
}

/// A guest that answers at once.
#[derive(Debug)]
struct NoGuest;

#[async_trait::async_trait]
impl Invoker for NoGuest {
    async fn invoke(&self, Invocation { workbench, .. }: Invocation) -> Invoked {
        let (answer, stages, usage) = (Ok(Answer::default()), Vec::new(), Usage::default());
        Invoked { answer, workbench: Some(workbench), stages, usage }
    }
}

/// A lake that nobody reads from and nobody writes to.
#[derive(Debug)]
struct NoLake;

impl Lake for NoLake {
    fn keep_input(&self, _: InputBytes) -> Result<KeptInput, Failure> {
        Err(unused())
    }
    fn settle_input(&self, _: Digest) -> Result<(), Failure> {
        Ok(())
    }

    fn kept_input(&self, _: &str, _: Digest) -> Result<KeptInput, Failure> {
        Err(unused())
    }
    fn workbench(&self, _: WorkOrder) -> Result<Box<dyn Workbench>, Failure> {
        Ok(Box::new(NoBench))
    }
    fn discard(&self, _: &[StagedCapture]) {}
    fn check_folder(&self, _: &Path) -> Result<(), Failure> {
        Ok(())
    }
}

#[derive(Debug)]
struct NoBench;

impl Workbench for NoBench {
    fn input(&mut self, _: &str, _: &str) -> Result<Box<dyn TableReader>, Failure> {
        Err(unused())
    }
    fn open(&mut self, _: &str) -> Result<Box<dyn Blob>, Failure> {
        Err(unused())
    }
    fn output(&mut self, _: &str) -> Result<Box<dyn TableWriter>, Failure> {
        Err(unused())
    }
    fn files(&mut self, _: &str) -> Result<Vec<FileEntry>, Failure> {
        Err(unused())
    }
    fn save(&mut self, _: &str, _: &str, _: Vec<u8>) -> Result<(), Failure> {
        Err(unused())
    }

    fn keep(&mut self, _: InputBytes) {}

    fn reject(&mut self, _: Vec<RejectedRow>) -> Result<(), Failure> {
        Err(unused())
    }
    fn begin_partition(&mut self) {}
    fn end_partition(&mut self) {}
    fn written(&self) -> Vec<DatasetName> {
        Vec::new()
    }
    fn abandon(self: Box<Self>) -> Result<Finished, Failure> {
        self.finish()
    }

    fn finish(self: Box<Self>) -> Result<Finished, Failure> {
        let rejects = Rejects { rows: Vec::new(), file: None };
        let (captures, checks, found_inputs) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Finished {
            captures,
            checks,
            rejects,
            rejected: 0,
            rows_in: 0,
            rows_written: 0,
            bytes_in: 0,
            bytes_written: 0,
            found_inputs,
            saved: Box::new(()),
        })
    }
}

fn unused() -> Failure {
    Failure::new(FailureKind::Internal, "unused", "the task of this bench reads and writes nothing")
}
