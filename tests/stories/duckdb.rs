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
