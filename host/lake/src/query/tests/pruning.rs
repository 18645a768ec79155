//! Statistics and pruning never change an answer, and they do save reading.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use model::DataType;

use super::fixture::{TestLake, days, floats, integers, short_volumes, texts};

const DAY: [(&str, DataType); 3] = [("day", DataType::Date), ("k", DataType::Int64), ("x", DataType::Float64)];

fn with_nan() -> TestLake {
    let mut lake = TestLake::new();
    lake.dataset("a.t", &DAY, &["k"], &["day"]);
    let values = floats(&[1.0, f64::NAN, -0.0]);
    lake.publish("a.t", &[("day", "2026-01-01")], vec![days("2026-01-01", 3), integers(&[1, 2, 3]), values]);
    let nulls: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(2.0), None]));
    lake.publish("a.t", &[("day", "2026-01-02")], vec![days("2026-01-02", 3), integers(&[4, 5, 6]), nulls]);
    lake
}

#[tokio::test]
async fn nan_is_the_greatest_value_whatever_the_footer_says() {
    let lake = with_nan();
    assert_eq!(lake.csv("SELECT k FROM a.t WHERE x > 5").await, ["k", "2"]);
    assert_eq!(lake.csv("SELECT k FROM a.t WHERE x > 5 AND k < 3").await, ["k", "2"]);
    assert_eq!(lake.csv("SELECT k FROM a.t WHERE x = 'NaN'::double").await, ["k", "2"]);
    assert_eq!(lake.csv("SELECT k FROM a.t WHERE NOT x <= 5").await, ["k", "2"]);
    assert_eq!(lake.csv("SELECT k FROM a.t WHERE x IS NULL").await, ["k", "4", "6"]);
    assert_eq!(
        lake.csv("SELECT max(x) AS m, min(x) AS l, count(x) AS c, count(*) AS n FROM a.t").await[1],
        "NaN,-0.0,4,6"
    );
    assert_eq!(lake.csv("SELECT k FROM a.t ORDER BY x DESC NULLS LAST, k LIMIT 2").await, ["k", "2", "5"]);
    assert_eq!(lake.csv("SELECT a.k FROM a.t a JOIN a.t b ON a.x = b.x WHERE b.k = 2").await, ["k", "2"]);
}

/// The plan with what was read, as one text.
async fn analyzed(lake: &TestLake, sql: &str) -> String {
    lake.csv(&format!("EXPLAIN ANALYZE {sql}")).await.join("\n")
}

#[tokio::test]
async fn counting_all_rows_and_the_range_of_a_partition_column_read_no_file() {
    let lake = short_volumes();
    for sql in [
        "SELECT count(*) FROM finra.regsho_daily",
        "SELECT min(trade_date), max(trade_date), max(_revision), max(_captured_at) FROM finra.regsho_daily_history",
        "SELECT count(*) FROM finra.regsho_daily_history WHERE _revision = 2",
        "SELECT count(*) FROM finra.regsho_daily WHERE trade_date > '2021-01-27'",
    ] {
        let plan = analyzed(&lake, sql).await;
        assert!(!plan.contains("DataSourceExec: file_groups"), "{sql}: {plan}");
    }
    let sql = "SELECT min(trade_date), max(trade_date), max(_revision) FROM finra.regsho_daily_history";
    assert_eq!(lake.csv(sql).await[1], "2021-01-27,2021-01-28,2");
    assert_eq!(lake.csv("SELECT count(*) FROM finra.regsho_daily_history WHERE _revision = 2").await[1], "2");
}

#[tokio::test]
async fn a_filter_on_what_is_constant_in_a_file_opens_only_files_that_fit() {
    let lake = short_volumes();
    let captures = lake.view().datasets[0].captures.clone();
    let files: Vec<&str> = captures.iter().map(|it| it.file.as_ref().unwrap().path.as_str()).collect();
    for (filter, opened) in [
        ("trade_date = '2021-01-28'", vec![1]),
        ("trade_date = '2021-01-28' OR _revision = 2", vec![1, 2]),
        ("_captured_at <= '2026-01-01T00:00:02Z' AND symbol = 'GME'", vec![0, 1]),
        ("trade_date IN ('2021-01-27', '2021-01-30') AND _revision < 2", vec![0]),
        ("_revision > 2", vec![]),
    ] {
        let plan = analyzed(&lake, &format!("SELECT * FROM finra.regsho_daily_history WHERE {filter}")).await;
        for (at, file) in files.iter().enumerate() {
            assert_eq!(plan.contains(file), opened.contains(&at), "{filter}: {plan}");
        }
    }
}

#[tokio::test]
async fn footers_rule_files_out_for_columns_without_nan() {
    let lake = with_nan();
    let plan = analyzed(&lake, "SELECT * FROM a.t WHERE k > 3").await;
    assert!(plan.contains("row_groups_pruned_statistics=2 total → 1 matched"), "{plan}");
    assert_eq!(lake.csv("SELECT k FROM a.t WHERE k > 3 AND x > 1").await, ["k", "5"]);
}

#[tokio::test]
async fn a_partition_value_the_catalog_lacks_is_read_from_the_file() {
    let mut lake = TestLake::new();
    lake.dataset("a.t", &DAY, &["k"], &["day"]);
    for (partition, day) in [("2026-01-01", "2026-01-01"), ("not a day", "2026-01-02")] {
        lake.publish("a.t", &[("day", partition)], vec![days(day, 1), integers(&[1]), floats(&[0.5])]);
    }
    let sql = "SELECT day, count(*) AS n FROM a.t WHERE day >= '2026-01-01' GROUP BY day ORDER BY day";
    assert_eq!(lake.csv(sql).await, ["day,n", "2026-01-01,1", "2026-01-02,1"]);
}

#[tokio::test]
async fn a_filter_that_is_null_for_a_capture_leaves_it_out() {
    let lake = short_volumes();
    let sql = "SELECT count(*) AS n FROM finra.regsho_daily WHERE nullif(_revision, 1) = 2";
    assert_eq!(lake.csv(sql).await, ["n", "2"]);
    let volatile = "SELECT count(*) AS n FROM finra.regsho_daily WHERE _revision + random() >= 1";
    assert_eq!(lake.csv(volatile).await, ["n", "4"]);
}

#[tokio::test]
async fn rows_come_capture_by_capture_in_key_order_and_sums_of_floats_repeat() {
    let mut lake = TestLake::new();
    lake.dataset("a.t", &[("part", DataType::Utf8), ("x", DataType::Float64)], &["x"], &["part"]);
    for part in 0..40 {
        let name = format!("p{part:02}");
        let values: Vec<f64> = (0..50).map(|row| 0.1 * f64::from(row) * 10_f64.powi(part % 7 - 3)).collect();
        lake.publish("a.t", &[("part", &name)], vec![texts(&vec![name.as_str(); 50]), floats(&values)]);
    }
    let rows = lake.csv("SELECT part, x FROM a.t").await;
    let mut sorted = rows[1..].to_vec();
    sorted.sort_by(|a, b| a.split(',').next().cmp(&b.split(',').next()));
    assert_eq!((rows.len(), &rows[1..]), (2001, &sorted[..]));
    let sum = lake.csv("SELECT sum(x) AS s, avg(x) AS a, stddev(x) AS d FROM a.t").await;
    for _ in 0..3 {
        assert_eq!(lake.csv("SELECT sum(x) AS s, avg(x) AS a, stddev(x) AS d FROM a.t").await, sum);
    }
    assert_eq!(lake.csv("SELECT part FROM a.t LIMIT 1").await, ["part", "p00"]);
    assert_eq!(lake.csv("SELECT part FROM a.t WHERE x >= 0 LIMIT 1 OFFSET 50").await, ["part", "p01"]);
}
