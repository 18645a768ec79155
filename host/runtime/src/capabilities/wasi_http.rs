//! `wasi:http` for clients: what a guest sends by the standard's own interface, as `fetch` of JavaScript does, goes the way
//! of `spine:plugin/http`, with the same grants, checks, limits, rules of servers, secrets and recording.
//!
//! An exchange is carried out whole in the call that completes its request: `handle`, or `outgoing-body.finish` if a body
//! is written after that. The guest is suspended meanwhile, so what it sees afterwards (a response that is there, a body
//! that can be read without waiting) does not depend on how fast a server was, and its virtual clock stands still: a replay
//! sees the same, and a timer beside a request wins only by the steps of the guest's own readings of the clock. Wasmtime's own implementation begins requests in the
//! background, where a guest sees which of two came first; so this is written anew over the standard's types (`wit/`).
//!
//! Redirects are the guest's to follow, each a request that is checked like any other. A request that is denied, or comes
//! to nothing, is an error code of the standard, which has no words: they are in the log, and among the causes of a failure
//! that the guest then ends with.
//!
//! Limits: requests go out one after the other; bodies are whole in memory; no trailers, no informational responses.

mod body;
mod errors;
mod fields;
mod outcome;
mod request;

use model::ports::InputBytes;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::IoError;

use self::body::Room;
use self::outcome::FutureResponse;
use self::request::{OutgoingRequest, RequestOptions};
use crate::attempt::{HostState, LimitReached, Severity};
use crate::capabilities::http::{Asked, Fetched};
use crate::hosting::kernel;

mod bindings {
    wasmtime::component::bindgen!({
        world: "spine:client/client",
        path: "wit",
        imports: {
            // These wait for the network: the guest is suspended, and its thread goes on with others.
            "wasi:http/outgoing-handler.handle": async | trappable,
            "wasi:http/types.[static]outgoing-body.finish": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:http/types.fields": super::fields::Fields,
            "wasi:http/types.outgoing-request": super::request::OutgoingRequest,
            "wasi:http/types.request-options": super::request::RequestOptions,
            "wasi:http/types.outgoing-body": super::body::OutgoingBody,
            "wasi:http/types.future-incoming-response": super::outcome::FutureResponse,
            "wasi:http/types.incoming-response": super::outcome::IncomingResponse,
            "wasi:http/types.incoming-body": super::outcome::IncomingBody,
            "wasi:http/types.future-trailers": super::outcome::FutureTrailers,
        },
    });
}

use bindings::wasi::http::outgoing_handler;
use bindings::wasi::http::types::{self, ErrorCode};

/// Under which name the linker has the interface that clients and servers share.
pub(crate) const TYPES: &str = "wasi:http/types@0.2.12";

/// Resources of that interface that servers alone use. Nobody calls a guest by HTTP, so they are refused.
pub(crate) fn is_of_servers(member: &str) -> bool {
    let name = member.rsplit_once(']').map_or(member, |(_, name)| name);
    let resource = name.split_once('.').map_or(name, |(resource, _)| resource);
    matches!(resource, "incoming-request" | "response-outparam" | "outgoing-response")
}

/// What `wasi:http` has of one attempt.
#[derive(Debug, Default)]
pub(crate) struct WasiHttp {
    /// For bodies that are being written.
    room: Room,
    /// The last request that came to nothing, for people.
    failed: Option<String>,
}

impl WasiHttp {
    /// The last request that came to nothing, if one did: the guest had no more of it than a code.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }
}

/// Links the interfaces.
pub(crate) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    types::add_to_linker::<HostState, wasmtime::component::HasSelf<HostState>>(linker, |state| state)?;
    outgoing_handler::add_to_linker::<HostState, wasmtime::component::HasSelf<HostState>>(linker, |state| state)
}

impl HostState {
    /// Sends a request by the sender that all of them share, and keeps what came of it.
    pub(crate) async fn send(&mut self, asked: Asked) -> Result<Fetched, model::Failure> {
        let (outcome, kept) = self.egress.fetch(asked).await;
        if let Some(exchange) = kept {
            self.keep(exchange);
        }
        outcome
    }

    fn keep(&mut self, exchange: InputBytes) {
        // Very many of them wait for a disk.
        kernel(|| self.workbench.keep(exchange));
    }

    /// Carries an exchange out if its request is complete.
    async fn proceed(&mut self, of: &body::Exchange) {
        let Some(asked) = of.due() else { return };
        let request = format!("{} {}", asked.method, asked.url);
        let outcome = self.send(asked).await;
        if let Err(failure) = &outcome {
            let told = format!("`{request}` by wasi:http: {}: {}", failure.code, failure.message);
            self.journal.line(Severity::Warn, "host", &told, Vec::new());
            self.wasi_http.failed = Some(told);
        }
        of.settle(outcome.map_err(|failure| errors::code(&failure)));
    }

    /// Gives a guest a handle.
    fn lend<T: Send + 'static>(&mut self, what: T) -> wasmtime::Result<Resource<T>> {
        let reached = LimitReached::handles(&self.facts.plugin, self.limits.handles);
        self.table.push(what).map_err(|_| reached.into())
    }
}

impl outgoing_handler::Host for HostState {
    async fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<Result<Resource<FutureResponse>, ErrorCode>> {
        let options = options.map(|options| self.table.delete(options)).transpose()?;
        let request = self.table.delete(request)?;
        self.called("wasi:http", format_args!("{request}"))?;
        let asked = match request.asked(options.unwrap_or_default()) {
            Ok(asked) => asked,
            Err(code) => return Ok(Err(code)),
        };
        let exchange = request.exchange;
        exchange.send(asked);
        self.proceed(&exchange).await;
        self.lend(FutureResponse::new(exchange)).map(Ok)
    }
}

impl types::Host for HostState {
    fn http_error_code(&mut self, _: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        // Bodies are there before a guest reads them: no error of a stream is one of HTTP.
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
