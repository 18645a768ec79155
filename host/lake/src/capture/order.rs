//! Splits what a run wrote to one dataset into partitions and sorts each by natural key.
//!
//! Texts are ordered by their bytes, everything else by value; nothing of a key is null. Rows are compared through
//! Arrow's row format, so that keys of many columns cost no more than keys of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use arrow::datatypes::{DataType as ArrowType, Date32Type, Float64Type, Int64Type};
use arrow::row::{Row, RowConverter, Rows, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::NaiveDate;
use model::limits::BATCH_ROWS_MAX;
use model::manifest::DatasetSpec;
use model::{Failure, FailureKind, Partition};

use crate::schema::{LINE, batch_bytes};

/// Bytes that one sorted batch should not exceed much.
const SORTED_BATCH_BYTES: u64 = 128 * 1024 * 1024;

/// What was written to one dataset, in order.
#[derive(Debug)]
pub(crate) struct Ordered {
    /// By partition. Without `_line`; no batches where a partition was only declared.
    pub(crate) parts: Vec<Part>,
    /// Every row whose key another row of its partition has too.
    pub(crate) duplicates: Vec<Duplicate>,
}

#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) partition: Partition,
    pub(crate) batches: Vec<RecordBatch>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// The input line, if the plugin said which.
    pub(crate) line: Option<u64>,
    /// `symbol=A trade_date=2021-01-28`, partition included.
    pub(crate) key: String,
    /// Rows that share the key.
    pub(crate) rows: usize,
}

/// Where a row is: batch and row in it.
type At = (u32, u32);

/// Splits and sorts. `declared` partitions are there even without rows.
pub(crate) fn order(
    spec: &DatasetSpec,
    batches: &[RecordBatch],
    declared: &BTreeSet<Partition>,
) -> Result<Ordered, Failure> {
    sort(spec, batches, declared).map_err(|error| {
        let message = format!("could not sort the rows of `{}`: {error}", spec.name);
        Failure::new(FailureKind::Internal, "sort", message).because(&error)
    })
}

fn sort(
    spec: &DatasetSpec,
    batches: &[RecordBatch],
    declared: &BTreeSet<Partition>,
) -> Result<Ordered, arrow::error::ArrowError> {
    let mut parts: BTreeMap<Partition, Vec<RecordBatch>> =
        declared.iter().map(|partition| (partition.clone(), Vec::new())).collect();
    let Some(first) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(Ordered { parts: listed(parts), duplicates: Vec::new() });
    };
    let keys = sort_columns(spec);
    let rows = batches.iter().map(|batch| comparable(batch, &keys)).collect::<Result<Vec<_>, _>>()?;
    let partitions =
        batches.iter().map(|batch| comparable(batch, &spec.partition_by)).collect::<Result<Vec<_>, _>>()?;
    let at = |rows: &'_ [Rows], (batch, row): At| -> (usize, usize) {
        debug_assert!((row as usize) < rows[batch as usize].num_rows());
        (batch as usize, row as usize)
    };
    let row = |place: At| -> Row<'_> {
        let (batch, row) = at(&rows, place);
        rows[batch].row(row)
    };
    let partition = |place: At| -> Row<'_> {
        let (batch, row) = at(&partitions, place);
        partitions[batch].row(row)
    };
    let mut places: Vec<At> = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (batch, rows) in batches.iter().enumerate() {
        let batch_at = u32::try_from(batch).unwrap_or(u32::MAX);
        places.extend((0..u32::try_from(rows.num_rows()).unwrap_or(u32::MAX)).map(|row| (batch_at, row)));
    }
    let was_sorted = places.windows(2).all(|pair| row(pair[0]) < row(pair[1]));
    if !was_sorted {
        places.sort_by(|one, other| row(*one).cmp(&row(*other)));
    }
    let mut duplicates = Vec::new();
    if !was_sorted {
        for group in places.chunk_by(|one, other| row(*one) == row(*other)).filter(|group| group.len() > 1) {
            for place in group {
                duplicates.push(duplicate(batches, &keys, *place, group.len())?);
            }
        }
    }
    let schema = first.schema();
    let columns: Vec<usize> = (0..schema.fields().len()).filter(|&at| schema.field(at).name() != LINE).collect();
    let data = batches.iter().map(|batch| batch.project(&columns)).collect::<Result<Vec<_>, _>>()?;
    for group in places.chunk_by(|one, other| partition(*one) == partition(*other)) {
        let name = partition_of(&batches[group[0].0 as usize], group[0].1 as usize, &spec.partition_by)?;
        parts.insert(name, gather(&data, group, was_sorted)?);
    }
    Ok(Ordered { parts: listed(parts), duplicates })
}

fn listed(parts: BTreeMap<Partition, Vec<RecordBatch>>) -> Vec<Part> {
    parts.into_iter().map(|(partition, batches)| Part { partition, batches }).collect()
}

/// The partition columns, then the rest of the key: one order for the split and the sort.
fn sort_columns(spec: &DatasetSpec) -> Vec<String> {
    let rest = spec.key.iter().filter(|column| !spec.partition_by.contains(column));
    spec.partition_by.iter().chain(rest).cloned().collect()
}

fn comparable(batch: &RecordBatch, columns: &[String]) -> Result<Rows, arrow::error::ArrowError> {
    let columns = columns
        .iter()
        .map(|name| Ok(normal_floats(batch.column(batch.schema_ref().index_of(name)?))))
        .collect::<Result<Vec<_>, arrow::error::ArrowError>>()?;
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    RowConverter::new(fields)?.convert_columns(&columns)
}

/// Zero has one sign and NaN one form, as in the content hash.
///
/// Captures are kept this way too: the query engine orders floats by their bits, so that a NaN with a sign would be
/// below every number and -0.0 would not be 0, where DuckDB says otherwise about the same file.
pub(crate) fn normal_floats(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        ArrowType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            // Without a way out in the middle it is vectorised; almost always all are looked at anyway.
            let odd = |value: &f64| value.to_bits() != super::hash::normal(*value).to_bits();
            if !values.values().iter().fold(false, |found, value| found | odd(value)) {
                return Arc::clone(array);
            }
            Arc::new(values.unary::<_, Float64Type>(super::hash::normal) as Float64Array)
        }
        _ => Arc::clone(array),
    }
}

fn gather(data: &[RecordBatch], group: &[At], was_sorted: bool) -> Result<Vec<RecordBatch>, arrow::error::ArrowError> {
    let (first, last) = (group[0], group[group.len() - 1]);
    if was_sorted && first.0 == last.0 {
        return Ok(vec![data[first.0 as usize].slice(first.1 as usize, group.len())]);
    }
    let rows = data.iter().map(RecordBatch::num_rows).sum::<usize>().max(1) as u64;
    let row_bytes = (data.iter().map(batch_bytes).sum::<u64>() / rows).max(1);
    let batch_rows = usize::try_from(SORTED_BATCH_BYTES / row_bytes).unwrap_or(1).clamp(1, BATCH_ROWS_MAX);
    let mut sorted = Vec::with_capacity(group.len().div_ceil(batch_rows));
    for chunk in group.chunks(batch_rows) {
        sorted.push(match data {
            [one] => take_record_batch(one, &UInt32Array::from_iter_values(chunk.iter().map(|place| place.1)))?,
            many => {
                let many: Vec<&RecordBatch> = many.iter().collect();
                let places: Vec<_> = chunk.iter().map(|&(batch, row)| (batch as usize, row as usize)).collect();
                interleave_record_batch(&many, &places)?
            }
        });
    }
    Ok(sorted)
}

fn duplicate(
    batches: &[RecordBatch],
    keys: &[String],
    (batch, row): At,
    rows: usize,
) -> Result<Duplicate, arrow::error::ArrowError> {
    let (batch, row) = (&batches[batch as usize], row as usize);
    let line = batch.column_by_name(LINE).map(|lines| lines.as_primitive::<Int64Type>());
    let line = line.filter(|lines| lines.is_valid(row)).and_then(|lines| u64::try_from(lines.value(row)).ok());
    let mut key = Vec::with_capacity(keys.len());
    for name in keys {
        let column = batch.column(batch.schema_ref().index_of(name)?);
        let options = FormatOptions::default();
        let text = ArrayFormatter::try_new(column, &options)?.value(row).try_to_string()?;
        let text: String = text.chars().take(60).collect();
        key.push(format!("{name}={text}"));
    }
    Ok(Duplicate { line, key: key.join(" "), rows })
}

fn partition_of(batch: &RecordBatch, row: usize, columns: &[String]) -> Result<Partition, arrow::error::ArrowError> {
    let value = |name: &String| -> Result<(String, String), arrow::error::ArrowError> {
        let column = batch.column(batch.schema_ref().index_of(name)?);
        let text = match column.data_type() {
            ArrowType::Date32 => day_text(column.as_primitive::<Date32Type>().value(row)),
            _ => column.as_string::<i32>().value(row).to_owned(),
        };
        Ok((name.clone(), text))
    };
    columns.iter().map(value).collect::<Result<BTreeMap<_, _>, _>>().map(Partition)
}

/// A day as `YYYY-MM-DD`.
pub(crate) fn day_text(days: i32) -> String {
    NaiveDate::from_epoch_days(days).map(|day| day.format("%Y-%m-%d").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Int64Array, StringArray};
    use model::manifest::ColumnSpec;

    use super::*;

    fn spec() -> DatasetSpec {
        let column = |name: &str, data_type: &str| ColumnSpec {
            name: name.to_owned(),
            data_type: data_type.parse().unwrap(),
            nullable: false,
            unit: None,
            description: String::new(),
        };
        DatasetSpec {
            name: "finra.test".parse().unwrap(),
            description: String::new(),
            columns: vec![column("day", "date32"), column("symbol", "utf8"), column("volume", "int64")],
            key: vec!["symbol".to_owned(), "day".to_owned()],
            partition_by: vec!["day".to_owned()],
            checks: Vec::new(),
        }
    }

    fn batch(rows: &[(i32, &str, i64, Option<i64>)]) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Date32Array>()),
            Arc::new(rows.iter().map(|row| Some(row.1)).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.3).collect::<Int64Array>()),
        ];
        RecordBatch::try_new(crate::schema::staging_schema(&spec()), columns).unwrap()
    }

    fn shown(part: &Part) -> (String, Vec<(String, i64)>) {
        let mut rows = Vec::new();
        for batch in &part.batches {
            assert_eq!(batch.num_columns(), 3);
            let (symbols, volumes) = (batch.column(1).as_string::<i32>(), batch.column(2).as_primitive::<Int64Type>());
            rows.extend((0..batch.num_rows()).map(|row| (symbols.value(row).to_owned(), volumes.value(row))));
        }
        (part.partition.to_string(), rows)
    }

    #[test]
    fn rows_of_several_batches_are_split_and_sorted_by_bytes() {
        let batches = [
            batch(&[(1, "TpC", 1, None), (0, "b", 2, None), (1, "TPC", 3, None)]),
            batch(&[]),
            batch(&[(0, "B", 4, None), (1, "NAN", 5, None)]),
        ];
        let ordered = order(&spec(), &batches, &BTreeSet::new()).unwrap();
        assert!(ordered.duplicates.is_empty());
        let row = |symbol: &str, volume| (symbol.to_owned(), volume);
        assert_eq!(shown(&ordered.parts[0]), ("day=1970-01-01".to_owned(), vec![row("B", 4), row("b", 2)]));
        let second = vec![row("NAN", 5), row("TPC", 3), row("TpC", 1)];
        assert_eq!(shown(&ordered.parts[1]), ("day=1970-01-02".to_owned(), second));
    }

    #[test]
    fn sorted_rows_are_not_copied() {
        let batches = [batch(&[(0, "A", 1, None), (0, "B", 2, None), (1, "A", 3, None)])];
        let ordered = order(&spec(), &batches, &BTreeSet::new()).unwrap();
        let original = batches[0].column(2).as_primitive::<Int64Type>().values().inner().data_ptr();
        let kept = ordered.parts[1].batches[0].column(2).as_primitive::<Int64Type>().values().inner().data_ptr();
        assert_eq!(original, kept);
        assert_eq!(shown(&ordered.parts[1]).1, [("A".to_owned(), 3)]);
    }

    #[test]
    fn every_row_of_a_shared_key_is_named_and_keys_are_case_sensitive() {
        let batches = [batch(&[(0, "A", 1, Some(2)), (0, "a", 2, Some(3)), (0, "A", 1, Some(4)), (1, "A", 1, None)])];
        let ordered = order(&spec(), &batches, &BTreeSet::new()).unwrap();
        let duplicate = |line| Duplicate { line: Some(line), key: "day=1970-01-01 symbol=A".to_owned(), rows: 2 };
        assert_eq!(ordered.duplicates, [duplicate(2), duplicate(4)]);
    }

    #[test]
    fn floats_have_one_nan_and_no_negative_zero_and_are_copied_only_for_that() {
        let bits = |array: &ArrayRef| array.as_primitive::<Float64Type>().values().to_vec();
        let odd: ArrayRef = Arc::new(Float64Array::from(vec![-f64::NAN, -0.0, -1.5]));
        let normal: Vec<u64> = bits(&normal_floats(&odd)).into_iter().map(f64::to_bits).collect();
        assert_eq!(normal, [f64::NAN.to_bits(), 0, (-1.5_f64).to_bits()]);
        let plain: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 0.0, f64::NEG_INFINITY]));
        assert!(Arc::ptr_eq(&normal_floats(&plain), &plain));
    }

    #[test]
    fn a_declared_partition_is_there_without_rows() {
        let empty: Partition = [("day", "1970-01-05")].into_iter().collect();
        let ordered = order(&spec(), &[batch(&[(0, "A", 1, None)])], &BTreeSet::from([empty.clone()])).unwrap();
        assert_eq!(ordered.parts.len(), 2);
        assert_eq!((&ordered.parts[1].partition, ordered.parts[1].batches.len()), (&empty, 0));
        let alone = order(&spec(), &[], &BTreeSet::from([empty])).unwrap();
        assert_eq!(alone.parts.len(), 1);
    }
}
