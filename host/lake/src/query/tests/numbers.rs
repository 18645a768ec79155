//! Numbers are exact: literals, comparisons, sums.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array};
use model::DataType;

use super::fixture::{SHARES, TestLake, floats, integers, shares};

const WIDE: DataType = DataType::Decimal { precision: 38, scale: 10 };

/// The greatest number that a decimal of 38 digits holds.
const MOST: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

/// A row each: volumes that no float holds, integers at the end of their range, ratios that are hard to write.
fn numbers() -> TestLake {
    let mut lake = TestLake::new();
    let columns = [
        ("id", DataType::Int64),
        ("volume", SHARES),
        ("trades", DataType::Int64),
        ("ratio", DataType::Float64),
        ("wide", WIDE),
    ];
    lake.dataset("a.t", &columns, &["id"], &[]);
    let wide: ArrayRef = Arc::new(Decimal128Array::from(vec![MOST, MOST, 1]).with_precision_and_scale(38, 10).unwrap());
    let columns = vec![
        integers(&[1, 2, 3]),
        shares(&[Some(49_047_927_127_418), Some(999_999_999_999_999_999), Some(1)]),
        integers(&[i64::MAX, i64::MAX - 1, 1]),
        floats(&[0.300_000_000_000_000_04, f64::NAN, 1e300]),
        wide,
    ];
    lake.publish("a.t", &[], columns);
    lake
}

/// The ids of the rows that fit.
async fn ids(lake: &TestLake, filter: &str) -> String {
    let rows = lake.csv(&format!("SELECT id FROM a.t WHERE {filter} ORDER BY id")).await;
    rows[1..].join(" ")
}

/// The one value of an expression.
async fn one(lake: &TestLake, expression: &str) -> String {
    lake.csv(&format!("SELECT {expression} AS v")).await.swap_remove(1)
}

#[tokio::test]
async fn a_decimal_literal_finds_the_row_that_has_it() {
    let lake = numbers();
    for (filter, expected) in [
        ("volume = 49047927.127418", "1"),
        ("volume <> 49047927.127418", "2 3"),
        ("volume < 49047927.127418", "3"),
        ("volume <= 49047927.127418", "1 3"),
        ("volume > 999999999999.999998", "2"),
        ("volume > 999999999999.9999985", "2"),
        ("volume BETWEEN 49047927.127418 AND 49047927.127418", "1"),
        ("volume IN (1, 49047927.127418, 999999999999.999999)", "1 2"),
        ("volume NOT IN (0.000001, 49047927.1274180)", "2"),
        ("volume = 4.9047927127418e7", "1"),
        ("-volume = -49047927.127418", "1"),
        ("CASE volume WHEN 49047927.127418 THEN true ELSE false END", "1"),
        ("volume > 49047927", "1 2"),
        ("trades = 9223372036854775807.0", "1"),
        ("trades > 9223372036854775806.5", "1"),
        ("wide = 9999999999999999999999999999.9999999999", "1 2"),
        ("wide > 9999999999999999999999999999.99999999985", "1 2"),
        ("wide < 0.00000000015", "3"),
        ("wide = 9999999999999999999999999999.99999999990000000001", ""),
    ] {
        assert_eq!(ids(&lake, filter).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_float_is_compared_as_a_float() {
    let lake = numbers();
    for (filter, expected) in [
        ("ratio = 0.30000000000000004", "1"),
        ("ratio > 0.3", "1 2 3"),
        ("ratio > 1e299", "2 3"),
        ("ratio = 1e300", "3"),
        ("ratio < 0.5", "1"),
        ("ratio BETWEEN 0.1 AND 0.5", "1"),
        ("ratio IN (0.5, 0.30000000000000004)", "1"),
        ("ratio = CAST(0.30000000000000004 AS DOUBLE)", "1"),
        ("ratio > volume", "2 3"),
        ("ratio IN (SELECT 0.30000000000000004)", "1"),
        ("volume IN (SELECT CAST('0.000001' AS DOUBLE))", "3"),
        ("ratio NOT IN (SELECT volume FROM a.t)", "1 2 3"),
        ("coalesce(ratio, 0.5) > 0.5", "2 3"),
        ("CASE WHEN id = 2 THEN ratio ELSE 0.5 END > 0.6", "2"),
        ("greatest(ratio, 0.25) > 0.5", "2 3"),
        ("ratio > (SELECT avg(volume) FROM a.t)", "2 3"),
        ("ratio = (SELECT max(t.ratio) FROM a.t AS t WHERE t.ratio < 0.5 AND t.volume > 1.5)", "1"),
    ] {
        assert_eq!(ids(&lake, filter).await, expected, "{filter}");
    }
    let union = "SELECT ratio FROM a.t UNION ALL SELECT 0.5 ORDER BY 1";
    assert_eq!(lake.csv(union).await, ["ratio", "0.30000000000000004", "0.5", "1e+300", "NaN"]);
}

#[tokio::test]
async fn literals_keep_every_digit() {
    let lake = numbers();
    for (expression, expected) in [
        ("cast(123456789012345678.123456 as decimal(24,6))", "123456789012345678.123456"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.1 + 0.2", "0.3"),
        ("-0.5", "-0.5"),
        (".5", "0.5"),
        ("1e-7", "1e-7"),
        ("2.5 * 4", "10.0"),
        ("1.0 / 3", "0.3333333333333333"),
        ("1.0 / 3000000", "3.3333333333333335e-7"),
        ("10 / 4", "2"),
        ("7.5 % 2", "1.5"),
        ("round(0.125, 2)", "0.13"),
        ("sqrt(0.25)", "0.5"),
        ("power(2.0, 0.5)", "1.4142135623730951"),
        ("abs(-1.5)", "1.5"),
        ("nullif(1.5, 1.5) IS NULL", "true"),
        ("arrow_typeof(1.5)", "\"Decimal128(2, 1)\""),
        ("arrow_typeof(1.5e0)", "Float64"),
    ] {
        assert_eq!(one(&lake, expression).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn sums_have_room_for_what_they_add() {
    let lake = numbers();
    let of = |expression: &str| format!("(SELECT {expression} FROM a.t)");
    for (expression, expected) in [
        ("sum(trades)", "18446744073709551614"),
        ("sum(volume)", "1000049047927.127418"),
        ("sum(wide)", "19999999999999999999999999999.9999999999"),
        ("sum(id)", "6"),
        ("sum(DISTINCT trades)", "18446744073709551614"),
        ("sum(trades) FILTER (WHERE id < 3)", "18446744073709551613"),
        ("avg(id)", "2.0"),
        ("avg(wide) > 6666666666666666666666666666", "true"),
        ("sum(volume) / sum(trades) < 0.0000001", "true"),
        ("approx_percentile_cont(volume, 0.5) > 1", "true"),
        ("median(volume)", "49047927.127418"),
        ("sum(ratio) IS NULL", "false"),
        ("mean(id)", "2.0"),
    ] {
        assert_eq!(one(&lake, &of(expression)).await, expected, "{expression}");
    }
    let grouped = lake.csv("SELECT id % 2 AS odd, sum(trades) AS n FROM a.t GROUP BY 1 ORDER BY 1").await;
    assert_eq!(grouped, ["odd,n", "0,9223372036854775806", "1,9223372036854775808"]);
    let distinct = lake.csv("SELECT sum(DISTINCT id % 2) AS a, sum(id) AS b, max(trades) AS c FROM a.t").await;
    assert_eq!(distinct, ["a,b,c", "1,6,9223372036854775807"]);
    let running = lake.csv("SELECT sum(trades) OVER (ORDER BY id) AS n FROM a.t ORDER BY id").await;
    assert_eq!(running, ["n", "9223372036854775807", "18446744073709551613", "18446744073709551614"]);
}

#[tokio::test]
async fn integers_that_overflow_are_an_error_and_others_stay_integers() {
    let lake = numbers();
    for sql in [
        "SELECT trades + 1 FROM a.t",
        "SELECT -1 - trades - 1 FROM a.t",
        "SELECT trades * 2 FROM a.t",
        "SELECT 9223372036854775807 + 1",
    ] {
        let message = lake.refusal(sql).await;
        assert!(message.to_lowercase().contains("overflow"), "{sql}: {message}");
    }
    let rows = lake.csv("SELECT id + 1 AS a, id * 2 - 3 AS b FROM a.t GROUP BY id + 1, id * 2 - 3 ORDER BY 1").await;
    assert_eq!(rows, ["a,b", "2,-1", "3,1", "4,3"]);
    assert_eq!(lake.csv("SELECT id + 1 FROM a.t LIMIT 2 - 1").await, ["a.t.id + Int64(1)", "2"]);
}
