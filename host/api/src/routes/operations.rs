//! What an operator changes by hand: breakers, leases, and how long things are kept.

use axum::Json;
use axum::extract::State;
use model::ports::Lease;
use model::retention::RetentionReport;

use super::Served;
use super::received::{Named, Nothing, Received};
use crate::body::{BreakerBody, ReleaseBody, RetentionBody};
use crate::problem::Refusal;

/// `POST /api/v1/breakers/{name}/reset`: closes it.
pub(super) async fn reset_breaker(
    State(served): State<Served>,
    Named(name): Named,
    _: Nothing,
) -> Result<Json<BreakerBody>, Refusal> {
    served.ready()?;
    served.parts.operations.reset_breaker(&name).await?;
    Ok(Json(BreakerBody { name, phase: "closed".to_owned() }))
}

/// `POST /api/v1/breakers/{name}/open`: opens it until it is reset.
pub(super) async fn open_breaker(
    State(served): State<Served>,
    Named(name): Named,
    _: Nothing,
) -> Result<Json<BreakerBody>, Refusal> {
    served.ready()?;
    served.parts.operations.open_breaker(&name).await?;
    Ok(Json(BreakerBody { name, phase: "open".to_owned() }))
}

/// `POST /api/v1/leases/release`: the leases that were freed.
pub(super) async fn release(
    State(served): State<Served>,
    Received(body): Received<ReleaseBody>,
) -> Result<Json<Vec<Lease>>, Refusal> {
    served.ready()?;
    Ok(Json(served.parts.operations.release_lease(&body.key, body.run, body.force).await?))
}

/// `POST /api/v1/retention`: what was forgotten, or would be.
pub(super) async fn retain(
    State(served): State<Served>,
    Received(body): Received<RetentionBody>,
) -> Result<Json<RetentionReport>, Refusal> {
    served.ready()?;
    Ok(Json(served.parts.operations.retain(body.dry_run).await?))
}
