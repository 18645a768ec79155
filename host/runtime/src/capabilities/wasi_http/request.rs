//! `outgoing-request` and `request-options`: what a guest puts together before it sends it.

use std::fmt;

use hyper::http::uri::Authority;
use wasmtime::component::Resource;

use super::body::{Exchange, OutgoingBody};
use super::fields::Fields;
use super::types::{self, ErrorCode, Method, Scheme};
use crate::attempt::HostState;
use crate::capabilities::http::{Asked, Redirects};

/// A request that was not sent yet.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct OutgoingRequest {
    method: Method,
    scheme: Option<Scheme>,
    authority: Option<String>,
    path: Option<String>,
    headers: Fields,
    pub(super) exchange: Exchange,
}

/// The patience of a guest, in nanoseconds.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestOptions {
    connect: Option<u64>,
    first_byte: Option<u64>,
    between_bytes: Option<u64>,
}

impl RequestOptions {
    fn shortest(self) -> Option<u64> {
        [self.connect, self.first_byte, self.between_bytes].into_iter().flatten().min()
    }
}

impl OutgoingRequest {
    /// The request as the sender takes it, without its body.
    pub(super) fn asked(&self, options: RequestOptions) -> Result<Asked, ErrorCode> {
        let scheme = match &self.scheme {
            Some(Scheme::Http) => "http",
            Some(Scheme::Https) | None => "https",
            Some(Scheme::Other(_)) => return Err(ErrorCode::HttpProtocolError),
        };
        let Some(authority) = &self.authority else { return Err(ErrorCode::HttpRequestUriInvalid) };
        let path = self.path.as_deref().unwrap_or("/");
        let headers = self.headers.texts().ok_or(ErrorCode::HttpProtocolError)?;
        Ok(Asked {
            method: method_name(&self.method).to_owned(),
            url: format!("{scheme}://{authority}{path}"),
            headers,
            body: Vec::new(),
            // One time for the whole exchange, which is over before the guest can look: the shortest of those it wants.
            timeout_ms: options.shortest().map(|ns| ns.div_ceil(1_000_000)),
            redirects: Redirects::Shown,
        })
    }
}

impl fmt::Display for OutgoingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
        write!(f, "{} {}{}", method_name(&self.method), or_none(&self.authority), or_none(&self.path))
    }
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}

/// A host and a port and nothing else, so that an address cannot be cut in another way than it was put together.
fn is_authority(text: &str) -> bool {
    !text.contains('@') && text.parse::<Authority>().is_ok()
}

fn is_path(text: &str) -> bool {
    (text.is_empty() || text.starts_with(['/', '?']))
        && text.bytes().all(|byte| byte > b' ' && byte != 0x7f && byte != b'#')
}

/// Sets a part of a request if it can be.
fn set<T>(part: &mut T, value: T, is_sound: bool) -> Result<(), ()> {
    if is_sound {
        *part = value;
    }
    is_sound.then_some(()).ok_or(())
}

impl types::HostOutgoingRequest for HostState {
    fn new(&mut self, headers: Resource<Fields>) -> wasmtime::Result<Resource<OutgoingRequest>> {
        let headers = self.table.delete(headers)?;
        let (exchange, scheme, authority, path) = (Exchange::new(&self.wasi_http.room), None, None, None);
        self.lend(OutgoingRequest { method: Method::Get, scheme, authority, path, headers, exchange })
    }

    fn body(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        let exchange = self.table.get(&request)?.exchange.clone();
        match exchange.open() {
            Some(body) => self.lend(body).map(Ok),
            None => Ok(Err(())),
        }
    }

    fn method(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Method> {
        Ok(self.table.get(&request)?.method.clone())
    }

    fn set_method(&mut self, request: Resource<OutgoingRequest>, method: Method) -> wasmtime::Result<Result<(), ()>> {
        let is_sound = hyper::Method::from_bytes(method_name(&method).as_bytes()).is_ok();
        Ok(set(&mut self.table.get_mut(&request)?.method, method, is_sound))
    }

    fn path_with_query(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&request)?.path.clone())
    }

    fn set_path_with_query(
        &mut self,
        request: Resource<OutgoingRequest>,
        path: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        let is_sound = path.as_deref().is_none_or(is_path);
        Ok(set(&mut self.table.get_mut(&request)?.path, path, is_sound))
    }

    fn scheme(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Option<Scheme>> {
        Ok(self.table.get(&request)?.scheme.clone())
    }

    fn set_scheme(
        &mut self,
        request: Resource<OutgoingRequest>,
        scheme: Option<Scheme>,
    ) -> wasmtime::Result<Result<(), ()>> {
        let is_sound = !matches!(scheme, Some(Scheme::Other(_)));
        Ok(set(&mut self.table.get_mut(&request)?.scheme, scheme, is_sound))
    }

    fn authority(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&request)?.authority.clone())
    }

    fn set_authority(
        &mut self,
        request: Resource<OutgoingRequest>,
        authority: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        let is_sound = authority.as_deref().is_none_or(is_authority);
        Ok(set(&mut self.table.get_mut(&request)?.authority, authority, is_sound))
    }

    fn headers(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Resource<Fields>> {
        let headers = self.table.get(&request)?.headers.fixed();
        self.lend(headers)
    }

    fn drop(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

impl types::HostRequestOptions for HostState {
    fn new(&mut self) -> wasmtime::Result<Resource<RequestOptions>> {
        self.lend(RequestOptions::default())
    }

    fn connect_timeout(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&options)?.connect)
    }

    fn set_connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        time: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table.get_mut(&options)?.connect = time;
        Ok(Ok(()))
    }

    fn first_byte_timeout(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&options)?.first_byte)
    }

    fn set_first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        time: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table.get_mut(&options)?.first_byte = time;
        Ok(Ok(()))
    }

    fn between_bytes_timeout(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&options)?.between_bytes)
    }

    fn set_between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        time: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table.get_mut(&options)?.between_bytes = time;
        Ok(Ok(()))
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<()> {
        self.table.delete(options)?;
        Ok(())
    }
}
