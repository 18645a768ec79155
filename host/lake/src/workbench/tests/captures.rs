//! Captures: how they are made of the rows, and how they are read back.

use model::catalog::{CatalogCapture, CatalogDataset, CatalogFile};
use model::{FieldIds, Partition};

use super::*;

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
    bench.order.catalog = Arc::new(CatalogView {
        snapshot,
        datasets: vec![CatalogDataset { fields: FieldIds::first(&spec), spec, captures }],
    });
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

#[test]
fn partitions_are_those_of_the_rows() {
    let finished = bench().with_file(FILE).copied();
    let expected: Partition = [("day", "2021-01-27")].into_iter().collect();
    assert_eq!(finished.captures[0].partition, expected);
}
