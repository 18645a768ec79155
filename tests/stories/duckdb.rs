//! Any DuckDB reads the same data, with no help from us.

use serde_json::{Value, json};
use tests::files::{THREE_ROWS, regsho};
use tests::{Duck, TestHost, real_file};

const PIPELINE: &str = "finra.regsho_daily";
const ROWS: &str =
    "SELECT symbol, short_volume::VARCHAR AS short, total_volume::VARCHAR AS total, market FROM {} ORDER BY 1";

fn ours(host: &TestHost, more: &[&str]) -> Value {
    let sql = ROWS.replace("{}", "finra.regsho_daily");
    let mut args = vec!["query", &sql];
    args.extend(more);
    host.ask(&args).exits(0).json()
}

fn deliver(host: &TestHost, rows: &[&str]) -> Value {
    let file = host.file("CNMSshvol20210128.txt", regsho("20210128", rows));
    host.run(PIPELINE, &file, &[]).exits(0).json()
}

#[test]
fn duckdb_attaches_the_file_and_returns_the_same_rows_latest_and_as_of() {
    let Some(mut duck) = Duck::start() else { return };
    let host = TestHost::new();
    deliver(&host, &THREE_ROWS);
    let captured_at =
        host.ask(&["captures", "finra.regsho_daily"]).json()[0]["captured_at"].as_str().unwrap().to_owned();
    deliver(&host, &["AAA|1|0|2|Q", "NEW|1.5|0|2.000001|Q"]);

    duck.attach(&host.data().join("spine.db"));

    assert_eq!(duck.rows(&ROWS.replace("{}", "lake.finra.regsho_daily")), ours(&host, &[]));
    let then = format!("lake.finra.regsho_daily AT (TIMESTAMP => TIMESTAMPTZ '{captured_at}')");
    let as_of = ours(&host, &["--as-of", &captured_at]);
    assert_eq!(as_of.as_array().unwrap().len(), 3);
    assert_eq!(duck.rows(&ROWS.replace("{}", &then)), as_of);
    let filtered = duck.rows("SELECT symbol FROM lake.finra.regsho_daily WHERE short_volume > 1.2 AND market = 'Q'");
    assert_eq!(filtered, json!([{"symbol": "NEW"}]));
}

#[test]
fn duckdb_agrees_on_numbers_written_plainly() {
    let Some(mut duck) = Duck::start() else { return };
    let host = TestHost::new();
    deliver(
        &host,
        &[
            "AAA|49047927.127418|0|49047927.127418|Q",
            "BBB|0.3|0|1|Q",
            "MAX|999999999999.999999|0|999999999999.999999|N",
        ],
    );
    duck.attach(&host.data().join("spine.db"));
    for filter in [
        "total_volume = 49047927.127418",
        "total_volume <> 49047927.127418",
        "total_volume > 999999999999.999998",
        "total_volume BETWEEN 0.5 AND 49047927.127418",
        "total_volume IN (1, 49047927.127418)",
        "total_volume NOT IN (1.0, 49047927.127418)",
        "total_volume > 49047927",
        "total_volume = 4.9047927127418e7",
        "short_ratio = 0.3",
        "short_ratio < 0.5",
        "short_ratio >= 3e-1",
        "short_volume = CAST(total_volume AS DECIMAL(30,6)) * 0.3",
        "short_volume / total_volume = 0.3",
        "CAST(short_volume AS DECIMAL(30,6)) + 0.7 = total_volume",
        "short_volume / 3 < 0.1000001",
        "total_volume > (SELECT avg(total_volume) FROM {})",
    ] {
        let sql = format!("SELECT symbol FROM {{}} WHERE {filter} ORDER BY symbol");
        let theirs = duck.rows(&sql.replace("{}", "lake.finra.regsho_daily"));
        assert_eq!(host.query(&sql.replace("{}", "finra.regsho_daily")), theirs, "{filter}");
    }
    for value in [
        "sum(total_volume)",
        "sum(CASE WHEN symbol = 'AAA' THEN 9223372036854775807 ELSE 9007199254740993 END)",
        "max(CAST(total_volume AS DECIMAL(30,6))) + 0.000001",
        "min(CAST(total_volume AS DECIMAL(30,6)) * 1.5)",
        "cast(123456789012345678.123456 as decimal(24,6))",
        "0.1 + 0.2",
    ] {
        let sql = format!("SELECT CAST({value} AS VARCHAR) AS v FROM {{}} LIMIT 1");
        let sql = if value.contains("volume") || value.contains("sum") { sql } else { sql.replace(" FROM {}", "") };
        let theirs = duck.rows(&sql.replace("{}", "lake.finra.regsho_daily"));
        assert_eq!(host.query(&sql.replace("{}", "finra.regsho_daily")), theirs, "{value}");
    }
}

#[test]
fn duckdb_reads_while_a_host_serves_and_writes() {
    let Some(mut duck) = Duck::start() else { return };
    let host = TestHost::new();
    let _serving = host.serve();
    for revision in 1..=5_u64 {
        let row = format!("AAA|{revision}|0|9|Q");
        deliver(&host, &[&row, "BBB|1|0|2|Q"]);
        if revision == 1 {
            duck.attach(&host.data().join("spine.db"));
        }
        let seen = duck.rows("SELECT short_volume::VARCHAR AS v FROM lake.finra.regsho_daily WHERE symbol = 'AAA'");
        assert_eq!(seen, json!([{"v": format!("{revision}.000000")}]), "what was published a moment ago");
    }
    let snapshots = duck.rows("SELECT count(*) AS n FROM lake.snapshots()");
    assert_eq!(snapshots, json!([{"n": 6}]), "the empty start and five captures");
}

#[test]
fn duckdb_agrees_on_the_real_days() {
    let Some(mut duck) = Duck::start() else { return };
    let host = TestHost::new();
    for day in 25..=29 {
        let Some(file) = real_file(&format!("regsho/CNMSshvol202101{day}.txt")) else { return };
        host.run(PIPELINE, &file, &[]).exits(0);
    }
    duck.attach(&host.data().join("spine.db"));
    let totals = |table: &str| {
        format!(
            "SELECT trade_date::VARCHAR AS day, count(*) AS n, sum(short_volume)::VARCHAR AS short,
             sum(total_volume)::VARCHAR AS total FROM {table} GROUP BY 1 ORDER BY 1"
        )
    };
    assert_eq!(duck.rows(&totals("lake.finra.regsho_daily")), host.query(&totals("finra.regsho_daily")));
}
