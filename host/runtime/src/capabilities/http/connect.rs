//! From a host's name to a connection: resolved once, every address checked, and connected to what was checked.
//!
//! The name is not resolved a second time, so a server of names that answers otherwise next time changes nothing. There are
//! no proxies, whatever the environment says.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::address::Scheme;
use model::grants::HttpGrant;
use model::{Failure, FailureKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::addresses::Range;

/// Addresses of one name that are tried, in the order of the answer.
const ADDRESSES_MAX: usize = 4;

/// Finds the addresses of a name.
#[async_trait::async_trait]
pub(crate) trait Resolver: Debug + Send + Sync {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<IpAddr>>;
}

/// As this machine finds them.
#[derive(Clone, Copy, Debug)]
struct SystemResolver;

#[async_trait::async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.map(|address| address.ip()).collect())
    }
}

/// The way out: names, and whom to trust.
#[derive(Debug)]
pub(crate) struct Network {
    resolver: Arc<dyn Resolver>,
    /// Certificates to trust beside those of this machine.
    roots: Vec<CertificateDer<'static>>,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Network {
    /// That of this machine: its names, its certificates.
    pub(crate) fn of_this_machine() -> Self {
        Self { resolver: Arc::new(SystemResolver), roots: Vec::new(), tls: OnceLock::new() }
    }

    /// One with names and certificates of its own.
    #[cfg(test)]
    pub(crate) fn with(resolver: Arc<dyn Resolver>, roots: Vec<CertificateDer<'static>>) -> Self {
        Self { resolver, roots, tls: OnceLock::new() }
    }

    /// Connects to a host as `grant` allows.
    ///
    /// # Errors
    ///
    /// `address_denied` if the name leads to where the grant does not; of kind `network` if nobody answers, or not as who
    /// was asked for.
    pub(super) async fn connect(
        &self,
        (scheme, host, port): (Scheme, &str, u16),
        grant: &HttpGrant,
    ) -> Result<Connection, Failure> {
        let time = Duration::from_millis(grant.connect_timeout_ms);
        let connected = tokio::time::timeout(time, self.connected(scheme, host, port, grant.private)).await;
        connected.unwrap_or_else(|_| {
            let message = format!(
                "`{host}:{port}` did not answer within {} ms, the `connect_timeout` of its grant",
                grant.connect_timeout_ms
            );
            Err(Failure::new(FailureKind::Network, "timeout", message).retryable(true))
        })
    }

    async fn connected(&self, scheme: Scheme, host: &str, port: u16, private: bool) -> Result<Connection, Failure> {
        let addresses = self.addresses(host, port).await?;
        addresses.iter().try_for_each(|address| check(host, *address, private))?;
        let mut refused = None;
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(stream) => {
                    // One request, then its answer: there is nothing to wait for.
                    let _ = stream.set_nodelay(true);
                    return match scheme {
                        Scheme::Http => Ok(Connection(Box::new(stream))),
                        Scheme::Https => self.secured(host, stream).await,
                    };
                }
                Err(error) => refused = Some((address, error)),
            }
        }
        let why = refused.map_or_else(
            || format!("the name `{host}` has no address"),
            |(address, error)| format!("could not connect to `{host}` at {}: {error}", SocketAddr::new(address, port)),
        );
        Err(Failure::new(FailureKind::Network, "network", why).retryable(true))
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<IpAddr>, Failure> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        self.resolver.resolve(host, port).await.map_err(|error| {
            let message = format!("the name `{host}` cannot be resolved: {error}");
            Failure::new(FailureKind::Network, "network", message).retryable(true)
        })
    }

    async fn secured(&self, host: &str, stream: TcpStream) -> Result<Connection, Failure> {
        let failed = |why: String| {
            let message = format!("no encrypted connection to `{host}`: {why}");
            Failure::new(FailureKind::Network, "network", message)
        };
        let config = self.tls.get_or_init(|| config(&self.roots)).clone().map_err(&failed)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| failed(error.to_string()))?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
            // A server that goes away may come back; one that is another will not become the right one.
            let is_transient = error.kind() != io::ErrorKind::InvalidData;
            failed(error.to_string()).retryable(is_transient)
        })?;
        Ok(Connection(Box::new(stream)))
    }
}

/// Whether a name may lead to this address.
fn check(host: &str, address: IpAddr, private: bool) -> Result<(), Failure> {
    let (what, how) = match Range::of(address) {
        Range::Public => return Ok(()),
        Range::Private(_) if private => return Ok(()),
        Range::Private(what) => (what, "; an operator allows it with `private = true` in the grant of that address"),
        Range::Nowhere(what) => (what, ""),
    };
    let message = format!("`{host}` leads to {address}, {what}, where no request is sent{how}");
    Err(Failure::new(FailureKind::Auth, "address_denied", message))
}

fn config(more: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs.into_iter().chain(more.iter().cloned()));
    if roots.is_empty() {
        let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "this machine has no certificates to trust; install them, or set SSL_CERT_FILE; {}",
            why.join("; ")
        ));
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A connection to one server.
pub(super) struct Connection(pub(super) Box<dyn Stream>);

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
