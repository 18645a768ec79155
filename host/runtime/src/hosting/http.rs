//! `spine:plugin/http`: requests to granted addresses.

use super::{guest_error, kernel};
use crate::attempt::HostState;
use crate::bindings::{host, http};
use crate::capabilities::http::Asked;

impl http::Host for HostState {
    async fn fetch(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, host::Error>> {
        let http::Request { method, url, headers, body, details } = request;
        self.called("fetch", format_args!("{method} {url}"))?;
        let detail = |wanted: &str| details.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let timeout_ms = detail("timeout_ms").and_then(|text| text.parse().ok());
        let asked = Asked { method, url, headers, body: body.unwrap_or_default(), timeout_ms };
        let (outcome, kept) = self.egress.fetch(asked).await;
        if let Some(exchange) = kept {
            // Very many of them wait for a disk.
            kernel(|| self.workbench.keep(exchange));
        }
        let response = outcome.map(|fetched| http::Response {
            status: fetched.status,
            headers: fetched.headers,
            body: fetched.body,
            details: vec![("url".to_owned(), fetched.url)],
        });
        Ok(response.map_err(guest_error))
    }
}
