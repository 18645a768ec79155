//! The parts of a request, whose refusal is a problem like any other.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use model::failure::FailureKind;
use serde::de::DeserializeOwned;

use super::runs::bad_body;
use crate::problem::Refusal;

/// JSON of the form of `T`.
#[derive(Debug)]
pub(super) struct Received<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Received<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(rejection)) => {
                let (status, message) = (rejection.status(), rejection.body_text());
                Err(Refusal::new(status, FailureKind::Validation, "bad_params", message))
            }
            Err(rejection) => Err(bad_body(rejection.body_text())),
        }
    }
}

/// The part of the path that names something.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(bad_body(format!("the path names nothing: {}", rejection.body_text()))),
        }
    }
}
