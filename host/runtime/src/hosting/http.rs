//! `spine:plugin/http`: requests to granted addresses.

use super::guest_error;
use crate::attempt::HostState;
use crate::bindings::{host, http};
use crate::capabilities::http::{Asked, Redirects};

impl http::Host for HostState {
    async fn fetch(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, host::Error>> {
        let http::Request { method, url, headers, body, details } = request;
        self.called("fetch", format_args!("{method} {url}"))?;
        let detail = |wanted: &str| details.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let timeout_ms = detail("timeout_ms").and_then(|text| text.parse().ok());
        let redirects = Redirects::Followed;
        let asked = Asked { method, url, headers, body: body.unwrap_or_default(), timeout_ms, redirects };
        let response = self.send(asked).await.map(|fetched| http::Response {
            status: fetched.status,
            headers: fetched.headers,
            body: fetched.body,
            details: vec![("url".to_owned(), fetched.url)],
        });
        Ok(response.map_err(guest_error))
    }
}
