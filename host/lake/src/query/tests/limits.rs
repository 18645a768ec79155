//! Every limit ends a query with an error that names it.

use std::time::{Duration, Instant};

use model::Failure;

use super::fixture::{TestLake, short_volumes};
use crate::query::QueryLimits;

fn limit(failure: &Failure) -> Option<&str> {
    failure.details.iter().find(|(name, _)| name == "limit").map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn more_rows_than_the_limit_are_an_error_and_not_cut_off() {
    let lake = short_volumes();
    let limits = QueryLimits { rows: 4, ..QueryLimits::standard() };
    assert_eq!(lake.ask_within("SELECT * FROM finra.regsho_daily", limits.clone()).await.unwrap().rows(), 4);
    let failure = lake.ask_within("SELECT * FROM finra.regsho_daily_history", limits).await.unwrap_err();
    assert_eq!((failure.code.as_str(), limit(&failure)), ("too_many_rows", Some("limits.query_rows")));
    assert!(failure.message.contains("more than 4 rows"), "{failure}");
}

#[tokio::test]
async fn an_endless_answer_stops_at_the_row_limit() {
    let limits = QueryLimits { rows: 100_000, ..QueryLimits::standard() };
    let sql = "SELECT * FROM generate_series(1, 9223372036854775807)";
    assert_eq!(TestLake::new().ask_within(sql, limits).await.unwrap_err().code, "too_many_rows");
}

#[tokio::test]
async fn sorting_grouping_joining_and_collecting_are_limited_in_memory() {
    let limits = QueryLimits { memory_bytes: 1024 * 1024, rows: u64::MAX, ..QueryLimits::standard() };
    for sql in [
        "SELECT value FROM generate_series(1, 2000000) ORDER BY value % 7, value DESC",
        "SELECT value, count(*) FROM generate_series(1, 2000000) GROUP BY value",
        "SELECT count(*) FROM generate_series(1, 2000000) a JOIN generate_series(1, 2000000) b ON a.value = b.value",
        "SELECT array_length(array_agg(value)) FROM generate_series(1, 2000000)",
        "SELECT value FROM generate_series(1, 9223372036854775807)",
    ] {
        let failure = TestLake::new().ask_within(sql, limits.clone()).await.expect_err(sql);
        assert_eq!(
            (failure.code.as_str(), limit(&failure)),
            ("query_memory", Some("limits.query_memory_bytes")),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn more_text_than_a_column_holds_is_too_much_memory_too() {
    let much = format!("replace('{}', 'x', '{}')", "x".repeat(300), "y".repeat(3_000));
    let sql = format!("SELECT length({much} || value) FROM generate_series(1, 8192)");
    let failure = TestLake::new().ask(&sql).await.unwrap_err();
    assert_eq!(
        (failure.code.as_str(), limit(&failure)),
        ("query_memory", Some("limits.query_memory_bytes")),
        "{failure}"
    );
}

#[tokio::test]
async fn an_answer_within_its_memory_is_not_counted_twice() {
    // 1.6 MB of rows, sorted: the sorter's memory is given back before the answer holds its slices.
    let limits = QueryLimits { memory_bytes: 16 * 1024 * 1024, ..QueryLimits::standard() };
    let sql = "SELECT value FROM generate_series(1, 200000) ORDER BY value DESC";
    assert_eq!(TestLake::new().ask_within(sql, limits).await.unwrap().rows(), 200_000);
}

#[tokio::test]
async fn a_query_that_takes_too_long_ends_at_its_deadline() {
    let limits = QueryLimits { wall_clock: Duration::from_millis(200), ..QueryLimits::standard() };
    for sql in [
        "SELECT count(*) FROM generate_series(1, 9223372036854775807) WHERE value % 3 = 1",
        "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 9) c \
         WHERE (a.value * b.value) % 3 = c.value",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    ] {
        let started = Instant::now();
        let failure = TestLake::new().ask_within(sql, limits.clone()).await.expect_err(sql);
        assert_eq!(
            (failure.code.as_str(), limit(&failure)),
            ("query_timeout", Some("limits.query_wall_clock")),
            "{sql}"
        );
        assert!(started.elapsed() < Duration::from_secs(5), "{sql}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn sql_as_long_and_as_deep_as_it_may_be_ends_in_an_answer_or_an_error() {
    let lake = TestLake::new();
    let sum = format!("SELECT {}1", "1+".repeat(400));
    let deep = format!("SELECT {}1{}", "(".repeat(30_000), ")".repeat(30_000));
    let not = format!("SELECT {} true", "NOT ".repeat(15_000));
    let list = format!("SELECT 1 WHERE 1 IN ({}1)", "1,".repeat(30_000));
    let union = format!("SELECT 1 {}", "UNION ALL SELECT 1 ".repeat(900));
    for sql in [&sum, &deep, &not, &list, &union] {
        let limits = QueryLimits { wall_clock: Duration::from_secs(10), ..QueryLimits::standard() };
        match lake.ask_within(sql, limits).await {
            Ok(answer) => assert!(answer.rows() > 0),
            Err(failure) => assert!(["bad_sql", "query_timeout"].contains(&failure.code.as_str()), "{failure:?}"),
        }
    }
    let message = lake.refusal(&format!("SELECT '{}'", "x".repeat(70_000))).await;
    assert!(message.contains("65536"), "{message}");
    let message = lake.refusal(&format!("SELECT {}1", "1+".repeat(16_000))).await;
    assert!(message.contains("16000 operators"), "{message}");
}

#[tokio::test]
async fn a_sum_of_as_many_terms_as_there_may_be_is_answered() {
    let lake = short_volumes();
    let from = "FROM finra.regsho_daily WHERE symbol = 'GME' AND trade_date = '2021-01-27'";
    for (sum, expected) in [
        (format!("{}1", "1+".repeat(400)), "401"),
        (format!("{}1", "_revision+".repeat(400)), "801"),
        (format!("{}_revision", "2*_revision-".repeat(200)), "-794"),
    ] {
        let started = Instant::now();
        assert_eq!(lake.csv(&format!("SELECT {sum} AS v {from}")).await, ["v", expected]);
        println!("{sum:.20}...: {:?}", started.elapsed());
    }
    let message = lake.refusal(&format!("SELECT {}1 AS v {from}", "_revision+".repeat(401))).await;
    assert_eq!(message, "the SQL has 401 of the operators + - * / % ||; the most is 400; DuckDB takes more");
}

#[tokio::test]
async fn functions_that_make_bytes_from_a_number_are_not_there() {
    let lake = TestLake::new();
    for call in [
        "repeat('x', 2000000000)",
        "lpad('x', 2000000000)",
        "rpad('x', 2000000000)",
        "array_repeat(1, 100000000000)",
        "list_repeat(1, 100000000000)",
        "array_resize([1], 100000000000)",
        "range(1, 100000000000)",
        "generate_series(1, 100000000000)",
    ] {
        lake.refusal(&format!("SELECT {call}")).await;
    }
}

#[tokio::test]
async fn planning_is_fast_enough_to_make_a_session_for_each_query() {
    let lake = short_volumes();
    lake.ask("SELECT 1").await.unwrap();
    let started = Instant::now();
    let count = 20;
    for _ in 0..count {
        lake.ask("SELECT symbol, sum(volume) FROM finra.regsho_daily GROUP BY symbol").await.unwrap();
    }
    let each = started.elapsed() / count;
    println!("{each:?} a query");
    assert!(each < Duration::from_millis(200), "{each:?}");
}
