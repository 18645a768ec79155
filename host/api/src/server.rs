//! The server's life: listen, answer, end.
//!
//! Who is not heard of for a while is let go, and there are only so many at one time: whoever may open a connection, with
//! a token or without, cannot keep the others out for long by saying nothing. Limits: a body that comes slowly, from who
//! shows the token, and an answer that is read slowly have no time of their own.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::guard::Guard;
use crate::parts::Parts;
use crate::routes::router;

/// How long answers may still take once the server was told to end.
const GRACE: Duration = Duration::from_secs(5);

/// Connections at one time. Others wait until one of them ends.
const CONNECTIONS_MAX: usize = 512;

/// How long to wait when the system has no connection to give, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Answers requests until `shutdown`, and then those that are under way, for a few seconds at most.
///
/// Waiting requests are answered at once then. Errors of single connections are theirs alone.
pub async fn serve(listener: TcpListener, parts: Parts, shutdown: CancellationToken) {
    let address = match listener.local_addr() {
        Ok(address) => address,
        Err(error) => {
            tracing::error!(%error, "the API cannot serve: its socket has no address");
            return;
        }
    };
    let patience = parts.head_patience;
    let guard = Guard::new(&parts.token, address, &parts.allowed_hosts);
    let router = router(parts, guard, shutdown.clone());
    let mut connections = JoinSet::new();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accept(listener, (router, patience), &shutdown, &mut connections) => {}
    }
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        tracing::warn!("a client did not finish its request; the API ends without it");
    }
}

/// Takes connections in for as long as it is awaited.
async fn accept(
    listener: TcpListener,
    (router, patience): (Router, Duration),
    shutdown: &CancellationToken,
    connections: &mut JoinSet<()>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                drop(connections.spawn(answer(stream, (router.clone(), patience), shutdown.clone(), place)))
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the API could not be taken");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Answers the requests of one connection.
async fn answer(
    stream: TcpStream,
    (router, patience): (Router, Duration),
    shutdown: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    // Answers are small, and their reader waits.
    let _ = stream.set_nodelay(true);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(patience);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the API ended badly");
    }
}
