//! Analysts read with SQL, and with SQL nobody writes or reads anything else.

use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde_json::json;
use tests::TestHost;
use tests::files::{THREE_ROWS, regsho};

fn host() -> TestHost {
    let host = TestHost::new();
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", &THREE_ROWS));
    host.run("finra.regsho_daily", &file, &[]).exits(0);
    host
}

#[test]
fn sql_that_writes_or_reads_files_is_refused() {
    let host = host();
    let secret = host.file("secret.csv", "a,b\n1,2\n");
    let target = host.folder().join("out.parquet");
    let (secret, target) = (secret.display(), target.display());
    let captures = host.data().join("captures");
    for sql in [
        format!("COPY (SELECT 1) TO '{target}'"),
        format!("COPY finra.regsho_daily TO '{target}' STORED AS PARQUET"),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{secret}'"),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "CREATE VIEW v AS SELECT 1".to_owned(),
        "DROP TABLE finra.regsho_daily".to_owned(),
        "INSERT INTO finra.regsho_daily SELECT * FROM finra.regsho_daily".to_owned(),
        "DELETE FROM finra.regsho_daily".to_owned(),
        "UPDATE finra.regsho_daily SET market = 'X'".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        format!("SELECT * FROM '{secret}'"),
        format!("SELECT * FROM '{}'", captures.display()),
        "SELECT * FROM '/etc/passwd'".to_owned(),
        format!("SELECT * FROM read_csv('{secret}')"),
        "SELECT 1; SELECT 2".to_owned(),
        "SELEC 1".to_owned(),
        String::new(),
    ] {
        let answer = host.ask(&["query", &sql]);
        assert_eq!(answer.code, 2, "{sql}: {}{}", answer.stdout, answer.stderr);
        assert_eq!(answer.error_code(), "bad_sql", "{sql}");
    }
    assert!(!host.folder().join("out.parquet").exists());
    assert_eq!(host.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 3}]));
}

/// How a process ended, and the most memory that it held, by what the kernel says while it lives.
fn end_and_peak_bytes(mut child: std::process::Child) -> (Option<i32>, u64) {
    let status = format!("/proc/{}/status", child.id());
    let (told, hears) = mpsc::channel();
    std::thread::spawn(move || told.send(child.wait().unwrap().code()));
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default() * 1024);
        match hears.recv_timeout(Duration::from_millis(2)) {
            Ok(code) => return (code, peak),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("nobody waits for the process"),
        }
    }
}

#[test]
fn no_sql_takes_the_process_far_beyond_the_memory_of_a_query() {
    let host = host();
    let much = "x".repeat(1_000);
    let nested = (0..3).fold(format!("'{much}'"), |text, _| format!("replace({text}, 'x', '{much}')"));
    let steps: Vec<String> = (1..34).map(|at| format!("s{at} AS (SELECT s || s AS s FROM s{})", at - 1)).collect();
    let doubled = format!(
        "WITH s0 AS (SELECT symbol AS s FROM finra.regsho_daily WHERE symbol = 'AAA'), {} SELECT length(s) FROM s33",
        steps.join(", ")
    );
    // The answer fits, and what people would be shown of it does not.
    let columns: Vec<String> = (0..24).map(|at| format!("value + {at}")).collect();
    let shown = format!("SELECT {} FROM generate_series(1, 1000000)", columns.join(", "));
    for (sql, format) in [(format!("SELECT length({nested})"), "json"), (doubled, "json"), (shown, "table")] {
        let mut command = host.command(&["query", &sql, "-o", format]);
        let errors = host.folder().join("errors");
        let log = std::fs::File::create(&errors).unwrap();
        let (code, peak) = end_and_peak_bytes(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let errors = std::fs::read_to_string(&errors).unwrap();
        assert_eq!(code, Some(1), "{sql:.80}: {errors}");
        assert!(errors.contains("query_memory"), "{sql:.80}: {errors}");
        assert!(peak < 2 * 1024 * 1024 * 1024, "{sql:.80} took {peak} bytes");
    }
}

#[test]
fn every_answer_names_the_snapshot_it_read() {
    let host = host();
    let table = host.show(&["query", "SELECT symbol FROM finra.regsho_daily"]).exits(0);
    assert!(table.stdout.lines().last().unwrap().contains("_snapshot 1"), "{}", table.stdout);
    let csv = host.show(&["query", "SELECT symbol, market FROM finra.regsho_daily ORDER BY 1", "-o", "csv"]).exits(0);
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert!(lines[0].starts_with("# _snapshot 1"), "{}", csv.stdout);
    assert_eq!(lines[1..], ["symbol,market", "AAA,\"B,Q,N\"", "BBB,Q", "TPC,N"]);
}

#[test]
fn what_would_silently_find_nothing_or_another_number_is_refused_with_what_to_write() {
    let host = host();
    for (sql, expected) in [
        ("SELECT * FROM finra.regsho_daily WHERE trade_date = 20210128", "write '2021-01-28' or DATE '2021-01-28'"),
        ("SELECT * FROM finra.regsho_daily WHERE trade_date IN (20210128)", "is a date and cannot be compared"),
        ("SELECT * FROM finra.regsho_daily WHERE _captured_at > 1611792000", "write '2021-01-28T14:30:00Z'"),
        ("SELECT 1_000 AS n", "`1_000` (line 1, column 8) is no number"),
        ("SELECT 1e400 AS n", "`1e400` (line 1, column 8) is no float"),
    ] {
        let answer = host.ask(&["query", sql]).exits(2);
        assert_eq!(answer.error_code(), "bad_sql", "{sql}");
        assert!(answer.stderr.contains(expected), "{sql}: {}", answer.stderr);
    }
    assert_eq!(
        host.query("SELECT count(*) AS n FROM finra.regsho_daily WHERE trade_date = '2021-01-28'"),
        json!([{"n": 3}])
    );
    assert_eq!(host.query("SELECT 1e3"), json!([{"1e3": 1000.0}]));
}

#[test]
fn csv_of_one_column_tells_null_from_an_empty_text() {
    let host = host();
    let sql =
        "SELECT CASE symbol WHEN 'AAA' THEN '' WHEN 'BBB' THEN 'NULL' END AS s FROM finra.regsho_daily ORDER BY symbol";
    let csv = host.show(&["query", sql, "-o", "csv"]).exits(0).stdout;
    assert_eq!(csv.lines().skip(1).collect::<Vec<_>>(), ["s", "\"\"", "\"NULL\"", "NULL"]);
}

#[test]
fn every_row_can_be_traced_to_its_run() {
    let host = host();
    let capture = host.ask(&["captures", "finra.regsho_daily"]).json()[0].clone();
    let rows = host.query("SELECT DISTINCT _capture_id, _run_id, _revision, _captured_at FROM finra.regsho_daily");
    assert_eq!(
        rows,
        json!([{
            "_capture_id": capture["capture_id"],
            "_run_id": capture["run_id"],
            "_revision": 1,
            "_captured_at": capture["captured_at"],
        }])
    );
}

#[test]
fn datasets_explain_themselves() {
    let host = host();
    let listed = host.ask(&["datasets", "list"]).exits(0).json();
    assert!(listed.as_array().unwrap().iter().any(|dataset| dataset["name"] == "finra.regsho_daily"));
    let shown = host.ask(&["datasets", "show", "finra.regsho_daily"]).exits(0).json();
    let columns = shown["columns"].as_array().unwrap();
    let volume = columns.iter().find(|column| column["name"] == "short_volume").unwrap();
    assert_eq!((&volume["type"], &volume["unit"]), (&json!("decimal128(18,6)"), &json!("shares")));
    assert_eq!(host.ask(&["datasets", "show", "finra.regsho_dayly"]).exits(2).error_code(), "unknown_name");
}

#[test]
fn the_ledger_tells_what_happened() {
    let host = host();
    let runs = host.ask(&["runs", "list"]).exits(0).json();
    assert_eq!(runs["next"], json!(null));
    let id = runs["runs"][0]["run_id"].as_str().unwrap().to_owned();
    let shown = host.ask(&["runs", "show", &id]).exits(0).json();
    assert_eq!((&shown["status"], &shown["rows_in"]), (&json!("completed"), &json!(3)));
    let conditions = &shown["conditions"];
    assert_eq!(conditions["host_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(conditions["wasmtime_version"], runtime::WASMTIME_VERSION);
    assert!(conditions["grants_hash"].as_str().unwrap().starts_with("sha256:"));
    let events = host.ask(&["runs", "events", &id]).exits(0).json();
    let types: Vec<&str> = events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types.first(), Some(&"created"));
    assert_eq!(types.last(), Some(&"completed"));
    assert!(types.contains(&"queued") && types.contains(&"started") && types.contains(&"published"), "{types:?}");
    let numbers: Vec<u64> = events.as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    host.ask(&["runs", "logs", &id]).exits(0);
    let results = host.ask(&["quality", "--run", &id]).exits(0).json();
    assert!(results.as_array().unwrap().iter().all(|result| result["status"] != "FAIL"));
    host.ask(&["runs", "show", "run_00000000000000000000000000000000"]).exits(2);
}
