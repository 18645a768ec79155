//! A second reader: the same captures read whole, file by file, with nothing but the Parquet reader and a comparison
//! in Rust. Whatever DataFusion prunes by partitions, footers and pages, both must find the same rows.

use std::cmp::Ordering;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use model::DataType;
use model::catalog::CatalogView;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::fixture::{SHARES, TestLake, shares, texts};
use crate::query::{QueryLimits, query};

const COLUMNS: [(&str, DataType); 6] = [
    ("part", DataType::Utf8),
    ("k", DataType::Int64),
    ("x", DataType::Float64),
    ("d", SHARES),
    ("t", DataType::Utf8),
    ("at", DataType::Timestamp),
];

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let at = self.below(of.len() as u64);
        of[usize::try_from(at).unwrap()]
    }

    /// One in five is null.
    fn often<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(5) > 0).then(|| make(self))
    }
}

/// One value of a column. Floats are ordered with NaN above all else, as in DataFusion and DuckDB.
#[derive(Clone, Debug)]
enum Value {
    Integer(i64),
    Float(f64),
    Decimal(i128),
    Text(String),
    Time(i64),
}

impl Value {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Float(one), Self::Float(two)) => {
                one.partial_cmp(two).unwrap_or_else(|| one.is_nan().cmp(&two.is_nan()))
            }
            (Self::Integer(one), Self::Integer(two)) | (Self::Time(one), Self::Time(two)) => one.cmp(two),
            (Self::Decimal(one), Self::Decimal(two)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            other => panic!("different types: {other:?}"),
        }
    }

    fn sql(&self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => format!("'{value}'::double"),
            Self::Decimal(value) => format!("'{}'::decimal(18,6)", spine_primitives::decimal::format(*value, 6)),
            Self::Text(value) => format!("'{value}'"),
            Self::Time(micros) => format!("'{}'::timestamp", model::Timestamp::from_micros(*micros)),
        }
    }
}

fn float(numbers: &mut Numbers) -> f64 {
    numbers.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.5, -1.25, 1e-300, 3.0, 7.5, 1e18])
}

/// Many share a long beginning, so that bounds cut to a few bytes are the same or wrong by one.
fn text(numbers: &mut Numbers) -> String {
    let start = numbers.pick(&["", "A", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAA", "ÄÖÜ", "zzzz\u{10FFFF}"]);
    format!("{start}{}", numbers.pick(&["", "0", "1", "z", "Ω"]))
}

fn decimal(numbers: &mut Numbers) -> i128 {
    let most = 999_999_999_999_999_999;
    numbers.pick(&[0, 1, -1, 1_000_000, -1_000_001, 500_000, most, -most])
}

fn capture(numbers: &mut Numbers, part: &str, first_key: i64) -> Vec<ArrayRef> {
    let rows = usize::try_from(1 + numbers.below(24)).unwrap();
    let keys: Int64Array = (first_key..).take(rows).map(Some).collect();
    let xs: Float64Array = (0..rows).map(|_| numbers.often(float)).collect();
    let ds: Vec<Option<i128>> = (0..rows).map(|_| numbers.often(decimal)).collect();
    let ts: StringArray = (0..rows).map(|_| numbers.often(text)).collect();
    let times = (0..rows).map(|_| numbers.often(|it| i64::try_from(it.below(9)).unwrap() * 1_000_000 - 4_000_000));
    let times: TimestampMicrosecondArray = times.collect();
    vec![
        texts(&vec![part; rows]),
        Arc::new(keys),
        Arc::new(xs),
        shares(&ds),
        Arc::new(ts),
        Arc::new(times.with_timezone("UTC")),
    ]
}

fn lake(numbers: &mut Numbers) -> TestLake {
    let mut lake = TestLake::new();
    lake.dataset("a.t", &COLUMNS, &["k"], &["part"]);
    for turn in 0..24 {
        let part = numbers.pick(&["p1", "p2", "p3", "p4", "p5"]);
        // Now and then a correction takes everything back.
        let columns = if turn % 7 == 6 { Vec::new() } else { capture(numbers, part, turn * 100) };
        lake.publish("a.t", &[("part", part)], columns);
    }
    lake
}

/// The keys of all rows that fit, read from the files alone.
fn full_scan(
    lake: &TestLake,
    view: &CatalogView,
    history: bool,
    fits: impl Fn(&str, u64, &[Option<Value>]) -> bool,
) -> Vec<i64> {
    let mut found = Vec::new();
    for capture in view.datasets[0].captures.iter().filter(|capture| history || capture.latest) {
        let Some(file) = &capture.file else { continue };
        let file = File::open(lake.captures_dir().join(&file.path)).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                let values: Vec<Option<Value>> = batch.columns()[1..6].iter().map(|it| value(it, row)).collect();
                if fits(batch.column(0).as_string::<i32>().value(row), capture.revision, &values) {
                    found.push(batch.column(1).as_primitive::<Int64Type>().value(row));
                }
            }
        }
    }
    found
}

fn value(column: &ArrayRef, row: usize) -> Option<Value> {
    use arrow::datatypes::DataType as Arrow;
    column.is_valid(row).then(|| match column.data_type() {
        Arrow::Int64 => Value::Integer(column.as_primitive::<Int64Type>().value(row)),
        Arrow::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        Arrow::Decimal128(..) => Value::Decimal(column.as_primitive::<Decimal128Type>().value(row)),
        Arrow::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        Arrow::Timestamp(..) => Value::Time(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        other => panic!("{other}"),
    })
}

/// A comparison in SQL and in Rust.
#[derive(Debug)]
struct Filter {
    sql: String,
    column: usize,
    operator: &'static str,
    bound: Value,
}

impl Filter {
    fn new(numbers: &mut Numbers) -> Self {
        let column = numbers.pick(&[0, 1, 2, 3, 4]);
        let bound = match column {
            0 => Value::Integer(i64::try_from(numbers.below(2_500)).unwrap()),
            1 => Value::Float(float(numbers)),
            2 => Value::Decimal(decimal(numbers)),
            3 => Value::Text(text(numbers)),
            _ => Value::Time(i64::try_from(numbers.below(9)).unwrap() * 1_000_000 - 4_000_000),
        };
        let operator = numbers.pick(&["=", "<>", "<", "<=", ">", ">=", "IS NULL", "IS NOT NULL"]);
        let name = COLUMNS[column + 1].0;
        let sql = match operator {
            "IS NULL" | "IS NOT NULL" => format!("{name} {operator}"),
            _ => format!("{name} {operator} {}", bound.sql()),
        };
        Self { sql, column, operator, bound }
    }

    /// Unknown, which is null, lets no row through.
    fn fits(&self, values: &[Option<Value>]) -> bool {
        let Some(value) = &values[self.column] else { return self.operator == "IS NULL" };
        let order = value.compare(&self.bound);
        match self.operator {
            "=" => order.is_eq(),
            "<>" => order.is_ne(),
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            ">=" => order.is_ge(),
            other => other == "IS NOT NULL",
        }
    }
}

#[tokio::test]
async fn a_full_scan_of_the_files_finds_the_same_rows_in_the_same_order() {
    let mut numbers = Numbers(2_026);
    let lake = lake(&mut numbers);
    for turn in 0..240 {
        let (one, two) = (Filter::new(&mut numbers), Filter::new(&mut numbers));
        let (part, revision) = (numbers.pick(&["p1", "p2", "p3"]), 1 + numbers.below(4));
        let history = turn % 2 == 0;
        let view = lake.view_at(numbers.below(25));
        let table = if history { "a.t_history" } else { "a.t" };
        let (and_or, any) = numbers.pick(&[("AND", false), ("OR", true)]);
        let sql = format!(
            "SELECT k FROM {table} WHERE ({} {and_or} {}) AND (part <> '{part}' OR _revision >= {revision})",
            one.sql, two.sql
        );
        let expected = full_scan(&lake, &view, history, |in_part, in_revision, values| {
            let (one, two) = (one.fits(values), two.fits(values));
            (if any { one || two } else { one && two }) && (in_part != part || in_revision >= revision)
        });
        let answer = query(&lake.captures_dir(), view, &sql, QueryLimits::standard()).await.unwrap();
        let found: Vec<i64> = answer.rows_as_text().1.iter().map(|row| row[0].parse().unwrap()).collect();
        assert_eq!(found, expected, "{sql}");
    }
}
