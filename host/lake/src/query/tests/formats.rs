//! Every value is written exactly.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, StringArray, TimestampMicrosecondArray};
use model::DataType;

use super::fixture::{SHARES, TestLake, floats, integers, json, shares, short_volumes};

fn all_types() -> TestLake {
    let mut lake = TestLake::new();
    let columns = [
        ("i", DataType::Int64),
        ("f", DataType::Float64),
        ("d", SHARES),
        ("t", DataType::Utf8),
        ("day", DataType::Date),
        ("at", DataType::Timestamp),
        ("yes", DataType::Bool),
    ];
    lake.dataset("a.t", &columns, &["i"], &[]);
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a,\"b\"\nc"), Some(""), None]));
    let day: ArrayRef = Arc::new(Date32Array::from(vec![Some(18_655), Some(-1), None]));
    let at = TimestampMicrosecondArray::from(vec![Some(1_611_792_000_000_001), Some(-1), None]).with_timezone("UTC");
    let yes: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![Some(true), Some(false), None]));
    let decimals = shares(&[Some(1_029_900), Some(-500_000), None]);
    let columns = vec![
        integers(&[3_965_051_656, i64::MIN, i64::MAX]),
        floats(&[0.1, f64::NAN, f64::NEG_INFINITY]),
        decimals,
        text,
    ];
    lake.publish("a.t", &[], columns.into_iter().chain([day, Arc::new(at) as ArrayRef, yes]).collect());
    lake
}

const ALL: &str = "SELECT i, f, d, t, day, at, yes FROM a.t";

#[tokio::test]
async fn json_numbers_are_exact_and_what_json_lacks_is_null() {
    let answer = all_types().ask(ALL).await.unwrap();
    let expected = r#"[
{"i":3965051656,"f":0.1,"d":1.029900,"t":"a,\"b\"\nc","day":"2021-01-28","at":"2021-01-28T00:00:00.000001Z","yes":true},
{"i":-9223372036854775808,"f":null,"d":-0.500000,"t":"","day":"1969-12-31","at":"1969-12-31T23:59:59.999999Z","yes":false},
{"i":9223372036854775807,"f":null,"d":null,"t":null,"day":null,"at":null,"yes":null}
]
"#;
    assert_eq!(json(&answer), expected);
    assert_eq!(serde_json::from_str::<serde_json::Value>(expected).unwrap().as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn csv_quotes_what_must_be_and_tells_null_from_empty() {
    let mut out = Vec::new();
    all_types().ask(ALL).await.unwrap().write_csv(&mut out).unwrap();
    let expected = "i,f,d,t,day,at,yes\n\
        3965051656,0.1,1.029900,\"a,\"\"b\"\"\nc\",2021-01-28,2021-01-28T00:00:00.000001Z,true\n\
        -9223372036854775808,NaN,-0.500000,\"\",1969-12-31,1969-12-31T23:59:59.999999Z,false\n\
        9223372036854775807,-Infinity,,,,,\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[tokio::test]
async fn text_for_tables_shows_null_as_nothing() {
    let (header, rows) = all_types().ask(ALL).await.unwrap().rows_as_text();
    assert_eq!(header, ["i", "f", "d", "t", "day", "at", "yes"]);
    assert_eq!(rows[2], ["9223372036854775807", "-Infinity", "", "", "", "", ""]);
    assert_eq!(rows[0][3], "a,\"b\"\nc");
}

#[tokio::test]
async fn an_answer_without_rows_is_an_empty_array_and_a_header() {
    let lake = all_types();
    let answer = lake.ask("SELECT i FROM a.t WHERE i = 0").await.unwrap();
    assert_eq!(json(&answer), "[]\n");
    assert_eq!(lake.csv("SELECT i FROM a.t WHERE i = 0").await, ["i"]);
}

#[tokio::test]
async fn in_csv_of_one_column_null_and_texts_can_be_told_apart_and_no_line_is_empty() {
    let lake = all_types();
    assert_eq!(lake.csv("SELECT t FROM a.t ORDER BY i").await, ["t", "\"\"", "\"a,\"\"b\"\"", "c\"", "NULL"]);
    assert_eq!(lake.csv("SELECT 'NULL' AS t UNION ALL SELECT 'null'").await, ["t", "\"NULL\"", "null"]);
    assert_eq!(lake.csv("SELECT d FROM a.t WHERE d IS NULL").await, ["d", "NULL"]);
    assert_eq!(lake.csv("SELECT t, d FROM a.t WHERE t IS NULL").await, ["t,d", ","]);
    assert_eq!(lake.csv("SELECT 'NULL' AS a, NULL AS b").await, ["a,b", "NULL,"]);
}

#[tokio::test]
async fn sums_of_decimals_keep_their_scale_and_counts_are_integers() {
    let lake = short_volumes();
    let sql = "SELECT sum(volume) AS total, count(*) AS n, avg(volume) AS mean FROM finra.regsho_daily";
    assert_eq!(json(&lake.ask(sql).await.unwrap()), "[\n{\"total\":22.029900,\"n\":4,\"mean\":7.3433000000}\n]\n");
}

#[tokio::test]
async fn what_sql_makes_beside_the_types_of_datasets_is_written_too() {
    let lake = TestLake::new();
    for (sql, expected) in [
        ("x'00ff'", "\"00ff\""),
        ("[1, NULL, 3]", "[1,null,3]"),
        ("{'a': 1, 'b': 'two'}", r#"{"a":1,"b":"two"}"#),
        ("MAP {'a': 1.5, 'b': NULL}", r#"{"a":1.5,"b":null}"#),
        ("NULL", "null"),
        ("TIME '12:34:56.5'", "\"12:34:56.500000\""),
        ("CAST('2021-01-28 01:02:03.123456789' AS TIMESTAMP)", "\"2021-01-28T01:02:03.123456Z\""),
        ("arrow_cast('x', 'Dictionary(Int32, Utf8)')", "\"x\""),
        ("arrow_cast(7, 'UInt64')", "7"),
        ("arrow_cast(0.1, 'Float32')", "0.1"),
        ("CAST(1.5 AS DECIMAL(3, 1))", "1.5"),
        ("CAST(12345 AS DECIMAL(5, 0))", "12345"),
        ("1e300", "1e+300"),
        ("'Infinity'::double", "null"),
        ("INTERVAL '1 day'", "\"1 days\""),
        ("DATE '2021-01-28' + INTERVAL '1 day'", "\"2021-01-29\""),
    ] {
        let answer = lake.ask(&format!("SELECT {sql} AS v")).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(json(&answer), format!("[\n{{\"v\":{expected}}}\n]\n"), "{sql}");
    }
}

#[tokio::test]
async fn names_that_repeat_are_numbered() {
    let lake = short_volumes();
    let sql = "SELECT a.symbol, b.symbol, 1 AS symbol_1 FROM finra.regsho_daily a JOIN finra.regsho_daily b \
               ON a._capture_id = b._capture_id AND a.symbol < b.symbol LIMIT 1";
    assert_eq!(lake.csv(sql).await, ["symbol,symbol_2,symbol_1", "AMC,GME,1"]);
}

#[tokio::test]
async fn a_select_may_name_its_columns_alike() {
    let lake = short_volumes();
    let from = "FROM finra.regsho_daily WHERE symbol = 'GME' AND trade_date = '2021-01-27'";
    for (select, header, row) in [
        ("1 AS x, 2 AS x", "x,x_1", "1,2"),
        ("1 AS x, 2 AS X, 3 AS \"X\"", "x,x_1,X", "1,2,3"),
        ("symbol, symbol, symbol", "symbol,symbol_1,symbol_2", "GME,GME,GME"),
        ("symbol AS s, _revision AS s", "s,s_1", "GME,2"),
        ("symbol, 'x' AS symbol", "symbol,symbol_1", "GME,x"),
        ("trade_date, regsho_daily.trade_date", "trade_date,trade_date_1", "2021-01-27,2021-01-27"),
        ("count(*), count(*)", "count(*),count(*)_1", "1,1"),
        ("1, 1", "Int64(1),Int64(1)_1", "1,1"),
        ("1e3, 1E3, 2.5e-1, 1e3", "1e3,1E3,2.5e-1,1e3_1", "1000.0,1000.0,0.25,1000.0"),
        (
            "symbol, * EXCEPT (_capture_id, _run_id, _captured_at)",
            "symbol,trade_date,symbol_1,volume,_revision",
            "GME,2021-01-27,GME,20.000000,2",
        ),
    ] {
        assert_eq!(lake.csv(&format!("SELECT {select} {from}")).await, [header, row], "{select}");
    }
    let answer = lake.ask("SELECT 1 AS x, 2 AS x").await.unwrap();
    assert_eq!(json(&answer), "[\n{\"x\":1,\"x_1\":2}\n]\n", "no value is lost in an object");
    assert_eq!(lake.csv("SELECT 1 AS x, 2 AS x UNION ALL SELECT 3, 3 ORDER BY x").await, ["x,x_1", "1,2", "3,3"]);
    let ordered =
        "WITH t AS (SELECT symbol FROM finra.regsho_daily) SELECT DISTINCT symbol, symbol FROM t ORDER BY symbol";
    assert_eq!(lake.csv(ordered).await, ["symbol,symbol_1", "AMC,AMC", "GME,GME"]);
}

#[tokio::test]
async fn in_a_subquery_a_name_means_one_column_and_other_mistakes_are_told_as_ever() {
    let lake = short_volumes();
    let message = lake.refusal("SELECT x FROM (SELECT 1 AS x, 2 AS x)").await;
    assert!(message.contains("unique expression names"), "{message}");
    let message = lake.refusal("SELECT 1 AS x, symbl AS x FROM finra.regsho_daily").await;
    assert!(message.contains("symbl"), "{message}");
}
