//! Asking for runs, and about them.

use std::time::Duration;

use axum::Json;
use axum::body::{Bytes, HttpBody as _, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::RunId;
use model::failure::{Failure, FailureKind};
use model::ports::{RunRequest, Standing};
use model::replay::ReplayReport;
use model::run::RunReport;
use model::work::idempotency_key;
use serde::Deserialize;

use super::Served;
use super::received::{Named, Nothing};
use crate::body::RunBody;
use crate::problem::Refusal;

/// Longest wait of one request; a client that wants more asks again.
const WAIT_SECONDS_MAX: u64 = 60;

/// `?wait=SECONDS`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WaitQuery {
    wait: Option<u64>,
}

/// `POST /api/v1/runs`: 202 with the queued run, or 200 with one that has ended (a completed key, or one that ended
/// within `wait`).
pub(super) async fn create(State(served): State<Served>, request: Request) -> Result<Response, Refusal> {
    served.ready()?;
    let from_header = request.headers().get("idempotency-key").map(key).transpose()?;
    let (mut order, wait) = read(&served, request).await?;
    if order.key.as_ref().zip(from_header.as_ref()).is_some_and(|(one, other)| one != other) {
        return Err(bad_body("`key` and the header `Idempotency-Key` differ: send one of them".to_owned()));
    }
    order.key = order.key.or(from_header);
    let mut report = served.parts.engine.spawn(order).await?;
    if let (Some(wait), false) = (wait, report.status.is_terminal()) {
        report = wait_for(&served, report.run_id, wait).await?;
    }
    let status = if report.status.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = format!("/api/v1/runs/{}", report.run_id);
    Ok((status, [(header::LOCATION, location)], Json(report)).into_response())
}

/// The key of the header `Idempotency-Key`.
fn key(sent: &HeaderValue) -> Result<String, Refusal> {
    match sent.to_str() {
        Ok(text) => Ok(idempotency_key(text.to_owned())?),
        Err(_) => Err(bad_body("the header `Idempotency-Key` holds more than visible ASCII".to_owned())),
    }
}

/// Reads the body and takes it apart. Both may be long work: a body can hold a file of a gigabyte.
async fn read(served: &Served, request: Request) -> Result<(RunRequest, Option<u64>), Refusal> {
    let body = body_of(served, request).await?;
    let taken_apart = tokio::task::spawn_blocking(move || -> Result<_, Refusal> {
        let body: RunBody<'_> = serde_json::from_slice(&body)
            .map_err(|error| bad_body(format!("the body is not a request for a run: {error}")))?;
        let wait = body.wait;
        Ok((body.into_request()?, wait))
    });
    taken_apart.await.unwrap_or_else(|error| Err(unread(&error)))
}

/// The bytes of a body that may hold files.
pub(super) async fn body_of(served: &Served, request: Request) -> Result<Bytes, Refusal> {
    let limit = served.parts.body_bytes_max;
    let claimed = request.body().size_hint().lower();
    if usize::try_from(claimed).unwrap_or(usize::MAX) > limit {
        return Err(too_large(limit));
    }
    to_bytes(request.into_body(), limit).await.map_err(|error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        if cause.to_string().contains("length limit") {
            too_large(limit)
        } else {
            bad_body(format!("the request broke off: {cause}"))
        }
    })
}

fn too_large(limit: usize) -> Refusal {
    let message = format!(
        "the request has more than {limit} bytes, the limit that follows from `limits.input_bytes`: send less, or raise \
         that limit of the host"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, FailureKind::Validation, "too_large", message)
}

/// The refusal of a request that this host failed to take apart.
pub(super) fn unread(error: &tokio::task::JoinError) -> Refusal {
    let message = format!("the host failed to read the request: {error}");
    Failure::new(FailureKind::Internal, "panic", message).into()
}

/// `GET /api/v1/runs/{id}?wait=SECONDS`.
pub(super) async fn show(
    State(served): State<Served>,
    Named(id): Named,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Json<RunReport>, Refusal> {
    let Query(WaitQuery { wait }) = query.map_err(|error| bad_body(format!("`wait` is in whole seconds: {error}")))?;
    Ok(Json(wait_for(&served, run(&id)?, wait.unwrap_or_default()).await?))
}

/// `POST /api/v1/runs/{id}/cancel`: asks, and answers with the run as it is.
pub(super) async fn cancel(
    State(served): State<Served>,
    Named(id): Named,
    _: Nothing,
) -> Result<Json<RunReport>, Refusal> {
    let run = run(&id)?;
    let report = served.parts.engine.cancel(run).await?;
    Ok(Json(report.ok_or_else(|| unknown_run(run))?))
}

/// `POST /api/v1/runs/{id}/retry`: 202 with the new run.
pub(super) async fn retry(State(served): State<Served>, Named(id): Named, _: Nothing) -> Result<Response, Refusal> {
    served.ready()?;
    let report = served.parts.engine.retry(run(&id)?).await?;
    let location = format!("/api/v1/runs/{}", report.run_id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(report)).into_response())
}

/// `POST /api/v1/runs/{id}/replay`: what the run delivers when it is carried out again as it was recorded.
pub(super) async fn replay(
    State(served): State<Served>,
    Named(id): Named,
    _: Nothing,
) -> Result<Json<ReplayReport>, Refusal> {
    served.ready()?;
    Ok(Json(served.parts.engine.replay(run(&id)?).await?))
}

/// `GET /api/v1/runs/{id}/why`: what a run waits for.
pub(super) async fn why(State(served): State<Served>, Named(id): Named) -> Result<Json<Standing>, Refusal> {
    let run = run(&id)?;
    Ok(Json(served.parts.engine.why(run).await?.ok_or_else(|| unknown_run(run))?))
}

/// Waits for the end of a run, for the time to pass or for the server to end.
async fn wait_for(served: &Served, run: RunId, seconds: u64) -> Result<RunReport, Refusal> {
    let engine = &served.parts.engine;
    let at_most = Duration::from_secs(seconds.min(WAIT_SECONDS_MAX));
    let report = tokio::select! {
        biased;
        report = engine.wait(run, at_most) => report?,
        () = served.shutdown.cancelled() => engine.wait(run, Duration::ZERO).await?,
    };
    report.ok_or_else(|| unknown_run(run))
}

pub(super) fn run(id: &str) -> Result<RunId, Refusal> {
    id.parse().map_err(|error: model::ids::InvalidId| {
        Refusal::new(StatusCode::NOT_FOUND, FailureKind::Validation, "bad_id", error.to_string())
    })
}

pub(super) fn unknown_run(run: RunId) -> Refusal {
    let message = format!("there is no run {run}; `runs list` shows those that there are");
    Refusal::new(StatusCode::NOT_FOUND, FailureKind::Validation, "bad_id", message)
}

pub(super) fn bad_body(message: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, FailureKind::Validation, "bad_params", message)
}
