//! The parts of a request, whose refusal is a problem like any other.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use model::failure::FailureKind;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

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

/// Nothing: no body, or `{}`.
#[derive(Debug)]
pub(super) struct Nothing;

/// Most bytes of a body that says nothing.
const NOTHING_BYTES_MAX: usize = 1024;

impl<S: Send + Sync> FromRequest<S> for Nothing {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = axum::body::to_bytes(request.into_body(), NOTHING_BYTES_MAX).await;
        let is_nothing = body.is_ok_and(|body| {
            body.is_empty() || serde_json::from_slice(&body).is_ok_and(|it: Map<String, Value>| it.is_empty())
        });
        is_nothing.then_some(Self).ok_or_else(|| bad_body("this takes no body, or `{}`".to_owned()))
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
