//! What an operator sees of a host and keeps clean: health, diagnosis, breakers, limits, locks, retention, and runs that
//! leave nothing behind.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sqlx::Connection;
use tests::TestHost;
use tests::files::{THREE_ROWS, regsho};

const PIPELINE: &str = "finra.regsho_daily";
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// A host whose data folder is its user's only, as one that a host makes is.
fn private() -> TestHost {
    let host = TestHost::new();
    std::fs::set_permissions(host.data(), std::fs::Permissions::from_mode(0o700)).unwrap();
    host
}

/// A run of a file of this day, with these rows.
fn run(host: &TestHost, day: &str, rows: &[&str], more: &[&str]) -> tests::Answer {
    let file = host.file(&format!("CNMSshvol{day}.txt"), regsho(day, rows));
    host.run(PIPELINE, &file, more)
}

/// A run of a file that has only its header.
fn failed(host: &TestHost) -> String {
    let file = host.file("CNMSshvol20210128.txt", "no header of ours\n");
    host.run(PIPELINE, &file, &[]).exits(1).json()["run_id"].as_str().unwrap().to_owned()
}

fn check<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let checks = answer["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check `{name}` in {answer}"))
}

/// Changes the ledger of a folder that nobody owns.
fn change(host: &TestHost, sql: &str) {
    let url = format!("sqlite:{}", host.data().join("spine.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// Every file below `folder` but what readers of the database touch, with its bytes.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() && !path.is_symlink() {
                true => folders.push(path),
                false if path.ends_with("spine.db-shm") || path.is_dir() => {}
                false => drop(found.insert(path.clone(), std::fs::read(&path).unwrap())),
            }
        }
    }
    found
}

/// What the API of a serving host says.
fn get(host: &TestHost, serving: &tests::Serving, path: &str) -> (u16, Value) {
    let token = std::fs::read_to_string(host.data().join("spine.token")).unwrap();
    let (status, body) = serving.http("GET", path, &[("Authorization", &format!("Bearer {token}"))], "");
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn health_tells_of_the_work_and_a_single_failure_is_no_illness() {
    let host = TestHost::new();
    assert_eq!(host.ask(&["health"]).exits(4).error_code(), "unreachable", "there is no ledger yet");
    run(&host, "20210129", &THREE_ROWS, &[]).exits(0);
    let health = host.ask(&["health"]).exits(0).json();
    let names: Vec<&str> =
        health["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(names, ["database", "dead_letters", "stale_runs", "failure_rate", "leases"]);
    failed(&host);
    let health = host.ask(&["health"]).exits(0).json();
    assert_eq!(health["status"], "healthy", "one failed run of two: {health}");
    assert_eq!(check(&health, "dead_letters")["detail"], "1 open");

    for _ in 0..9 {
        failed(&host);
    }
    let health = host.ask(&["health"]).exits(1).json();
    assert_eq!(check(&health, "dead_letters")["status"], "degraded");
    assert_eq!(check(&health, "failure_rate")["status"], "unhealthy");
    let serving = host.serve();
    let (status, served) = get(&host, &serving, "/api/v1/health");
    assert_eq!((status, &served["status"]), (503, &json!("unhealthy")));
    assert_eq!(serving.http("GET", "/healthz", &[], "").0, 200, "the process is well");
    let stats = host.ask(&["runs", "stats"]).exits(0).json();
    assert_eq!((&stats["total"], &stats["completed"], &stats["failed"]), (&json!(11), &json!(1), &json!(10)));
    assert_eq!(stats["lanes"]["default"], json!({ "queued": 0, "running": 0 }));
    let csv = host.show(&["health", "-o", "csv"]).exits(1).stdout;
    assert!(csv.starts_with("name,status,detail,hint\n"), "{csv}");
}

#[test]
fn a_run_of_a_host_that_is_gone_is_stale_once_it_is_old() {
    let host = TestHost::new();
    let report = run(&host, "20210129", &THREE_ROWS, &[]).exits(0).json();
    let id = report["run_id"].as_str().unwrap();
    // As a host left it that was killed an hour ago; its worker counts as alive for a long time.
    change(&host, &format!("UPDATE runs SET status = 'running', finished_at_us = NULL WHERE run_id = '{id}'"));
    change(&host, &format!("UPDATE attempts SET started_at_us = started_at_us - 3601000000 WHERE run_id = '{id}'"));
    let health = host.ask(&["health"]).exits(0).json();
    assert_eq!(check(&health, "stale_runs")["status"], "degraded", "{health}");
}

#[test]
fn doctor_looks_at_everything_and_changes_nothing() {
    let host = private();
    let absent = host.folder().join("absent");
    let new = host.ask(&["doctor", "--data", absent.to_str().unwrap()]).exits(0).json();
    assert_eq!(new["status"], "healthy", "nothing has run yet: {new}");
    assert!(!absent.exists());

    run(&host, "20210129", &THREE_ROWS, &[]).exits(0);
    failed(&host);
    let before = everything(&host.data());
    let doctor = host.ask(&["doctor"]).exits(0).json();
    assert_eq!(doctor["status"], "healthy", "{doctor:#}");
    for name in [
        "configuration",
        "data_folder",
        "free_space",
        "owner",
        "ledger",
        "database_file",
        "write_ahead_log",
        "captures",
        "inputs",
        "clock",
        "plugins",
        "file_system",
    ] {
        assert_eq!(check(&doctor, name)["status"], "healthy", "{name}");
    }
    assert_eq!(everything(&host.data()), before);
    let serving = host.serve();
    let doctor = host.ask(&["doctor"]).exits(0).json();
    let owner = check(&doctor, "owner")["detail"].as_str().unwrap();
    assert!(owner.contains(&serving.id().to_string()) && owner.contains("answers"), "{owner}");
    serving.signal("STOP");
    let doctor = host.ask(&["doctor"]).exits(1).json();
    assert_eq!(check(&doctor, "owner")["status"], "unhealthy", "it does not answer");
    assert_eq!(check(&doctor, "captures")["status"], "healthy", "and all else is looked at");
    serving.signal("CONT");
}

#[test]
fn doctor_finds_what_is_broken_and_says_what_to_do() {
    let host = private();
    run(&host, "20210129", &THREE_ROWS, &[]).exits(0);
    failed(&host);
    let capture = everything(&host.data().join("captures")).into_keys().next().unwrap();
    std::fs::remove_file(&capture).unwrap();
    for input in everything(&host.data().join("inputs")).into_keys() {
        std::fs::remove_file(input).unwrap();
    }
    host.file("data/captures/finra/stranger.parquet", "x");
    host.file("plugins/broken.wasm", "no component");
    let doctor = host.ask(&["doctor"]).exits(1).json();
    let captures = check(&doctor, "captures");
    assert_eq!(captures["status"], "unhealthy");
    assert!(captures["detail"].as_str().unwrap().contains(capture.file_name().unwrap().to_str().unwrap()));
    assert_eq!(check(&doctor, "inputs")["status"], "degraded", "the failed run could be repeated");
    assert_eq!(check(&doctor, "plugins")["status"], "degraded");
    for name in ["captures", "inputs", "plugins"] {
        assert!(check(&doctor, name)["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{name}");
    }

    let config = host.file("spine.toml", "[limit]\n");
    std::fs::write(host.data().join("spine.db"), "no database").unwrap();
    let doctor = host.ask(&["doctor", "--config", config.to_str().unwrap()]).exits(1).json();
    for name in ["configuration", "ledger"] {
        assert_eq!(check(&doctor, name)["status"], "unhealthy", "{doctor:#}");
    }
    assert_eq!(check(&doctor, "data_folder")["status"], "healthy");
}

#[test]
fn breakers_and_limits_are_listed_and_breakers_changed_by_hand() {
    let host = TestHost::new();
    let policy = "[policy.\"finra.regsho_daily\"]\n\
                  breaker = { rule = { consecutive = { failures = 5 } } }\n\
                  rate_limit = { token_bucket = { per_second = 100, capacity = 50 } }\n";
    let config = host.file("spine.toml", policy);
    let config = ["--config", config.to_str().unwrap()];
    let ask = |args: &[&str]| host.ask(&[args, &config[..]].concat());
    run(&host, "20210129", &THREE_ROWS, &config).exits(0);
    let listed = ask(&["breakers", "list"]).exits(0).json();
    assert_eq!((&listed[0]["name"], &listed[0]["phase"]), (&json!(PIPELINE), &json!("closed")));
    let limits = ask(&["limits", "list"]).exits(0).json();
    assert_eq!((&limits[0]["name"], &limits[0]["policy"]["token_bucket"]["capacity"]), (&json!(PIPELINE), &json!(50)));

    let by_hand = |serves: &str| {
        let opened = ask(&["breakers", "open", PIPELINE]).exits(0).json();
        assert_eq!(opened[0]["phase"], "open", "{serves}");
        assert_eq!(run(&host, "20210129", &THREE_ROWS, &config).exits(3).error_code(), "circuit_open", "{serves}");
        let reset = ask(&["breakers", "reset", PIPELINE]).exits(0).json();
        assert_eq!(reset[0]["phase"], "closed", "{serves}");
        run(&host, "20210129", &THREE_ROWS, &config).exits(0);
        assert_eq!(ask(&["breakers", "reset", "finra.regsho_dayly"]).exits(2).error_code(), "unknown_name");
        assert_eq!(ask(&["breakers", "open", "finra.otc_weekly"]).exits(2).error_code(), "no_breaker");
    };
    by_hand("nobody serves");
    let _serving = host.serve_with(&config);
    by_hand("a host serves");
}

#[test]
fn a_lock_is_released_once_it_has_expired_or_by_force() {
    let host = TestHost::new();
    let report = run(&host, "20210129", &THREE_ROWS, &[]).exits(0).json();
    assert_eq!(host.ask(&["locks", "list"]).exits(0).json(), json!([]), "nothing is at work");
    assert_eq!(host.ask(&["locks", "release", "k"]).exits(2).error_code(), "bad_id");
    let id = report["run_id"].as_str().unwrap();
    let lease = |key: &str, until: i64| {
        let columns = "lease_key, run_id, worker_id, token, acquired_at_us, expires_at_us";
        let worker = format!("wrk_{}", &id[4..]);
        change(&host, &format!("INSERT INTO leases ({columns}) VALUES ('{key}', '{id}', '{worker}', 7, 1, {until})"));
    };
    lease("old", 2);
    lease("new", 4_000_000_000_000_000);
    let listed = host.ask(&["locks", "list"]).exits(0).json();
    let states: Vec<(&str, &str)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|lease| (lease["key"].as_str().unwrap(), lease["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("old", "expired"), ("new", "held")]);
    assert_eq!((&listed[0]["run"], &listed[0]["token"]), (&json!(id), &json!(7)));
    assert_eq!(host.ask(&["locks", "release", "new"]).exits(3).error_code(), "lease_held");
    assert_eq!(host.ask(&["locks", "release", "old"]).exits(0).json()[0]["key"], "old");
    let _serving = host.serve();
    assert_eq!(host.ask(&["locks", "release", "new"]).exits(3).error_code(), "lease_held", "through the host");
    assert_eq!(host.ask(&["locks", "release", "new", "--force"]).exits(0).json()[0]["run"], json!(id));
    assert_eq!(host.ask(&["locks", "list"]).exits(0).json(), json!([]));
}

#[test]
fn retention_forgets_old_runs_with_their_files_and_never_a_capture() {
    let host = private();
    let published = run(&host, "20210129", &THREE_ROWS, &[]).exits(0).json();
    let dead = failed(&host);
    let old = failed(&host);
    let kept = everything(&host.data());
    let nothing = host.ask(&["retention", "run"]).exits(0);
    assert_eq!(nothing.json()["runs"], 0);
    assert!(nothing.stderr.contains("everything is kept"), "{}", nothing.stderr);

    let config = host.file("spine.toml", "[retention]\nruns_days = 30\n");
    let config = ["--config", config.to_str().unwrap()];
    let ask = |args: &[&str]| host.ask(&[args, &config[..]].concat()).exits(0).json();
    host.ask(&["dlq", "resolve", &old]).exits(0);
    assert_eq!(ask(&["retention", "run"])["runs"], 0, "nothing is old");
    change(&host, &format!("UPDATE runs SET finished_at_us = finished_at_us - {}", 60 * DAY_US));
    change(&host, &format!("UPDATE dead_letters SET resolved_at_us = resolved_at_us - {}", 60 * DAY_US));
    let rehearsed = ask(&["retention", "run", "--dry-run"]);
    assert_eq!((&rehearsed["runs"], &rehearsed["dead_letters"]), (&json!(1), &json!(1)));
    host.ask(&["runs", "show", &old]).exits(0);
    let report = ask(&["retention", "run"]);
    assert_eq!((&report["runs"], &report["dead_letters"], &report["input_files"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(host.ask(&["runs", "show", &old]).exits(2).error_code(), "bad_id");
    host.ask(&["runs", "show", &dead]).exits(0);
    host.ask(&["runs", "show", published["run_id"].as_str().unwrap()]).exits(0);

    // The other failed run has read the same file; without it nobody names that.
    host.ask(&["dlq", "resolve", &dead]).exits(0);
    change(&host, &format!("UPDATE dead_letters SET resolved_at_us = resolved_at_us - {}", 60 * DAY_US));
    let serving = host.serve_with(&config);
    // A host that serves forgets by itself.
    while host.ask(&["runs", "show", &dead]).code == 0 {
        std::thread::yield_now();
    }
    assert_eq!(ask(&["retention", "run"])["runs"], 0, "through the host");
    serving.stop();
    let files = |folder: &str| everything(&host.data().join(folder)).len();
    assert_eq!((files("inputs"), files("captures")), (1, 1), "of {kept:?}");
    assert_eq!(host.query("SELECT symbol FROM finra.regsho_daily").as_array().unwrap().len(), 3);
    assert_eq!(host.ask(&["doctor"]).exits(0).json()["status"], "healthy");
}

#[test]
fn an_ephemeral_run_needs_nothing_and_leaves_nothing() {
    let host = TestHost::new();
    let absent = host.folder().join("absent");
    let elsewhere = ["--ephemeral", "--data", absent.to_str().unwrap()];
    let report = run(&host, "20210129", &THREE_ROWS, &elsewhere).exits(0).json();
    assert_eq!((&report["status"], &report["rows_out"]), (&json!("completed"), &json!(3)));
    assert_eq!(report["captures"][0]["revision"], 1);
    assert_eq!(report["captures"][0]["state"], "published");
    assert!(!absent.exists());

    let published = run(&host, "20210129", &THREE_ROWS, &[]).exits(0).json();
    let serving = host.serve();
    let before = everything(&host.data());
    let other = ["AAA|1|0|2|Q"];
    let report = run(&host, "20210129", &other, &["--ephemeral"]).exits(0).json();
    assert_eq!((&report["captures"][0]["revision"], &report["unchanged"]), (&json!(1), &json!(false)));
    assert_eq!(everything(&host.data()), before, "also while a host serves");
    serving.stop();
    host.ask(&["runs", "show", report["run_id"].as_str().unwrap()]).exits(2);
    host.ask(&["runs", "show", published["run_id"].as_str().unwrap()]).exits(0);
    let wrong = host.file("CNMSshvol20210129.txt", "no header of ours\n");
    assert_eq!(host.run(PIPELINE, &wrong, &["--ephemeral"]).exits(1).error_code(), "header_mismatch");
    for more in [&["--detach"][..], &["--key", "k"]] {
        host.run(PIPELINE, &wrong, &[&["--ephemeral"], more].concat()).exits(2);
    }
}
