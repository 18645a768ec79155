//! Rows that are sorted from file to file make the captures that they make in memory, and leave no file behind.

use arrow::array::{BooleanArray, Decimal128Array};
use arrow::compute::concat_batches;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::capture::content_hash;
use crate::disk::OsDisk;
use crate::disk::faulty::FaultyDisk;
use crate::schema::{dataset_schema, staging_schema};
use crate::spill::SpillFolder;
use crate::staged::StagedWriter;

/// So little that some dozens of rows make a run.
const MEMORY: SortMemory = SortMemory { bytes: 192 * 1024 };

#[derive(Clone, Debug)]
struct Row {
    day: i32,
    tier: &'static str,
    symbol: String,
    price: f64,
    volume: Option<i128>,
    note: Option<String>,
    flag: Option<bool>,
    line: Option<i64>,
}

fn wide_spec() -> DatasetSpec {
    let column = |(name, data_type, nullable): (&str, &str, bool)| ColumnSpec {
        name: name.to_owned(),
        data_type: data_type.parse().unwrap(),
        nullable,
        unit: Some("shares".to_owned()),
        description: String::new(),
    };
    let columns = [
        ("note", "utf8", true),
        ("price", "float64", false),
        ("day", "date32", false),
        ("symbol", "utf8", false),
        ("tier", "utf8", false),
        ("volume", "decimal128(38,6)", true),
        ("flag", "bool", true),
    ];
    DatasetSpec {
        columns: columns.map(column).to_vec(),
        key: ["symbol", "price"].map(str::to_owned).to_vec(),
        partition_by: ["tier", "day"].map(str::to_owned).to_vec(),
        ..spec()
    }
}

fn wide_batch(rows: &[Row]) -> RecordBatch {
    let volumes: Decimal128Array = rows.iter().map(|row| row.volume).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.note.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| Some(row.price)).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.day)).collect::<Date32Array>()),
        Arc::new(rows.iter().map(|row| Some(&row.symbol)).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| Some(row.tier)).collect::<StringArray>()),
        Arc::new(volumes.with_precision_and_scale(38, 6).unwrap()),
        Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.line).collect::<Int64Array>()),
    ];
    // As staging does.
    let columns = columns.iter().map(normal_floats).collect();
    RecordBatch::try_new(staging_schema(&wide_spec()), columns).unwrap()
}

fn row() -> impl Strategy<Value = Row> {
    let day = prop_oneof![Just(-1), Just(0), Just(18_655)];
    let symbol = prop_oneof!["[A-Ca-c]{0,3}", "[Zé]{1,40}", Just("x".repeat(2_000))];
    let odd = prop::sample::select(vec![f64::NAN, -f64::NAN, -0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY]);
    let price = prop_oneof![odd, (-3..3_i32).prop_map(f64::from)];
    let volume = prop::option::of(prop_oneof![Just(i128::from(i64::MIN)), -2..2_i128]);
    let note = prop::option::of(prop_oneof!["[a-z]{0,9}", Just("ß".repeat(500))]);
    let line = prop::option::of(-1..500_i64);
    (day, prop::sample::select(vec!["OTC", "NMS"]), symbol, price, volume, note, any::<Option<bool>>(), line).prop_map(
        |(day, tier, symbol, price, volume, note, flag, line)| Row {
            day,
            tier,
            symbol,
            price,
            volume,
            note,
            flag,
            line,
        },
    )
}

/// Rows in batches; in half of the cases no two share their key.
fn written() -> impl Strategy<Value = Vec<RecordBatch>> {
    (vec(vec(row(), 0..90), 0..9), any::<bool>()).prop_map(|(mut batches, is_unique)| {
        if is_unique {
            let rows = batches.iter_mut().flatten().enumerate();
            rows.for_each(|(at, row)| row.symbol.push_str(&at.to_string()));
        }
        batches.iter().map(|rows| wide_batch(rows)).collect()
    })
}

fn open(path: &std::path::Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn files(folder: &tempfile::TempDir) -> usize {
    std::fs::read_dir(folder.path()).unwrap().count()
}

fn spilled(
    spec: &DatasetSpec,
    batches: &[RecordBatch],
    declared: &BTreeSet<Partition>,
    folder: &SpillFolder,
) -> Result<Ordered, Failure> {
    let mut staged = StagedWriter::default();
    staged.spill(folder, &staging_schema(spec))?;
    batches.iter().try_for_each(|batch| staged.add(batch.clone()))?;
    let StagedRows::Spilled(rows) = staged.rows()? else { panic!("these rows are in a file") };
    drop(staged);
    external::order(spec, rows, declared, Duplicates::new(50), MEMORY)
}

fn in_order(spec: &DatasetSpec, rows: &StagedRows) -> RecordBatch {
    concat_batches(&dataset_schema(spec), &batches_of(rows)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_sorts_make_the_same_captures_and_name_the_same_duplicates(batches in written(), declares in any::<bool>()) {
        let spec = wide_spec();
        let declared = if declares { vec![[("tier", "OTC"), ("day", "1970-01-01")].into_iter().collect()] } else { Vec::new() };
        let declared = declared.into_iter().collect();
        let folder = tempfile::tempdir().unwrap();
        let spill = SpillFolder::new(open(folder.path()), Box::new(OsDisk::new(open(folder.path()))));
        let here = memory::order(&spec, &batches, &declared, Duplicates::new(50)).unwrap();
        let there = spilled(&spec, &batches, &declared, &spill).unwrap();
        prop_assert_eq!(&here.duplicates, &there.duplicates);
        if here.duplicates.is_empty() {
            prop_assert_eq!(here.parts.len(), there.parts.len());
            for (one, other) in here.parts.iter().zip(&there.parts) {
                prop_assert_eq!(&one.partition, &other.partition);
                prop_assert_eq!(one.rows.count(), other.rows.count());
                prop_assert_eq!(content_hash(&spec, &one.rows).unwrap(), content_hash(&spec, &other.rows).unwrap());
                prop_assert_eq!(in_order(&spec, &one.rows), in_order(&spec, &other.rows));
            }
        }
        drop(there);
        prop_assert_eq!(files(&folder), 0);
    }
}

/// Rows in the reverse of their order, over two days.
fn backwards(rows: i64) -> Vec<RecordBatch> {
    let symbols: Vec<String> = (0..rows).rev().map(|at| format!("{at:06}")).collect();
    let day = |at: usize| i32::from(at.is_multiple_of(2));
    let rows: Vec<_> =
        symbols.iter().enumerate().map(|(at, symbol)| (day(at), symbol.as_str(), at as i64, None)).collect();
    rows.chunks(1_000).map(batch).collect()
}

#[test]
fn rows_that_do_not_fit_are_merged_from_runs() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new(open(folder.path()));
    let log = disk.log();
    let spill = SpillFolder::new(open(folder.path()), Box::new(disk));
    let ordered = spilled(&spec(), &backwards(50_000), &BTreeSet::new(), &spill).unwrap();
    let made = log().iter().filter(|asked| asked.starts_with("create")).count();
    assert!(made > 10, "{made} files: the staged rows, the sorted ones, and the runs between them");
    assert_eq!(files(&folder), 1, "only the sorted rows are still of use");
    let counts: Vec<u64> = ordered.parts.iter().map(|part| part.rows.count()).collect();
    assert_eq!(counts, [25_000, 25_000]);
    let (_, rows) = shown(&ordered.parts[1]);
    assert!(rows.is_sorted() && rows[0].0 == "000001", "{:?}", rows[0]);
    drop(ordered);
    assert_eq!(files(&folder), 0);
}

/// Wherever the disk runs full, the failure says so and nothing is left.
#[test]
fn a_full_disk_is_no_space_and_leaves_no_file() {
    let batches = backwards(20_000);
    for room in [0, 100, 300_000, 700_000, 1_000_000, 1_300_000, 1_600_000] {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::new(open(folder.path())).full_after(room);
        let spill = SpillFolder::new(open(folder.path()), Box::new(disk));
        let failure = spilled(&spec(), &batches, &BTreeSet::new(), &spill).unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Storage, "no_space"), "{room}: {failure}");
        assert!(failure.message.contains("staging"), "{failure}");
        assert_eq!(files(&folder), 0, "{room}");
    }
}

#[test]
fn rows_wider_than_the_memory_name_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let spill = SpillFolder::new(open(folder.path()), Box::new(OsDisk::new(open(folder.path()))));
    let wide = "x".repeat(200_000);
    let failure = spilled(&spec(), &[batch(&[(0, &wide, 1, None)])], &BTreeSet::new(), &spill).unwrap_err();
    assert_eq!(failure.code, "staging_memory");
    assert!(failure.message.contains("limits.staging_memory_bytes"), "{failure}");
    assert_eq!(files(&folder), 0);
}

#[test]
fn duplicates_past_those_that_are_kept_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let spill = SpillFolder::new(open(folder.path()), Box::new(OsDisk::new(open(folder.path()))));
    let rows: Vec<_> = (0..5_000).map(|at| (0, "A", at, Some(5_000 - at))).collect();
    let ordered = spilled(&spec(), &[batch(&rows)], &BTreeSet::new(), &spill).unwrap();
    assert_eq!((ordered.duplicates.count, ordered.duplicates.named.len()), (5_000, 50));
    let first = &ordered.duplicates.named[0];
    assert_eq!((first.line, first.rows), (Some(1), 5_000));
}
