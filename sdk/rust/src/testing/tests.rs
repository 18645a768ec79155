//! The host of memory behaves as the real one does, in what authors can see of it.

use super::MemoryHost;
use crate::prelude::*;

file_format! {
    struct Psv = "psv" { symbol: Utf8 => header("Symbol").key(), volume: Option<Int64> => header("Volume").nulls([""]) }
    delimited { delimiter: '|' }
}

dataset! {
    struct Volumes = "demo.volumes" { day: Date, symbol: Utf8, volume: Option<Int64> }
    key [symbol, day]
    partition_by [day]
}

columns! { struct Symbols { line: Int64 => named("_line"), symbol: Utf8 } }

fn volumes(days: &[i32]) -> Volumes {
    Volumes {
        day: days.iter().copied().collect(),
        symbol: Column::repeat("A", days.len()),
        volume: Column::repeat(Some(1), days.len()),
    }
}

fn two_batches() -> MemoryHost {
    let rows = 65_537;
    let symbol = Column::repeat("A", rows);
    MemoryHost::new().file_rows("file", "a.psv", Psv { symbol, volume: Column::repeat(None, rows), ..Psv::default() })
}

#[test]
fn rows_stay_in_the_host_from_kernel_to_writer() {
    let host = MemoryHost::new().file_text::<Psv>("file", "a.psv", "Symbol|Volume\nA|1\nB|\nC|3\n");
    let batch = host.host().input("file").unwrap().next().unwrap().unwrap();
    let kept = batch.filter(&[true, false, true]).unwrap().take(&[1, 0, 0]).unwrap();
    let kept = kept.with_column("day", Column::<Date>::repeat(7, 3)).unwrap();
    let kept = kept.with_column("symbol", Column::<Utf8>::from_iter(["X", "Y", "Z"])).unwrap();
    assert_eq!(host.host().output::<Volumes>().unwrap().write_batch(&kept).unwrap(), 3);
    let written = host.written::<Volumes>();
    assert!(written.symbol.iter().eq(["X", "Y", "Z"]));
    assert!(written.volume.iter().eq([Some(3), Some(1), Some(1)]));
    assert_eq!(host.lines::<Volumes>(), [4, 2, 2]);
}

#[test]
fn a_batch_without_the_columns_of_the_dataset_is_refused() {
    let host = MemoryHost::new().file_text::<Psv>("file", "a.psv", "Symbol|Volume\nA|1\n");
    let batch = host.host().input("file").unwrap().next().unwrap().unwrap();
    let mut writer = host.host().output::<Volumes>().unwrap();
    assert_eq!(writer.write_batch(&batch).unwrap_err().code, "unknown_column");
    let strange = batch.with_column("strange", Column::<Bool>::repeat(true, 1)).unwrap();
    assert_eq!(writer.write_batch(&strange).unwrap_err().code, "unknown_column");
    let wrong = batch.with_column("day", Column::<Utf8>::repeat("x", 1)).unwrap();
    assert_eq!(writer.write_batch(&wrong).unwrap_err().code, "type_mismatch");
}

#[test]
fn a_batch_is_valid_until_the_next_one_unless_kept() {
    let host = two_batches();
    for keep in [false, true] {
        let mut reader = host.host().input("file").unwrap();
        let first = reader.next().unwrap().unwrap();
        if keep {
            first.keep().unwrap();
        }
        assert_eq!((first.rows(), reader.next().unwrap().unwrap().rows()), (65_536, 1));
        let read = first.column::<Utf8>("symbol").map_err(|error| error.code);
        assert_eq!(read.map(|column| column.len()), if keep { Ok(65_536) } else { Err("released".to_owned()) });
        first.release();
        assert_eq!(first.read::<Symbols>().unwrap_err().code, "released");
    }
}

#[test]
fn all_batches_are_read_into_one_struct() {
    let symbols: Symbols = two_batches().host().input("file").unwrap().read_all().unwrap();
    assert_eq!((symbols.symbol.len(), symbols.line.get(65_536)), (65_537, 65_538));
}

#[test]
fn reading_a_column_as_what_it_is_not_is_an_error_that_says_so() {
    columns! { struct Wrong { volume: Int64 } }
    columns! { struct Other { volume: Option<Utf8> } }
    columns! { struct Absent { price: Int64 } }
    let host = MemoryHost::new().file_text::<Psv>("file", "a.psv", "Symbol|Volume\nA|1\nB|\n");
    let batch = host.host().input("file").unwrap().next().unwrap().unwrap();
    let error = batch.read::<Wrong>().unwrap_err();
    assert!(error.code == "unexpected_null" && error.message.contains("`volume` is null in row 1"), "{error}");
    let error = batch.read::<Other>().unwrap_err();
    assert!(error.code == "type_mismatch" && error.message.contains("int64"), "{error}");
    let error = batch.read::<Absent>().unwrap_err();
    assert!(error.code == "unknown_column" && error.message.contains("`symbol`"), "{error}");
}

#[test]
fn published_rows_are_captures_and_can_be_read_by_partition() {
    let host = MemoryHost::new().published(volumes(&[0, 0, 1]));
    let captures = host.host().captures::<Volumes>().unwrap();
    let found: Vec<_> = captures.iter().map(|it| (it.get("day").unwrap(), it.rows, it.revision)).collect();
    assert_eq!(found, [("1970-01-01", 2, 1), ("1970-01-02", 1, 1)]);
    let select = Select::new().partition("day", "1970-01-02").columns(["day"]);
    let mut reader = host.host().published::<Volumes>(&select).unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert_eq!((batch.rows(), batch.has("day"), batch.has("symbol")), (1, true, false));
    assert!(MemoryHost::new().host().captures::<Volumes>().unwrap().is_empty());
}

#[test]
fn what_is_written_can_be_read_back_before_it_is_published() {
    let host = MemoryHost::new();
    let mut writer = host.host().output::<Volumes>().unwrap();
    assert!(host.host().staged::<Volumes>().unwrap().next().unwrap().is_none());
    writer.write(volumes(&[0, 1])).unwrap();
    writer.declare(&[("day", "1970-01-03")]).unwrap();
    assert_eq!(host.host().staged::<Volumes>().unwrap().read_all::<Volumes>().unwrap(), volumes(&[0, 1]));
    assert_eq!(host.lines::<Volumes>(), Vec::<i64>::new());
    assert_eq!(host.declared::<Volumes>(), [[("day".to_owned(), "1970-01-03".to_owned())]]);
}

#[test]
fn bytes_of_inputs_can_be_read_past_their_end() {
    let host = MemoryHost::new().file_bytes("file", "a.bin", b"abc");
    let blob = host.host().open("file").unwrap();
    assert_eq!((blob.size(), blob.read(1, 9).unwrap(), blob.read(9, 1).unwrap()), (3, b"bc".to_vec(), vec![]));
    assert_eq!(blob.read_all().unwrap(), b"abc");
    assert_eq!(host.host().input("file").unwrap_err().code, "no_table");
    assert_eq!(host.host().open("other").unwrap_err().code, "not_found");
}

#[test]
fn requests_get_the_answers_that_were_given_and_others_are_denied() {
    let host = MemoryHost::new().answer("GET", "https://a.org/x", 503, "").answer("GET", "https://a.org/x", 200, "ok");
    let ask = || host.host().fetch(&http::Request::get("https://a.org/x"));
    assert_eq!(ask().unwrap().ok().unwrap_err().code, "unavailable");
    assert_eq!(ask().unwrap().ok().unwrap().text().unwrap(), "ok");
    assert_eq!(ask().unwrap().status, 200);
    let denied = host.host().fetch(&http::Request::post("https://a.org/x", "body")).unwrap_err();
    assert_eq!((denied.code.as_str(), host.requests().len()), ("not_granted", 4));
}

#[test]
fn files_are_saved_where_that_is_granted() {
    let host = MemoryHost::new().folder("drop").writable("out");
    host.host().save("out", "a.csv", "x").unwrap();
    assert_eq!(host.saved("out/a.csv").as_deref(), Some(&b"x"[..]));
    assert_eq!(host.host().save("drop", "a.csv", "x").unwrap_err().code, "not_granted");
}
