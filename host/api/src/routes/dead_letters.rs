//! Dealing with failed runs.

use axum::Json;
use axum::extract::{Path, State};

use super::received::Received;
use super::{Served, runs};
use crate::body::{ResolveBody, ResolvedBody};
use crate::problem::Refusal;

/// `POST /api/v1/dead-letters/{run}/resolve`.
pub(super) async fn resolve(
    State(served): State<Served>,
    Path(id): Path<String>,
    Received(body): Received<ResolveBody>,
) -> Result<Json<ResolvedBody>, Refusal> {
    served.ready()?;
    let resolved = served.parts.dead_letters.resolve(runs::run(&id)?, &body.by, body.note.as_deref()).await?;
    Ok(Json(ResolvedBody { resolved }))
}
