//! What leaves the sandbox: requests to addresses that are granted, secrets with them, and files into granted folders.

mod server;
mod standard;

use std::io::Write as _;
use std::path::Path;

use model::ports::Lake as _;
use serde_json::{Value, json};
use server::Server;
use tests::{TestHost, component};

const SECRET: &str = "correct-horse-battery";

/// A host with the guest that goes where it is sent, under these grants.
fn courier(grants: &str) -> TestHost {
    let host = TestHost::without_plugins();
    host.install(&component("courier"), "courier.wasm");
    host.file("key", format!("{SECRET}\n"));
    host.file("spine.toml", format!("[plugins.courier.grants]\n{grants}\n"));
    host
}

/// Grants GET to one server of this machine, with what else there is to say about it.
fn to(server: &Server, more: &str) -> String {
    format!("http = [{{ host = \"http://{}\", methods = [\"GET\"], private = true{more} }}]", server.at)
}

/// Sends a request; the answer is what it came to.
fn send(host: &TestHost, url: &str, more: &[&str]) -> Value {
    let url = format!("url={url}");
    let answer = host.ask(&[&["run", "courier.send", "-p", &url], more].concat()).exits(0);
    answer.json()["result"].clone()
}

/// Sends a request that comes to nothing; the code of its error.
fn denied(host: &TestHost, url: &str, more: &[&str]) -> String {
    let result = send(host, url, more);
    result[0]["code"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned()
}

fn hello() -> Server {
    Server::start(|_| Some(("200 OK", String::new(), b"hello".to_vec())))
}

#[test]
fn a_granted_request_gets_its_answer_which_is_kept_with_the_inputs_of_the_run() {
    let server = hello();
    let host = courier(&to(&server, ""));
    let url = format!("url={}", server.url("/v1?x=1"));
    let report = host.ask(&["run", "courier.send", "-p", &url]).exits(0).json();
    let answer = json!({ "status": 200, "bytes": 5, "url": server.url("/v1?x=1"), "body": "hello" });
    assert_eq!(report["result"], json!([answer]));
    assert!(server.asked()[0].to_lowercase().contains(&format!("\r\nhost: {}\r\n", server.at)));
    let kept = kept(&host, &report);
    assert!(kept.starts_with("spine exchange 1\n") && kept.ends_with("\nhello"), "{kept}");
}

/// The only input that a run kept, as text.
fn kept(host: &TestHost, report: &Value) -> String {
    let digest = report["input_hash"].as_str().unwrap().parse().unwrap();
    let lake = lake::LocalLake::open(&host.data()).unwrap();
    let kept = lake.kept_input("exchange", digest).unwrap();
    String::from_utf8(kept.bytes.to_vec()).unwrap()
}

#[test]
fn what_is_not_granted_is_an_error_that_the_guest_can_read() {
    let (server, other) = (hello(), hello());
    let host = courier(&to(&server, ""));
    let answer = send(&host, &other.url("/"), &[]);
    assert_eq!((&answer[0]["code"], &answer[0]["retryable"]), (&json!("not_granted"), &json!(false)));
    let message = answer[0]["message"].as_str().unwrap();
    assert!(message.contains("plugin `courier`") && message.contains("[plugins.courier.grants] http ="), "{message}");
    assert_eq!(denied(&host, &server.url("/"), &["-p", "method=POST"]), "not_granted", "only GET is");
    assert_eq!(denied(&host, &format!("http://localhost:{}/", server.at.port()), &[]), "not_granted", "another name");
    assert_eq!(denied(&host, "https://example.com/", &[]), "not_granted");
    assert_eq!((server.asked().len(), other.asked().len()), (0, 0));
    // Passed on, it is a refusal.
    let url = format!("url={}", other.url("/"));
    let failed = host.ask(&["run", "courier.send", "-p", &url, "-p", "pass_on=true"]).exits(3);
    assert_eq!(failed.error_code(), "not_granted");
}

#[test]
fn private_addresses_are_denied_unless_they_are_granted_as_such_whatever_name_leads_there() {
    let server = hello();
    let port = server.at.port();
    let host = courier(&format!("http = [{{ host = \"http://*:{port}\" }}]"));
    for name in
        ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "169.254.169.254"]
    {
        assert_eq!(denied(&host, &format!("http://{name}:{port}/"), &[]), "address_denied", "{name}");
    }
    assert_eq!(server.asked().len(), 0);
    host.file(
        "spine.toml",
        format!("[plugins.courier.grants]\nhttp = [{{ host = \"http://*:{port}\", private = true }}]"),
    );
    assert_eq!(send(&host, &format!("http://localhost:{port}/"), &[])[0]["status"], 200);
}

#[test]
fn a_redirect_leads_nowhere_that_is_not_granted() {
    let other = hello();
    let location = format!("location: {}\r\n", other.url("/"));
    let server = Server::start(move |path| match path {
        "/away" => Some(("302 Found", location.clone(), Vec::new())),
        "/loop" => Some(("302 Found", "location: /loop\r\n".to_owned(), Vec::new())),
        "/on" => Some(("302 Found", "location: /there\r\n".to_owned(), Vec::new())),
        _ => Some(("200 OK", String::new(), b"there".to_vec())),
    });
    let host = courier(&to(&server, ""));
    let followed = send(&host, &server.url("/on"), &[]);
    assert_eq!((&followed[0]["body"], &followed[0]["url"]), (&json!("there"), &json!(server.url("/there"))));
    assert_eq!(denied(&host, &server.url("/away"), &[]), "not_granted");
    assert_eq!(denied(&host, &server.url("/loop"), &[]), "too_many_redirects");
    assert_eq!(other.asked().len(), 0);
}

#[test]
fn answers_that_are_too_large_too_slow_or_a_bomb_are_errors_that_name_their_limit() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 32 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    let server = Server::start(move |path| match path {
        "/large" => Some(("200 OK", String::new(), vec![b'x'; 3 << 20])),
        "/slow" => None,
        _ => Some(("200 OK", "content-encoding: gzip\r\n".to_owned(), bomb.clone())),
    });
    let host = courier(&to(&server, ", response_bytes = \"2MiB\", timeout = \"500ms\", retry = { attempts_max = 1 }"));
    for (path, code, key) in [
        ("/large", "too_large", "`response_bytes`"),
        ("/bomb", "too_large", "`response_bytes`"),
        ("/slow", "timeout", "`timeout`"),
    ] {
        let answer = send(&host, &server.url(path), &[]);
        assert_eq!(answer[0]["code"], code, "{answer}");
        assert!(answer[0]["message"].as_str().unwrap().contains(key), "{answer}");
    }
}

#[test]
fn a_busy_server_is_tried_again_and_one_that_keeps_failing_is_left_alone() {
    let busy = Server::start({
        let asked = std::sync::atomic::AtomicU32::new(0);
        move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Some(("503 Busy", "retry-after: 0\r\n".to_owned(), Vec::new())),
            _ => Some(("200 OK", String::new(), b"at last".to_vec())),
        }
    });
    let retry = ", retry = { attempts_max = 3, strategy = { constant = { delay_ms = 1 } } }";
    let host = courier(&to(&busy, retry));
    assert_eq!(send(&host, &busy.url("/"), &[])[0]["body"], "at last");
    assert_eq!(busy.asked().len(), 2);

    let broken = Server::start(|_| Some(("500 Broken", String::new(), Vec::new())));
    let breaker = ", breaker = { rule = { consecutive = { failures = 2 } } }, retry = { attempts_max = 1 }";
    let host = courier(&to(&broken, breaker));
    let answers = send(&host, &broken.url("/"), &["-p", "times=4"]);
    let codes: Vec<_> = answers.as_array().unwrap().iter().map(|it| it.get("status").unwrap_or(&it["code"])).collect();
    assert_eq!(codes, [&json!(500), &json!(500), &json!("circuit_open"), &json!("circuit_open")]);
    assert_eq!(
        denied(&host, &broken.url("/"), &[]),
        "circuit_open",
        "the next run is told too: the breaker is in the ledger"
    );
    assert_eq!(broken.asked().len(), 2);
    let breakers = host.ask(&["breakers", "list"]).exits(0).stdout;
    assert!(breakers.contains(&format!("http://{}", broken.at)), "{breakers}");
}

#[test]
fn a_secret_goes_to_the_server_and_nobody_else_sees_it() {
    let server =
        Server::start(|path| Some(("200 OK", String::new(), format!("you sent {path} {SECRET}").into_bytes())));
    let grants = format!("{}\nsecrets = {{ key = {{ file = \"key\" }} }}", to(&server, ""));
    let host = courier(&grants);
    let url = format!("url={}", server.url("/?key={key}"));
    let answer = host.ask(&["run", "courier.send", "-p", &url, "-p", "header=authorization: Bearer {key}"]).exits(0);
    let seen = server.asked()[0].clone();
    assert!(seen.starts_with(&format!("GET /?key={SECRET} ")) && seen.contains(&format!("Bearer {SECRET}")), "{seen}");
    let report = answer.json();
    let body = report["result"][0]["body"].as_str().unwrap();
    assert!(body.starts_with("you sent /?key=spine-secret-"), "{body}");
    let id = report["run_id"].as_str().unwrap();
    let told =
        [answer, host.ask(&["runs", "show", id]), host.ask(&["runs", "logs", id]), host.ask(&["runs", "events", id])];
    assert!(told[2].stdout.contains("said you sent"), "{}", told[2].stdout);
    for answer in told {
        assert!(!format!("{answer:?}").contains(SECRET), "{answer:?}");
    }
    let kept = kept(&host, &report);
    assert!(!kept.contains(SECRET) && kept.contains("spine-secret-"), "{kept}");
    assert!(!holds(&host.data(), SECRET));

    // Where it may not go it is not sent, and one that is not there keeps the guest from beginning.
    host.file(
        "spine.toml",
        format!("[plugins.courier.grants]\n{}", grants.replace("\"key\" }", "\"key\", hosts = [\"a.org\"] }")),
    );
    assert_eq!(denied(&host, &server.url("/?{key}"), &[]), "not_granted");
    std::fs::remove_file(host.folder().join("key")).unwrap();
    let failed = host.ask(&["run", "courier.send", "-p", &url]).exits(1);
    assert_eq!(failed.error_code(), "secret_unreadable");
    assert!(failed.stdout.contains("the secret `key` of `courier`"), "{}", failed.stdout);
    assert_eq!(server.asked().len(), 1);
}

/// Whether any file below a folder holds a text. Links lead out of the data folder and are not followed.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let entry = entry.unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => holds(&entry.path(), text),
            kind if kind.is_file() => {
                std::fs::read(entry.path()).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
            }
            _ => false,
        }
    })
}

#[test]
fn a_secret_is_shown_to_a_guest_only_if_the_grant_says_so_and_kept_nowhere_even_then() {
    let server = hello();
    let grants = format!("{}\nsecrets = {{ key = {{ file = \"key\", reveal = true }} }}", to(&server, ""));
    let host = courier(&grants);
    let report = host.ask(&["run", "courier.send", "-p", &format!("url={}", server.url("/{key}"))]).exits(0);
    assert!(server.asked()[0].starts_with(&format!("GET /{SECRET} ")));
    assert!(!report.stdout.contains(SECRET), "{}", report.stdout);
    assert!(!kept(&host, &report.json()).contains(SECRET) && !holds(&host.data(), SECRET));
    let denied =
        courier(&to(&server, "")).ask(&["run", "courier.send", "-p", &format!("url={}", server.url("/{key}"))]);
    assert_eq!(denied.exits(3).error_code(), "not_granted", "no secret is granted here");
}

#[test]
fn files_are_saved_in_a_folder_that_is_granted_for_writing_by_runs_that_end_well() {
    let host = courier("folders = { out = { path = \"parcels\", access = \"write\" }, drop = \"parcels\" }");
    let parcels = host.folder().join("parcels");
    std::fs::create_dir(&parcels).unwrap();
    let leave = |name: &str, more: &[&str]| {
        host.ask(&[&["run", "courier.leave", "-p", &format!("name={name}")], more].concat())
    };
    leave("a.csv", &[]).exits(0);
    assert_eq!(std::fs::read_to_string(parcels.join("a.csv")).unwrap(), "content");
    leave("a.csv", &["-p", "text=newer"]).exits(0);
    assert_eq!(std::fs::read_to_string(parcels.join("a.csv")).unwrap(), "newer");
    leave("b.csv", &["-p", "fail=true"]).exits(1);
    leave("c.csv", &["--dry-run"]).exits(0);
    assert_eq!(leave("d.csv", &["-p", "folder=drop"]).exits(3).error_code(), "not_granted", "only to look at");
    for name in ["../escaped", "/tmp/escaped", ".hidden", "below/x"] {
        assert_eq!(leave(name, &[]).exits(1).error_code(), "bad_name", "{name}");
    }
    let names: Vec<_> = std::fs::read_dir(&parcels).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["a.csv"], "nothing else, whole or half");
    assert!(!host.folder().join("escaped").exists());
}
