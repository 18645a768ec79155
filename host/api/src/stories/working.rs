//! What the routes do for those who may use them.

use std::time::Duration;

use axum::body::Body;
use model::ports::ParamValue;
use model::run::{RunReport, RunStatus};
use model::{RunId, Timestamp};
use serde_json::json;

use super::{Bench, report, the_capture, the_run};

#[tokio::test]
async fn a_run_is_asked_for_with_the_bytes_of_its_files() {
    let bench = Bench::new();
    let body = json!({
        "name": "d.daily", "params": {"n": 5}, "text": {"day": "2021-01-27"}, "force": true, "key": "k",
        "inputs": {"file": {"file_name": "/tmp/day.txt", "base64": "aGVsbG8="}}
    });
    let reply = bench.post("/api/v1/runs", &body.to_string()).await;
    assert_eq!(reply.status.as_u16(), 202);
    assert_eq!(reply.location, Some(format!("/api/v1/runs/{}", the_run())));
    assert_eq!(serde_json::from_str::<RunReport>(&reply.text).unwrap(), report(RunStatus::Queued));
    let asked = bench.engine.asked.lock().unwrap();
    assert_eq!(asked[0].files["file"].file_name, "day.txt");
    assert_eq!(asked[0].files["file"].bytes.as_ref().unwrap().as_slice(), b"hello");
    assert_eq!(asked[0].params["n"], ParamValue::Json(json!(5)));
    assert_eq!(asked[0].params["day"], ParamValue::Text("2021-01-27".to_owned()));
    assert!(asked[0].force && !asked[0].dry_run && asked[0].key.as_deref() == Some("k"));
}

#[tokio::test]
async fn an_empty_key_is_refused_wherever_it_stands() {
    let bench = Bench::new();
    assert_eq!(bench.post("/api/v1/runs", r#"{"name": "d.daily", "key": ""}"#).await.code(), "bad_params");
    for sent in ["", " ", "m\u{e9}"] {
        let request = super::post("/api/v1/runs").header("idempotency-key", sent.as_bytes());
        let reply = bench.send(request.body(Body::from(r#"{"name": "d.daily"}"#)).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "bad_params"));
    }
    assert!(bench.engine.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn no_answer_repeats_a_long_value_that_somebody_sent() {
    let bench = Bench::new();
    let long = "n".repeat(20_000);
    let bodies = [
        json!({ "name": "d.daily", &long: 1 }),
        json!({ "name": "d.daily", "params": { &long: 1 }, "text": { &long: "1" } }),
        json!({ "name": "d.daily", "inputs": { &long: { "file_name": "f" } } }),
        json!({ "name": "d.daily", "force": long }),
    ];
    for body in bodies {
        let reply = bench.post("/api/v1/runs", &body.to_string()).await;
        assert_eq!(reply.status.as_u16(), 400, "{}", &reply.text[..200]);
        assert!(reply.text.len() < 8_000, "{} bytes", reply.text.len());
        assert!(reply.text.contains("nnnn") && reply.text.contains("characters"), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_run_that_has_ended_is_told_at_once() {
    let bench = Bench::new();
    bench.engine.status.send_replace(RunStatus::Completed);
    let reply = bench.post("/api/v1/runs", r#"{"name": "d.daily"}"#).await;
    assert_eq!((reply.status.as_u16(), reply.json()["status"].as_str()), (200, Some("completed")));
}

#[tokio::test]
async fn a_caller_may_wait_for_the_end() {
    let bench = Bench::new();
    let (reply, ()) = tokio::join!(bench.post("/api/v1/runs", r#"{"name": "d.daily", "wait": 60}"#), async {
        while bench.engine.asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        bench.engine.status.send_replace(RunStatus::Completed);
    });
    assert_eq!((reply.status.as_u16(), reply.json()["status"].as_str()), (200, Some("completed")));
}

#[tokio::test]
async fn a_long_poll_waits_as_long_as_asked_up_to_a_cap() {
    let bench = Bench::new();
    let path = format!("/api/v1/runs/{}", the_run());
    assert_eq!(bench.get(&path).await.json()["status"], "queued", "without `wait` the answer is what there is");
    bench.engine.status.send_replace(RunStatus::Completed);
    bench.get(&format!("{path}?wait=5")).await;
    bench.get(&format!("{path}?wait=99999999")).await;
    let seconds: Vec<u64> = bench.engine.patience.lock().unwrap().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [0, 5, 60]);
    assert_eq!(bench.get(&format!("{path}?wait=soon")).await.code(), "bad_params");
}

#[tokio::test]
async fn a_server_that_ends_answers_those_who_wait() {
    let bench = Bench::new();
    bench.shutdown.cancel();
    let path = format!("/api/v1/runs/{}?wait=60", the_run());
    let reply = tokio::time::timeout(Duration::from_secs(30), bench.get(&path)).await.unwrap();
    assert_eq!(reply.json()["status"], "queued");
}

#[tokio::test]
async fn a_run_can_be_cancelled() {
    let bench = Bench::new();
    let reply = bench.post(&format!("/api/v1/runs/{}/cancel", the_run()), "").await;
    assert_eq!((reply.status.as_u16(), reply.json()["status"].as_str()), (200, Some("cancelled")));
}

#[tokio::test]
async fn quarantined_captures_are_released_and_discarded() {
    let bench = Bench::new();
    let reply = bench.post(&format!("/api/v1/captures/{}/release", the_capture()), "{}").await;
    assert_eq!((reply.status.as_u16(), reply.json()["revision"].as_u64()), (200, Some(2)));
    let reply = bench.post(&format!("/api/v1/captures/{}/discard", the_capture()), "{}").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (409, "not_releasable"));
    let reply = bench.post("/api/v1/captures/cap_1/release", "{}").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "bad_id"));
}

#[tokio::test]
async fn what_is_loaded_can_be_asked() {
    let bench = Bench::new();
    assert_eq!(bench.get("/api/v1/plugins").await.json().as_array().unwrap().len(), 3);
    let reply = bench.get("/api/v1/exports/d.daily").await;
    assert_eq!(reply.json(), json!({"name": "d.daily", "file_params": ["file"]}));
    let reply = bench.get("/api/v1/exports/d.dialy").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "unknown_name"));
}

#[tokio::test]
async fn what_cannot_be_understood_is_said() {
    let bench = Bench::new();
    for (body, expected) in [
        ("", "not a request for a run"),
        ("[]", "not a request for a run"),
        (r#"{"name": "d.daily", "forse": true}"#, "forse"),
        (r#"{"name": "d.daily", "inputs": {"file": {"file_name": "x", "base64": "%"}}}"#, "not base64"),
    ] {
        let reply = bench.post("/api/v1/runs", body).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "bad_params"), "{body}");
        assert!(reply.text.contains(expected), "{} has no {expected}", reply.text);
    }
    let reply = bench.post("/api/v1/runs", r#"{"name": "d.dialy"}"#).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "unknown_name"));
    for path in ["/api/v1/runs/x", "/api/v1/runs/run_00000000000070008000000000000000"] {
        let reply = bench.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "bad_id"), "{path}");
    }
    assert_eq!(bench.get("/nothing").await.code(), "not_found");
    let reply = bench.get("/api/v1/backfills").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (405, "wrong_method"));
}

#[tokio::test]
async fn no_work_is_taken_before_the_host_is_ready() {
    let bench = Bench::new();
    bench.parts.ready.set(false);
    let reply = bench.get("/readyz").await;
    assert_eq!((reply.status.as_u16(), reply.json()["status"].as_str()), (503, Some("not_ready")));
    assert_eq!(bench.get("/healthz").await.status.as_u16(), 200);
    let reply = bench.post("/api/v1/runs", r#"{"name": "d.daily"}"#).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "not_ready"));
    assert_eq!(reply.json()["failure"]["retryable"], true);
    bench.parts.ready.set(true);
    let reply = bench.get("/readyz").await;
    assert_eq!(reply.json(), json!({"status": "ready", "plugins": {"active": 2, "refused": 1}}));
}

#[tokio::test]
async fn metrics_count_what_ended() {
    let bench = Bench::new();
    let listener = bench.parts.metrics.listener();
    for status in [RunStatus::Completed, RunStatus::Completed, RunStatus::Failed] {
        (listener.0)(&report(status));
    }
    let reply = bench.get("/metrics").await;
    assert_eq!(reply.content_type, "text/plain; version=0.0.4");
    for line in [
        r#"spine_runs_total{name="d.daily",status="completed"} 2"#,
        r#"spine_runs_total{name="d.daily",status="failed"} 1"#,
        r#"spine_run_duration_seconds_count{name="d.daily"} 3"#,
        r#"spine_run_duration_seconds_bucket{name="d.daily",le="0.025"} 3"#,
        r#"spine_rows_total{direction="rejected",name="d.daily"} 3"#,
        r#"spine_captures_total{dataset="d.t",outcome="published"} 2"#,
        r#"spine_captures_total{dataset="d.t",outcome="quarantined"} 1"#,
        r#"spine_plugins{state="active"} 2"#,
        r#"spine_plugins{state="refused"} 1"#,
        "# TYPE spine_runs_total counter",
    ] {
        assert!(reply.text.lines().any(|it| it == line), "{line} is not in\n{}", reply.text);
    }
}

#[tokio::test]
async fn runs_are_repeated_explained_and_dealt_with() {
    let bench = Bench::new();
    let run = the_run();
    let reply = bench.post(&format!("/api/v1/runs/{run}/retry"), "{}").await;
    assert_eq!((reply.status.as_u16(), reply.json()["status"].as_str()), (202, Some("queued")));
    let reply = bench.get(&format!("/api/v1/runs/{run}/why")).await;
    assert_eq!((reply.status.as_u16(), reply.json()["code"].as_str()), (200, Some("no_host")));
    let path = format!("/api/v1/dead-letters/{run}/resolve");
    for (by, resolved) in [("ann", true), ("bob", false)] {
        let reply = bench.post(&path, &json!({ "by": by }).to_string()).await;
        assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "resolved": resolved })));
    }
    let nobody = "run_00000000000070008000000000000000";
    for path in [format!("runs/{nobody}/why"), format!("runs/{nobody}/retry"), format!("dead-letters/{nobody}/resolve")]
    {
        let reply = match path.rsplit('/').next().unwrap() {
            "why" => bench.get(&format!("/api/v1/{path}")).await,
            "retry" => bench.post(&format!("/api/v1/{path}"), "{}").await,
            _ => bench.post(&format!("/api/v1/{path}"), r#"{"by": "ann"}"#).await,
        };
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "bad_id"), "{path}");
    }
}

#[tokio::test]
async fn who_asks_says_where_the_run_waits_and_may_not_pretend_that_it_repeats_another() {
    let bench = Bench::new();
    let body = r#"{"name": "d.daily", "routing": {"priority": "high", "lane": "backfill"}}"#;
    assert_eq!(bench.post("/api/v1/runs", body).await.status.as_u16(), 202);
    let asked = bench.engine.asked.lock().unwrap().remove(0);
    assert_eq!((asked.routing.priority.name(), asked.routing.lane.name()), ("high", "backfill"));
    assert_eq!(asked.lineage.trigger.name(), "api");
    let body = json!({ "name": "d.daily", "lineage": { "retry_of": the_run() } }).to_string();
    assert_eq!(bench.post("/api/v1/runs", &body).await.code(), "bad_params");
}

#[tokio::test]
async fn a_run_is_replayed_on_request() {
    let bench = Bench::new();
    let reply = bench.post(&format!("/api/v1/runs/{}/replay", the_run()), &json!({}).to_string()).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["identical"]), (200, &json!(true)));
    let other = RunId::new(Timestamp::from_micros(9), [9; 10]);
    let reply = bench.post(&format!("/api/v1/runs/{other}/replay"), &json!({}).to_string()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "bad_id"));
}

#[tokio::test]
async fn the_events_of_a_run_are_streamed_and_the_stream_ends_with_it() {
    let bench = Bench::new();
    bench.engine.status.send_replace(RunStatus::Completed);
    let path = format!("/api/v1/runs/{}/events", the_run());
    let reply = bench.get(&path).await;
    assert_eq!((reply.status.as_u16(), reply.content_type.as_str()), (200, "text/event-stream"));
    let told: Vec<&str> = reply.text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(told, ["created", "queued", "started"], "{}", reply.text);
    assert!(reply.text.contains("id: 3") && reply.text.contains(r#""type":"started""#), "{}", reply.text);
    let nobody = RunId::new(Timestamp::from_micros(9), [9; 10]);
    assert_eq!(bench.get(&format!("/api/v1/runs/{nobody}/events")).await.code(), "bad_id");
}

#[tokio::test]
async fn what_takes_no_body_refuses_one_and_two_keys_that_differ_are_no_key() {
    let bench = Bench::new();
    let run = the_run();
    for body in ["not json", r#"{"by": "ann"}"#, "[]"] {
        for what in ["cancel", "retry", "replay"] {
            let reply = bench.post(&format!("/api/v1/runs/{run}/{what}"), body).await;
            assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "bad_params"), "{what} {body}");
        }
    }
    assert_eq!(bench.post(&format!("/api/v1/runs/{run}/cancel"), "").await.status.as_u16(), 200);
}
