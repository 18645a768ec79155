//! A clock that is set by hand, and runs in few words.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use model::capture::{ColumnStats, StagedCapture, StagedFile};
use model::plugin::{PluginRecord, PluginRef, PluginState};
use model::ports::{Entropy, Ledger, NewRun, Registration, Start, Submission};
use model::reject::Rejects;
use model::run::{CaptureOutcome, Claim, Conclusion, Conditions, RunKind, RunReport, RunStatus};
use model::work::WorkSpec;
use model::{
    CaptureId, CaptureRecord, Clock, DatasetName, Digest, Failure, FailureKind, Manifest, Partition, RunId, Timestamp,
    WorkerId,
};
use private_postgres::Database;
use sqlx::AssertSqlSafe;

use crate::Storage;
use crate::dialect::Dialect;

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
    pub(super) folder: Arc<tempfile::TempDir>,
    pub(super) clock: Arc<HandClock>,
    pub(super) storage: Storage,
    pub(super) ids: Arc<Counter>,
    /// Who is taken to carry a run out: whoever began it last.
    pub(super) claims: Arc<Mutex<HashMap<RunId, Claim>>>,
    /// None on SQLite.
    pub(super) server: Option<Database>,
}

/// What an attempt used, each number another.
pub(super) fn usage(first: u64) -> model::Usage {
    model::Usage {
        cpu_us: first,
        wall_us: first + 1,
        memory_bytes_peak: first + 2,
        host_calls: first + 3,
        rows_in: first + 4,
        rows_out: first + 5,
        bytes_in: first + 6,
        bytes_out: first + 7,
    }
}

impl Bench {
    /// Records what was found in the plugins folder, and nothing else.
    pub(super) async fn register(&self, found: Vec<(PluginRecord, Option<Arc<Manifest>>)>) -> Result<(), Failure> {
        self.storage.register(Registration { found, ..Registration::default() }).await
    }

    /// The digest that was last active under each plugin name.
    pub(super) async fn last_active(&self) -> Vec<(String, Digest)> {
        let standing = self.storage.plugin_standing().await.unwrap();
        standing.incumbents.into_iter().map(|it| (it.name, it.digest)).collect()
    }

    fn random(&self) -> [u8; 10] {
        let mut random = [0; 10];
        self.ids.fill(&mut random);
        random
    }

    pub(super) fn new_run(&self) -> NewRun {
        let params = serde_json::json!({ "file": "a.csv" });
        NewRun {
            run_id: RunId::new(self.clock.now(), self.random()),
            spec: WorkSpec { params, ..WorkSpec::new("shop.sales", RunKind::Pipeline) },
            request_hash: None,
            rebind: None,
            keeper: None,
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
        self.claims.lock().unwrap().insert(run, Claim { worker: worker(1), attempt });
        Start {
            run_id: run,
            attempt,
            plugin: Some(PluginRef { name: "shop".to_owned(), version: "1.0.0".to_owned(), digest: digest(1) }),
            conditions: Conditions {
                host_version: "0.1.0".to_owned(),
                wasmtime_version: "48.0.8".to_owned(),
                grants_hash: digest(202),
            },
            input_hash: Some(digest(200)),
            inputs: vec![("a.csv".to_owned(), digest(201))],
            snapshot: 0,
            worker: worker(1),
            keeper: None,
            lease_until: self.clock.now().plus_micros(60_000_000),
            exclusive: Vec::new(),
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
            claim: self.claims.lock().unwrap().get(&run).copied(),
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
            stage_order: Vec::new(),
            input_key: None,
            usage: Some(usage(1)),
            same_as: None,
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

    /// How SQLite would carry a statement out, a step each; what it is asked with does not matter.
    pub(super) async fn plan(&self, template: &'static str) -> Vec<String> {
        let explained = format!("EXPLAIN QUERY PLAN {}", Dialect::Sqlite.render(template));
        let steps: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(explained)).fetch_all(&self.storage.reads).await.unwrap();
        steps.into_iter().map(|(_, _, _, step)| step).collect()
    }
}

pub(super) fn hand_clock() -> Arc<HandClock> {
    Arc::new(HandClock(AtomicI64::new(START_US)))
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

pub(super) fn worker(number: u8) -> WorkerId {
    WorkerId::new(Timestamp::from_micros(START_US), [number; 10])
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
        warnings: Vec::new(),
    };
    (record, Some(Arc::new(manifest.clone())))
}
