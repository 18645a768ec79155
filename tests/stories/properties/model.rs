//! What should have been published: every capture with its rows, and which of them each snapshot shows.

use std::collections::BTreeMap;

use model::{CaptureId, DataType, Digest, Partition, Timestamp};

use super::plan::{Content, Delivery};
use super::values::{Cell, Value, day_text};

const PRICE: DataType = DataType::Decimal { precision: 18, scale: 6 };
const TOTAL: DataType = DataType::Decimal { precision: 38, scale: 10 };

/// Name, type and whether it may be null. The first two are the partition, the third is the key.
pub(super) const COLUMNS: [(&str, DataType, bool); 13] = [
    ("region", DataType::Utf8, false),
    ("on_day", DataType::Date, false),
    ("id", DataType::Int64, false),
    ("stamp", DataType::Int64, false),
    ("label", DataType::Utf8, false),
    ("note", DataType::Utf8, true),
    ("whole", DataType::Int64, true),
    ("ratio", DataType::Float64, true),
    ("price", PRICE, true),
    ("total", TOTAL, true),
    ("seen_on", DataType::Date, true),
    ("seen_at", DataType::Timestamp, true),
    ("flag", DataType::Bool, true),
];

/// Where [`Row::stamp`] is.
const STAMP: usize = 3;

pub(super) const PARTITIONS: [(&str, i32); 5] =
    [("EU", 18_655), ("EU", -1), ("Ü/=%", 18_655), ("US", 0), ("eu", 18_656)];

pub(super) fn partition(number: usize) -> Partition {
    let (region, day) = PARTITIONS[number];
    [("region".to_owned(), region.to_owned()), ("on_day".to_owned(), day_text(day))].into_iter().collect()
}

/// A cell for each column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row(pub(super) Vec<Cell>);

impl Row {
    /// Tells a row from every other that was ever made, also from those with the same key.
    pub(super) fn stamp(&self) -> i64 {
        match self.0[STAMP] {
            Some(Value::Whole(stamp)) => stamp,
            _ => panic!("a row without a stamp"),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Capture {
    pub(super) partition: usize,
    pub(super) revision: u64,
    pub(super) rows: Vec<Row>,
    pub(super) capture_id: CaptureId,
    pub(super) content_hash: Digest,
    /// Path below `captures/` and SHA-256 of its bytes; none for a capture of no rows.
    pub(super) file: Option<(String, Vec<u8>)>,
}

/// A state of the lake: the captures published by then are the first `known` ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) snapshot: u64,
    pub(super) at: Timestamp,
    pub(super) known: usize,
}

#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) captures: Vec<Capture>,
    pub(super) states: Vec<State>,
    stamps: i64,
}

impl Expected {
    pub(super) fn head(&self, partition: usize) -> Option<&Capture> {
        self.captures.iter().rev().find(|capture| capture.partition == partition)
    }

    /// The rows that a delivery brings.
    pub(super) fn rows(&mut self, delivery: &Delivery) -> Vec<Row> {
        let here = |capture: &&Capture| capture.partition == delivery.partition;
        let head = self.head(delivery.partition).map(|head| head.rows.clone()).unwrap_or_default();
        match &delivery.content {
            Content::Rows(cells) => {
                let rows = cells.iter().zip(0_i64..).map(|(cells, id)| self.row(delivery.partition, id, cells));
                rows.collect()
            }
            Content::Nothing => Vec::new(),
            Content::Retracted(mask) => {
                let kept = head.into_iter().enumerate().filter(|(at, _)| mask >> (at % 64) & 1 == 0);
                kept.map(|(_, row)| row).collect()
            }
            Content::Again => head,
            Content::Earlier(index) => {
                let all: Vec<&Capture> = self.captures.iter().filter(here).collect();
                if all.is_empty() { Vec::new() } else { index.get(&all).rows.clone() }
            }
        }
    }

    fn row(&mut self, partition: usize, id: i64, cells: &[Cell]) -> Row {
        self.stamps += 1;
        let (region, day) = PARTITIONS[partition];
        let first = [Value::Text(region.to_owned()), Value::Day(day), Value::Whole(id), Value::Whole(self.stamps)];
        Row(first.into_iter().map(Some).chain(cells.iter().cloned()).collect())
    }

    /// The captures that a state shows as the latest.
    pub(super) fn latest(&self, state: State) -> Vec<&Capture> {
        let heads: BTreeMap<usize, &Capture> =
            self.captures[..state.known].iter().map(|capture| (capture.partition, capture)).collect();
        heads.into_values().collect()
    }

    pub(super) fn history(&self, state: State) -> Vec<&Capture> {
        self.captures[..state.known].iter().collect()
    }

    /// Every value that some row ever had in a column.
    pub(super) fn values(&self, column: usize) -> Vec<Value> {
        let rows = self.captures.iter().flat_map(|capture| &capture.rows);
        rows.filter_map(|row| row.0[column].clone()).collect()
    }
}

pub(super) fn rows<'a>(captures: &[&'a Capture]) -> Vec<&'a Row> {
    captures.iter().flat_map(|capture| &capture.rows).collect()
}
