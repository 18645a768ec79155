//! What the statistics of the catalog do to DuckDB, in two small lakes.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tests::Duck;

use super::lab::Lab;
use super::model::COLUMNS;
use super::plan::{Content, Delivery, Step};
use super::values::{Cell, Value};

/// A lake of one capture with these values in one column, and nothing else that may be null.
async fn lake_of(column: &str, values: &[Value]) -> Lab {
    let mut lab = Lab::new().await;
    let given = |name: &str, value: &Value| match name {
        "label" => Some(Value::Text(String::new())),
        name => (name == column).then(|| value.clone()),
    };
    let row = |value: &Value| -> Vec<Cell> { COLUMNS[4..].iter().map(|(name, ..)| given(name, value)).collect() };
    let content = Content::Rows(values.iter().map(row).collect());
    let deliveries = vec![Delivery { partition: 0, content, backwards: false }];
    lab.carry_out(&Step { clock: 0, deliveries, force: false }).await;
    lab.storage.close().await;
    lab
}

fn count(duck: &mut Duck, database: &Path, sql: &str) -> usize {
    duck.attach(database);
    let rows = duck.rows(sql);
    // Before its files go, or another hand changes them.
    duck.try_rows(".detach").unwrap();
    rows.as_array().unwrap().len()
}

fn block_on(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story);
}

/// Were the statistics of no use to DuckDB, a comparison with a full scan would say nothing about them.
#[test]
fn a_wrong_bound_would_show() {
    let Some(mut duck) = Duck::start() else { return };
    block_on(async {
        let lab = lake_of("whole", &[Value::Whole(41), Value::Whole(43)]).await;
        let database = lab.database();
        let both = "SELECT 0 AS p, stamp AS s FROM lake.lab.samples WHERE whole = 43
                    UNION ALL SELECT 1 AS p, stamp AS s FROM lake.lab.samples WHERE whole IS NOT NULL";
        assert_eq!(count(&mut duck, &database, both), 3);
        let mut connection = SqliteConnectOptions::new().filename(&database).connect().await.unwrap();
        let wrong = "UPDATE ducklake_file_column_stats SET max_value = '42' WHERE max_value = '43'";
        assert_eq!(sqlx::query(wrong).execute(&mut connection).await.unwrap().rows_affected(), 1);
        connection.close().await.unwrap();
        assert_eq!(count(&mut duck, &database, both), 2, "the row is there, and was left out");
    });
}

/// DuckDB reads a bound that is a float with an error in its last place, so the catalog has none.
#[test]
fn a_float_is_found_by_its_neighbours() {
    let Some(mut duck) = Duck::start() else { return };
    block_on(async {
        let lab = lake_of("ratio", &[Value::Float(1.0)]).await;
        for filter in ["> 0.9999999999999999", "<> 0.9999999999999999", "< 1.0000000000000002", ">= 1.0", "= 1.0"] {
            let sql = format!("SELECT stamp FROM lake.lab.samples WHERE ratio {}", double(filter));
            assert_eq!(count(&mut duck, &lab.database(), &sql), 1, "{sql}");
        }
    });
}

fn double(filter: &str) -> String {
    let (operator, number) = filter.split_once(' ').unwrap();
    format!("{operator} CAST('{number}' AS DOUBLE)")
}
