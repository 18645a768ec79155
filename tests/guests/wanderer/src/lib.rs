//! Goes where it is sent by the standard's `wasi:http`, and says what came of it: what the story `standard_requests` runs.

use spine_sdk::prelude::*;

params! {
    pub struct Way {
        /// `127.0.0.1:80`
        authority: String,
        path: String => default("/"),
        /// Sent by POST, written after the request was sent.
        body: Option<String>,
        /// `name: value`
        header: Option<String>,
        /// Whether an error is passed on rather than answered.
        pass_on: bool => default(false),
    }
}

/// Sends a request.
#[derive(Debug)]
pub struct Go;

impl Task for Go {
    const NAME: &'static str = "wanderer.go";
    type Params = Way;

    fn spec() -> TaskSpec {
        TaskSpec::new("Sends a request by wasi:http.").policy(Policy::new().retry(Retry::never()))
    }

    fn call(&self, way: Way, _host: &Host) -> Result<Json, Error> {
        match standard::sent(&way) {
            Ok((status, body)) => Ok(json!({ "status": status, "body": body })),
            Err(code) if way.pass_on => Err(Error::network("request_failed", code)),
            Err(code) => Ok(json!({ "error": code })),
        }
    }
}

#[cfg(target_family = "wasm")]
mod standard {
    use wasip2::http::outgoing_handler::handle;
    use wasip2::http::types::{ErrorCode, Fields, Method, OutgoingBody, OutgoingRequest, Scheme};

    use super::Way;

    /// Status and body, or the code or the part of the request that was refused.
    pub(super) fn sent(way: &Way) -> Result<(u16, String), String> {
        let header = way.header.as_deref().and_then(|header| header.split_once(": "));
        let entries: Vec<_> =
            header.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let headers = Fields::from_list(&entries).map_err(|error| format!("{error:?}"))?;
        let request = OutgoingRequest::new(headers);
        let refused = |part: &'static str| move |()| format!("{part} is refused");
        request.set_scheme(Some(&Scheme::Http)).map_err(refused("the scheme"))?;
        request.set_authority(Some(&way.authority)).map_err(refused("the authority"))?;
        request.set_path_with_query(Some(&way.path)).map_err(refused("the path"))?;
        let mut body = None;
        if way.body.is_some() {
            request.set_method(&Method::Post).map_err(refused("the method"))?;
            body = Some(request.body().map_err(refused("the body"))?);
        }
        let coded = |code: ErrorCode| format!("{code:?}");
        let future = handle(request, None).map_err(coded)?;
        if let Some((body, text)) = body.zip(way.body.as_deref()) {
            let stream = body.write().map_err(refused("the stream"))?;
            stream.blocking_write_and_flush(text.as_bytes()).map_err(|error| format!("{error:?}"))?;
            drop(stream);
            OutgoingBody::finish(body, None).map_err(coded)?;
        }
        future.subscribe().block();
        let response = match future.get() {
            Some(Ok(response)) => response.map_err(coded)?,
            other => return Err(format!("no response: {}", other.is_some())),
        };
        let received = response.consume().map_err(refused("the body of the response"))?;
        let stream = received.stream().map_err(refused("its stream"))?;
        let mut bytes = Vec::new();
        while let Ok(more) = stream.blocking_read(64 * 1024) {
            bytes.extend(more);
        }
        Ok((response.status(), String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(not(target_family = "wasm"))]
mod standard {
    use super::Way;

    /// There is no such interface outside of a component.
    pub(super) fn sent(_: &Way) -> Result<(u16, String), String> {
        Err("not a component".to_owned())
    }
}

spine_sdk::plugin! {
    name: "wanderer",
    version: env!("CARGO_PKG_VERSION"),
    description: "Goes where it is sent, by the standard's interface.",
    tasks: [Go],
    http: [Http::optional("plain", "http://*:*", "What the story names.").methods(&["GET", "POST"])],
}
