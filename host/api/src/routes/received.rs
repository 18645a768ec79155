//! The body of a request, whose refusal is a problem like any other.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
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
