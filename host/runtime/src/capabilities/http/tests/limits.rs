//! How much, how long, how often.

use std::io::Write as _;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_taken_whether_it_says_so_or_not() {
    let server = Server::start(|request| match request.split(' ').nth(1).unwrap() {
        "/announced" => response("200 OK", "", vec![b'x'; 2_000]),
        "/unannounced" => Some([b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", &[b'x'; 2_000][..]].concat()),
        _ => response("200 OK", "", vec![b'x'; 1_000]),
    })
    .await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    let mut egress = Setup::new(&[&base]).change(|grant| grant.response_bytes = 1_000).egress();
    for path in ["announced", "unannounced"] {
        let failure = get(&mut egress, &format!("{base}/{path}")).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.retryable), ("too_large", false));
        assert!(failure.message.contains("1000 bytes") && failure.message.contains("`response_bytes`"), "{failure}");
    }
    assert_eq!(get(&mut egress, &format!("{base}/fits")).await.unwrap().body.len(), 1_000);
}

#[tokio::test]
async fn what_a_packed_body_unpacks_to_is_limited_by_size_and_ratio() {
    let bomb = gzip(&vec![0; 64 << 20]);
    let packed = gzip(b"packed");
    let server = Server::start(move |request| match request.split(' ').nth(1).unwrap() {
        "/bomb" => response("200 OK", "content-encoding: gzip\r\n", &bomb),
        "/damaged" => response("200 OK", "content-encoding: gzip\r\n", &packed[..packed.len() - 9]),
        _ => response("200 OK", "content-encoding: gzip\r\n", &packed),
    })
    .await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    let setup = Setup { budget: Budget { calls: 9, bytes: 1 << 40 }, ..Setup::new(&[&base]) };
    let setup = setup.change(|grant| grant.response_bytes = 1 << 40);
    let mut egress = setup.egress();
    let fetched = get(&mut egress, &base).await.unwrap();
    assert_eq!(fetched.body, b"packed");
    assert!(!fetched.headers.iter().any(|(name, _)| name == "content-encoding"), "{fetched:?}");
    let ratio = get(&mut egress, &format!("{base}/bomb")).await.unwrap_err();
    assert!(ratio.code == "too_large" && ratio.message.contains("ratio"), "{ratio}");
    assert_eq!(code(get(&mut egress, &format!("{base}/damaged")).await), "bad_response");
    let own = Asked { headers: vec![("accept-encoding".to_owned(), "gzip".to_owned())], ..asked("GET", &base) };
    assert_eq!(egress.fetch(own).await.0.unwrap().body, gzip(b"packed"), "who asks for it unpacks it");
    let mut egress = setup.change(|grant| grant.response_bytes = 1 << 20).egress();
    let size = get(&mut egress, &format!("{base}/bomb")).await.unwrap_err();
    assert!(size.code == "too_large" && size.message.contains("`response_bytes`"), "{size}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_given_up() {
    let server = Server::start(|_| None).await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    let mut egress = Setup::new(&[&base]).change(|grant| grant.timeout_ms = 50).egress();
    let failure = get(&mut egress, &base).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str(), failure.retryable), (FailureKind::Network, "timeout", true));
    assert!(failure.message.contains("`timeout`"), "{failure}");
    let mut egress = Setup::new(&[&base]).egress();
    let hurried = Asked { timeout_ms: Some(50), ..asked("GET", &base) };
    assert_eq!(code(egress.fetch(hurried).await.0), "timeout", "a guest may have less patience than its grant");
}

#[tokio::test]
async fn a_server_that_sends_a_byte_now_and_then_has_no_more_time_than_any_other() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".iter().chain(std::iter::repeat(&b'x'));
        for byte in head {
            tick.tick().await;
            if tokio::io::AsyncWriteExt::write_all(&mut stream, &[*byte]).await.is_err() {
                return;
            }
        }
    });
    let mut egress = Setup::new(&[&base]).change(|grant| grant.timeout_ms = 400).egress();
    assert_eq!(code(get(&mut egress, &base).await), "timeout");
}

#[tokio::test]
async fn what_is_no_http_and_heads_without_end_are_bad_responses() {
    let server = Server::start(|request| match request.split(' ').nth(1).unwrap() {
        "/head" => Some([b"HTTP/1.1 200 OK\r\nx: ", &[b'x'; 100_000][..]].concat()),
        "/headers" => Some([b"HTTP/1.1 200 OK\r\n", "x: y\r\n".repeat(300).as_bytes(), b"\r\n"].concat()),
        "/lengths" => {
            Some(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 9\r\n\r\nabcHTTP/1.1 200 OK".to_vec())
        }
        "/cut" => Some(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec()),
        _ => Some(b"SSH-2.0-OpenSSH\r\n".to_vec()),
    })
    .await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    let mut egress = Setup::new(&[&base]).egress();
    for (path, expected) in [
        ("", "bad_response"),
        ("head", "bad_response"),
        ("headers", "bad_response"),
        ("lengths", "bad_response"),
        ("cut", "network"),
    ] {
        assert_eq!(code(get(&mut egress, &format!("{base}/{path}")).await), expected, "{path}");
    }
}

#[tokio::test]
async fn an_attempt_has_so_many_requests_and_so_many_bytes() {
    let server = Server::start(|_| response("200 OK", "", "0123456789")).await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    let mut egress = Setup { budget: Budget { calls: 3, bytes: 15 }, ..Setup::new(&[&base]) }.egress();
    assert!(get(&mut egress, &base).await.is_ok());
    let failure = get(&mut egress, &base).await.unwrap_err();
    assert!(failure.code == "too_large" && failure.message.contains("`limits.http_bytes`"), "{failure}");
    let _ = get(&mut egress, &base).await;
    let (outcome, kept) = egress.fetch(asked("GET", &base)).await;
    let failure = outcome.unwrap_err();
    assert!(failure.code == "http_limit" && failure.message.contains("`limits.http_calls`"), "{failure}");
    assert!(kept.is_none(), "or a guest could keep files without end");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_not_sent() {
    let server = Server::start(|_| response("200 OK", "", "")).await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    let mut egress = Setup::new(&[&base]).change(|grant| grant.request_bytes = 3).egress();
    let post = |body: &[u8]| Asked { body: body.to_vec(), ..asked("POST", &base) };
    assert!(egress.fetch(post(b"abc")).await.0.is_ok());
    assert_eq!(code(egress.fetch(post(b"abcd")).await.0), "too_large");
}
