//! `future-incoming-response` and what comes out of it: a response, and its body, which is there as a whole.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::p2::{DynInputStream, DynPollable, Pollable, subscribe};

use super::body::Exchange;
use super::fields::Fields;
use super::types::{self, ErrorCode};
use crate::attempt::HostState;

/// What becomes of a request that was sent.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct FutureResponse {
    exchange: Exchange,
    is_taken: bool,
}

/// A response.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct IncomingResponse {
    status: u16,
    headers: Fields,
    body: Option<Vec<u8>>,
}

/// Its body, until its stream is asked for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct IncomingBody(Option<Vec<u8>>);

/// There are none.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct FutureTrailers {
    is_taken: bool,
}

type Taken<T> = Option<Result<Result<T, ErrorCode>, ()>>;

impl FutureResponse {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self { exchange, is_taken: false }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FutureResponse {
    /// Ready, unless the guest has yet to finish the body, which it cannot while it waits here.
    async fn ready(&mut self) {
        if !self.is_taken && !self.exchange.is_settled() {
            std::future::pending::<()>().await;
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FutureTrailers {
    async fn ready(&mut self) {}
}

impl types::HostFutureIncomingResponse for HostState {
    fn subscribe(&mut self, future: Resource<FutureResponse>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, future)
    }

    fn get(&mut self, future: Resource<FutureResponse>) -> wasmtime::Result<Taken<Resource<IncomingResponse>>> {
        let future = self.table.get_mut(&future)?;
        if future.is_taken {
            return Ok(Some(Err(())));
        }
        let Some(outcome) = future.exchange.outcome() else { return Ok(None) };
        future.is_taken = true;
        match outcome {
            Err(code) => Ok(Some(Ok(Err(code)))),
            Ok(fetched) => {
                let headers = Fields::received(fetched.headers);
                let response = IncomingResponse { status: fetched.status, headers, body: Some(fetched.body) };
                Ok(Some(Ok(Ok(self.lend(response)?))))
            }
        }
    }

    fn drop(&mut self, future: Resource<FutureResponse>) -> wasmtime::Result<()> {
        self.table.delete(future)?;
        Ok(())
    }
}

impl types::HostIncomingResponse for HostState {
    fn status(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&response)?.status)
    }

    fn headers(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<Resource<Fields>> {
        let headers = self.table.get(&response)?.headers.clone();
        self.lend(headers)
    }

    fn consume(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        match self.table.get_mut(&response)?.body.take() {
            Some(body) => self.lend(IncomingBody(Some(body))).map(Ok),
            None => Ok(Err(())),
        }
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<()> {
        self.table.delete(response)?;
        Ok(())
    }
}

impl types::HostIncomingBody for HostState {
    fn stream(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<Result<Resource<DynInputStream>, ()>> {
        let Some(bytes) = self.table.get_mut(&body)?.0.take() else { return Ok(Err(())) };
        let stream: DynInputStream = Box::new(MemoryInputPipe::new(bytes));
        self.lend(stream).map(Ok)
    }

    fn finish(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<Resource<FutureTrailers>> {
        self.table.delete(body)?;
        self.lend(FutureTrailers { is_taken: false })
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<()> {
        self.table.delete(body)?;
        Ok(())
    }
}

impl types::HostFutureTrailers for HostState {
    fn subscribe(&mut self, future: Resource<FutureTrailers>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, future)
    }

    fn get(&mut self, future: Resource<FutureTrailers>) -> wasmtime::Result<Taken<Option<Resource<Fields>>>> {
        let future = self.table.get_mut(&future)?;
        let was_taken = std::mem::replace(&mut future.is_taken, true);
        Ok(Some(if was_taken { Err(()) } else { Ok(Ok(None)) }))
    }

    fn drop(&mut self, future: Resource<FutureTrailers>) -> wasmtime::Result<()> {
        self.table.delete(future)?;
        Ok(())
    }
}
