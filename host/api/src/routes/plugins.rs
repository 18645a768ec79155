//! What is loaded, and what a caller must bring to run it.

use axum::Json;
use axum::extract::{Request, State};
use model::brief;
use model::failure::{Failure, FailureKind};
use model::plugin::{PluginEvent, PluginGrants, PluginRecord};
use model::ports::Candidate;
use model::shadow::ShadowReport;

use super::Served;
use super::received::{Named, Received};
use super::runs::{bad_body, body_of, unread};
use crate::body::{ExportBody, ShadowBody, VersionBody};
use crate::problem::Refusal;

/// `GET /api/v1/plugins`.
pub(super) async fn list(State(served): State<Served>) -> Json<Vec<PluginRecord>> {
    Json(served.parts.engine.plugins())
}

/// `GET /api/v1/plugins/{name}`: every version that was found under the name.
pub(super) async fn show(State(served): State<Served>, Named(name): Named) -> Result<Json<Vec<PluginRecord>>, Refusal> {
    let found: Vec<PluginRecord> =
        served.parts.engine.plugins().into_iter().filter(|plugin| plugin.name == name).collect();
    if found.is_empty() {
        let message = format!("no plugin is called `{}`; `/api/v1/plugins` lists those that there are", brief(&name));
        return Err(Failure::new(FailureKind::Validation, "unknown_name", message).into());
    }
    Ok(Json(found))
}

/// `GET /api/v1/plugins/{name}/history`: what happened to its versions, the oldest first.
pub(super) async fn history(
    State(served): State<Served>,
    Named(name): Named,
) -> Result<Json<Vec<PluginEvent>>, Refusal> {
    Ok(Json(served.parts.engine.plugin_history(&name).await?))
}

/// `GET /api/v1/plugins/{name}/grants`: what its versions ask for and have.
pub(super) async fn grants(State(served): State<Served>, Named(name): Named) -> Result<Json<PluginGrants>, Refusal> {
    Ok(Json(served.parts.engine.plugin_grants(&name).await?))
}

/// `GET /api/v1/exports/{name}`: 404 with the nearest name for an unknown one, 409 for a refused plugin's.
pub(super) async fn export(State(served): State<Served>, Named(name): Named) -> Result<Json<ExportBody>, Refusal> {
    let file_params = served.parts.engine.file_params(&name)?;
    Ok(Json(ExportBody { name, file_params }))
}

/// `POST /api/v1/plugins/{name}/rollback`: the version that is active now.
pub(super) async fn roll_back(
    State(served): State<Served>,
    Named(name): Named,
    Received(body): Received<VersionBody>,
) -> Result<Json<PluginRecord>, Refusal> {
    served.ready()?;
    Ok(Json(served.parts.operations.roll_back(&name, body.digest).await?))
}

/// `POST /api/v1/plugins/{name}/approve`: the version that is active now.
pub(super) async fn approve(
    State(served): State<Served>,
    Named(name): Named,
    Received(body): Received<VersionBody>,
) -> Result<Json<PluginRecord>, Refusal> {
    served.ready()?;
    Ok(Json(served.parts.operations.approve(&name, body.digest).await?))
}

/// `POST /api/v1/plugins/shadow`: what a component would change beside the active version of its name.
pub(super) async fn shadow(State(served): State<Served>, request: Request) -> Result<Json<ShadowReport>, Refusal> {
    served.ready()?;
    let body = body_of(&served, request).await?;
    let taken_apart = tokio::task::spawn_blocking(move || -> Result<Candidate, Refusal> {
        let body: ShadowBody<'_> = serde_json::from_slice(&body)
            .map_err(|error| bad_body(format!("the body is not a request for a comparison: {error}")))?;
        Ok(body.into_candidate()?)
    });
    let candidate = taken_apart.await.unwrap_or_else(|error| Err(unread(&error)))?;
    Ok(Json(served.parts.operations.shadow(candidate).await?))
}

/// `POST /api/v1/plugins/promote`: the version that is active now.
pub(super) async fn promote(
    State(served): State<Served>,
    Received(body): Received<VersionBody>,
) -> Result<Json<PluginRecord>, Refusal> {
    served.ready()?;
    let digest = body.digest.ok_or_else(|| bad_body("`digest` names the version to promote".to_owned()))?;
    Ok(Json(served.parts.operations.promote(digest).await?))
}
