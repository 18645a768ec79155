//! The two readers: our queries, and DuckDB. Both answer in the same texts.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use lake::query::{QueryAnswer, QueryLimits, query};
use model::catalog::CatalogView;
use model::{Timestamp, decimal};
use serde_json::Value as Json;
use tests::Duck;

use super::model::COLUMNS;
use super::predicate::Predicate;
use super::values::{Dialect, day_text, float_text};

/// A row as texts.
pub(super) type Texts = Vec<Option<String>>;

/// Where a reader finds a table as of one state.
#[derive(Clone)]
pub(super) enum Source<'a> {
    /// Our query engine on one view; `lab.samples` or its history.
    Ours { captures: &'a Path, view: Arc<CatalogView>, table: &'static str },
    /// DuckDB, the table with its `AT` clause.
    Duck { duck: &'a RefCell<Duck>, table: String },
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ours { view, table, .. } => write!(f, "our `{table}` as of {:?}", view.snapshot),
            Self::Duck { table, .. } => write!(f, "DuckDB's `{table}`"),
        }
    }
}

impl Source<'_> {
    fn table(&self) -> &str {
        match self {
            Self::Ours { table, .. } => table,
            Self::Duck { table, .. } => table,
        }
    }

    fn dialect(&self) -> Dialect {
        match self {
            Self::Ours { .. } => Dialect::Ours,
            Self::Duck { .. } => Dialect::Duck,
        }
    }

    /// The rows of a query.
    async fn ask(&self, sql: &str) -> Vec<Texts> {
        match self {
            Self::Ours { captures, view, .. } => {
                let answer = query(captures, Arc::clone(view), sql, QueryLimits::standard()).await;
                texts(&answer.unwrap_or_else(|failure| panic!("{sql}: {failure:?}")))
            }
            Self::Duck { duck, .. } => {
                let rows = duck.borrow_mut().rows(sql);
                rows.as_array().unwrap().iter().map(duck_texts).collect()
            }
        }
    }

    /// Every column of every row, in order.
    pub(super) async fn contents(&self) -> Vec<Texts> {
        let names: Vec<String> = COLUMNS.iter().map(|(name, ..)| self.column(name)).collect();
        let mut rows = self.ask(&format!("SELECT {} FROM {}", names.join(", "), self.table())).await;
        rows.sort();
        rows
    }

    /// Floats come as text, in which no digit is lost.
    fn column(&self, name: &str) -> String {
        match self.dialect() {
            Dialect::Duck if name == "ratio" => "ratio::VARCHAR AS ratio".to_owned(),
            _ => name.to_owned(),
        }
    }

    /// The stamps of the rows that fit each predicate, in order. One statement for all; each scans for itself.
    pub(super) async fn stamps(&self, predicates: &[Predicate]) -> Vec<Vec<i64>> {
        let scan = |(at, predicate): (usize, &Predicate)| {
            format!("SELECT {at} AS p, stamp AS s FROM {} WHERE {}", self.table(), predicate.sql(self.dialect()))
        };
        let scans: Vec<String> = predicates.iter().enumerate().map(scan).collect();
        let mut found = vec![Vec::new(); predicates.len()];
        if predicates.is_empty() {
            return found;
        }
        for row in self.ask(&scans.join(" UNION ALL ")).await {
            let [Some(at), Some(stamp)] = &row[..] else { panic!("{row:?}") };
            let stamps: &mut Vec<i64> = &mut found[at.parse::<usize>().unwrap()];
            stamps.push(stamp.parse().unwrap());
        }
        found.iter_mut().for_each(|stamps| stamps.sort_unstable());
        found
    }
}

fn texts(answer: &QueryAnswer) -> Vec<Texts> {
    let rows = answer.batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    rows.map(|(batch, row)| batch.columns().iter().map(|column| text(column, row)).collect()).collect()
}

fn text(column: &ArrayRef, row: usize) -> Option<String> {
    column.is_valid(row).then(|| match column.data_type() {
        ArrowType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        ArrowType::Utf8View => column.as_string_view().value(row).to_owned(),
        ArrowType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        ArrowType::Float64 => float_text(column.as_primitive::<Float64Type>().value(row)),
        ArrowType::Decimal128(_, scale) => {
            decimal::format(column.as_primitive::<Decimal128Type>().value(row), u8::try_from(*scale).unwrap())
        }
        ArrowType::Date32 => day_text(column.as_primitive::<Date32Type>().value(row)),
        ArrowType::Timestamp(..) => {
            Timestamp::from_micros(column.as_primitive::<TimestampMicrosecondType>().value(row)).to_string()
        }
        ArrowType::Boolean => column.as_boolean().value(row).to_string(),
        other => panic!("a column of type {other}"),
    })
}

fn duck_texts(row: &Json) -> Texts {
    let value = |(name, value): (&String, &Json)| match value {
        Json::Null => None,
        Json::String(text) if name == "ratio" => Some(float_text(text.parse().unwrap())),
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    // An object of JSON has no order of its own.
    let row = row.as_object().unwrap();
    match row.get_key_value("p") {
        Some(first) => [first, row.get_key_value("s").unwrap()].into_iter().map(value).collect(),
        None => COLUMNS.iter().map(|(name, ..)| value(row.get_key_value(*name).unwrap())).collect(),
    }
}
