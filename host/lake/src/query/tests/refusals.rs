//! SQL that tries to do more than read captures, and SQL that is wrong.

use super::fixture::{TestLake, short_volumes};

#[tokio::test]
async fn statements_that_write_or_change_anything_are_refused() {
    let lake = short_volumes();
    let folder = lake.captures_dir().parent().unwrap().to_owned();
    let target = folder.join("stolen");
    let target = target.display();
    for sql in [
        format!("COPY finra.regsho_daily TO '{target}.csv'"),
        format!("COPY (SELECT 1) TO '{target}.parquet' STORED AS PARQUET"),
        format!("EXPLAIN ANALYZE COPY (SELECT 1) TO '{target}.json'"),
        format!("CREATE EXTERNAL TABLE t (a INT) STORED AS CSV LOCATION '{target}'"),
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc'".to_owned(),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "CREATE TABLE t (a INT)".to_owned(),
        "CREATE VIEW v AS SELECT 1".to_owned(),
        "CREATE SCHEMA s".to_owned(),
        "CREATE DATABASE d".to_owned(),
        "CREATE FUNCTION f(INT) RETURNS INT RETURN $1".to_owned(),
        "SELECT 1 AS a INTO t".to_owned(),
        "DROP TABLE finra.regsho_daily".to_owned(),
        "ALTER TABLE finra.regsho_daily ADD COLUMN x INT".to_owned(),
        "INSERT INTO finra.regsho_daily SELECT * FROM finra.regsho_daily".to_owned(),
        "EXPLAIN INSERT INTO finra.regsho_daily SELECT * FROM finra.regsho_daily".to_owned(),
        "UPDATE finra.regsho_daily SET symbol = 'X'".to_owned(),
        "DELETE FROM finra.regsho_daily".to_owned(),
        "TRUNCATE TABLE finra.regsho_daily".to_owned(),
        "SET datafusion.execution.target_partitions = 8".to_owned(),
        "RESET datafusion.execution.target_partitions".to_owned(),
        "SHOW TABLES".to_owned(),
        "SHOW ALL".to_owned(),
        "PREPARE p AS SELECT 1".to_owned(),
        "EXECUTE p".to_owned(),
        "BEGIN TRANSACTION".to_owned(),
        "WITH t AS (INSERT INTO finra.regsho_daily VALUES (1)) SELECT * FROM t".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        "SELECT 1; DROP TABLE finra.regsho_daily".to_owned(),
    ] {
        let message = lake.refusal(&sql).await;
        assert!(!message.is_empty(), "{sql}");
    }
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["captures"]);
    assert_eq!(lake.csv("SELECT count(*) AS n FROM finra.regsho_daily").await, ["n", "4"]);
}

#[tokio::test]
async fn a_refusal_names_the_word() {
    let lake = short_volumes();
    let message = lake.refusal("COPY finra.regsho_daily TO 'x.csv'").await;
    assert!(message.starts_with("`COPY` is refused, queries only read"), "{message}");
}

#[tokio::test]
async fn no_file_can_be_read_by_its_name() {
    let lake = short_volumes();
    let capture = lake.view().datasets[0].captures[0].file.clone().unwrap().path;
    let whole = lake.captures_dir().join(&capture);
    for table in [
        "'/etc/passwd'".to_owned(),
        "\"/etc/passwd\"".to_owned(),
        "'file:///etc/passwd'".to_owned(),
        format!("'{}'", whole.display()),
        format!("'file://{}'", whole.display()),
        format!("'spine://captures/{capture}'"),
        format!("'{capture}'"),
        "read_csv('/etc/passwd')".to_owned(),
        "read_parquet('/etc/passwd')".to_owned(),
        "parquet_scan('/etc/passwd')".to_owned(),
        "parquet_metadata('/etc/passwd')".to_owned(),
        "glob('/etc/*')".to_owned(),
        "information_schema.tables".to_owned(),
        "information_schema.df_settings".to_owned(),
        "pg_catalog.pg_tables".to_owned(),
    ] {
        let message = lake.refusal(&format!("SELECT * FROM {table}")).await;
        assert!(!message.contains("root:"), "{message}");
    }
    for function in ["read_text('/etc/passwd')", "pg_read_file('/etc/passwd')", "load_file('/etc/passwd')"] {
        lake.refusal(&format!("SELECT {function}")).await;
    }
}

#[tokio::test]
async fn a_capture_outside_the_folder_is_not_opened() {
    let lake = short_volumes();
    for path in ["../secret.parquet", "/etc/passwd", "finra/../../secret"] {
        let mut view = (*lake.view()).clone();
        view.datasets[0].captures[0].file.as_mut().unwrap().path = path.to_owned();
        let limits = crate::query::QueryLimits::standard();
        let sql = "SELECT * FROM finra.regsho_daily_history";
        let failure = crate::query::query(&lake.captures_dir(), view.into(), sql, limits).await.unwrap_err();
        assert!(["capture_unreadable", "query_failed"].contains(&failure.code.as_str()), "{path}: {failure:?}");
    }
}

#[tokio::test]
async fn an_unknown_table_suggests_the_nearest() {
    let lake = short_volumes();
    let message = lake.refusal("SELECT *\nFROM finra.regsho_dialy").await;
    assert_eq!(
        message,
        "there is no table `finra.regsho_dialy` (line 2, column 12); the nearest is `finra.regsho_daily`"
    );
    let message = lake.refusal("SELECT * FROM regsho_daily").await;
    assert!(message.ends_with("the nearest is `finra.regsho_daily`"), "{message}");
    let message = lake.refusal("SELECT * FROM finra.regsho_daily_histroy").await;
    assert!(message.ends_with("the nearest is `finra.regsho_daily_history`"), "{message}");
    let message = lake.refusal("SELECT * FROM zzz").await;
    assert!(message.ends_with("there are finra.regsho_daily, finra.regsho_daily_history"), "{message}");
    let message = TestLake::new().refusal("SELECT * FROM finra.regsho_daily").await;
    assert!(message.ends_with("no dataset is known here at this snapshot"), "{message}");
}

#[tokio::test]
async fn an_unknown_column_or_function_is_named_with_its_place_and_the_nearest() {
    let lake = short_volumes();
    let message = lake.refusal("SELECT symbl FROM finra.regsho_daily").await;
    assert!(message.contains("line 1, column 8"), "{message}");
    assert!(message.contains("symbl") && message.contains("Did you mean 'finra.regsho_daily.symbol'"), "{message}");
    let message = lake.refusal("SELECT summ(volume) FROM finra.regsho_daily").await;
    assert!(message.contains("summ") && message.contains("Did you mean"), "{message}");
}

#[tokio::test]
async fn text_that_is_no_sql_says_where() {
    let lake = short_volumes();
    let message = lake.refusal("SELECT 1 FRM x").await;
    assert!(message.contains("Line: 1, Column: "), "{message}");
    assert!(lake.refusal("").await.contains("empty"));
    assert!(lake.refusal("  -- nothing\n").await.contains("empty"));
    assert!(lake.refusal(";").await.contains("empty"));
    lake.refusal("SELECT 'unterminated").await;
    lake.refusal("\0").await;
    assert_eq!(lake.csv("SELECT 1 AS one;").await, ["one", "1"]);
}

#[tokio::test]
async fn a_value_that_cannot_be_computed_is_the_fault_of_the_sql() {
    let lake = short_volumes();
    for sql in ["SELECT 1 / 0", "SELECT CAST(symbol AS INT) FROM finra.regsho_daily", "SELECT DATE 'yesterday'"] {
        lake.refusal(sql).await;
    }
}

#[tokio::test]
async fn a_date_or_a_time_is_not_compared_with_a_number() {
    let lake = short_volumes();
    for filter in [
        "trade_date = 20210128",
        "20210128 = trade_date",
        "trade_date < 20210128",
        "20210128.5 >= trade_date",
        "trade_date > 2e7",
        "trade_date <> volume",
        "trade_date IS DISTINCT FROM 20210128",
        "trade_date BETWEEN 20210101 AND 20210131",
        "trade_date BETWEEN '2021-01-01' AND 20210131",
        "20210128 BETWEEN trade_date AND trade_date",
        "trade_date IN (20210127, 20210128)",
        "20210127 NOT IN (trade_date)",
        "trade_date IN (SELECT _revision FROM finra.regsho_daily)",
        "_revision IN (SELECT trade_date FROM finra.regsho_daily)",
        "CASE trade_date WHEN 20210128 THEN true ELSE false END",
        "symbol = 'GME' AND NOT (trade_date = 20210128)",
        "EXISTS (SELECT 1 FROM finra.regsho_daily_history AS h WHERE h.trade_date = 20210128)",
    ] {
        let message = lake.refusal(&format!("SELECT * FROM finra.regsho_daily WHERE {filter}")).await;
        assert!(message.contains("is a date and cannot be compared with a number"), "{filter}: {message}");
        assert!(message.ends_with("write '2021-01-28' or DATE '2021-01-28'"), "{filter}: {message}");
    }
    for sql in [
        "SELECT trade_date = 20210128 FROM finra.regsho_daily",
        "EXPLAIN SELECT * FROM finra.regsho_daily WHERE trade_date = 20210128",
        "SELECT trade_date FROM finra.regsho_daily GROUP BY trade_date HAVING max(trade_date) > 20210128",
        "SELECT * FROM finra.regsho_daily a JOIN finra.regsho_daily b ON a.trade_date = b._revision",
        "SELECT * FROM finra.regsho_daily JOIN (SELECT 20210128 AS trade_date) AS t USING (trade_date)",
        "SELECT * FROM finra.regsho_daily WHERE date_trunc('month', trade_date) = 202101",
    ] {
        let message = lake.refusal(sql).await;
        assert!(message.contains("cannot be compared with a number"), "{sql}: {message}");
    }
    for filter in ["_captured_at > 1611792000", "1611792000 < _captured_at", "_captured_at IN (1611792000)"] {
        let message = lake.refusal(&format!("SELECT * FROM finra.regsho_daily WHERE {filter}")).await;
        assert!(message.contains("is a time and cannot be compared with a number"), "{filter}: {message}");
        assert!(message.ends_with("write '2021-01-28T14:30:00Z'"), "{filter}: {message}");
    }
    let message = lake.refusal("SELECT *\nFROM finra.regsho_daily\nWHERE trade_date = 20210128").await;
    assert!(message.starts_with("`finra.regsho_daily.trade_date` (line 3, column 7) is a date"), "{message}");
    for filter in [
        "trade_date = '2021-01-28'",
        "DATE '2021-01-28' = trade_date",
        "trade_date BETWEEN '2021-01-28' AND '2021-01-28T00:00:00'",
        "trade_date IN ('2021-01-28', NULL)",
        "trade_date > DATE '2021-01-29' - INTERVAL '2 days'",
        "extract(day FROM trade_date) = 28",
        "CAST(trade_date AS INT) = 18655",
        "trade_date = to_date('20210128', '%Y%m%d')",
        "trade_date = (SELECT max(trade_date) FROM finra.regsho_daily)",
        "trade_date < _captured_at AND trade_date = '2021-01-28'",
    ] {
        let sql = format!("SELECT DISTINCT trade_date FROM finra.regsho_daily WHERE {filter}");
        assert_eq!(lake.csv(&sql).await, ["trade_date", "2021-01-28"], "{filter}");
    }
}

#[tokio::test]
async fn a_number_is_read_as_it_is_written_or_not_at_all() {
    let lake = short_volumes();
    for (sql, expected) in [
        ("SELECT 1_000", "`1_000` (line 1, column 8) is no number: digits are written without `_` between them"),
        ("SELECT\n  1.5_0", "`1.5_0` (line 2, column 3) is no number: digits are written without `_` between them"),
        ("SELECT 1e5_0", "`1e5_0` (line 1, column 8) is no number: digits are written without `_` between them"),
        ("SELECT 100k", "`100k` (line 1, column 8) is no number: put a space between a number and a name"),
        ("SELECT 1e400", "`1e400` (line 1, column 8) is no float: the greatest is 1.7976931348623157e308"),
        ("SELECT -1e400", "`1e400` (line 1, column 9) is no float: the greatest is 1.7976931348623157e308"),
    ] {
        assert_eq!(lake.refusal(sql).await, expected, "{sql}");
    }
    assert_eq!(
        lake.csv("SELECT 1 _000, 1 AS a1_000, 1.7976931348623157e308 AS most").await[1],
        "1,1,1.7976931348623157e+308"
    );
    lake.refusal(&format!("SELECT 1{}", "0".repeat(400))).await;
}
