//! Attempts from their inputs to what they deliver.

mod captures;
mod folders;
mod outcome;
mod refused;
mod rejects;
mod saved;
mod spilling;
mod writes;

use std::collections::BTreeMap;

use model::catalog::{CatalogView, Snapshot};
use model::grants::FolderGrant;
use model::limits::Limits;
use model::manifest::Access;
use model::ports::{Buffers, InputBytes, Lake};
use model::{CaptureId, Manifest, RunId, Timestamp};

use super::*;
use crate::LocalLake;

const MANIFEST: &str = r#"{"contract":"0.1.0","name":"demo","version":"1",
  "datasets":[{"name":"demo.volume","columns":[
      {"name":"day","type":"date32"},{"name":"symbol","type":"utf8"},{"name":"volume","type":"int64","nullable":true}],
    "key":["symbol"],"partition_by":["day"],"checks":[
      {"name":"header","category":"INTEGRITY","severity":"block","by":"host"},
      {"name":"trailer_count","category":"INTEGRITY","severity":"block","by":"host"},
      {"name":"last_line_complete","category":"INTEGRITY","severity":"block","by":"host"},
      {"name":"mine","category":"BUSINESS_RULE","severity":"warn"}]},
   {"name":"demo.other","columns":[{"name":"kind","type":"utf8"}],"key":["kind"],"partition_by":["kind"],"checks":[
      {"name":"trailer_count","category":"INTEGRITY","severity":"block","by":"host"}]}],
  "formats":[{"name":"psv","kind":"delimited","delimiter":"|","columns":[
      {"header":"Day","name":"day","type":"date32","date_format":"%Y%m%d"},
      {"header":"Symbol","name":"symbol","type":"utf8","key":true},
      {"header":"Volume","name":"volume","type":"int64"}],
    "footer":{"rule":"record_count","required":true,"required_param":"trailer"}}]}"#;

struct Bench {
    folder: tempfile::TempDir,
    lake: LocalLake,
    order: WorkOrder,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let lake = LocalLake::open(folder.path()).unwrap();
    let snapshot = Snapshot { id: 0, at: Timestamp::from_micros(0) };
    let order = WorkOrder {
        run_id: ids().1,
        attempt: 1,
        manifest: Arc::new(Manifest::parse(MANIFEST).unwrap()),
        inputs: BTreeMap::new(),
        formats: BTreeMap::from([("file".to_owned(), vec!["psv".to_owned()])]),
        params: serde_json::json!({}),
        outputs: vec!["demo.volume".parse().unwrap(), "demo.other".parse().unwrap()],
        folders: BTreeMap::new(),
        outlook: model::ports::Outlook::live(),
        catalog: Arc::new(CatalogView { snapshot, datasets: Vec::new() }),
        limits: Limits::standard(),
        dry_run: false,
        secrets: model::secret::Secrets::default(),
    };
    Bench { folder, lake, order }
}

impl Bench {
    fn with_file(mut self, text: &str) -> Self {
        let bytes = Arc::new(text.as_bytes().to_vec());
        let kept = self.lake.keep_input(InputBytes { file_name: "f.psv".to_owned(), bytes }).unwrap();
        self.order.inputs.insert("file".to_owned(), kept);
        self
    }

    fn open(&self) -> Box<dyn Workbench> {
        self.lake.workbench(self.order.clone()).unwrap()
    }

    /// What a pipeline that copies its input would do.
    fn copied(&self) -> Finished {
        let mut bench = self.open();
        copy(&mut *bench);
        bench.finish().unwrap()
    }
}

fn copy(bench: &mut dyn Workbench) {
    let mut reader = bench.input("file", "{}").unwrap();
    let mut writer = bench.output("demo.volume").unwrap();
    while let Some(batch) = reader.next().unwrap() {
        writer.write_batch(&*batch).unwrap();
    }
}

fn check<'a>(finished: &'a Finished, name: &str) -> &'a model::quality::CheckResult {
    finished.checks.iter().find(|check| check.check == name).unwrap()
}

fn ids() -> (CaptureId, RunId) {
    let at = Timestamp::from_micros(1_700_000_000_000_000);
    (CaptureId::new(at, [1; 10]), RunId::new(at, [2; 10]))
}

fn rows(mut reader: Box<dyn TableReader>, column: &str) -> Vec<i64> {
    let mut values = Vec::new();
    while let Some(batch) = reader.next().unwrap() {
        let buffers = batch.columns(&[column.to_owned()]).unwrap();
        values.extend(buffers[0].parts[1].chunks(8).map(|value| i64::from_le_bytes(value.try_into().unwrap())));
    }
    values
}

const FILE: &str = "Day|Symbol|Volume\n20210128|TpC|1\n20210128||2\n20210127|TPC|3\n3\n";

fn int_column(values: &[i64]) -> Buffers {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Buffers { rows: values.len() as u32, parts: vec![Vec::new(), bytes] }
}

fn date_column(values: &[i32]) -> Buffers {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Buffers { rows: values.len() as u32, parts: vec![Vec::new(), bytes] }
}

fn text_column(values: &[&str]) -> Buffers {
    let ends = values.iter().scan(0_i32, |end, value| {
        *end += value.len() as i32;
        Some(*end)
    });
    let offsets = std::iter::once(0).chain(ends).flat_map(i32::to_le_bytes).collect();
    Buffers { rows: values.len() as u32, parts: vec![Vec::new(), offsets, values.concat().into_bytes()] }
}

fn named(columns: Vec<(&str, Buffers)>) -> Vec<(String, Buffers)> {
    columns.into_iter().map(|(name, data)| (name.to_owned(), data)).collect()
}

fn granted(bench: &mut Bench) -> tempfile::TempDir {
    let drop = tempfile::tempdir().unwrap();
    let grant = FolderGrant { path: drop.path().to_owned(), access: Access::Read };
    bench.order.folders = BTreeMap::from([("drop".to_owned(), grant)]);
    std::fs::write(drop.path().join("b.psv"), FILE).unwrap();
    std::fs::write(drop.path().join("a.psv"), "Day|Symbol|Volume\n20210128|Z|9\n1\n").unwrap();
    std::fs::create_dir(drop.path().join("below")).unwrap();
    drop
}
