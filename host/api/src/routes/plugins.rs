//! What is loaded, and what a caller must bring to run it.

use axum::Json;
use axum::extract::{Path, State};
use model::plugin::PluginRecord;

use super::Served;
use crate::body::{ExportBody, VersionBody};
use crate::problem::Refusal;

/// `GET /api/v1/plugins`.
pub(super) async fn list(State(served): State<Served>) -> Json<Vec<PluginRecord>> {
    Json(served.parts.engine.plugins())
}

/// `GET /api/v1/exports/{name}`: 404 with the nearest name for an unknown one, 409 for a refused plugin's.
pub(super) async fn export(
    State(served): State<Served>,
    Path(name): Path<String>,
) -> Result<Json<ExportBody>, Refusal> {
    let file_params = served.parts.engine.file_params(&name)?;
    Ok(Json(ExportBody { name, file_params }))
}

/// `POST /api/v1/plugins/{name}/rollback`: the version that is active now.
pub(super) async fn roll_back(
    State(served): State<Served>,
    Path(name): Path<String>,
    Json(body): Json<VersionBody>,
) -> Result<Json<PluginRecord>, Refusal> {
    served.ready()?;
    Ok(Json(served.parts.operations.roll_back(&name, body.digest).await?))
}

/// `POST /api/v1/plugins/{name}/approve`: the version that is active now.
pub(super) async fn approve(
    State(served): State<Served>,
    Path(name): Path<String>,
    Json(body): Json<VersionBody>,
) -> Result<Json<PluginRecord>, Refusal> {
    served.ready()?;
    Ok(Json(served.parts.operations.approve(&name, body.digest).await?))
}
