//! Requests against the router, and over a real socket.

mod lists;
mod operating;
mod security;
mod serving;
mod working;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use model::failure::{Failure, FailureKind};
use model::plugin::{PluginEvent, PluginGrants, PluginRecord, PluginRef, PluginState};
use model::ports::{
    BackfillRequest, DeadLetter, DeadLetterFilter, DeadLetters, Engine, Quarantine, RunFilter, RunPage, RunRequest,
    Runs, Standing,
};
use model::replay::ReplayReport;
use model::run::{RunCapture, RunCaptureState, RunEvent, RunKind, RunReport, RunStatus};
use model::{CaptureId, CaptureRecord, CaptureState, Digest, RunId, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use self::operating::{FakeOperations, FakeVitals};
use crate::guard::Guard;
use crate::routes::router;
use crate::{Metrics, Parts, Ready};

const TOKEN: &str = "0123456789abcdef";
const HOST: &str = "127.0.0.1:8710";

/// An engine with one run, which ends when the test says so.
#[derive(Debug)]
struct FakeEngine {
    asked: Mutex<Vec<RunRequest>>,
    backfills: Mutex<Vec<BackfillRequest>>,
    /// How long callers of `wait` would have waited.
    patience: Mutex<Vec<Duration>>,
    status: watch::Sender<RunStatus>,
}

fn the_run() -> RunId {
    RunId::new(Timestamp::from_micros(1_700_000_000_000_000), [7; 10])
}

fn the_capture() -> CaptureId {
    CaptureId::new(Timestamp::from_micros(1_700_000_000_000_000), [8; 10])
}

fn report(status: RunStatus) -> RunReport {
    let at = Timestamp::from_micros(1_700_000_000_000_000);
    let capture = RunCapture {
        dataset: "d.t".parse().unwrap(),
        partition: [("day", "2021-01-27")].into_iter().collect(),
        capture_id: the_capture(),
        revision: Some(1),
        rows: 3,
        content_hash: Digest::new([1; 32]),
        unchanged: false,
        state: RunCaptureState::Published,
    };
    RunReport {
        run_id: the_run(),
        name: "d.daily".to_owned(),
        kind: RunKind::Pipeline,
        status,
        unchanged: false,
        attempt: 1,
        rows_in: 4,
        rows_out: 3,
        rejected: 1,
        rejects: None,
        captures: vec![capture],
        quality: Vec::new(),
        plugin: None,
        conditions: None,
        input_hash: None,
        duration_ms: Some(20),
        usage: None,
        error: None,
        params: serde_json::json!({}),
        routing: Default::default(),
        lineage: Default::default(),
        attempts_max: 3,
        not_before: None,
        created_at: at,
        started_at: Some(at),
        finished_at: None,
        result: None,
    }
}

/// One dead letter, of the one run, that is open.
#[derive(Debug)]
struct FakeDeadLetters;

#[async_trait::async_trait]
impl DeadLetters for FakeDeadLetters {
    async fn dead_letters(&self, _: DeadLetterFilter) -> Result<Vec<DeadLetter>, Failure> {
        Ok(Vec::new())
    }

    async fn resolve(&self, run: RunId, by: &str, _: Option<&str>) -> Result<bool, Failure> {
        match run == the_run() {
            true => Ok(by == "ann"),
            false => Err(Failure::new(FailureKind::Validation, "bad_id", "no dead letter")),
        }
    }
}

/// Keeps what was asked for, and has nothing.
#[derive(Debug, Default)]
struct FakeRuns(Mutex<Vec<RunFilter>>);

#[async_trait::async_trait]
impl Runs for FakeRuns {
    async fn events_after(&self, run: RunId, seq: u64) -> Result<Vec<RunEvent>, Failure> {
        let event = |(number, event): (usize, &&str)| RunEvent {
            seq: number as u64 + 1,
            at: Timestamp::from_micros(1),
            event: (*event).to_owned(),
            data: json!({ "of": run }),
        };
        let mut events: Vec<RunEvent> = ["created", "queued", "started"].iter().enumerate().map(event).collect();
        events.retain(|event| event.seq > seq);
        Ok(events)
    }

    async fn runs(&self, filter: &RunFilter) -> Result<RunPage, Failure> {
        self.0.lock().unwrap().push(filter.clone());
        Ok(RunPage { runs: Vec::new(), next: Some(the_run()) })
    }
}

#[async_trait::async_trait]
impl Engine for FakeEngine {
    async fn spawn(&self, request: RunRequest) -> Result<RunReport, Failure> {
        self.file_params(&request.name)?;
        self.asked.lock().unwrap().push(request);
        Ok(report(*self.status.borrow()))
    }

    async fn submit(&self, request: RunRequest) -> Result<RunReport, Failure> {
        self.spawn(request).await
    }

    async fn backfill(&self, request: BackfillRequest) -> Result<RunReport, Failure> {
        self.backfills.lock().unwrap().push(request);
        Ok(report(*self.status.borrow()))
    }

    async fn wait(&self, run: RunId, at_most: Duration) -> Result<Option<RunReport>, Failure> {
        if run != the_run() {
            return Ok(None);
        }
        self.patience.lock().unwrap().push(at_most);
        let mut status = self.status.subscribe();
        drop(tokio::time::timeout(at_most, status.wait_for(|status| status.is_terminal())).await);
        Ok(Some(report(*self.status.borrow())))
    }

    async fn cancel(&self, run: RunId) -> Result<Option<RunReport>, Failure> {
        self.status.send_replace(RunStatus::Cancelled);
        self.wait(run, Duration::ZERO).await
    }

    async fn retry(&self, run: RunId) -> Result<RunReport, Failure> {
        self.status.send_replace(RunStatus::Queued);
        self.wait(run, Duration::ZERO)
            .await?
            .ok_or_else(|| Failure::new(FailureKind::Validation, "bad_id", "no such run"))
    }

    async fn why(&self, run: RunId) -> Result<Option<Standing>, Failure> {
        Ok(self.wait(run, Duration::ZERO).await?.as_ref().map(Standing::of))
    }

    async fn replay(&self, run: RunId) -> Result<ReplayReport, Failure> {
        if run != the_run() {
            return Err(Failure::new(FailureKind::Validation, "bad_id", "no such run"));
        }
        let digest = Digest::new([2; 32]);
        Ok(ReplayReport {
            run_id: run,
            attempt: 1,
            plugin: PluginRef { name: "d".to_owned(), version: "1".to_owned(), digest },
            identical: true,
            outputs: Vec::new(),
            recorded_error: None,
            replayed_error: None,
            recorded_rejected: 0,
            replayed_rejected: 0,
            findings: Vec::new(),
        })
    }

    fn file_params(&self, name: &str) -> Result<Vec<String>, Failure> {
        match name {
            "d.daily" => Ok(vec!["file".to_owned()]),
            _ => Err(Failure::new(FailureKind::Validation, "unknown_name", "did you mean `d.daily`?")),
        }
    }

    async fn plugin_grants(&self, name: &str) -> Result<PluginGrants, Failure> {
        match name {
            "d" => Ok(PluginGrants {
                name: name.to_owned(),
                digest: None,
                place: None,
                grants: Vec::new(),
                asked: Vec::new(),
            }),
            _ => Err(Failure::new(FailureKind::Validation, "unknown_name", "did you mean `d`?")),
        }
    }

    async fn plugin_history(&self, name: &str) -> Result<Vec<PluginEvent>, Failure> {
        match name {
            "d" => Ok(Vec::new()),
            _ => Err(Failure::new(FailureKind::Validation, "unknown_name", "did you mean `d`?")),
        }
    }

    fn plugins(&self) -> Vec<PluginRecord> {
        let plugin = |name: &str, state| PluginRecord {
            name: name.to_owned(),
            version: "1".to_owned(),
            digest: None,
            state,
            file: format!("{name}.wasm"),
            exports: Vec::new(),
            loaded_at: Timestamp::from_micros(0),
            reasons: Vec::new(),
            warnings: Vec::new(),
        };
        vec![plugin("d", PluginState::Active), plugin("e", PluginState::Active), plugin("f", PluginState::Refused)]
    }
}

#[derive(Debug)]
struct FakeQuarantine;

#[async_trait::async_trait]
impl Quarantine for FakeQuarantine {
    async fn release(&self, capture: CaptureId) -> Result<CaptureRecord, Failure> {
        if capture != the_capture() {
            return Err(Failure::new(FailureKind::Validation, "bad_id", "no such capture"));
        }
        Ok(CaptureRecord {
            dataset: "d.t".parse().unwrap(),
            partition: [("day", "2021-01-27")].into_iter().collect(),
            revision: Some(2),
            capture_id: capture,
            captured_at: Some(Timestamp::from_micros(1)),
            rows: 3,
            content_hash: Digest::new([1; 32]),
            run_id: the_run(),
            plugin_digest: Digest::new([2; 32]),
            state: CaptureState::Published,
        })
    }

    async fn discard(&self, _: CaptureId) -> Result<CaptureRecord, Failure> {
        Err(Failure::new(FailureKind::Validation, "not_releasable", "it is published"))
    }
}

/// A server without a socket.
struct Bench {
    engine: Arc<FakeEngine>,
    runs: Arc<FakeRuns>,
    parts: Parts,
    shutdown: CancellationToken,
}

/// An answer, taken apart.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    content_type: String,
    location: Option<String>,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The code of the failure in a problem.
    fn code(&self) -> String {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        let problem: crate::Problem = serde_json::from_str(&self.text).unwrap();
        assert_eq!((problem.status, &problem.detail), (self.status.as_u16(), &problem.failure.message));
        problem.failure.code
    }
}

impl Bench {
    fn new() -> Self {
        let status = watch::Sender::new(RunStatus::Queued);
        let engine = Arc::new(FakeEngine {
            asked: Mutex::default(),
            backfills: Mutex::default(),
            patience: Mutex::default(),
            status,
        });
        let (ready, runs) = (Ready::default(), Arc::<FakeRuns>::default());
        ready.set(true);
        let parts = Parts {
            engine: engine.clone(),
            quarantine: Arc::new(FakeQuarantine),
            dead_letters: Arc::new(FakeDeadLetters),
            runs: runs.clone(),
            vitals: Arc::new(FakeVitals::default()),
            operations: Arc::new(FakeOperations),
            token: TOKEN.to_owned(),
            allowed_hosts: vec!["Spine.example:443".to_owned()],
            metrics: Metrics::new("0.1.0").unwrap(),
            ready,
            body_bytes_max: 64 * 1024,
            head_patience: crate::HEAD_PATIENCE,
        };
        Self { engine, runs, parts, shutdown: CancellationToken::new() }
    }

    fn router(&self) -> Router {
        let address: SocketAddr = HOST.parse().unwrap();
        let guard = Guard::new(&self.parts.token, address, &self.parts.allowed_hosts);
        router(self.parts.clone(), guard, self.shutdown.clone())
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router().oneshot(request).await.unwrap();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (content_type, location) = (header(header::CONTENT_TYPE), header(header::LOCATION));
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply { status, content_type: content_type.unwrap_or_default(), location, text }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: &str) -> Reply {
        self.send(post(path).body(Body::from(body.to_owned())).unwrap()).await
    }
}

/// A good request; tests spoil it.
fn get(path: &str) -> axum::http::request::Builder {
    Request::get(path).header(header::HOST, HOST).header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
}

fn post(path: &str) -> axum::http::request::Builder {
    let request = Request::post(path).header(header::HOST, HOST);
    request.header(header::AUTHORIZATION, format!("Bearer {TOKEN}")).header(header::CONTENT_TYPE, "application/json")
}
