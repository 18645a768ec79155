//! A ledger in a temporary folder or on a server of the tests' own, a clock that is set by hand, and runs in few words.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use model::capture::{ColumnStats, StagedCapture, StagedFile};
use model::plugin::{PluginRecord, PluginRef, PluginState};
use model::ports::{Entropy, Ledger, NewRun, Start, Submission};
use model::reject::Rejects;
use model::run::{CaptureOutcome, Conclusion, Conditions, RunKind, RunReport, RunStatus};
use model::{
    CaptureId, CaptureRecord, Clock, DatasetName, Digest, Failure, FailureKind, Manifest, Partition, RunId, Timestamp,
};

use private_postgres::{Absent, Database};
use sqlx::AnyConnection;

use crate::dialect::Dialect;
use crate::place::{Place, Server};
use crate::writer::{Lead, Scribe};
use crate::{Storage, lock, open as opening};

/// Makes of each function two tests, one for each database: it gets an open ledger that knows the datasets of
/// [`manifest`].
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            use crate::tests::support::Bench;

            $(#[tokio::test]
            async fn $name() {
                super::$name(Bench::on_sqlite().await).await;
            })*
        }

        mod on_postgres {
            use crate::tests::support::Bench;

            $(#[tokio::test]
            async fn $name() {
                if let Some(bench) = Bench::on_postgres().await {
                    super::$name(bench).await;
                }
            })*
        }
    };
}
pub(super) use on_both;

pub(super) const START_US: i64 = 1_700_000_000_000_000;

/// A run that has ended, and its captures as the ledger has them.
#[derive(Debug)]
pub(super) struct Concluded {
    pub(super) records: Vec<CaptureRecord>,
    pub(super) report: RunReport,
}

#[derive(Debug)]
pub(super) struct HandClock(AtomicI64);

impl HandClock {
    pub(super) fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        for (byte, from) in bytes.iter_mut().rev().zip(count.iter().rev()) {
            *byte = *from;
        }
    }
}

pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) clock: Arc<HandClock>,
    pub(super) storage: Storage,
    pub(super) ids: Arc<Counter>,
    /// None on SQLite.
    pub(super) server: Option<Database>,
}

impl Bench {
    /// A ledger in a file.
    pub(super) async fn on_sqlite() -> Self {
        Self::begin(None).await
    }

    /// A ledger on a server; none, and a word about it, where there is no PostgreSQL.
    pub(super) async fn on_postgres() -> Option<Self> {
        Some(Self::begin(Some(server()?)).await)
    }

    async fn begin(server: Option<Database>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = hand_clock();
        let storage = open_at(server.as_ref(), &folder, &clock).await.unwrap();
        let bench = Self { folder, clock, storage, ids: Arc::default(), server };
        bench.storage.register(vec![found(&manifest(), 1)]).await.unwrap();
        bench
    }

    pub(super) async fn reopen(self) -> Self {
        self.storage.close().await;
        let storage = self.open().await.unwrap();
        Self { storage, ..self }
    }

    /// Opens the ledger once more; on a server that may be done while it is open.
    pub(super) async fn open(&self) -> Result<Storage, Failure> {
        open_at(self.server.as_ref(), &self.folder, &self.clock).await
    }

    /// Opens the ledger for who only reads.
    pub(super) async fn open_read_only(&self) -> Result<Storage, Failure> {
        match &self.server {
            None => Storage::open_read_only(&self.database(), self.clock.clone()).await,
            Some(server) => Storage::open_database_read_only(&server.url(), self.clock.clone()).await,
        }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("spine.db")
    }

    pub(super) fn place(&self) -> Place {
        match &self.server {
            None => Place::file(&self.database()).unwrap(),
            Some(server) => Place::Server(Server::parse(&server.url()).unwrap()),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.place().dialect()
    }

    /// A connection beside the writer's, and what else a transaction of it needs.
    pub(super) async fn other_writer(&self) -> (AnyConnection, Lead) {
        let lead = Lead {
            clock: self.clock.clone(),
            entropy: Arc::new(Counter::default()),
            captures: self.folder.path().join("captures"),
        };
        (opening::writing(&self.place()).await.unwrap(), lead)
    }

    /// Begins a transaction that publishes.
    pub(super) async fn begin_publishing(&self, scribe: &mut Scribe<'_>) {
        match self.dialect() {
            Dialect::Sqlite => scribe.run("BEGIN IMMEDIATE").await.unwrap(),
            Dialect::Postgres => scribe.run("BEGIN").await.unwrap(),
        }
        lock::catalog(scribe.connection).await.unwrap();
    }

    fn random(&self) -> [u8; 10] {
        let mut random = [0; 10];
        self.ids.fill(&mut random);
        random
    }

    pub(super) fn new_run(&self) -> NewRun {
        NewRun {
            run_id: RunId::new(self.clock.now(), self.random()),
            name: "shop.sales".to_owned(),
            kind: RunKind::Pipeline,
            params: serde_json::json!({ "file": "a.csv" }),
            idempotency_key: None,
            request_hash: None,
            rebind: None,
            created_at: self.clock.now(),
        }
    }

    pub(super) async fn queued(&self) -> RunId {
        let run = self.new_run();
        let id = run.run_id;
        assert_eq!(self.storage.submit(run).await.unwrap(), Submission::New);
        id
    }

    pub(super) fn start(&self, run: RunId, attempt: u32) -> Start {
        Start {
            run_id: run,
            attempt,
            plugin: PluginRef { name: "shop".to_owned(), version: "1.0.0".to_owned(), digest: digest(1) },
            conditions: Conditions {
                host_version: "0.1.0".to_owned(),
                wasmtime_version: "48.0.8".to_owned(),
                grants_hash: digest(202),
            },
            input_hash: Some(digest(200)),
            inputs: vec![("a.csv".to_owned(), digest(201))],
            snapshot: 0,
            started_at: self.clock.now(),
        }
    }

    pub(super) async fn running(&self) -> RunId {
        let run = self.queued().await;
        self.storage.start(self.start(run, 1)).await.unwrap();
        run
    }

    pub(super) fn ended(&self, run: RunId, status: RunStatus) -> Conclusion {
        let failure = Failure::new(FailureKind::Validation, "quality_blocked", "a check blocked it");
        Conclusion {
            run_id: run,
            status,
            error: (status != RunStatus::Completed).then_some(failure),
            rows_in: 10,
            rows_out: 9,
            captures: Vec::new(),
            quality: Vec::new(),
            rejects: Rejects::default(),
            rejected: 1,
            logs: Vec::new(),
            stages: Vec::new(),
            result: None,
            cursor: None,
            input_hash: None,
            inputs: Vec::new(),
            finished_at: self.clock.now(),
        }
    }

    /// A capture of `shop.sales` for one day, with content named by a number.
    pub(super) fn staged(&self, day: &str, content: u8, rows: u64) -> StagedCapture {
        let capture_id = CaptureId::new(self.clock.now(), self.random());
        let partition: Partition = [("day", day)].into_iter().collect();
        StagedCapture {
            capture_id,
            dataset: sales(),
            rows,
            content_hash: digest(content),
            file: (rows > 0).then(|| file(capture_id, day)),
            partition,
        }
    }

    /// Runs to the end and publishes captures over the heads that are there.
    pub(super) async fn publish(&self, captures: Vec<StagedCapture>) -> Result<Concluded, Failure> {
        let run = self.running().await;
        let wanted = captures.iter().map(|it| (it.dataset.clone(), it.partition.clone())).collect();
        let heads = self.storage.heads(wanted).await.unwrap();
        let outcomes = captures
            .into_iter()
            .zip(heads)
            .map(|(staged, head)| CaptureOutcome::Publish { staged, expected_head: head.map(|head| head.capture_id) });
        let captures = outcomes.collect();
        let conclusion = Conclusion { captures, ..self.ended(run, RunStatus::Completed) };
        let report = self.storage.conclude(conclusion).await?;
        Ok(self.concluded(report).await)
    }

    /// Runs to the end and has a check keep the capture back. Its file exists.
    pub(super) async fn quarantine(&self, staged: StagedCapture) -> Concluded {
        if let Some(file) = &staged.file {
            let folder = self.folder.path().join("captures/shop/sales");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(&file.path), b"PAR1").unwrap();
        }
        let run = self.running().await;
        let captures = vec![CaptureOutcome::Quarantine { staged }];
        let conclusion = Conclusion { captures, ..self.ended(run, RunStatus::Failed) };
        let report = self.storage.conclude(conclusion).await.unwrap();
        self.concluded(report).await
    }

    async fn concluded(&self, report: RunReport) -> Concluded {
        let mut records = Vec::new();
        for capture in &report.captures {
            records.push(self.capture(&capture.dataset, capture.capture_id).await);
        }
        Concluded { records, report }
    }

    /// A capture as the ledger has it.
    pub(super) async fn capture(&self, dataset: &DatasetName, id: CaptureId) -> CaptureRecord {
        let all = self.storage.captures(dataset, &Partition::default()).await.unwrap();
        all.into_iter().find(|capture| capture.capture_id == id).unwrap()
    }

    pub(super) async fn event_names(&self, run: RunId) -> Vec<String> {
        let events = self.storage.events(run).await.unwrap();
        let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>(), "events are numbered without a gap");
        events.into_iter().map(|event| event.event).collect()
    }

    /// One value of the database, as text.
    pub(super) async fn value(&self, sql: &'static str) -> Option<String> {
        sqlx::query_scalar(sql).fetch_optional(&self.storage.reads).await.unwrap().flatten()
    }

    /// A column of the database, as texts.
    pub(super) async fn values(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(&self.storage.reads).await.unwrap()
    }

    pub(super) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.storage.reads).await.unwrap()
    }
}

pub(super) fn hand_clock() -> Arc<HandClock> {
    Arc::new(HandClock(AtomicI64::new(START_US)))
}

/// An empty database of the server of this process.
pub(super) fn server() -> Option<Database> {
    match private_postgres::shared() {
        Ok(cluster) => Some(cluster.database()),
        Err(Absent(why)) => {
            println!("skipped: {why}");
            None
        }
    }
}

/// Opens a ledger in a file.
pub(super) async fn open(folder: &tempfile::TempDir, clock: &Arc<HandClock>) -> Result<Storage, Failure> {
    open_at(None, folder, clock).await
}

pub(super) async fn open_at(
    server: Option<&Database>,
    folder: &tempfile::TempDir,
    clock: &Arc<HandClock>,
) -> Result<Storage, Failure> {
    let captures = folder.path().join("captures");
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    let entropy = Arc::new(Counter::default());
    match server {
        None => Storage::open(&folder.path().join("spine.db"), &captures, clock, entropy).await,
        Some(server) => Storage::open_database(&server.url(), &captures, clock, entropy).await,
    }
}

fn file(capture: CaptureId, day: &str) -> StagedFile {
    let stats = |column: &str, min: &str, max: &str| ColumnStats {
        column: column.to_owned(),
        bytes: 40,
        values: 3,
        nulls: 0,
        contains_nan: None,
        min: Some(min.to_owned()),
        max: Some(max.to_owned()),
    };
    let ratio = ColumnStats { contains_nan: Some(false), ..stats("ratio", "0.25", "0.5") };
    let id = capture.to_string();
    let columns = vec![
        stats("day", day, day),
        stats("item", "apple", "pear"),
        stats("amount", "1.500000", "12.000000"),
        ratio,
        stats("_capture_id", &id, &id),
        stats("_run_id", "run", "run"),
    ];
    StagedFile { path: format!("{id}.parquet"), bytes: 1_000, footer_bytes: 300, columns }
}

pub(super) fn sales() -> DatasetName {
    "shop.sales".parse().unwrap()
}

pub(super) fn digest(byte: u8) -> Digest {
    Digest::new([byte; 32])
}

pub(super) fn manifest() -> Manifest {
    Manifest::parse(
        r#"{
            "contract": "0.1.0", "name": "shop", "version": "1.0.0",
            "datasets": [{
                "name": "shop.sales",
                "columns": [
                    { "name": "day", "type": "date32" },
                    { "name": "item", "type": "utf8" },
                    { "name": "amount", "type": "decimal128(18,6)", "nullable": true },
                    { "name": "ratio", "type": "float64", "nullable": true }
                ],
                "key": ["day", "item"],
                "partition_by": ["day"]
            }, {
                "name": "shop.returns",
                "columns": [{ "name": "day", "type": "date32" }],
                "key": ["day"],
                "partition_by": ["day"]
            }]
        }"#,
    )
    .unwrap()
}

pub(super) fn found(manifest: &Manifest, bytes: u8) -> (PluginRecord, Option<Arc<Manifest>>) {
    let record = PluginRecord {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: Some(digest(bytes)),
        state: PluginState::Active,
        file: "shop.wasm".to_owned(),
        exports: vec!["pipeline shop.sales".to_owned()],
        loaded_at: Timestamp::from_micros(START_US),
        reasons: Vec::new(),
    };
    (record, Some(Arc::new(manifest.clone())))
}
