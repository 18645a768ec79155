//! Looking through the runs.

use std::str::FromStr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use model::RunId;
use model::ports::{ListLimit, RunFilter, RunPage};
use serde::Deserialize;

use super::Served;
use super::received::Named;
use super::runs::{bad_body, run, unknown_run};
use crate::problem::Refusal;

/// What a list takes: `?status=failed&name=d.daily&kind=task&parent=ID&limit=50&before=ID`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<String>,
    name: Option<String>,
    kind: Option<String>,
    parent: Option<String>,
    limit: Option<String>,
    before: Option<String>,
}

type Asked = Result<Query<ListQuery>, QueryRejection>;

/// `GET /api/v1/runs`: newest first, with the `before` of the next page.
pub(super) async fn runs(State(served): State<Served>, query: Asked) -> Result<Json<RunPage>, Refusal> {
    Ok(Json(served.parts.runs.runs(&filter(query)?).await?))
}

/// `GET /api/v1/runs/{id}/children`: the runs that a run asked for, with the same parameters.
pub(super) async fn children(
    State(served): State<Served>,
    Named(id): Named,
    query: Asked,
) -> Result<Json<RunPage>, Refusal> {
    let parent = run(&id)?;
    let filter = RunFilter { parent: Some(parent), ..filter(query)? };
    if served.parts.engine.wait(parent, std::time::Duration::ZERO).await?.is_none() {
        return Err(unknown_run(parent));
    }
    Ok(Json(served.parts.runs.runs(&filter).await?))
}

fn filter(query: Asked) -> Result<RunFilter, Refusal> {
    let Query(query) = query.map_err(|error| bad_body(format!("what is asked of the list cannot be read: {error}")))?;
    Ok(RunFilter {
        status: parsed("status", query.status)?,
        name: query.name,
        kind: parsed("kind", query.kind)?,
        parent: parsed::<RunId>("parent", query.parent)?,
        limit: parsed::<ListLimit>("limit", query.limit)?.unwrap_or_default(),
        before: parsed::<RunId>("before", query.before)?,
    })
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(key: &str, text: Option<String>) -> Result<Option<T>, Refusal> {
    let text = text.map(|text| text.parse().map_err(|error| bad_body(format!("`{key}`: {error}"))));
    text.transpose()
}
