//! `outgoing-body`, and the exchange that request, body and future have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::fields::Fields;
use super::types::{self, ErrorCode};
use crate::attempt::HostState;
use crate::capabilities::http::{Asked, Fetched};

/// Bytes that all bodies of an attempt may hold together before they are sent. A grant may ask for less.
const ROOM_BYTES: usize = 64 << 20;

/// Bytes a guest may hand over in one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// What is left of the room for bodies that are being written.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Mutex<usize>>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(ROOM_BYTES)))
    }
}

impl Room {
    fn left(&self) -> MutexGuard<'_, usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way, as its resources see it; clones are the same exchange.
#[derive(Clone, Debug)]
pub(super) struct Exchange(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    body: Body,
    bytes: Vec<u8>,
    room: Room,
    /// Once the guest has sent it, until it is carried out.
    asked: Option<Asked>,
    outcome: Option<Result<Fetched, ErrorCode>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// Nobody asked for it: there will be none.
    None,
    Open,
    Finished,
    /// Dropped before it was finished: the request may not be sent.
    Lost,
}

impl State {
    /// What was written, which no longer takes room.
    fn taken(&mut self) -> Vec<u8> {
        *self.room.left() += self.bytes.len();
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.taken();
    }
}

impl Exchange {
    pub(super) fn new(room: &Room) -> Self {
        let (body, bytes, room) = (Body::None, Vec::new(), room.clone());
        Self(Arc::new(Mutex::new(State { body, bytes, room, asked: None, outcome: None })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body, the first time that somebody asks for it.
    pub(super) fn open(&self) -> Option<OutgoingBody> {
        let mut state = self.state();
        let is_first = state.body == Body::None && state.asked.is_none();
        is_first.then(|| {
            state.body = Body::Open;
            OutgoingBody { exchange: self.clone(), is_written: false }
        })
    }

    /// The guest has sent the request.
    pub(super) fn send(&self, asked: Asked) {
        self.state().asked = Some(asked);
    }

    /// The request, once it is sent and its body is whole.
    pub(super) fn due(&self) -> Option<Asked> {
        let mut state = self.state();
        match state.body {
            Body::Open => None,
            Body::None | Body::Finished => {
                let asked = state.asked.take()?;
                Some(Asked { body: state.taken(), ..asked })
            }
            Body::Lost => {
                if state.asked.take().is_some() {
                    let why = "the body of the request was dropped before it was finished".to_owned();
                    state.outcome = Some(Err(ErrorCode::InternalError(Some(why))));
                }
                None
            }
        }
    }

    pub(super) fn settle(&self, outcome: Result<Fetched, ErrorCode>) {
        self.state().outcome = Some(outcome);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.state().outcome.is_some()
    }

    pub(super) fn outcome(&self) -> Option<Result<Fetched, ErrorCode>> {
        self.state().outcome.take()
    }
}

/// The body of a request.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct OutgoingBody {
    exchange: Exchange,
    /// Whether its stream was asked for.
    is_written: bool,
}

/// Where a body is written to.
#[derive(Debug)]
struct Writing(Exchange);

#[wasmtime_wasi::async_trait]
impl Pollable for Writing {
    async fn ready(&mut self) {}
}

impl OutputStream for Writing {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut state = self.0.state();
        if state.body != Body::Open {
            return Err(StreamError::Closed);
        }
        {
            let mut left = state.room.left();
            let rest = left.checked_sub(bytes.len()).ok_or_else(full)?;
            *left = rest;
        }
        state.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let state = self.0.state();
        let left = *state.room.left();
        match (state.body, left) {
            (Body::Open, 0) => Err(full()),
            (Body::Open, left) => Ok(left.min(WRITE_BYTES_MAX)),
            _ => Err(StreamError::Closed),
        }
    }
}

fn full() -> StreamError {
    let why = format!("the bodies of requests that are not sent yet may have {ROOM_BYTES} bytes together");
    StreamError::LastOperationFailed(wasmtime::Error::msg(why))
}

impl types::HostOutgoingBody for HostState {
    fn write(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let body = self.table.get_mut(&body)?;
        if std::mem::replace(&mut body.is_written, true) {
            return Ok(Err(()));
        }
        let stream: DynOutputStream = Box::new(Writing(body.exchange.clone()));
        self.lend(stream).map(Ok)
    }

    async fn finish(
        &mut self,
        body: Resource<OutgoingBody>,
        trailers: Option<Resource<Fields>>,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        let OutgoingBody { exchange, .. } = self.table.delete(body)?;
        if let Some(trailers) = trailers {
            self.table.delete(trailers)?;
            exchange.state().body = Body::Lost;
            self.proceed(&exchange).await;
            return Ok(Err(ErrorCode::InternalError(Some("requests have no trailers here".to_owned()))));
        }
        exchange.state().body = Body::Finished;
        self.proceed(&exchange).await;
        Ok(Ok(()))
    }

    fn drop(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<()> {
        let OutgoingBody { exchange, .. } = self.table.delete(body)?;
        exchange.state().body = Body::Lost;
        // A request that waits for it ends with that.
        exchange.due();
        Ok(())
    }
}
