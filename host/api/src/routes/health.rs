//! What machines look at: alive, ready, metrics. No token, because nothing here is a secret and nothing changes.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::failure::FailureKind;
use model::health::Health;
use model::plugin::PluginState;
use model::ports::examine;
use serde_json::{Value, json};

use super::Served;
use crate::problem::Refusal;

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /readyz`: 200 once the plugins are loaded and until the host stops, else 503.
pub(super) async fn ready(State(served): State<Served>) -> (StatusCode, Json<Value>) {
    let plugins = served.parts.engine.plugins();
    let active = plugins.iter().filter(|plugin| plugin.state == PluginState::Active).count();
    let counts = json!({ "active": active, "refused": plugins.len() - active });
    if served.parts.ready.is_set() {
        (StatusCode::OK, Json(json!({ "status": "ready", "plugins": counts })))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not_ready", "plugins": counts })))
    }
}

/// `GET /api/v1/health`: every check of the work; 503 if one is unhealthy. Not for machines that restart a process: it
/// tells of work, and `/healthz` of the process.
pub(super) async fn health(State(served): State<Served>) -> (StatusCode, Json<Health>) {
    let health = examine(&*served.parts.vitals, false).await;
    let status = StatusCode::from_u16(health.status.http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    (status, Json(health))
}

/// `GET /metrics`: Prometheus text.
pub(super) async fn metrics(State(served): State<Served>) -> Result<Response, Refusal> {
    match served.parts.vitals.work_counts().await {
        Ok(counts) => served.parts.metrics.set_lanes(&counts.lanes),
        // What the ledger does not tell now is as it was; the other metrics are known without it.
        Err(failure) => tracing::warn!(code = %failure.code, "the lanes could not be counted: {failure}"),
    }
    let rendered = served.parts.metrics.render(&served.parts.engine.plugins());
    let (content_type, text) = rendered.map_err(|error| {
        let message = format!("the metrics could not be written: {error}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, FailureKind::Internal, "metrics", message)
    })?;
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
