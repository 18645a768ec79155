//! The routes, one function each.

mod backfills;
mod captures;
mod dead_letters;
mod events;
mod health;
mod lists;
mod operations;
mod plugins;
mod received;
mod runs;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use model::failure::{Failure, FailureKind};
use tokio_util::sync::CancellationToken;

use crate::guard::{Guard, stand};
use crate::parts::Parts;
use crate::problem::Refusal;

/// What every route may use.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) parts: Parts,
    /// The server ends: answer now.
    pub(crate) shutdown: CancellationToken,
}

pub(crate) fn router(parts: Parts, guard: Guard, shutdown: CancellationToken) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/api/v1/runs", post(runs::create).get(lists::runs))
        .route("/api/v1/backfills", post(backfills::create))
        .route("/api/v1/runs/{id}", get(runs::show))
        .route("/api/v1/runs/{id}/children", get(lists::children))
        .route("/api/v1/runs/{id}/cancel", post(runs::cancel))
        .route("/api/v1/runs/{id}/retry", post(runs::retry))
        .route("/api/v1/runs/{id}/events", get(events::events))
        .route("/api/v1/runs/{id}/replay", post(runs::replay))
        .route("/api/v1/runs/{id}/why", get(runs::why))
        .route("/api/v1/dead-letters/{id}/resolve", post(dead_letters::resolve))
        .route("/api/v1/captures/{id}/release", post(captures::release))
        .route("/api/v1/captures/{id}/discard", post(captures::discard))
        .route("/api/v1/breakers/{name}/reset", post(operations::reset_breaker))
        .route("/api/v1/breakers/{name}/open", post(operations::open_breaker))
        .route("/api/v1/leases/release", post(operations::release))
        .route("/api/v1/retention", post(operations::retain))
        .route("/api/v1/health", get(health::health))
        .route("/api/v1/plugins", get(plugins::list))
        .route("/api/v1/plugins/shadow", post(plugins::shadow))
        .route("/api/v1/plugins/promote", post(plugins::promote))
        .route("/api/v1/plugins/{name}", get(plugins::show))
        .route("/api/v1/plugins/{name}/history", get(plugins::history))
        .route("/api/v1/plugins/{name}/grants", get(plugins::grants))
        .route("/api/v1/plugins/{name}/rollback", post(plugins::roll_back))
        .route("/api/v1/plugins/{name}/approve", post(plugins::approve))
        .route("/api/v1/exports/{name}", get(plugins::export))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(guard, stand))
        .with_state(Served { parts, shutdown })
}

impl Served {
    /// Work is taken only once the host is ready.
    fn ready(&self) -> Result<(), Refusal> {
        if self.parts.ready.is_set() {
            return Ok(());
        }
        let message = "the host is starting or stopping; `/readyz` tells when it takes work";
        Err(Failure::new(FailureKind::Orchestration, "not_ready", message).retryable(true).into())
    }
}

async fn no_route() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, FailureKind::Validation, "not_found", "there is nothing at this path")
}

async fn wrong_method() -> Refusal {
    let message = "this path does not take this method";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, FailureKind::Validation, "wrong_method", message)
}
