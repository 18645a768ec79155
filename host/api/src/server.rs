//! The server's life: listen, answer, end.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::guard::Guard;
use crate::parts::Parts;
use crate::routes::router;

/// How long answers may still take once the server was told to end.
const GRACE: Duration = Duration::from_secs(5);

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
    let guard = Guard::new(&parts.token, address, &parts.allowed_hosts);
    let router = router(parts, guard, shutdown.clone());
    let ended = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = ended.into_future() => {
            if let Err(error) = ended {
                tracing::error!(%error, "the API ended badly");
            }
        }
        () = too_late => tracing::warn!("a client did not finish its request; the API ends without it"),
    }
}
