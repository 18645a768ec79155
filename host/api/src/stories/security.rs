//! Requests that are turned away, and why.

use axum::body::Body;
use axum::http::{Request, header};

use super::{Bench, HOST, TOKEN, get, post};

const RUN: &str = r#"{"name": "d.daily"}"#;

#[tokio::test]
async fn the_api_wants_its_token() {
    let bench = Bench::new();
    let wrong = ["Bearer wrong", "Bearer ", "Basic MDEyMw==", "bearer", &format!("Bearer {TOKEN}x"), TOKEN];
    for authorization in wrong {
        let request = Request::get("/api/v1/plugins").header(header::HOST, HOST);
        let request = request.header(header::AUTHORIZATION, authorization);
        let reply = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, "unauthorized"), "{authorization}");
    }
    let reply = bench.send(Request::post("/api/v1/runs").header(header::HOST, HOST).body(RUN.into()).unwrap()).await;
    assert_eq!(reply.status.as_u16(), 401);
    let reply =
        bench.send(Request::get("/api/v1/nothing").header(header::HOST, HOST).body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status.as_u16(), 401, "not even what exists is told");
    assert!(bench.engine.asked.lock().unwrap().is_empty());
    assert_eq!(bench.get("/api/v1/plugins").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_rebound_name_is_forbidden_everywhere() {
    let bench = Bench::new();
    for host in ["evil.example", "evil.example:8710", "127.0.0.1", "127.0.0.1:80", "localhost:1", ""] {
        for path in ["/healthz", "/metrics", "/api/v1/plugins"] {
            let request = Request::get(path).header(header::HOST, host);
            let request = request.header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
            let reply = bench.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "forbidden"), "{host} {path}");
        }
    }
    for request in [
        Request::get("/healthz"),
        Request::get("/healthz").header(header::HOST, HOST).header(header::HOST, "evil.example"),
        Request::get("http://evil.example/healthz").header(header::HOST, HOST),
    ] {
        assert_eq!(bench.send(request.body(Body::empty()).unwrap()).await.status.as_u16(), 403);
    }
    for host in ["127.0.0.1:8710", "LOCALHOST:8710", "[::1]:8710", "spine.example:443"] {
        let request = Request::get("/healthz").header(header::HOST, host);
        assert_eq!(bench.send(request.body(Body::empty()).unwrap()).await.status.as_u16(), 200, "{host}");
    }
}

#[tokio::test]
async fn other_web_pages_are_not_answered() {
    let bench = Bench::new();
    for origin in ["http://evil.example", "https://127.0.0.1:8710", "null", "http://127.0.0.1:1", "127.0.0.1:8710"] {
        let request = post("/api/v1/runs").header(header::ORIGIN, origin);
        let reply = bench.send(request.body(RUN.into()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "forbidden"), "{origin}");
    }
    let request = get("/api/v1/plugins").header(header::ORIGIN, "http://localhost:8710");
    assert_eq!(bench.send(request.body(Body::empty()).unwrap()).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_post_is_json() {
    let bench = Bench::new();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let request = Request::post("/api/v1/runs").header(header::HOST, HOST);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        let request = request.header(header::CONTENT_TYPE, content_type);
        let reply = bench.send(request.body(RUN.into()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (415, "unsupported_media_type"));
    }
    assert!(bench.engine.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn health_and_metrics_need_no_token() {
    let bench = Bench::new();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let request = Request::get(path).header(header::HOST, HOST);
        assert_eq!(bench.send(request.body(Body::empty()).unwrap()).await.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_body_has_a_limit_that_is_named() {
    let bench = Bench::new();
    let long = format!(r#"{{"name": "{}"}}"#, "x".repeat(100_000));
    let reply = bench.post("/api/v1/runs", &long).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (413, "too_large"));
    assert!(reply.text.contains("limits.input_bytes"), "{}", reply.text);
}
