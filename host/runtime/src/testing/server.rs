//! A server on loopback that answers as it is told and remembers what it was asked. It knows as much of HTTP as the tests
//! need: a head, and a body of the length that the head says.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};

/// A certificate for `a.test` that vouches for itself, and its key.
static A_TEST: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> =
    LazyLock::new(|| rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap());

/// What to answer to a request, given as it came. An empty answer hangs up; none never answers.
type Answer = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(answer), None).await
    }

    /// Over TLS, as `a.test`.
    pub(crate) async fn start_secured(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::start_speaking(ALL_VERSIONS, answer).await
    }

    /// Over these versions of TLS alone, as `a.test`.
    pub(crate) async fn start_speaking(
        versions: &[&'static SupportedProtocolVersion],
        answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(A_TEST.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![Self::authority()], key)
            .unwrap();
        Self::listen(Arc::new(answer), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// Who signed the certificate of a server with TLS.
    pub(crate) fn authority() -> CertificateDer<'static> {
        A_TEST.cert.der().clone()
    }

    async fn listen(answer: Arc<Answer>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = Self { at, asked: Arc::clone(&asked) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, asked, tls) = (Arc::clone(&answer), Arc::clone(&asked), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &*answer, &asked).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &*answer, &asked).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    /// The requests so far, as they came.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &Answer, asked: &Mutex<Vec<String>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(read) = stream.read(&mut buffer).await else { return };
        bytes.extend_from_slice(&buffer[..read]);
        if read == 0 || is_whole(&bytes) {
            break;
        }
    }
    let request = String::from_utf8_lossy(&bytes).into_owned();
    let answer = answer(&request);
    asked.lock().unwrap().push(request);
    match answer {
        Some(answer) => drop(stream.write_all(&answer).await),
        // Until the other side has enough.
        None => while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {},
    }
    let _ = stream.shutdown().await;
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// A response with these headers, each with its line end, and this body.
pub(crate) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Some([head.as_bytes(), body].concat())
}
