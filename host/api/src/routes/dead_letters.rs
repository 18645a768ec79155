//! Dealing with failed runs.

use axum::Json;
use axum::extract::State;

use super::received::{Named, Received};
use super::{Served, runs};
use crate::body::{ResolveBody, ResolvedBody};
use crate::problem::Refusal;

/// `POST /api/v1/dead-letters/{run}/resolve`.
pub(super) async fn resolve(
    State(served): State<Served>,
    Named(id): Named,
    Received(body): Received<ResolveBody>,
) -> Result<Json<ResolvedBody>, Refusal> {
    served.ready()?;
    let resolved = served.parts.dead_letters.resolve(runs::run(&id)?, &body.by, body.note.as_deref()).await?;
    Ok(Json(ResolvedBody { resolved }))
}
