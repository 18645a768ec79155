//! A real socket.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Bench, TOKEN};

async fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_server_answers_on_its_port_and_ends_when_told() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(crate::serve(listener, bench.parts.clone(), bench.shutdown.clone()));

    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    let answer = exchange(port, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"status":"ok"}"#), "{answer}");

    let body = r#"{"name": "d.daily"}"#;
    let request = format!(
        "POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(port, &request).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");

    let other_port = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", port ^ 1);
    assert!(exchange(port, &other_port).await.starts_with("HTTP/1.1 403"));

    bench.shutdown.cancel();
    server.await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn who_does_not_finish_the_head_of_a_request_is_let_go() {
    let mut bench = Bench::new();
    bench.parts.head_patience = Duration::from_millis(20);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(crate::serve(listener, bench.parts.clone(), bench.shutdown.clone()));
    let answer = exchange(port, "GET /hea").await;
    assert!(!answer.contains("200"), "{answer}");
    bench.shutdown.cancel();
    server.await.unwrap();
}

#[tokio::test]
async fn a_body_that_says_itself_to_be_too_large_is_not_waited_for() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(crate::serve(listener, bench.parts.clone(), bench.shutdown.clone()));
    let request = format!(
        "POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    );
    assert!(exchange(port, &request).await.starts_with("HTTP/1.1 413"));
    bench.shutdown.cancel();
    server.await.unwrap();
}
