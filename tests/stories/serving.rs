//! One process owns a data folder and serves others on loopback.

use serde_json::{Value, json};
use tests::TestHost;
use tests::files::{THREE_ROWS, regsho};

#[test]
fn a_host_says_when_it_is_ready_and_ends_cleanly() {
    let host = TestHost::new();
    std::fs::write(host.plugins().join("broken.wasm"), "no").unwrap();
    let serving = host.serve();
    assert!(serving.ready.contains(" plugins=2 refused=1 load_ms="), "{}", serving.ready);
    assert_eq!(serving.http("GET", "/healthz", &[], "").0, 200);
    assert_eq!(serving.http("GET", "/readyz", &[], "").0, 200);
    let (status, metrics) = serving.http("GET", "/metrics", &[], "");
    assert_eq!(status, 200);
    assert!(metrics.lines().all(is_prometheus_text), "{metrics}");
    assert!(metrics.contains("# TYPE "), "{metrics}");
    let (code, _) = serving.stop();
    assert_eq!(code, 0);
    assert!(!host.data().join("spine.token").exists(), "an ended host leaves no token");
}

/// `# HELP`, `# TYPE`, or `name{labels} number`.
fn is_prometheus_text(line: &str) -> bool {
    if line.is_empty() || line.starts_with("# HELP ") || line.starts_with("# TYPE ") {
        return true;
    }
    line.rsplit_once(' ').is_some_and(|(name, value)| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && (value.parse::<f64>().is_ok() || matches!(value, "+Inf" | "-Inf" | "NaN"))
    })
}

#[test]
fn a_request_without_token_or_from_elsewhere_is_refused() {
    let host = TestHost::new();
    let serving = host.serve();
    let bearer = format!("Bearer {}", serving.token);
    let run = "/api/v1/runs/run_00000000000000000000000000000000";
    let json_type = ("Content-Type", "application/json");
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], u16);
    let cases: [Case<'_>; 8] = [
        ("GET", run, &[], 401),
        ("GET", run, &[("Authorization", "Bearer wrong")], 401),
        ("POST", "/api/v1/runs", &[json_type], 401),
        ("GET", run, &[("Authorization", &bearer), ("Host", "evil.example")], 403),
        ("GET", run, &[("Authorization", &bearer), ("Origin", "https://evil.example")], 403),
        ("POST", "/api/v1/runs", &[("Authorization", &bearer), ("Content-Type", "text/plain")], 415),
        ("GET", run, &[("Authorization", &bearer)], 404),
        ("GET", "/metrics", &[("Host", "evil.example")], 403),
    ];
    for (method, path, headers, expected) in cases {
        let (status, body) = serving.http(method, path, headers, "");
        assert_eq!(status, expected, "{method} {path} {headers:?}: {body}");
        if status == 401 {
            let problem: Value = serde_json::from_str(&body).unwrap();
            let failure = (&problem["failure"]["kind"], &problem["failure"]["code"]);
            assert_eq!(failure, (&json!("auth"), &json!("unauthorized")), "{problem}");
        }
    }
    assert_eq!(host.ask(&["runs", "list"]).exits(0).json()["runs"], json!([]), "no run is made");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(host.data().join("spine.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn runs_go_through_the_host_that_owns_the_folder() {
    let host = TestHost::new();
    let serving = host.serve();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));

    let report = host.run("finra.regsho_daily", &file, &[]).exits(0).json();

    assert_eq!((&report["status"], &report["rows_out"]), (&json!("completed"), &json!(3)));
    assert_eq!(host.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 3}]));
    let again = host.run("finra.regsho_daily", &file, &[]).exits(0).json();
    assert_eq!(again["unchanged"], true);
    host.run("finra.regsho_daily", &host.folder().join("absent.txt"), &[]).exits(1);
    assert_eq!(host.ask(&["run", "finra.nothing"]).exits(2).error_code(), "unknown_name");
    let metrics = serving.metrics();
    assert!(metrics.contains("completed"), "{metrics}");

    let wrong = regsho("20210129", &THREE_ROWS).replace("\n3\n", "\n9\n");
    let blocked = host.run("finra.regsho_daily", &host.file("CNMSshvol20210129.txt", wrong), &[]).exits(3).json();
    let capture = blocked["captures"][0]["capture_id"].as_str().unwrap();
    let released = host.ask(&["quarantine", "release", capture]).exits(0).json();
    assert_eq!(released[0]["revision"], 1);
    let plugins = host.ask(&["plugins", "list"]).exits(0).json();
    assert_eq!(plugins.as_array().unwrap().len(), 2);
}

#[test]
fn a_detached_run_needs_a_serving_host() {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run("finra.regsho_daily", &file, &["--detach"]).exits(4);
    let _serving = host.serve();
    let report = host.run("finra.regsho_daily", &file, &["--detach"]).exits(0).json();
    let id = report["run_id"].as_str().unwrap();
    host.ask(&["runs", "logs", id, "--follow"]).exits(0);
    assert_eq!(host.ask(&["runs", "show", id]).exits(0).json()["status"], "completed");
}

#[test]
fn a_folder_has_one_owner() {
    let host = TestHost::new();
    let _serving = host.serve();
    let second = host.show(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 3, "{}", second.stderr);
    assert!(second.stderr.contains("owns"), "{}", second.stderr);
}

#[test]
fn two_processes_that_publish_one_partition_at_once_both_succeed_in_turn() {
    let host = TestHost::new();
    let one = host.file("1/CNMSshvol20210128.txt", regsho("20210128", &["AAA|1|0|2|Q"]));
    let two = host.file("2/CNMSshvol20210128.txt", regsho("20210128", &["AAA|2|0|2|Q"]));
    let start = |file: &std::path::Path| {
        let file = format!("file={}", file.display());
        let mut command = host.command(&["run", "finra.regsho_daily", "-p", &file, "-o", "json"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = (0..3).flat_map(|_| [start(&one), start(&two)]).collect();
    for child in started {
        let answer = tests::Answer::from(child.wait_with_output().unwrap());
        answer.exits(0);
    }
    let captures = host.ask(&["captures", "finra.regsho_daily"]).exits(0).json();
    let captures = captures.as_array().unwrap();
    let revisions: Vec<u64> = captures.iter().map(|capture| capture["revision"].as_u64().unwrap()).collect();
    assert_eq!(revisions, (1..=captures.len() as u64).rev().collect::<Vec<_>>(), "one after the other, none lost");
    let neighbours_differ = captures.windows(2).all(|pair| pair[0]["content_hash"] != pair[1]["content_hash"]);
    assert!(neighbours_differ, "the same content is never published twice in a row");
    assert_eq!(host.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 1}]));
}

#[test]
fn a_host_with_no_plugins_serves() {
    let host = TestHost::without_plugins();
    let serving = host.serve();
    assert!(serving.ready.contains(" plugins=0 refused=0 "), "{}", serving.ready);
}
