//! Requests by the standard's `wasi:http`, which go the way of all requests, and what the SDKs of other languages offer.

use super::*;
use tests::foreign;

const GRANTED: &str = "methods = [\"GET\", \"POST\"], private = true";

/// A host with a guest that uses the standard's interface, which may go to `server`.
fn wanderer(server: &Server) -> TestHost {
    let host = TestHost::without_plugins();
    host.install(&component("wanderer"), "wanderer.wasm");
    let grants = format!("http = [{{ host = \"http://{}\", {GRANTED} }}]", server.at);
    host.file("spine.toml", format!("[plugins.wanderer.grants]\n{grants}\n"));
    host
}

fn go(host: &TestHost, authority: &str, more: &[&str]) -> Value {
    let authority = format!("authority={authority}");
    host.ask(&[&["run", "wanderer.go", "-p", &authority], more].concat()).exits(0).json()
}

#[test]
fn a_guest_that_speaks_wasi_http_is_served_under_the_same_grants_and_replayed_without_the_network() {
    let server = Server::start(|path| match path {
        "/away" => Some(("302 Found", "location: /elsewhere\r\n".to_owned(), b"away".to_vec())),
        _ => Some(("200 OK", String::new(), b"hello".to_vec())),
    });
    let host = wanderer(&server);
    let at = server.at.to_string();
    let plain = go(&host, &at, &[]);
    assert_eq!(plain["result"], json!({ "status": 200, "body": "hello" }));
    let posted = go(&host, &at, &["-p", "body=late", "-p", "header=content-length: 4"]);
    assert_eq!(posted["result"]["status"], 200);
    assert!(server.asked()[1].ends_with("\r\n\r\nlate"), "{}", server.asked()[1]);
    let redirected = go(&host, &at, &["-p", "path=/away"]);
    assert_eq!(redirected["result"], json!({ "status": 302, "body": "away" }), "the guest follows it, or not");
    assert!(kept(&host, &plain).starts_with("spine exchange 1\n"));

    drop(server);
    for run in [&plain, &posted, &redirected] {
        let replayed = host.ask(&["replay", run["run_id"].as_str().unwrap()]).exits(0).json();
        assert_eq!(replayed["identical"], true, "{replayed}");
    }
}

#[test]
fn a_request_by_wasi_http_that_is_denied_is_an_error_code_and_the_host_says_what_to_grant() {
    let (server, other) = (hello(), hello());
    let host = wanderer(&server);
    let elsewhere = other.at.to_string();
    assert_eq!(go(&host, &elsewhere, &[])["result"]["error"], "ErrorCode::HttpRequestDenied");
    let port = server.at.port();
    host.file("spine.toml", format!("[plugins.wanderer.grants]\nhttp = [{{ host = \"http://*:{port}\" }}]\n"));
    let private = go(&host, &server.at.to_string(), &[]);
    assert_eq!(private["result"]["error"], "ErrorCode::DestinationIpProhibited");
    let authority = format!("authority={elsewhere}");
    let failed = host.ask(&["run", "wanderer.go", "-p", &authority, "-p", "pass_on=true"]);
    assert_ne!(failed.code, 0);
    let error = failed.json()["error"].clone();
    assert_eq!((&error["code"], &error["message"]), (&json!("request_failed"), &json!("ErrorCode::HttpRequestDenied")));
    let causes = error["causes"].to_string();
    assert!(causes.contains("not_granted") && causes.contains("[plugins.wanderer.grants] http ="), "{causes}");
    assert_eq!((server.asked().len(), other.asked().len()), (0, 0));
}

#[test]
fn what_would_smuggle_a_second_request_is_refused_where_the_guest_says_it() {
    let server = hello();
    let host = wanderer(&server);
    let at = server.at.to_string();
    for (more, error) in [
        (["-p", "header=host: internal"].as_slice(), "HeaderError::Forbidden"),
        (&["-p", "header=transfer-encoding: chunked"], "HeaderError::Forbidden"),
        (&["-p", "header=x: a\r\nhost: internal"], "HeaderError::InvalidSyntax"),
        (&["-p", "path=/ HTTP/1.1\r\nhost: internal\r\n\r\n"], "the path is refused"),
        (&["-p", "path=@internal/"], "the path is refused"),
    ] {
        assert_eq!(go(&host, &at, more)["result"]["error"], error, "{more:?}");
    }
    assert_eq!(go(&host, &format!("me:pw@{at}"), &[])["result"]["error"], "the authority is refused");
    let lied = go(&host, &at, &["-p", "body=GET / HTTP/1.1", "-p", "header=content-length: 0"]);
    assert!(lied["result"]["error"].as_str().unwrap().contains("bad_request"), "{lied}");
    assert_eq!(server.asked().len(), 0);
}

/// A host with a component of another language under full grants.
fn foreign_wanderer(language: &str, server: &Server) -> Option<(TestHost, String)> {
    let path = foreign(&format!("wanderer_{language}"))?;
    let plugin = if language == "python" { "wanderer_py" } else { "wanderer_js" };
    let host = TestHost::without_plugins();
    host.install(&path, &format!("{plugin}.wasm"));
    host.file("key", SECRET);
    host.file("out/.keep", "");
    host.file(
        "spine.toml",
        format!(
            "[plugins.{plugin}.grants]\nhttp = [{{ host = \"http://{}\", {GRANTED} }}]\n\
             secrets = {{ key = {{ file = \"key\" }} }}\nfolders = {{ out = {{ path = \"out\", access = \"write\" }} }}\n",
            server.at
        ),
    );
    Some((host, format!("{plugin}.go")))
}

#[test]
fn fetch_of_javascript_is_sent_under_the_grants_of_its_plugin_and_a_slow_server_takes_no_virtual_time() {
    let server = hello();
    let Some((host, name)) = foreign_wanderer("javascript", &server) else { return };
    let go = |by: &str, url: &str, more: &[&str]| {
        let (by, url) = (format!("by={by}"), format!("url={url}"));
        host.ask(&[&["run", &name, "-p", &by, "-p", &url], more].concat()).exits(0).json()
    };
    let plain = go("fetch", &server.url("/"), &[]);
    assert_eq!(plain["result"], json!({ "status": 200, "body": "hello" }));
    let posted = go("fetch", &server.url("/"), &["-p", "body=from JavaScript"]);
    assert_eq!(posted["result"]["status"], 200, "{posted}");
    assert!(server.asked()[1].ends_with("from JavaScript"), "{}", server.asked()[1]);
    let raced = go("race", &server.url("/"), &[]);
    assert_eq!(raced["result"], json!({ "body": "hello" }));
    let other = hello();
    let denied = go("fetch", &other.url("/"), &[]);
    assert!(denied["result"]["error"].is_string(), "{denied}");
    assert_eq!(other.asked().len(), 0);
    drop(server);
    for run in [plain, posted, raced, denied] {
        let replayed = host.ask(&["replay", run["run_id"].as_str().unwrap()]).exits(0).json();
        assert_eq!(replayed["identical"], true, "{replayed}");
    }
}

#[test]
fn the_sdks_of_other_languages_send_requests_with_secrets_and_save_files() {
    for (language, more) in [("javascript", ["-p", "by=send", "-p", "body=hello"].as_slice()), ("python", &[])] {
        let server = hello();
        let Some((host, name)) = foreign_wanderer(language, &server) else { continue };
        let url = format!("url={}", server.url("/"));
        let report = host.ask(&[&["run", &name, "-p", &url], more].concat()).exits(0).json();
        assert_eq!(report["result"], json!({ "status": 200, "body": "hello" }), "{language}");
        let seen = server.asked()[0].clone();
        assert!(seen.contains(&format!("Bearer {SECRET}")) && seen.ends_with("hello"), "{language}: {seen}");
        assert_eq!(std::fs::read_to_string(host.folder().join("out/answer.txt")).unwrap(), "hello", "{language}");
        let other = format!("url={}", hello().url("/"));
        let denied = host.ask(&[&["run", &name, "-p", &other], more].concat()).exits(0).json();
        assert_eq!(denied["result"], json!({ "error": "not_granted" }), "{language}");
    }
}
