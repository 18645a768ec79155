//! Latest, history and as of a snapshot.

use std::sync::Arc;

use model::DataType;
use model::catalog::{CatalogView, Snapshot};

use super::fixture::{TestLake, days, integers, short_volumes, texts, time};
use crate::query::{QueryLimits, query};

#[tokio::test]
async fn the_table_of_a_dataset_is_its_latest_captures() {
    let lake = short_volumes();
    let rows = lake.csv("SELECT trade_date, symbol, volume, _revision FROM finra.regsho_daily").await;
    let expected = [
        "trade_date,symbol,volume,_revision",
        "2021-01-28,AMC,1.029900,1",
        "2021-01-28,GME,,1",
        "2021-01-27,AMC,1.000000,2",
        "2021-01-27,GME,20.000000,2",
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn the_history_has_every_revision_with_its_time() {
    let lake = short_volumes();
    let sql = "SELECT symbol, volume, _revision, _captured_at FROM finra.regsho_daily_history \
               WHERE trade_date = '2021-01-27' ORDER BY symbol, _revision";
    let expected = [
        "symbol,volume,_revision,_captured_at",
        "AMC,1.000000,1,2026-01-01T00:00:01.000000Z",
        "AMC,1.000000,2,2026-01-01T00:00:03.000000Z",
        "GME,2.000000,1,2026-01-01T00:00:01.000000Z",
        "GME,20.000000,2,2026-01-01T00:00:03.000000Z",
        "OLD,3.000000,1,2026-01-01T00:00:01.000000Z",
    ];
    assert_eq!(lake.csv(sql).await, expected);
}

#[tokio::test]
async fn a_row_that_vanished_is_there_as_of_before() {
    let lake = short_volumes();
    let sql = "SELECT count(*) AS n FROM finra.regsho_daily WHERE symbol = 'OLD'";
    assert_eq!(lake.csv_at(2, sql).await, ["n", "1"]);
    assert_eq!(lake.csv_at(3, sql).await, ["n", "0"]);
    let history = "SELECT max(_revision) AS r, count(*) AS n FROM finra.regsho_daily_history";
    assert_eq!(lake.csv_at(1, history).await, ["r,n", "1,3"]);
    assert_eq!(lake.csv_at(3, history).await, ["r,n", "2,7"]);
}

#[tokio::test]
async fn before_the_first_capture_there_are_no_rows_and_no_files_to_open() {
    let lake = short_volumes();
    let missing = lake.captures_dir().join("missing");
    for table in ["finra.regsho_daily", "finra.regsho_daily_history"] {
        for sql in [format!("SELECT * FROM {table} WHERE symbol = 'GME'"), format!("SELECT * FROM {table}")] {
            let answer = query(&missing, lake.view_at(0), &sql, QueryLimits::standard()).await.unwrap();
            assert_eq!((answer.rows(), answer.columns.len()), (0, 7), "{sql}");
        }
        let sql = format!("SELECT count(*), sum(volume) FROM {table}");
        assert_eq!(lake.csv_at(0, &sql).await[1], "0,");
    }
}

#[tokio::test]
async fn an_answer_names_its_snapshot() {
    let lake = short_volumes();
    let answer = lake.ask("SELECT 1 AS one").await.unwrap();
    assert_eq!(answer.snapshot, Snapshot { id: 3, at: time(3) });
}

#[tokio::test]
async fn columns_come_in_the_order_of_the_spec_then_ids_revision_and_time() {
    let lake = short_volumes();
    let answer = lake.ask("SELECT * FROM finra.regsho_daily LIMIT 1").await.unwrap();
    let columns: Vec<String> = answer.columns.iter().map(|(name, data_type)| format!("{name} {data_type}")).collect();
    let expected = [
        "trade_date Date32",
        "symbol Utf8",
        "volume Decimal128(18, 6)",
        "_capture_id Utf8",
        "_run_id Utf8",
        "_revision Int64",
        "_captured_at Timestamp(µs, \"UTC\")",
    ];
    assert_eq!(columns, expected);
    assert_eq!(answer.numeric_columns(), [2, 5]);
}

#[tokio::test]
async fn rows_name_their_capture_and_run() {
    let lake = short_volumes();
    let view = lake.view();
    let capture = &view.datasets[0].captures[1];
    let sql = format!("SELECT DISTINCT _run_id FROM finra.regsho_daily WHERE _capture_id = '{}'", capture.capture_id);
    assert_eq!(lake.csv(&sql).await, ["_run_id".to_owned(), capture.run_id.to_string()]);
}

#[tokio::test]
async fn a_correction_to_nothing_empties_its_partition() {
    let mut lake = short_volumes();
    lake.publish("finra.regsho_daily", &[("trade_date", "2021-01-28")], Vec::new());
    let sql = "SELECT trade_date, count(*) AS n FROM finra.regsho_daily GROUP BY trade_date";
    assert_eq!(lake.csv(sql).await, ["trade_date,n", "2021-01-27,2"]);
    assert_eq!(lake.csv("SELECT count(*) AS n FROM finra.regsho_daily").await, ["n", "2"]);
    assert_eq!(lake.csv("SELECT count(*) AS n FROM finra.regsho_daily_history").await, ["n", "7"]);
}

#[tokio::test]
async fn datasets_of_two_domains_join_in_one_snapshot() {
    let mut lake = short_volumes();
    let columns = [("ticker", DataType::Utf8), ("name", DataType::Utf8), ("month", DataType::Utf8)];
    lake.dataset("earnings.names", &columns, &["ticker"], &["month"]);
    let columns = vec![texts(&["GME"]), texts(&["GameStop, \"GME\""]), texts(&["2021-01"])];
    lake.publish("earnings.names", &[("month", "2021-01")], columns);
    let sql = "SELECT s.symbol, n.name, s.volume, s._revision, n._revision
               FROM finra.regsho_daily AS s JOIN earnings.names AS n ON n.ticker = s.symbol
               WHERE s.trade_date = DATE '2021-01-27'";
    let expected = ["symbol,name,volume,_revision,_revision_1", "GME,\"GameStop, \"\"GME\"\"\",20.000000,2,1"];
    assert_eq!(lake.csv(sql).await, expected);
}

#[tokio::test]
async fn tables_can_be_described_and_plans_explained() {
    let lake = short_volumes();
    let described = lake.csv("DESCRIBE finra.regsho_daily_history").await;
    assert_eq!(described[0], "column_name,data_type,is_nullable");
    assert_eq!(described.len(), 8);
    for sql in ["EXPLAIN SELECT * FROM finra.regsho_daily", "EXPLAIN ANALYZE SELECT * FROM finra.regsho_daily"] {
        let plan = lake.csv(sql).await.join("\n");
        assert!(plan.contains("finra/regsho_daily/cap_"), "{plan}");
        assert!(!plan.contains(lake.captures_dir().to_str().unwrap()), "the folder is nobody's business: {plan}");
    }
}

#[tokio::test]
async fn names_are_found_in_any_case_and_with_the_name_of_the_lake() {
    let lake = short_volumes();
    for table in ["FINRA.RegSHO_Daily", "lake.finra.regsho_daily", "\"finra\".\"regsho_daily\""] {
        assert_eq!(lake.csv(&format!("SELECT count(*) AS n FROM {table}")).await, ["n", "4"], "{table}");
    }
}

#[tokio::test]
async fn a_dataset_named_history_is_itself() {
    let mut lake = TestLake::new();
    for name in ["a.b", "a.b_history"] {
        lake.dataset(name, &[("day", DataType::Date), ("n", DataType::Int64)], &["n"], &["day"]);
    }
    lake.publish("a.b", &[("day", "2026-01-01")], vec![days("2026-01-01", 1), integers(&[1])]);
    lake.publish("a.b_history", &[("day", "2026-01-01")], vec![days("2026-01-01", 1), integers(&[7])]);
    assert_eq!(lake.csv("SELECT n FROM a.b_history").await, ["n", "7"]);
    assert_eq!(lake.csv("SELECT n FROM a.b_history_history").await, ["n", "7"]);
}

#[tokio::test]
async fn a_column_added_after_a_file_was_written_is_null_in_it() {
    let mut lake = short_volumes();
    let old = lake.view();
    lake.publish("finra.regsho_daily", &[("trade_date", "2021-01-29")], Vec::new());
    let mut view: CatalogView = (*old).clone();
    let mut market = view.datasets[0].spec.columns[1].clone();
    market.name = "market".to_owned();
    market.nullable = false;
    view.datasets[0].spec.columns.push(market);
    let sql = "SELECT count(*) AS n FROM finra.regsho_daily WHERE market IS NULL";
    let answer = query(&lake.captures_dir(), Arc::new(view), sql, QueryLimits::standard()).await.unwrap();
    assert_eq!(answer.rows_as_text().1, [["4"]]);
}

#[tokio::test]
async fn a_missing_and_a_broken_file_are_said_to_be_unreadable() {
    let lake = short_volumes();
    let file = lake.view().datasets[0].captures[1].file.clone().unwrap();
    let path = lake.captures_dir().join(&file.path);
    for damage in [Some("PAR1 but not quite PAR1"), None] {
        match damage {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let failure = lake.ask("SELECT * FROM finra.regsho_daily").await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (model::FailureKind::Storage, "capture_unreadable"));
        assert!(!failure.causes.is_empty());
    }
}
