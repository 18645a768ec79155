//! Deciding about captures in quarantine.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::failure::FailureKind;
use model::{CaptureId, CaptureRecord};

use super::Served;
use super::received::{Named, Nothing};
use crate::problem::Refusal;

/// `POST /api/v1/captures/{id}/release`.
pub(super) async fn release(
    State(served): State<Served>,
    Named(id): Named,
    _: Nothing,
) -> Result<Json<CaptureRecord>, Refusal> {
    served.ready()?;
    Ok(Json(served.parts.quarantine.release(capture(&id)?).await?))
}

/// `POST /api/v1/captures/{id}/discard`.
pub(super) async fn discard(
    State(served): State<Served>,
    Named(id): Named,
    _: Nothing,
) -> Result<Json<CaptureRecord>, Refusal> {
    served.ready()?;
    Ok(Json(served.parts.quarantine.discard(capture(&id)?).await?))
}

fn capture(id: &str) -> Result<CaptureId, Refusal> {
    id.parse().map_err(|error: model::ids::InvalidId| {
        Refusal::new(StatusCode::NOT_FOUND, FailureKind::Validation, "bad_id", error.to_string())
    })
}
