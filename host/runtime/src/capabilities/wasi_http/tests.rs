//! Requests by the standard's interface, against a server on loopback.

use std::sync::Arc;

use model::address::Address;
use model::grants::{Grants, HttpGrant};
use model::limits::Limits;
use model::manifest::{CapabilityKind, CapabilitySpec};
use model::ports::{LogSink, Outside};
use model::secret::Secrets;
use tokio::runtime::Handle;
use wasmtime_wasi::p2::bindings::io::poll::Host as _;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::body::OutgoingBody;
use super::fields::Fields;
use super::outgoing_handler::Host as _;
use super::types::{
    HeaderError, HostFields as _, HostFutureIncomingResponse as _, HostIncomingBody as _, HostIncomingResponse as _,
    HostOutgoingBody as _, HostOutgoingRequest as _, Method, Scheme,
};
use super::*;
use crate::attempt::{Facts, Journal};
use crate::capabilities::http::{Budget, Egress, Network};
use crate::capabilities::secrets::Vault;
use crate::testing::server::{Server, response};
use crate::testing::{Bench, collector};

/// A guest that may send GET and POST to loopback under these grants.
fn guest(granted: &[&str], sink: LogSink) -> HostState {
    let methods = ["GET", "POST"].map(str::to_owned).to_vec();
    let address: Address = "http://*:*".parse().unwrap();
    let asked = CapabilitySpec {
        kind: CapabilityKind::Http { address, methods: methods.clone() },
        name: "a".to_owned(),
        required: false,
        reason: String::new(),
    };
    let grant = |address: &&str| HttpGrant {
        private: true,
        methods: methods.clone(),
        ..HttpGrant::to(address.parse().unwrap())
    };
    let grants = Grants { http: granted.iter().map(grant).collect(), ..Grants::default() };
    let outside = Outside { grants, ..Outside::nothing() };
    let vault = Arc::new(Vault::new(&outside, &[1; 32]));
    let network = Arc::new(Network::of_this_machine());
    let budget = Budget { calls: 100, bytes: 1 << 20 };
    let egress =
        Egress::new(("p", &[asked]), outside, (vault, Secrets::default()), (network, Handle::current()), budget);
    let facts = Facts { plugin: "p".to_owned(), run_id: "run_1".to_owned(), attempt: 1, params: "{}".to_owned() };
    let journal = Journal::new(model::Timestamp::from_micros(0), &Limits::standard(), sink);
    let bench = Box::new(Bench::default());
    HostState::new(facts, Limits::standard(), (1_000_000, [1; 32]), journal, bench, egress, None)
}

/// A request that can be sent, with a handle to it while it is not.
fn request(guest: &mut HostState, method: Method, authority: &str, headers: &[(&str, &str)]) -> u32 {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let headers = guest.from_list(headers).unwrap().unwrap();
    let request = types::HostOutgoingRequest::new(guest, headers).unwrap();
    let at = request.rep();
    let borrowed = || Resource::<OutgoingRequest>::new_borrow(at);
    guest.set_method(borrowed(), method).unwrap().unwrap();
    guest.set_scheme(borrowed(), Some(Scheme::Http)).unwrap().unwrap();
    guest.set_authority(borrowed(), Some(authority.to_owned())).unwrap().unwrap();
    guest.set_path_with_query(borrowed(), Some("/v1?x=1".to_owned())).unwrap().unwrap();
    at
}

fn body_of(guest: &mut HostState, request: u32) -> Resource<OutgoingBody> {
    types::HostOutgoingRequest::body(guest, Resource::new_borrow(request)).unwrap().unwrap()
}

fn write(guest: &mut HostState, body: &Resource<OutgoingBody>, bytes: &'static [u8]) {
    let stream = guest.write(Resource::new_borrow(body.rep())).unwrap().unwrap();
    let stream: &mut DynOutputStream = guest.table.get_mut(&stream).unwrap();
    assert!(stream.check_write().unwrap() >= bytes.len());
    stream.write(bytes.into()).unwrap();
}

async fn sent(guest: &mut HostState, request: u32) -> Resource<FutureResponse> {
    guest.handle(Resource::new_own(request), None).await.unwrap().unwrap()
}

/// What came of a request: the status and the body.
fn got(guest: &mut HostState, future: &Resource<FutureResponse>) -> Option<Result<(u16, Vec<u8>), ErrorCode>> {
    let taken = types::HostFutureIncomingResponse::get(guest, Resource::new_borrow(future.rep())).unwrap()?;
    Some(taken.unwrap().map(|response| {
        let status = guest.status(Resource::new_borrow(response.rep())).unwrap();
        let body = guest.consume(Resource::new_borrow(response.rep())).unwrap().unwrap();
        let stream = guest.stream(Resource::new_borrow(body.rep())).unwrap().unwrap();
        let stream: &mut DynInputStream = guest.table.get_mut(&stream).unwrap();
        let bytes = stream.read(1 << 20).map(|bytes| bytes.to_vec()).unwrap_or_default();
        (status, bytes)
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_a_request_is_answered_when_the_call_returns_that_completes_it() {
    let server = Server::start(|_| response("200 OK", "x-test: 1\r\n", "hello")).await;
    let at = server.at.to_string();
    let mut guest = guest(&[&format!("http://{at}")], LogSink::none());

    let get = request(&mut guest, Method::Get, &at, &[("x-mine", "2")]);
    let future = sent(&mut guest, get).await;
    let ready = guest.subscribe(Resource::new_borrow(future.rep())).unwrap();
    assert_eq!(guest.table.poll(vec![ready]).await.unwrap(), [0]);
    assert_eq!(got(&mut guest, &future).unwrap().unwrap(), (200, b"hello".to_vec()));
    let seen = server.asked()[0].to_lowercase();
    assert!(seen.starts_with("get /v1?x=1 http/1.1\r\n") && seen.contains("x-mine: 2\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {at}\r\n")), "{seen}");

    // A body that is written after it.
    let post = request(&mut guest, Method::Post, &at, &[("content-length", "4")]);
    let body = body_of(&mut guest, post);
    let future = sent(&mut guest, post).await;
    assert!(got(&mut guest, &future).is_none(), "it is not whole");
    assert_eq!(server.asked().len(), 1);
    write(&mut guest, &body, b"body");
    types::HostOutgoingBody::finish(&mut guest, body, None).await.unwrap().unwrap();
    assert_eq!(got(&mut guest, &future).unwrap().unwrap().0, 200);
    assert!(server.asked()[1].ends_with("\r\n\r\nbody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_is_an_error_code_and_the_log_says_what_to_grant() {
    let server = Server::start(|_| response("200 OK", "", "")).await;
    let (sink, said) = collector();
    let mut guest = guest(&["http://*:1"], sink);
    let at = server.at.to_string();
    let get = request(&mut guest, Method::Get, &at, &[]);
    let future = sent(&mut guest, get).await;
    assert!(matches!(got(&mut guest, &future), Some(Err(ErrorCode::HttpRequestDenied))));
    assert_eq!(server.asked().len(), 0);
    let said = said.lock().unwrap()[0].message.clone();
    assert!(said.contains("[plugins.p.grants] http =") && said.contains("GET http://"), "{said}");
    assert_eq!(guest.wasi_http.failed(), Some(said.as_str()), "and a failure of the guest has it as a cause");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_the_guests_to_follow() {
    let server = Server::start(|_| response("302 Found", "location: /there\r\n", "go")).await;
    let at = server.at.to_string();
    let mut guest = guest(&[&format!("http://{at}")], LogSink::none());
    let get = request(&mut guest, Method::Get, &at, &[]);
    let future = sent(&mut guest, get).await;
    assert_eq!(got(&mut guest, &future).unwrap().unwrap().0, 302);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_body_is_dropped_or_of_another_length_is_not_sent() {
    let server = Server::start(|_| response("200 OK", "", "")).await;
    let at = server.at.to_string();
    let mut guest = guest(&[&format!("http://{at}")], LogSink::none());
    let dropped = request(&mut guest, Method::Post, &at, &[]);
    let body = body_of(&mut guest, dropped);
    write(&mut guest, &body, b"half");
    let future = sent(&mut guest, dropped).await;
    types::HostOutgoingBody::drop(&mut guest, body).unwrap();
    assert!(matches!(got(&mut guest, &future), Some(Err(ErrorCode::InternalError(_)))));

    let short = request(&mut guest, Method::Post, &at, &[("content-length", "2")]);
    let body = body_of(&mut guest, short);
    write(&mut guest, &body, b"more");
    types::HostOutgoingBody::finish(&mut guest, body, None).await.unwrap().unwrap();
    let future = sent(&mut guest, short).await;
    assert!(
        matches!(got(&mut guest, &future), Some(Err(ErrorCode::InternalError(_)))),
        "a second request in the first"
    );
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn headers_that_belong_to_the_connection_or_break_out_of_their_line_are_refused() {
    let mut guest = guest(&[], LogSink::none());
    for (name, value, expected) in [
        ("Host", "b.org", HeaderError::Forbidden),
        ("transfer-encoding", "chunked", HeaderError::Forbidden),
        ("x", "a\r\nhost: b.org", HeaderError::InvalidSyntax),
        ("x y", "a", HeaderError::InvalidSyntax),
    ] {
        let refused = guest.from_list(vec![(name.to_owned(), value.as_bytes().to_vec())]).unwrap().unwrap_err();
        assert_eq!(std::mem::discriminant(&refused), std::mem::discriminant(&expected), "{name}");
    }
    let fields: Resource<Fields> = types::HostFields::new(&mut guest).unwrap();
    let many =
        (0..200).map(|_| guest.append(Resource::new_borrow(fields.rep()), "a".to_owned(), vec![b'x'; 1_000]).unwrap());
    assert_eq!(many.filter(Result::is_ok).count(), 65, "64 KiB of them");
    for authority in ["me:pw@a.org", "a.org/x", "a.org#b", "a.org b"] {
        let request = request(&mut guest, Method::Get, "a.org", &[]);
        assert!(guest.set_authority(Resource::new_borrow(request), Some(authority.to_owned())).unwrap().is_err());
    }
}
