//! Health, and what operators change by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::difference::Difference;
use model::failure::{Failure, FailureKind};
use model::health::{Ends, Health, HealthStatus, LeaseCounts};
use model::plugin::{PluginRecord, PluginRef, PluginState};
use model::ports::{Candidate, LaneCounts, Lease, Operations, Vitals, WorkCounts};
use model::retention::RetentionReport;
use model::shadow::{Cost, ShadowReport};
use model::work::Lane;
use model::{Digest, RunId, Timestamp, WorkerId};
use serde_json::json;

use super::{Bench, the_run};

/// A ledger with so many open dead letters; with none it cannot tell them.
#[derive(Debug)]
pub(super) struct FakeVitals {
    dead_letters: Option<u64>,
}

impl Default for FakeVitals {
    fn default() -> Self {
        Self { dead_letters: Some(0) }
    }
}

#[async_trait::async_trait]
impl Vitals for FakeVitals {
    async fn answers(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn open_dead_letters(&self) -> Result<u64, Failure> {
        self.dead_letters.ok_or_else(|| Failure::new(FailureKind::Database, "corrupt", "the page is torn"))
    }

    async fn stale_runs(&self, _: Duration, nobody: bool) -> Result<u64, Failure> {
        Ok(u64::from(nobody))
    }

    async fn ends(&self, _: Duration) -> Result<Ends, Failure> {
        Ok(Ends::default())
    }

    async fn lease_counts(&self) -> Result<LeaseCounts, Failure> {
        Ok(LeaseCounts { held: 3, expired: 0 })
    }

    async fn work_counts(&self) -> Result<WorkCounts, Failure> {
        let lanes = BTreeMap::from([(Lane::Slow, LaneCounts { queued: 5, running: 1 })]);
        Ok(WorkCounts { lanes, ..WorkCounts::default() })
    }
}

/// A breaker `d.daily`, a lease `k` of the one run that is held, and nothing that is old.
#[derive(Debug)]
pub(super) struct FakeOperations;

#[async_trait::async_trait]
impl Operations for FakeOperations {
    async fn reset_breaker(&self, name: &str) -> Result<(), Failure> {
        match name {
            "d.daily" => Ok(()),
            _ => Err(Failure::new(FailureKind::Validation, "unknown_name", "no such name")),
        }
    }

    async fn open_breaker(&self, name: &str) -> Result<(), Failure> {
        self.reset_breaker(name).await
    }

    async fn release_lease(&self, key: &str, run: Option<RunId>, force: bool) -> Result<Vec<Lease>, Failure> {
        let at = Timestamp::from_micros(1);
        let worker = WorkerId::new(at, [1; 10]);
        let lease = Lease { key: key.to_owned(), run: the_run(), worker, token: 7, acquired_at: at, expires_at: at };
        match (force, run) {
            (true, None) => Ok(vec![lease]),
            _ => Err(Failure::new(FailureKind::Orchestration, "lease_held", "it is held")),
        }
    }

    async fn retain(&self, dry_run: bool) -> Result<RetentionReport, Failure> {
        Ok(RetentionReport { dry_run, runs: 2, ..RetentionReport::default() })
    }

    async fn roll_back(&self, plugin: &str, to: Option<Digest>) -> Result<PluginRecord, Failure> {
        match (plugin, to) {
            ("d", Some(digest)) => Ok(active(digest)),
            ("d", None) => Err(Failure::new(FailureKind::Validation, "not_kept", "no other version")),
            _ => Err(Failure::new(FailureKind::Validation, "unknown_name", "did you mean `d`?")),
        }
    }

    async fn shadow(&self, candidate: Candidate) -> Result<ShadowReport, Failure> {
        let plugin = PluginRef { name: candidate.file_name, version: "2".to_owned(), digest: Digest::new([1; 32]) };
        Ok(ShadowReport {
            active: plugin.clone(),
            candidate: plugin,
            runs: Vec::new(),
            difference: Difference { added: candidate.bytes.len() as u64, ..Difference::default() },
            active_cost: Cost::default(),
            candidate_cost: Cost::default(),
            missing: Vec::new(),
            over_budget: Vec::new(),
            promoted: candidate.budget.is_some(),
        })
    }

    async fn promote(&self, digest: Digest) -> Result<PluginRecord, Failure> {
        Ok(active(digest))
    }

    async fn approve(&self, _: &str, digest: Option<Digest>) -> Result<PluginRecord, Failure> {
        digest.map(active).ok_or_else(|| Failure::new(FailureKind::Config, "not_pending", "none waits"))
    }
}

async fn health(dead_letters: Option<u64>) -> (u16, Health) {
    let mut bench = Bench::new();
    bench.parts.vitals = Arc::new(FakeVitals { dead_letters });
    let reply = bench.get("/api/v1/health").await;
    (reply.status.as_u16(), serde_json::from_str(&reply.text).unwrap())
}

#[tokio::test]
async fn case_y6_health_is_the_worst_check_and_only_an_unhealthy_host_is_503() {
    for (dead_letters, status, expected) in [
        (Some(9), 200, HealthStatus::Healthy),
        (Some(10), 200, HealthStatus::Degraded),
        (Some(50), 503, HealthStatus::Unhealthy),
    ] {
        let (told, health) = health(dead_letters).await;
        assert_eq!((told, health.status, health.checks.len()), (status, expected, 5));
    }
    let (told, health) = health(None).await;
    assert_eq!((told, health.status), (503, HealthStatus::Unhealthy), "a check that cannot be made");
    let healthy = health.checks.iter().filter(|check| check.status == HealthStatus::Healthy).count();
    assert_eq!(healthy, 4, "hides no other: {health:?}");
}

#[tokio::test]
async fn health_wants_the_token_and_the_probes_do_not_ask_the_ledger() {
    let mut bench = Bench::new();
    bench.parts.vitals = Arc::new(FakeVitals { dead_letters: None });
    let request = axum::http::Request::get("/api/v1/health").header("host", super::HOST);
    assert_eq!(bench.send(request.body(axum::body::Body::empty()).unwrap()).await.status.as_u16(), 401);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(bench.get(path).await.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn breakers_leases_and_retention_are_changed_by_hand() {
    let bench = Bench::new();
    for (action, phase) in [("reset", "closed"), ("open", "open")] {
        let reply = bench.post(&format!("/api/v1/breakers/d.daily/{action}"), "{}").await;
        assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "name": "d.daily", "phase": phase })));
        let reply = bench.post(&format!("/api/v1/breakers/d.x/{action}"), "{}").await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "unknown_name"));
    }
    let reply = bench.post("/api/v1/leases/release", r#"{"key": "k"}"#).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (409, "lease_held"));
    let reply = bench.post("/api/v1/leases/release", r#"{"key": "k", "force": true}"#).await;
    assert_eq!((reply.status.as_u16(), reply.json()[0]["token"].as_u64()), (200, Some(7)));
    let reply = bench.post("/api/v1/retention", r#"{"dry_run": true}"#).await;
    assert_eq!((reply.json()["runs"].as_u64(), reply.json()["dry_run"].as_bool()), (Some(2), Some(true)));
    bench.parts.ready.set(false);
    let reply = bench.post("/api/v1/retention", "{}").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "not_ready"));
}

#[tokio::test]
async fn case_x8_metrics_tell_what_waits_in_a_lane() {
    let reply = Bench::new().get("/metrics").await;
    for line in
        [r#"spine_lane_runs{lane="slow",state="queued"} 5"#, r#"spine_lane_runs{lane="slow",state="running"} 1"#]
    {
        assert!(reply.text.lines().any(|it| it == line), "{line} is not in\n{}", reply.text);
    }
}

fn active(digest: Digest) -> PluginRecord {
    PluginRecord {
        name: "d".to_owned(),
        version: "1".to_owned(),
        digest: Some(digest),
        state: PluginState::Active,
        file: "d.wasm".to_owned(),
        exports: Vec::new(),
        loaded_at: Timestamp::from_micros(0),
        reasons: Vec::new(),
        warnings: Vec::new(),
    }
}

#[tokio::test]
async fn a_version_is_brought_back_or_approved_by_its_digest() {
    let bench = Bench::new();
    let digest = Digest::new([7; 32]);
    for action in ["rollback", "approve"] {
        let reply = bench.post(&format!("/api/v1/plugins/d/{action}"), &json!({ "digest": digest }).to_string()).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["state"]), (200, &json!("active")));
        assert_eq!(reply.json()["digest"], json!(digest));
    }
    let reply = bench.post("/api/v1/plugins/d/rollback", &json!({}).to_string()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "not_kept"));
    let reply = bench.post("/api/v1/plugins/x/rollback", &json!({}).to_string()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "unknown_name"));
    let reply = bench.post("/api/v1/plugins/d/approve", &json!({}).to_string()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (409, "not_pending"));
}

#[tokio::test]
async fn a_body_of_another_form_is_refused_as_a_problem_wherever_one_is_wanted() {
    let bench = Bench::new();
    for path in ["plugins/d/rollback", "plugins/d/approve", "plugins/promote", "leases/release", "retention"] {
        for body in ["nope", "", r#"{"digest": "x", "key": 1, "dry_run": "x"}"#] {
            let reply = bench.post(&format!("/api/v1/{path}"), body).await;
            assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "bad_params"), "{path} {body}");
        }
    }
}

#[tokio::test]
async fn a_component_is_sent_to_be_compared_and_promoted() {
    let bench = Bench::new();
    let body = json!({ "file_name": "../d.wasm", "base64": "AAEC", "last": 3 });
    let reply = bench.post("/api/v1/plugins/shadow", &body.to_string()).await;
    assert_eq!(reply.json()["candidate"]["name"], json!("d.wasm"), "{}", reply.text);
    assert_eq!((&reply.json()["difference"]["added"], &reply.json()["promoted"]), (&json!(3), &json!(false)));
    let budget = json!({ "rows": 0, "cpu": 1.5, "memory": 2.0 });
    let body = json!({ "file_name": "d.wasm", "base64": "AAEC", "budget": budget });
    assert_eq!(bench.post("/api/v1/plugins/shadow", &body.to_string()).await.json()["promoted"], json!(true));
    let reply =
        bench.post("/api/v1/plugins/shadow", &json!({ "file_name": "d.wasm", "base64": "?" }).to_string()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "bad_params"));
    let digest = Digest::new([7; 32]);
    let reply = bench.post("/api/v1/plugins/promote", &json!({ "digest": digest }).to_string()).await;
    assert_eq!(reply.json()["digest"], json!(digest));
    assert_eq!(bench.post("/api/v1/plugins/promote", &json!({}).to_string()).await.status.as_u16(), 400);
}
