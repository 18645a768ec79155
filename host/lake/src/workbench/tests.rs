//! Attempts from their inputs to what they deliver.

mod spilling;

use std::collections::BTreeMap;

use model::catalog::{CatalogCapture, CatalogDataset, CatalogFile, CatalogView, Snapshot};
use model::limits::Limits;
use model::ports::{Buffers, Field, Granted, InputBytes, Lake, TableBatch};
use model::quality::{CheckCategory, CheckStatus, Severity};
use model::{CaptureId, Manifest, Partition, RunId, Timestamp};

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
        manifest: Arc::new(Manifest::parse(MANIFEST).unwrap()),
        inputs: BTreeMap::new(),
        formats: BTreeMap::from([("file".to_owned(), vec!["psv".to_owned()])]),
        params: serde_json::json!({}),
        outputs: vec!["demo.volume".parse().unwrap(), "demo.other".parse().unwrap()],
        folders: Vec::new(),
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

#[test]
fn one_file_becomes_sorted_captures_by_partition_with_checks_and_rejects() {
    let finished = bench().with_file(FILE).copied();
    let found: Vec<_> = finished.captures.iter().map(|it| (it.partition.to_string(), it.rows)).collect();
    assert_eq!(found, [("day=2021-01-27".to_owned(), 1), ("day=2021-01-28".to_owned(), 1)]);
    assert_eq!((finished.rows_in, finished.rejected), (3, 1));
    assert_eq!(finished.rejects.rows[0].raw.as_deref(), Some("20210128||2"));
    let header = check(&finished, "header");
    assert_eq!((header.status, header.category), (CheckStatus::Pass, CheckCategory::Integrity));
    let trailer = check(&finished, "trailer_count");
    assert_eq!((trailer.status, trailer.actual.as_deref()), (CheckStatus::Pass, Some("3")));
    let checks: Vec<&str> = finished.checks.iter().map(|it| it.check.as_str()).collect();
    assert_eq!(checks, ["unique_key", "header", "trailer_count", "last_line_complete"]);
}

#[test]
fn a_trailer_that_is_wrong_or_missing_fails_unless_a_parameter_says_none() {
    let status = |bench: &Bench| check(&bench.copied(), "trailer_count").status;
    let wrong = bench().with_file(&FILE.replace("\n3\n", "\n4\n")).copied();
    let trailer = check(&wrong, "trailer_count");
    assert_eq!((trailer.actual.as_deref(), trailer.expected.as_deref()), (Some("3"), Some("4")));
    assert!(trailer.blocks());
    let mut missing = bench().with_file(&FILE.replace("\n3\n", "\n"));
    assert_eq!(status(&missing), CheckStatus::Fail);
    missing.order.params = serde_json::json!({"trailer": "none"});
    assert_eq!(status(&missing), CheckStatus::Pass);
    let cut = bench().with_file("Day|Symbol|Volume\n20210128|A|1\n20210128|B").copied();
    assert_eq!(check(&cut, "last_line_complete").status, CheckStatus::Fail);
    assert_eq!(check(&cut, "trailer_count").status, CheckStatus::Fail);
}

fn listed(finished: &Finished) -> Vec<(&str, u64, &str)> {
    let rejects = finished.rejects.rows.iter();
    rejects.map(|it| (it.code.as_str(), it.line.unwrap(), it.raw.as_deref().unwrap())).collect()
}

#[test]
fn a_shared_key_leaves_no_capture_and_every_line_is_a_reject() {
    let file = "Day|Symbol|Volume\n20210128|A|1\n20210128|a|2\n20210128|A|3\n20210128|B|x\n4\n";
    let finished = bench().with_file(file).copied();
    assert!(finished.captures.is_empty());
    assert!(check(&finished, "unique_key").blocks());
    let expected = [
        ("duplicate_key", 2, "20210128|A|1"),
        ("not_published", 3, "20210128|a|2"),
        ("duplicate_key", 4, "20210128|A|3"),
        ("bad_field", 5, "20210128|B|x"),
    ];
    assert_eq!(listed(&finished), expected);
    assert_eq!((finished.rejected, finished.rows_in), (4, 4));
}

/// What a guest may do before its rows turn out to share a key: reject lines with and without their number, write rows
/// without theirs, write one line twice, write the same line to two datasets.
#[test]
fn every_line_of_a_refused_run_is_rejected_once_whatever_the_guest_did() {
    let file = "Day|Symbol|Volume\n20210128|A|1\n20210128||2\n20210128|A|3\n20210128|B|4\n20210128|C|5\n5\n";
    let reject = |line| RejectedRow { line, code: "odd".to_owned(), message: String::new(), details: Vec::new() };
    let kinds = |lines: Option<&[i64]>| {
        let kind = text_column(&["x", "x"]);
        named([vec![("kind", kind)], lines.map(|lines| ("_line", int_column(lines))).into_iter().collect()].concat())
    };
    type Guest<'a> = &'a dyn Fn(&mut dyn Workbench);
    let cases: [(&str, Guest<'_>); 6] = [
        ("dbdnn", &|bench| copy(bench)),
        ("dbdon", &|bench| {
            copy(bench);
            bench.reject(vec![reject(Some(5))]).unwrap();
        }),
        // The line that it did not name is the last that is still to be accounted for.
        ("dbdno", &|bench| {
            copy(bench);
            bench.reject(vec![reject(None)]).unwrap();
        }),
        ("nbnnn", &|bench| {
            bench.output("demo.other").unwrap().write(kinds(None)).unwrap();
        }),
        ("nbndn", &|bench| {
            bench.output("demo.other").unwrap().write(kinds(Some(&[5, 5]))).unwrap();
        }),
        ("dbddn", &|bench| {
            copy(bench);
            bench.output("demo.other").unwrap().write(kinds(Some(&[2, 5]))).unwrap();
        }),
    ];
    for (expected, guest) in cases {
        let bench = bench().with_file(file);
        let mut open = bench.open();
        guest(&mut *open);
        let finished = open.finish().unwrap();
        let codes: String = finished.rejects.rows.iter().map(|reject| &reject.code[..1]).collect();
        assert_eq!(codes, expected);
        assert_eq!((finished.rejected, finished.rows_in), (5, 5), "{expected}");
        assert!(check(&finished, "unique_key").blocks());
    }
}

#[test]
fn duplicates_of_a_guest_that_reads_no_table_are_the_rejects() {
    let bench = bench();
    let mut open = bench.open();
    let columns = vec![("kind", text_column(&["x", "x", "y"])), ("_line", int_column(&[7, 9, 11]))];
    open.output("demo.other").unwrap().write(named(columns)).unwrap();
    let finished = open.finish().unwrap();
    let found: Vec<_> = finished.rejects.rows.iter().map(|it| (it.code.as_str(), it.line)).collect();
    assert_eq!(found, [("duplicate_key", Some(7)), ("duplicate_key", Some(9))]);
    assert_eq!((finished.rejected, finished.rows_in), (2, 0));
}

#[test]
fn lines_count_even_if_the_guest_reads_nothing() {
    let bench = bench().with_file(FILE);
    let finished = bench.open().finish().unwrap();
    assert_eq!((finished.rows_in, finished.rejected, finished.captures.len()), (3, 1, 0));
    assert!(finished.checks.is_empty());
}

#[test]
fn the_content_hash_depends_on_the_rows_and_not_on_their_order_or_batches() {
    let hash = |file: &str| bench().with_file(file).copied().captures[0].content_hash;
    let one = hash("Day|Symbol|Volume\n20210128|A|1\n20210128|B|2\n2\n");
    assert_eq!(hash("Day|Symbol|Volume\r\n20210128|B|2\r\n20210128|A|1\r\nx\r\n3"), one);
    assert_ne!(hash("Day|Symbol|Volume\n20210128|A|1\n20210128|B|3\n2\n"), one);
}

#[test]
fn a_declared_partition_is_a_capture_of_no_rows() {
    let bench = bench().with_file("Day|Symbol|Volume\n0\n");
    let mut open = bench.open();
    let mut writer = open.output("demo.volume").unwrap();
    let declare = |writer: &mut Box<dyn TableWriter>, name: &str, value: &str| {
        writer.declare(&[(name.to_owned(), value.to_owned())]).map_err(|error| error.code)
    };
    assert_eq!(declare(&mut writer, "day", "28.01.2021"), Err("bad_partition".to_owned()));
    assert_eq!(declare(&mut writer, "symbol", "A"), Err("bad_partition".to_owned()));
    declare(&mut writer, "day", "2021-01-28").unwrap();
    assert_eq!(open.written(), ["demo.volume".parse().unwrap()]);
    let mut finished = open.finish().unwrap();
    let capture = finished.captures.remove(0);
    assert_eq!((capture.rows, capture.partition.to_string().as_str()), (0, "day=2021-01-28"));
    let (capture_id, run) = ids();
    assert_eq!(capture.data.write(capture_id, run).unwrap(), None);
}

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

#[test]
fn a_write_has_every_column_once_and_equal_rows() {
    let bench = bench();
    let mut open = bench.open();
    let mut writer = open.output("demo.volume").unwrap();
    let full = || vec![("day", date_column(&[1])), ("symbol", text_column(&["A"])), ("volume", int_column(&[5]))];
    assert_eq!(writer.write(named(full())).unwrap(), 1);
    let mut with_line = full();
    with_line.push(("_line", int_column(&[7])));
    assert_eq!(open.output("demo.volume").unwrap().write(named(with_line)).unwrap(), 2);
    let code = |columns: Vec<(&str, Buffers)>| {
        let mut open = bench.open();
        open.output("demo.volume").unwrap().write(named(columns)).unwrap_err().code
    };
    assert_eq!(code(full()[..2].to_vec()), "missing_column");
    assert_eq!(code([full(), full()].concat()), "duplicate_column");
    assert_eq!(code([full(), vec![("extra", int_column(&[1]))]].concat()), "unknown_column");
    let mut uneven = full();
    uneven[2].1 = int_column(&[5, 6]);
    assert_eq!(code(uneven), "invalid_buffer");
    let mut nulls = full();
    nulls[1].1.parts[0] = vec![0];
    assert_eq!(code(nulls), "invalid_buffer");
    assert_eq!(open.output("demo.nope").unwrap_err().code, "unknown_output");
    assert_eq!(open.output("nonsense").unwrap_err().code, "unknown_output");
    assert_eq!(rows(open.input("staged:demo.volume", r#"{"columns":["volume"]}"#).unwrap(), "volume"), [5, 5]);
}

#[test]
fn a_batch_of_another_type_is_refused_by_name() {
    let bench = bench().with_file(FILE);
    let mut open = bench.open();
    let batch = open.input("file", "{}").unwrap().next().unwrap().unwrap();
    let field = Field { name: "volume".to_owned(), dtype: "utf8".to_owned(), nullable: false, details: Vec::new() };
    let wrong: Box<dyn TableBatch> = batch.with_column(&field, text_column(&["x", "y"])).unwrap();
    let error = open.output("demo.volume").unwrap().write_batch(&*wrong).unwrap_err();
    assert_eq!(error.code, "type_mismatch");
    assert!(error.message.contains("`volume` is utf8") && error.message.contains("int64"), "{}", error.message);
}

#[test]
fn output_limits_name_their_key() {
    let mut bench = bench();
    bench.order.limits.output_rows = 3;
    let mut open = bench.open();
    let mut writer = open.output("demo.other").unwrap();
    writer.write(named(vec![("kind", text_column(&["a", "b"]))])).unwrap();
    let error = writer.write(named(vec![("kind", text_column(&["c", "d"]))])).unwrap_err();
    assert_eq!(error.code, "limit_exceeded");
    assert!(error.message.contains("limits.output_rows"), "{}", error.message);
}

#[test]
fn guest_rejects_get_the_text_of_their_line_and_are_limited() {
    let mut bench = bench().with_file(FILE);
    bench.order.limits.rejects = 3;
    let mut open = bench.open();
    let reject = |line| RejectedRow { line, code: "odd".to_owned(), message: "m".repeat(5000), details: Vec::new() };
    open.reject(vec![reject(Some(4)), reject(None), reject(Some(2)), reject(Some(2)), reject(Some(99))]).unwrap();
    let finished = open.finish().unwrap();
    assert_eq!((finished.rejected, finished.rejects.rows.len()), (6, 3));
    let found: Vec<_> = finished.rejects.rows.iter().map(|it| (it.line, it.raw.as_deref())).collect();
    assert_eq!(found, [(Some(2), Some("20210128|TpC|1")), (Some(4), Some("20210127|TPC|3")), (None, None)]);
    assert!(finished.rejects.rows[0].message.len() < 1100);
}

#[test]
fn rejects_past_the_limit_are_counted_and_the_operator_is_told() {
    let file = "Day|Symbol|Volume\n20210128|A|1\n20210128||2\n20210128||3\n3\n";
    let mut bench = bench().with_file(file);
    assert!(!bench.copied().checks.iter().any(|it| it.check == "rejects_kept"));
    bench.order.limits.rejects = 1;
    let finished = bench.copied();
    assert_eq!((finished.rejected, finished.rejects.rows.len()), (2, 1));
    let cut = check(&finished, "rejects_kept");
    assert_eq!((cut.status, cut.severity), (CheckStatus::Warn, Severity::Warn));
    assert_eq!((cut.actual.as_deref(), cut.expected.as_deref()), (Some("2"), Some("1")));
    assert!(cut.message.contains("limits.rejects") && !cut.blocks(), "{}", cut.message);
}

#[test]
fn published_rows_and_captures_are_read_back_by_partition_and_column() {
    let mut bench = bench().with_file(FILE);
    let (capture_id, run_id) = ids();
    let mut captures = Vec::new();
    for prepared in bench.copied().captures {
        let (partition, rows, content_hash) = (prepared.partition.clone(), prepared.rows, prepared.content_hash);
        let file = prepared.data.write(capture_id, run_id).unwrap().unwrap();
        captures.push(CatalogCapture {
            capture_id,
            partition,
            revision: 2,
            captured_at: Timestamp::from_micros(1),
            run_id,
            rows,
            content_hash,
            latest: true,
            file: Some(CatalogFile { path: format!("demo/volume/{}", file.path), bytes: file.bytes }),
        });
    }
    let mut old = captures[0].clone();
    (old.latest, old.revision) = (false, 1);
    captures.insert(0, old);
    let spec = bench.order.manifest.dataset(&"demo.volume".parse().unwrap()).unwrap().clone();
    let snapshot = bench.order.catalog.snapshot;
    bench.order.catalog = Arc::new(CatalogView { snapshot, datasets: vec![CatalogDataset { spec, captures }] });
    let mut open = bench.open();
    assert_eq!(rows(open.input("demo.volume", "{}").unwrap(), "volume"), [3, 1]);
    let one = r#"{"partition":{"day":"2021-01-28"},"columns":["volume"]}"#;
    let reader = open.input("demo.volume", one).unwrap();
    assert_eq!(reader.schema().len(), 1);
    assert_eq!(rows(reader, "volume"), [1]);
    let listed = open.input("captures:demo.volume", "").unwrap();
    assert_eq!(listed.schema().iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["day", "rows", "revision"]);
    assert_eq!(rows(listed, "revision"), [2, 2]);
    assert_eq!(open.input("demo.volume", r#"{"partition":{"symbol":"A"}}"#).unwrap_err().code, "bad_select");
    assert_eq!(open.input("demo.volume", r#"{"columns":["nope"]}"#).unwrap_err().code, "bad_select");
    assert_eq!(open.input("demo.volume", r#"{"colums":[]}"#).unwrap_err().code, "bad_select");
    assert_eq!(rows(open.input("demo.other", "{}").unwrap(), "kind"), Vec::<i64>::new());
    for name in ["demo.nope", "nothing", "captures:x", "staged:demo.nope"] {
        assert!(open.input(name, "{}").unwrap_err().code.starts_with("unknown_"), "{name}");
    }
}

fn granted(bench: &mut Bench) -> tempfile::TempDir {
    let drop = tempfile::tempdir().unwrap();
    bench.order.folders = vec![Granted { name: "drop".to_owned(), path: drop.path().to_owned() }];
    std::fs::write(drop.path().join("b.psv"), FILE).unwrap();
    std::fs::write(drop.path().join("a.psv"), "Day|Symbol|Volume\n20210128|Z|9\n1\n").unwrap();
    std::fs::create_dir(drop.path().join("below")).unwrap();
    drop
}

#[test]
fn files_of_a_granted_folder_are_listed_read_and_kept() {
    let mut bench = bench();
    let _drop = granted(&mut bench);
    let mut open = bench.open();
    let names: Vec<String> = open.files("drop").unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["a.psv", "b.psv"]);
    let psv = r#"{"format":"psv"}"#;
    assert_eq!(rows(open.input("drop/a.psv", psv).unwrap(), "volume"), [9]);
    assert_eq!(open.open("drop/a.psv").unwrap().read(4, 7).unwrap(), b"Symbol|");
    let named = RejectedRow {
        line: Some(2),
        code: "odd".to_owned(),
        message: String::new(),
        details: vec![("input".to_owned(), "drop/b.psv".to_owned())],
    };
    let _ = open.input("drop/b.psv", psv).unwrap();
    open.reject(vec![named]).unwrap();
    let finished = open.finish().unwrap();
    assert_eq!(finished.rows_in, 4);
    assert_eq!(finished.rejects.rows[0].raw.as_deref(), Some("20210128|TpC|1"));
    let kept: Vec<&str> = finished.folder_inputs.iter().map(|kept| kept.file_name.as_str()).collect();
    assert_eq!(kept, ["a.psv", "b.psv"]);
    let digest = finished.folder_inputs[1].digest;
    assert_eq!(*bench.lake.read_input(digest).unwrap(), FILE.as_bytes());
}

/// `a.psv` feeds one dataset and `b.psv`, whose trailer is wrong, the other: each in a partition of its own, or both in
/// none.
#[test]
fn the_checks_of_a_file_judge_what_was_written_while_it_was_worked_on() {
    let psv = r#"{"format":"psv"}"#;
    let kind = |bench: &mut dyn Workbench, kind: &str| {
        bench.output("demo.other").unwrap().write(named(vec![("kind", text_column(&[kind]))])).unwrap();
    };
    let volume = |bench: &mut dyn Workbench, reader: &mut Box<dyn TableReader>| {
        let batch = reader.next().unwrap().unwrap();
        bench.output("demo.volume").unwrap().write_batch(&*batch).unwrap();
    };
    type Guest<'a> = &'a dyn Fn(&mut dyn Workbench);
    let cases: [(&str, CheckStatus, CheckStatus, Guest<'_>); 4] = [
        ("each in its partition", CheckStatus::Pass, CheckStatus::Fail, &|bench| {
            bench.begin_partition();
            let mut a = bench.input("drop/a.psv", psv).unwrap();
            volume(bench, &mut a);
            bench.end_partition();
            bench.begin_partition();
            let _ = bench.input("drop/b.psv", psv).unwrap();
            kind(bench, "b");
        }),
        ("no partitions", CheckStatus::Fail, CheckStatus::Fail, &|bench| {
            let mut a = bench.input("drop/a.psv", psv).unwrap();
            volume(bench, &mut a);
            let _ = bench.input("drop/b.psv", psv).unwrap();
            kind(bench, "b");
        }),
        ("one was read while discovering", CheckStatus::Fail, CheckStatus::Fail, &|bench| {
            let _ = bench.input("drop/b.psv", psv).unwrap();
            bench.begin_partition();
            let mut a = bench.input("drop/a.psv", psv).unwrap();
            volume(bench, &mut a);
            bench.begin_partition();
            kind(bench, "b");
        }),
        ("a reader and a writer that are kept", CheckStatus::Fail, CheckStatus::Pass, &|bench| {
            bench.begin_partition();
            let mut b = bench.input("drop/b.psv", psv).unwrap();
            bench.begin_partition();
            let _ = bench.input("drop/a.psv", psv).unwrap();
            kind(bench, "a");
            bench.begin_partition();
            volume(bench, &mut b);
        }),
    ];
    for (what, of_volume, of_other, guest) in cases {
        let mut bench = bench();
        let drop = granted(&mut bench);
        std::fs::write(drop.path().join("b.psv"), FILE.replace("\n3\n", "\n9\n")).unwrap();
        let mut open = bench.open();
        guest(&mut *open);
        let finished = open.finish().unwrap();
        let trailer = |dataset: &str| {
            let mut checks = finished.checks.iter().filter(|it| it.dataset.to_string() == dataset);
            checks.find(|it| it.check == "trailer_count").unwrap().status
        };
        assert_eq!((trailer("demo.volume"), trailer("demo.other")), (of_volume, of_other), "{what}");
        assert_eq!(finished.rows_in, 4, "{what}: every file is read to its end");
    }
}

#[test]
fn nothing_outside_of_a_granted_folder_is_reached() {
    let mut bench = bench();
    let drop = granted(&mut bench);
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), FILE).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path().join("secret"), drop.path().join("link")).unwrap();
        std::os::unix::fs::symlink("a.psv", drop.path().join("inside")).unwrap();
    }
    let mut open = bench.open();
    let outside_name = format!("drop/{}", outside.path().join("secret").display());
    for name in
        ["drop/../secret", "drop/..", "drop/below/../../x", &outside_name, "drop/link", "drop/below", "drop/nope"]
    {
        assert!(open.input(name, r#"{"format":"psv"}"#).is_err(), "{name}");
        assert!(open.open(name).is_err(), "{name}");
    }
    #[cfg(unix)]
    assert!(open.open("drop/inside").is_ok());
    assert_eq!(open.files("other").unwrap_err().code, "not_granted");
    assert_eq!(open.input("other/a.psv", r#"{"format":"psv"}"#).unwrap_err().code, "not_granted");
    assert_eq!(open.input("drop/a.psv", "{}").unwrap_err().code, "bad_select");
    assert_eq!(open.input("drop/a.psv", r#"{"format":"nope"}"#).unwrap_err().code, "unknown_format");
    assert!(!open.files("drop").unwrap().iter().any(|file| file.name == "link"));
}

/// Keeps the fields of what is logged, as text.
#[cfg(unix)]
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<String>>);

#[cfg(unix)]
impl tracing::field::Visit for Log {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!("{field}={value:?} "));
    }
}

#[cfg(unix)]
impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_looked_at_is_skipped_and_logged_with_its_folder_and_reason() {
    let mut bench = bench();
    let drop = granted(&mut bench);
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), drop.path().join("link.psv")).unwrap();
    let log = Log::default();
    let files = tracing::subscriber::with_default(log.clone(), || bench.open().files("drop").unwrap());
    assert_eq!(files.len(), 2);
    let logged = log.0.lock().unwrap();
    assert!(logged.contains("folder=\"drop\"") && logged.contains("file=link.psv"), "{logged}");
    assert!(logged.contains("skipped a file of a granted folder: "), "{logged}");
}

#[test]
fn a_dry_run_keeps_no_input() {
    let mut bench = bench();
    let _drop = granted(&mut bench);
    bench.order.dry_run = true;
    let mut open = bench.open();
    let _ = open.open("drop/a.psv").unwrap();
    let kept = open.finish().unwrap().folder_inputs.remove(0);
    assert_eq!(bench.lake.read_input(kept.digest).unwrap_err().code, "not_found");
}

#[test]
fn a_blob_gives_what_there_is() {
    let bench = bench().with_file(FILE);
    let mut open = bench.open();
    let blob = open.open("file").unwrap();
    assert_eq!(blob.size(), FILE.len() as u64);
    assert_eq!(blob.read(0, 3).unwrap(), b"Day");
    assert_eq!(blob.read(u64::MAX, u32::MAX).unwrap(), b"");
    assert_eq!(blob.read(blob.size() - 2, 100).unwrap(), b"3\n");
    assert_eq!(open.open("absent").unwrap_err().code, "unknown_input");
}

#[test]
fn partitions_are_those_of_the_rows() {
    let finished = bench().with_file(FILE).copied();
    let expected: Partition = [("day", "2021-01-27")].into_iter().collect();
    assert_eq!(finished.captures[0].partition, expected);
}
