//! A lake and a ledger in a temporary folder, with a clock that is set by hand, and runs as the orchestrator makes them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use lake::LocalLake;
use model::capture::{Head, StagedCapture};
use model::catalog::CatalogView;
use model::limits::Limits;
use model::plugin::{PluginRecord, PluginRef, PluginState};
use model::ports::{
    AsOf, Entropy, Finished, Lake, Ledger, NewRun, Prepared, Registration, Start, Submission, TableWriter, WorkOrder,
};
use model::run::{CaptureOutcome, Claim, Conclusion, Conditions, RunKind, RunReport, RunStatus};
use model::work::WorkSpec;
use model::{CaptureId, Clock, DatasetName, Digest, Manifest, RunId, Timestamp, WorkerId};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use storage::Storage;

use super::model::{COLUMNS, Capture, Expected, Row, State, partition};
use super::plan::{Delivery, Step};
use super::values::buffers;

pub(super) const DATASET: &str = "lab.samples";

const START_US: i64 = 1_700_000_000_000_000;

#[derive(Debug)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes();
        bytes.iter_mut().zip(count.iter().cycle()).for_each(|(byte, from)| *byte = *from);
    }
}

#[derive(Debug)]
pub(super) struct Lab {
    folder: tempfile::TempDir,
    pub(super) storage: Storage,
    lake: LocalLake,
    clock: Arc<HandClock>,
    entropy: Arc<Counter>,
    manifest: Arc<Manifest>,
    pub(super) expected: Expected,
    /// The state before the first capture.
    empty: State,
}

impl Lab {
    pub(super) async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("spine-lab-").tempdir().unwrap();
        let lake = LocalLake::open(folder.path()).unwrap();
        let (clock, entropy) = (Arc::new(HandClock(AtomicI64::new(START_US))), Arc::new(Counter::default()));
        let (database, captures) = (folder.path().join("spine.db"), folder.path().join("captures"));
        let storage = Storage::open(&database, &captures, clock.clone(), entropy.clone()).await.unwrap();
        let manifest = Arc::new(manifest());
        let found = vec![(record(&manifest), Some(manifest.clone()))];
        storage.register(Registration { found, ..Registration::default() }).await.unwrap();
        let snapshot = storage.catalog(AsOf::Latest).await.unwrap().snapshot;
        let empty = State { snapshot: snapshot.id, at: snapshot.at, known: 0 };
        Self { folder, storage, lake, clock, entropy, manifest, expected: Expected::default(), empty }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("spine.db")
    }

    pub(super) fn captures(&self) -> PathBuf {
        self.folder.path().join("captures")
    }

    pub(super) async fn view(&self, as_of: AsOf) -> Arc<CatalogView> {
        self.storage.catalog(as_of).await.unwrap()
    }

    fn random(&self) -> [u8; 10] {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        random
    }

    /// Carries one run out, and holds the ledger against what should become of it.
    pub(super) async fn carry_out(&mut self, step: &Step) {
        self.clock.0.fetch_add(step.clock, Ordering::SeqCst);
        let deliveries: BTreeMap<usize, &Delivery> = step.deliveries.iter().map(|it| (it.partition, it)).collect();
        let rows: BTreeMap<usize, Vec<Row>> =
            deliveries.iter().map(|(&number, delivery)| (number, self.expected.rows(delivery))).collect();
        let catalog = self.view(AsOf::Latest).await;
        let run = self.start(&catalog).await;
        let finished = self.work(&catalog, &deliveries, &rows);
        assert_eq!(finished.captures.len(), deliveries.len(), "one capture for each partition");
        assert!(finished.checks.iter().all(|check| !check.blocks()), "{:?}", finished.checks);

        let name = |capture: &Prepared| (capture.dataset.clone(), capture.partition.clone());
        let heads = self.storage.heads(finished.captures.iter().map(name).collect()).await.unwrap();
        let mut outcomes = Vec::new();
        let mut published = Vec::new();
        for (capture, head) in finished.captures.into_iter().zip(heads) {
            let number = *rows.keys().find(|&&number| partition(number) == capture.partition).unwrap();
            self.assert_identity(number, &rows[&number], &capture, head.as_ref());
            match head {
                Some(head) if head.content_hash == capture.content_hash && !step.force => {
                    let Prepared { dataset, partition, .. } = capture;
                    outcomes.push(CaptureOutcome::Unchanged { dataset, partition, head });
                }
                head => {
                    let staged = self.stage(capture, run);
                    published.push((number, staged.clone()));
                    outcomes.push(CaptureOutcome::Publish { staged, expected_head: head.map(|head| head.capture_id) });
                }
            }
        }
        let report = self.storage.conclude(conclusion(run, outcomes, self.clock.now())).await.unwrap();
        self.remember(published, rows, &report).await;
    }

    /// The content hash says whether the content is that of the head, and of nothing else.
    fn assert_identity(&self, number: usize, rows: &[Row], capture: &Prepared, head: Option<&Head>) {
        let known = self.expected.head(number);
        assert_eq!(head.map(|head| head.capture_id), known.map(|known| known.capture_id));
        assert_eq!(capture.rows, rows.len() as u64);
        for earlier in self.expected.captures.iter().filter(|earlier| earlier.partition == number) {
            let same = stamps(rows) == stamps(&earlier.rows);
            assert_eq!(capture.content_hash == earlier.content_hash, same, "revision {}", earlier.revision);
        }
    }

    async fn start(&self, catalog: &CatalogView) -> RunId {
        let now = self.clock.now();
        let run_id = RunId::new(now, self.random());
        let run = NewRun {
            run_id,
            spec: WorkSpec::new(DATASET, RunKind::Pipeline),
            request_hash: None,
            rebind: None,
            keeper: None,
            created_at: now,
        };
        assert_eq!(self.storage.submit(run).await.unwrap(), Submission::New);
        let start = Start {
            run_id,
            attempt: claim().attempt,
            plugin: Some(PluginRef { name: "lab".to_owned(), version: "1.0.0".to_owned(), digest: digest() }),
            conditions: Conditions {
                host_version: "1.0.0".to_owned(),
                wasmtime_version: "1.0.0".to_owned(),
                grants_hash: digest(),
            },
            input_hash: None,
            inputs: Vec::new(),
            snapshot: catalog.snapshot.id,
            worker: claim().worker,
            keeper: None,
            lease_until: now.plus_micros(60_000_000),
            exclusive: Vec::new(),
            started_at: now,
        };
        self.storage.start(start).await.unwrap();
        run_id
    }

    /// What a guest would do.
    fn work(
        &self,
        catalog: &Arc<CatalogView>,
        deliveries: &BTreeMap<usize, &Delivery>,
        rows: &BTreeMap<usize, Vec<Row>>,
    ) -> Finished {
        let order = WorkOrder {
            attempt: 1,
            run_id: RunId::new(Timestamp::from_micros(0), [0; 10]),
            manifest: Arc::clone(&self.manifest),
            inputs: BTreeMap::new(),
            formats: BTreeMap::new(),
            params: json!({}),
            outputs: vec![dataset()],
            folders: BTreeMap::new(),
            outlook: model::ports::Outlook::live(),
            catalog: Arc::clone(catalog),
            limits: Limits::standard(),
            dry_run: false,
            secrets: model::secret::Secrets::default(),
        };
        let mut bench = self.lake.workbench(order).unwrap();
        let mut writer = bench.output(DATASET).unwrap();
        for (&number, delivery) in deliveries {
            let mut rows = rows[&number].clone();
            if delivery.backwards {
                rows.reverse();
            }
            match rows.is_empty() {
                true => writer.declare(&partition(number).0.into_iter().collect::<Vec<_>>()).unwrap(),
                false => write(&mut *writer, &rows),
            }
        }
        drop(writer);
        bench.finish().unwrap()
    }

    fn stage(&self, capture: Prepared, run: RunId) -> StagedCapture {
        let capture_id = CaptureId::new(self.clock.now(), self.random());
        let Prepared { dataset, partition, rows, content_hash, data } = capture;
        let file = data.write(capture_id, run).unwrap();
        assert_eq!(file.is_some(), rows > 0, "a capture of no rows has no file");
        StagedCapture { capture_id, dataset, partition, rows, content_hash, file }
    }

    async fn remember(
        &mut self,
        published: Vec<(usize, StagedCapture)>,
        mut rows: BTreeMap<usize, Vec<Row>>,
        report: &RunReport,
    ) {
        assert_eq!(report.captures.iter().filter(|capture| !capture.unchanged).count(), published.len());
        let last = self.expected.states.last().copied().unwrap_or(self.empty);
        let snapshot = self.view(AsOf::Latest).await.snapshot;
        if published.is_empty() {
            assert_eq!((snapshot.id, snapshot.at), (last.snapshot, last.at), "nothing was published");
            return;
        }
        // Whatever the clock did, the next state is later than the last.
        let at = self.clock.now().max(last.at).plus_micros(1);
        assert_eq!((snapshot.id, snapshot.at), (last.snapshot + 1, at));
        let records = self.storage.captures(&dataset(), &model::Partition::default()).await.unwrap();
        for (number, staged) in published {
            let record = records.iter().find(|record| record.capture_id == staged.capture_id).unwrap();
            let revision = self.expected.head(number).map_or(1, |head| head.revision + 1);
            assert_eq!((record.revision, record.captured_at), (Some(revision), Some(at)));
            let file = staged.file.map(|file| format!("lab/samples/{}", file.path));
            self.expected.captures.push(Capture {
                partition: number,
                revision,
                rows: rows.remove(&number).unwrap(),
                capture_id: staged.capture_id,
                content_hash: staged.content_hash,
                file: file.map(|path| (path.clone(), self.file_hash(&path))),
            });
        }
        let known = self.expected.captures.len();
        self.expected.states.push(State { snapshot: snapshot.id, at, known });
    }

    pub(super) fn file_hash(&self, path: &str) -> Vec<u8> {
        Sha256::digest(std::fs::read(self.captures().join(path)).unwrap()).to_vec()
    }
}

/// In two batches, which a capture does not show.
fn write(writer: &mut dyn TableWriter, rows: &[Row]) {
    for rows in [&rows[..rows.len() / 2], &rows[rows.len() / 2..]] {
        let column = |(at, (name, data_type, _)): (usize, &(&str, model::DataType, bool))| {
            let cells: Vec<_> = rows.iter().map(|row| row.0[at].clone()).collect();
            ((*name).to_owned(), buffers(*data_type, &cells))
        };
        writer.write(COLUMNS.iter().enumerate().map(column).collect()).unwrap();
    }
}

fn stamps(rows: &[Row]) -> Vec<i64> {
    let mut stamps: Vec<i64> = rows.iter().map(Row::stamp).collect();
    stamps.sort_unstable();
    stamps
}

fn dataset() -> DatasetName {
    DATASET.parse().unwrap()
}

fn digest() -> Digest {
    Digest::new([1; 32])
}

fn manifest() -> Manifest {
    let columns = COLUMNS.iter().map(
        |(name, data_type, nullable)| json!({ "name": name, "type": data_type.to_string(), "nullable": nullable }),
    );
    let manifest = json!({
        "contract": "0.1.0", "name": "lab", "version": "1.0.0",
        "datasets": [{
            "name": DATASET, "columns": columns.collect::<Vec<_>>(), "key": ["id"], "partition_by": ["region", "on_day"],
        }],
    });
    Manifest::parse(&manifest.to_string()).unwrap()
}

fn record(manifest: &Manifest) -> PluginRecord {
    PluginRecord {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: Some(digest()),
        state: PluginState::Active,
        file: "lab.wasm".to_owned(),
        exports: vec![format!("pipeline {DATASET}")],
        loaded_at: Timestamp::from_micros(START_US),
        reasons: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Who carries every run out; each has one attempt.
fn claim() -> Claim {
    Claim { worker: WorkerId::new(Timestamp::from_micros(START_US), [1; 10]), attempt: 1 }
}

fn conclusion(run_id: RunId, captures: Vec<CaptureOutcome>, finished_at: Timestamp) -> Conclusion {
    let nothing = Conclusion::nothing(run_id, RunStatus::Completed, None, finished_at);
    Conclusion { claim: Some(claim()), captures, ..nothing }
}
