//! What a run wrote, split and sorted; in memory, and from file to file.

mod files;

use arrow::array::{Date32Array, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
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
        migration: None,
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

fn in_memory(batches: &[RecordBatch], declared: &BTreeSet<Partition>) -> Ordered {
    order(&spec(), StagedRows::Memory(batches.to_vec()), declared, &Limits::standard()).unwrap()
}

fn batches_of(rows: &StagedRows) -> Vec<RecordBatch> {
    rows.read().unwrap().collect::<Result<_, _>>().unwrap()
}

fn shown(part: &Part) -> (String, Vec<(String, i64)>) {
    let mut rows = Vec::new();
    for batch in batches_of(&part.rows) {
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
    let ordered = in_memory(&batches, &BTreeSet::new());
    assert!(ordered.duplicates.is_empty());
    let row = |symbol: &str, volume| (symbol.to_owned(), volume);
    assert_eq!(shown(&ordered.parts[0]), ("day=1970-01-01".to_owned(), vec![row("B", 4), row("b", 2)]));
    let second = vec![row("NAN", 5), row("TPC", 3), row("TpC", 1)];
    assert_eq!(shown(&ordered.parts[1]), ("day=1970-01-02".to_owned(), second));
}

#[test]
fn sorted_rows_are_not_copied() {
    let batches = [batch(&[(0, "A", 1, None), (0, "B", 2, None), (1, "A", 3, None)])];
    let ordered = in_memory(&batches, &BTreeSet::new());
    let original = batches[0].column(2).as_primitive::<Int64Type>().values().inner().data_ptr();
    let kept = batches_of(&ordered.parts[1].rows)[0].column(2).as_primitive::<Int64Type>().values().inner().data_ptr();
    assert_eq!(original, kept);
    assert_eq!(shown(&ordered.parts[1]).1, [("A".to_owned(), 3)]);
}

#[test]
fn every_row_of_a_shared_key_is_named_and_keys_are_case_sensitive() {
    let batches = [batch(&[(0, "A", 1, Some(2)), (0, "a", 2, Some(3)), (0, "A", 1, Some(4)), (1, "A", 1, None)])];
    let ordered = in_memory(&batches, &BTreeSet::new());
    let duplicate = |line| Duplicate { line: Some(line), key: "day=1970-01-01 symbol=A".to_owned(), rows: 2 };
    assert_eq!((ordered.duplicates.count, ordered.duplicates.named), (2, vec![duplicate(2), duplicate(4)]));
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
    let ordered = in_memory(&[batch(&[(0, "A", 1, None)])], &BTreeSet::from([empty.clone()]));
    assert_eq!(ordered.parts.len(), 2);
    assert_eq!((&ordered.parts[1].partition, ordered.parts[1].rows.count()), (&empty, 0));
    let alone = in_memory(&[], &BTreeSet::from([empty]));
    assert_eq!(alone.parts.len(), 1);
}
