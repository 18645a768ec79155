//! A lake in a temporary folder: real Parquet files, and the view that the catalog would give of them.

use std::fs::{self, File};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use model::catalog::{CatalogCapture, CatalogDataset, CatalogFile, CatalogView, Snapshot};
use model::manifest::{ColumnSpec, DatasetSpec};
use model::{CaptureId, DataType, DatasetName, Digest, Failure, FieldIds, Partition, RunId, Timestamp};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::query::{QueryAnswer, QueryLimits, query};

pub(super) const SHARES: DataType = DataType::Decimal { precision: 18, scale: 6 };

/// A lake whose captures are published one after the other, a second apart, from 2026-01-01T00:00:01Z on.
#[derive(Debug)]
pub(super) struct TestLake {
    folder: TempDir,
    datasets: Vec<CatalogDataset>,
    snapshots: u64,
}

impl TestLake {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), datasets: Vec::new(), snapshots: 0 }
    }

    pub(super) fn dataset(&mut self, name: &str, columns: &[(&str, DataType)], key: &[&str], partition_by: &[&str]) {
        let columns = columns.iter().map(|&(name, data_type)| ColumnSpec {
            name: name.to_owned(),
            data_type,
            nullable: true,
            unit: None,
            description: String::new(),
        });
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let spec = DatasetSpec {
            name: name.parse().unwrap(),
            description: String::new(),
            columns: columns.collect(),
            key: words(key),
            partition_by: words(partition_by),
            checks: Vec::new(),
            migration: None,
        };
        self.datasets.push(CatalogDataset { fields: FieldIds::first(&spec), spec, captures: Vec::new() });
    }

    /// Publishes a capture of the given columns, in the order of the spec; without columns, one of zero rows.
    pub(super) fn publish(&mut self, name: &str, partition: &[(&str, &str)], columns: Vec<ArrayRef>) -> CaptureId {
        self.snapshots += 1;
        let captured_at = time(self.snapshots);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.snapshots.to_be_bytes());
        let (capture_id, run_id) = (CaptureId::new(captured_at, random), RunId::new(captured_at, random));
        let name: DatasetName = name.parse().unwrap();
        let at = self.datasets.iter().position(|it| it.spec.name == name).unwrap();
        let rows = columns.first().map_or(0, |column| column.len());
        let file = (rows > 0).then(|| self.write(&self.datasets[at].spec, capture_id, run_id, columns));
        let partition: Partition = partition.iter().copied().collect();
        let captures = &mut self.datasets[at].captures;
        let mut revision = 1;
        for earlier in captures.iter_mut().filter(|it| it.partition == partition) {
            earlier.latest = false;
            revision += 1;
        }
        captures.push(CatalogCapture {
            capture_id,
            partition,
            revision,
            captured_at,
            run_id,
            rows: rows as u64,
            content_hash: Digest::new([0; 32]),
            latest: true,
            file,
        });
        capture_id
    }

    fn write(&self, spec: &DatasetSpec, capture: CaptureId, run: RunId, columns: Vec<ArrayRef>) -> CatalogFile {
        let rows = columns[0].len();
        let ids = [("_capture_id", capture.to_string()), ("_run_id", run.to_string())];
        let named = spec.columns.iter().map(|column| column.name.as_str()).zip(columns);
        let ids = ids.map(|(name, id)| (name, Arc::new(StringArray::from(vec![id; rows])) as ArrayRef));
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for (at, (name, array)) in named.chain(ids).enumerate() {
            let id = [("PARQUET:field_id".to_owned(), (at + 1).to_string())];
            fields.push(Field::new(name, array.data_type().clone(), true).with_metadata(id.into()));
            arrays.push(array);
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let path = format!("{}/{}/{capture}.parquet", spec.name.domain(), spec.name.dataset());
        let whole = self.captures_dir().join(&path);
        fs::create_dir_all(whole.parent().unwrap()).unwrap();
        // Row groups and pages of a few rows and bounds of a few bytes, so that a handful of rows can be pruned wrongly.
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(8))
            .set_data_page_row_count_limit(2)
            .set_write_batch_size(2)
            .set_statistics_truncate_length(Some(4))
            .set_column_index_truncate_length(Some(4))
            .build();
        let mut writer = ArrowWriter::try_new(File::create(&whole).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        CatalogFile { path, bytes: fs::metadata(&whole).unwrap().len() }
    }

    pub(super) fn captures_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("captures")
    }

    pub(super) fn view(&self) -> Arc<CatalogView> {
        let snapshot = Snapshot { id: self.snapshots, at: time(self.snapshots) };
        Arc::new(CatalogView { snapshot, datasets: self.datasets.clone() })
    }

    /// What the catalog answers for the snapshot `id`: only what was published up to it, and what was latest then.
    pub(super) fn view_at(&self, id: u64) -> Arc<CatalogView> {
        let mut datasets = self.datasets.clone();
        for dataset in &mut datasets {
            dataset.captures.retain(|capture| capture.captured_at <= time(id));
            let all = dataset.captures.clone();
            for capture in &mut dataset.captures {
                let newer = |it: &CatalogCapture| it.partition == capture.partition && it.revision > capture.revision;
                capture.latest = !all.iter().any(newer);
            }
        }
        Arc::new(CatalogView { snapshot: Snapshot { id, at: time(id) }, datasets })
    }

    pub(super) async fn ask(&self, sql: &str) -> Result<QueryAnswer, Failure> {
        self.ask_within(sql, QueryLimits::standard()).await
    }

    pub(super) async fn ask_within(&self, sql: &str, limits: QueryLimits) -> Result<QueryAnswer, Failure> {
        query(&self.captures_dir(), self.view(), sql, limits).await
    }

    /// The answer as lines of CSV.
    pub(super) async fn csv(&self, sql: &str) -> Vec<String> {
        lines(&self.ask(sql).await.unwrap_or_else(|failure| panic!("{sql}: {failure:?}")))
    }

    pub(super) async fn csv_at(&self, id: u64, sql: &str) -> Vec<String> {
        lines(&query(&self.captures_dir(), self.view_at(id), sql, QueryLimits::standard()).await.unwrap())
    }

    /// The message of the `bad_sql` that a query must end in.
    pub(super) async fn refusal(&self, sql: &str) -> String {
        let failure = self.ask(sql).await.expect_err(sql);
        assert_eq!(failure.code, "bad_sql", "{sql}: {failure:?}");
        assert_eq!(failure.kind, model::FailureKind::Validation, "{sql}: {failure:?}");
        failure.message
    }
}

/// The time of a snapshot.
pub(super) fn time(snapshot: u64) -> Timestamp {
    Timestamp::from_micros(1_767_225_600_000_000).plus_micros(i64::try_from(snapshot).unwrap() * 1_000_000)
}

pub(super) fn json(answer: &QueryAnswer) -> String {
    let mut out = Vec::new();
    answer.write_json(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn lines(answer: &QueryAnswer) -> Vec<String> {
    let mut out = Vec::new();
    answer.write_csv(&mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

pub(super) fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub(super) fn integers(values: &[i64]) -> ArrayRef {
    Arc::new(arrow::array::Int64Array::from(values.to_vec()))
}

pub(super) fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(arrow::array::Float64Array::from(values.to_vec()))
}

/// Decimals of scale 6, unscaled.
pub(super) fn shares(unscaled: &[Option<i128>]) -> ArrayRef {
    let array = arrow::array::Decimal128Array::from(unscaled.to_vec());
    Arc::new(array.with_precision_and_scale(18, 6).unwrap())
}

/// The day `text`, `rows` times.
pub(super) fn days(text: &str, rows: usize) -> ArrayRef {
    arrow::compute::cast(&StringArray::from(vec![text; rows]), &ArrowType::Date32).unwrap()
}

/// Two days of short volume: the first one corrected (GME changed, OLD gone), the second as it came.
pub(super) fn short_volumes() -> TestLake {
    let mut lake = TestLake::new();
    let columns = [("trade_date", DataType::Date), ("symbol", DataType::Utf8), ("volume", SHARES)];
    lake.dataset("finra.regsho_daily", &columns, &["symbol"], &["trade_date"]);
    let (first, second) = ("2021-01-27", "2021-01-28");
    let whole = |shares: i128| Some(shares * 1_000_000);
    let columns = vec![days(first, 3), texts(&["AMC", "GME", "OLD"]), shares(&[whole(1), whole(2), whole(3)])];
    lake.publish("finra.regsho_daily", &[("trade_date", first)], columns);
    let columns = vec![days(second, 2), texts(&["AMC", "GME"]), shares(&[Some(1_029_900), None])];
    lake.publish("finra.regsho_daily", &[("trade_date", second)], columns);
    let columns = vec![days(first, 2), texts(&["AMC", "GME"]), shares(&[whole(1), whole(20)])];
    lake.publish("finra.regsho_daily", &[("trade_date", first)], columns);
    lake
}
