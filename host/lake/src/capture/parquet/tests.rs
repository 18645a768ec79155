//! Files of captures: what is written is read back, and the catalog is told the truth about it.

use std::path::Path;

use arrow::array::{Array, AsArray, Date32Array, Decimal128Array, Float64Array};
use arrow::datatypes::{Date32Type, Decimal128Type};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use model::manifest::ColumnSpec;
use model::ports::InputBytes;
use model::{FailureKind, FieldIds, Timestamp};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::*;
use crate::disk::OsDisk;
use crate::disk::faulty::FaultyDisk;
use crate::inputs::InputStore;
use crate::schema::dataset_schema;

fn spec() -> DatasetSpec {
    let column = |name: &str, data_type: &str, nullable| ColumnSpec {
        name: name.to_owned(),
        data_type: data_type.parse().unwrap(),
        nullable,
        unit: None,
        description: String::new(),
    };
    DatasetSpec {
        name: "finra.regsho_daily".parse().unwrap(),
        description: String::new(),
        columns: vec![
            column("trade_date", "date32", false),
            column("symbol", "utf8", false),
            column("total_volume", "decimal128(18,6)", false),
            column("short_ratio", "float64", true),
        ],
        key: vec!["symbol".to_owned(), "trade_date".to_owned()],
        partition_by: vec!["trade_date".to_owned()],
        checks: Vec::new(),
        migration: None,
    }
}

fn ids() -> (CaptureId, RunId) {
    let at = Timestamp::from_micros(1_700_000_000_000_000);
    (CaptureId::new(at, [1; 10]), RunId::new(at, [2; 10]))
}

fn prepared(store: CaptureStore, symbols: Vec<String>, ratios: Vec<Option<f64>>) -> Box<PreparedCapture> {
    let spec = spec();
    let rows = symbols.len();
    let volumes = (0..rows).map(|at| at as i128 * 1_000_000 + 1).collect::<Vec<_>>();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from(vec![18_655; rows])),
        Arc::new(StringArray::from(symbols)),
        Arc::new(Decimal128Array::from(volumes).with_precision_and_scale(18, 6).unwrap()),
        Arc::new(Float64Array::from(ratios)),
    ];
    let rows = StagedRows::Memory(vec![RecordBatch::try_new(dataset_schema(&spec), columns).unwrap()]);
    let partition = [("trade_date", "2021-01-28")].into_iter().collect();
    let inputs = Arc::new(Keeping::new(
        InputStore::new(store.dir.try_clone().unwrap(), Box::new(OsDisk::new(store.dir.try_clone().unwrap()))),
        Vec::new(),
    ));
    let fields = Arc::new(FieldIds::first(&spec));
    Box::new(PreparedCapture { spec: Arc::new(spec), fields, partition, rows, store: Arc::new(store), inputs })
}

fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn os_store(path: &Path) -> CaptureStore {
    CaptureStore::new(open(path), Box::new(OsDisk::new(open(path))))
}

#[test]
fn a_capture_is_a_parquet_file_with_field_ids_and_exact_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, run) = ids();
    let symbols = vec!["A".to_owned(), "TPC".to_owned(), "TpC".to_owned()];
    let data = prepared(os_store(folder.path()), symbols, vec![Some(0.5), None, Some(0.25)]);
    let file = data.write(capture, run).unwrap().unwrap();
    assert_eq!(file.path, format!("trade_date=2021-01-28/{capture}.parquet"));
    let path = folder.path().join("finra/regsho_daily").join(&file.path);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(file.bytes, bytes.len() as u64);
    let footer = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap());
    assert_eq!(file.footer_bytes, u64::from(footer));

    let names: Vec<&str> = file.columns.iter().map(|column| column.column.as_str()).collect();
    assert_eq!(names, ["trade_date", "symbol", "total_volume", "short_ratio", "_capture_id", "_run_id"]);
    let bound = |at: usize| (file.columns[at].min.as_deref().unwrap(), file.columns[at].max.as_deref().unwrap());
    assert_eq!(bound(0), ("2021-01-28", "2021-01-28"));
    assert_eq!(bound(1), ("A", "TpC"));
    assert_eq!(bound(2), ("0.000001", "2.000001"));
    assert_eq!(bound(3), ("0.25", "0.5"));
    assert_eq!((file.columns[3].values, file.columns[3].nulls, file.columns[3].contains_nan), (2, 1, Some(false)));
    assert_eq!(bound(4), (capture.to_string().as_str(), capture.to_string().as_str()));
    assert!(file.columns.iter().all(|column| column.bytes > 0));

    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let fields = reader.metadata().file_metadata().schema_descr().root_schema().get_fields().to_vec();
    let ids: Vec<i32> = fields.iter().map(|field| field.get_basic_info().id()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    let mut reader =
        ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap()).unwrap().build().unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert_eq!(batch.column(0).as_primitive::<Date32Type>().values(), &[18_655; 3]);
    assert_eq!(batch.column(2).as_primitive::<Decimal128Type>().values(), &[1, 1_000_001, 2_000_001]);
    assert_eq!(batch.column(5).as_string::<i32>().value(2), run.to_string());
    assert_eq!(batch.column(3).null_count(), 1);
}

#[test]
fn a_capture_says_which_run_wrote_it_and_no_other_file_does() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, run) = ids();
    let data = prepared(os_store(folder.path()), vec!["A".to_owned()], vec![None]);
    let file = data.write(capture, run).unwrap().unwrap();
    let path = folder.path().join("finra/regsho_daily").join(&file.path);
    let said = |path: &Path, capture| origin::writer(std::fs::File::open(path).unwrap(), capture);
    assert_eq!(said(&path, capture), Some(run));
    let other = CaptureId::new(Timestamp::from_micros(0), [9; 10]);
    assert_eq!(said(&path, other), None, "under the name of another capture");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(said(&path, capture), None, "cut short");
    std::fs::write(&path, "a photo").unwrap();
    assert_eq!(said(&path, capture), None);
}

#[test]
fn columns_whose_bounds_are_not_exact_have_none_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, run) = ids();
    let data = prepared(os_store(folder.path()), vec!["x".repeat(300)], vec![Some(f64::NAN)]);
    let file = data.write(capture, run).unwrap().unwrap();
    for at in [1, 3] {
        assert_eq!((&file.columns[at].min, &file.columns[at].max), (&None, &None));
    }
    assert_eq!(file.columns[3].contains_nan, Some(true));
    let path = folder.path().join("finra/regsho_daily").join(&file.path);
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let group = reader.metadata().row_group(0);
    let bounded = |at: usize| group.column(at).statistics().is_some_and(|it| it.min_bytes_opt().is_some());
    assert_eq!([0, 1, 2, 3, 4, 5].map(bounded), [true, false, true, false, true, true]);
}

#[test]
fn a_capture_without_rows_has_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, run) = ids();
    let mut data = prepared(os_store(folder.path()), Vec::new(), Vec::new());
    data.rows = StagedRows::Memory(Vec::new());
    assert_eq!(data.write(capture, run).unwrap(), None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn file_and_folders_are_durable_before_write_returns() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, run) = ids();
    let disk = FaultyDisk::new(open(folder.path()));
    let log = disk.log();
    let store = CaptureStore::new(open(folder.path()), Box::new(disk));
    prepared(store, vec!["A".to_owned()], vec![None]).write(capture, run).unwrap();
    let table = "finra/regsho_daily/trade_date=2021-01-28";
    let mut asked = log();
    let syncs = asked.split_off(5);
    let expected = [
        "make_dir finra".to_owned(),
        "make_dir finra/regsho_daily".to_owned(),
        format!("make_dir {table}"),
        format!("create {table}/.{capture}.parquet.tmp"),
        format!("rename {table}/{capture}.parquet"),
    ];
    assert_eq!(asked, expected);
    let all = ["sync_dir ", "sync_dir finra", "sync_dir finra/regsho_daily", &format!("sync_dir {table}"), "sync_file"];
    let mut syncs: Vec<&str> = syncs.iter().map(String::as_str).collect();
    syncs.sort_unstable();
    assert_eq!(syncs, all);
}

#[test]
fn folders_that_are_durable_are_not_synced_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new(open(folder.path()));
    let log = disk.log();
    let first = prepared(CaptureStore::new(open(folder.path()), Box::new(disk)), vec!["A".to_owned()], vec![None]);
    let store = Arc::clone(&first.store);
    let (capture, run) = ids();
    first.write(capture, run).unwrap();
    let before = log().len();
    let mut second = prepared(os_store(folder.path()), vec!["A".to_owned()], vec![None]);
    second.store = store;
    second.write(CaptureId::new(Timestamp::from_micros(0), [9; 10]), run).unwrap();
    assert_eq!(log().len() - before, 4, "create, rename and two syncs");
}

/// Wherever the disk runs full, the failure says so and nothing of the file is left.
#[test]
fn a_full_disk_is_no_space_and_leaves_no_file() {
    for room in [0, 1, 100, 700, 900] {
        let folder = tempfile::tempdir().unwrap();
        let (capture, run) = ids();
        let disk = FaultyDisk::new(open(folder.path())).full_after(room);
        let store = CaptureStore::new(open(folder.path()), Box::new(disk));
        let failure = prepared(store, vec!["A".to_owned()], vec![None]).write(capture, run).unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Storage, "no_space"), "{room}");
        assert!(failure.message.contains("captures/finra/regsho_daily/trade_date=2021-01-28/"), "{}", failure.message);
        let left = std::fs::read_dir(folder.path().join("finra/regsho_daily/trade_date=2021-01-28")).unwrap();
        assert_eq!(left.count(), 0, "{room}");
    }
}

#[test]
fn a_file_that_cannot_be_synced_is_not_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, run) = ids();
    let disk = FaultyDisk::new(open(folder.path())).failing_sync();
    let store = CaptureStore::new(open(folder.path()), Box::new(disk));
    let failure = prepared(store, vec!["A".to_owned()], vec![None]).write(capture, run).unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Storage, "io"));
    let left = std::fs::read_dir(folder.path().join("finra/regsho_daily/trade_date=2021-01-28")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn a_capture_whose_input_could_not_be_kept_is_not_delivered() {
    let (folder, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (capture, run) = ids();
    let mut data = prepared(os_store(folder.path()), vec!["A".to_owned()], vec![None]);
    let disk = FaultyDisk::new(open(inputs.path())).full_after(3);
    let mut keeping = Keeping::new(InputStore::new(open(inputs.path()), Box::new(disk)), Vec::new());
    keeping.add(InputBytes { file_name: "f".to_owned(), bytes: Arc::new(vec![7; 100]) });
    data.inputs = Arc::new(keeping);
    let failure = data.write(capture, run).unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Storage, "no_space"));
    let left = std::fs::read_dir(folder.path().join("finra/regsho_daily/trade_date=2021-01-28")).unwrap();
    assert_eq!(left.count(), 0);
}
