//! Asking for several pieces of work at once.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Served;
use super::runs::{bad_body, body_of, unread};
use crate::body::BackfillBody;
use crate::problem::Refusal;

/// `POST /api/v1/backfills`: 202 with the run that asks for the items, or 200 with one that has ended: that of a key.
pub(super) async fn create(State(served): State<Served>, request: Request) -> Result<Response, Refusal> {
    served.ready()?;
    let body = body_of(&served, request).await?;
    let taken_apart = tokio::task::spawn_blocking(move || -> Result<_, Refusal> {
        let body: BackfillBody<'_> = serde_json::from_slice(&body)
            .map_err(|error| bad_body(format!("the body is not a request for a backfill: {error}")))?;
        Ok(body.into_request()?)
    });
    let request = taken_apart.await.unwrap_or_else(|error| Err(unread(&error)))?;
    let report = served.parts.engine.backfill(request).await?;
    let status = if report.status.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = format!("/api/v1/runs/{}", report.run_id);
    Ok((status, [(header::LOCATION, location)], Json(report)).into_response())
}
