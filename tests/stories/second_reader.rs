//! A third reader of the catalog, written by others: `datafusion-ducklake` shows what we show.

use std::sync::Arc;

use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use datafusion_ducklake::{DuckLakeCatalog, SqliteMetadataProvider};
use serde_json::json;
use tests::TestHost;
use tests::files::regsho;

/// The rows of a query through the foreign reader, as texts.
async fn theirs(context: &SessionContext, sql: &str) -> Vec<Vec<String>> {
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    let text = |(batch, row): (&datafusion::arrow::array::RecordBatch, usize)| {
        batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect()
    };
    rows.map(text).collect()
}

/// The same rows through us.
fn ours(host: &TestHost, sql: &str) -> Vec<Vec<String>> {
    let csv = host.command(&["query", sql, "-o", "csv"]).output().unwrap();
    assert!(csv.status.success(), "{}", String::from_utf8_lossy(&csv.stderr));
    let text = String::from_utf8(csv.stdout).unwrap();
    // The first line names the snapshot, the second the columns.
    text.lines().skip(2).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn another_program_reads_the_same_rows_of_the_latest_snapshot() {
    let host = TestHost::new();
    let deliver = |day: &str, rows: &[&str]| {
        let file = host.file(&format!("CNMSshvol{day}.txt"), regsho(day, rows));
        host.run("finra.regsho_daily", &file, &[]).exits(0);
    };
    deliver("20210127", &["AAA|1|0|2|Q", "OLD|1.5|0|2.000001|N"]);
    deliver("20210128", &["AAA|100|10|400|Q", "BBB|50.500000|0|101|Q", "TPC|7|7|7|N"]);
    deliver("20210127", &["AAA|1|0|2|Q", "NEW|3|1|9999999.123456|N"]);

    let url = format!("sqlite:{}?mode=ro", host.data().join("spine.db").display());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let catalog = DuckLakeCatalog::new(SqliteMetadataProvider::new(&url).await.unwrap()).unwrap();
        let context = SessionContext::new();
        context.register_catalog("lake", Arc::new(catalog));
        for sql in [
            "SELECT symbol, short_volume, total_volume, market FROM {} ORDER BY trade_date, symbol",
            "SELECT trade_date, count(*) AS n, sum(short_volume) AS short FROM {} GROUP BY 1 ORDER BY 1",
            "SELECT symbol FROM {} WHERE short_volume > 1.2 AND market = 'N' ORDER BY 1",
            "SELECT DISTINCT _capture_id FROM {} ORDER BY 1",
        ] {
            let found = theirs(&context, &sql.replace("{}", "lake.finra.regsho_daily")).await;
            assert_eq!(found, ours(&host, &sql.replace("{}", "finra.regsho_daily")), "{sql}");
            assert!(!found.is_empty(), "{sql}");
        }
        let vanished = "SELECT count(*) FROM lake.finra.regsho_daily WHERE symbol = 'OLD'";
        assert_eq!(theirs(&context, vanished).await, [["0"]]);
    });
    assert_eq!(host.query("SELECT count(*) AS n FROM finra.regsho_daily"), json!([{"n": 5}]));
}
