//! Rejects of one attempt, from a few to more than memory holds.

use std::sync::Arc;

use model::limits::Limits;
use std::collections::BTreeMap;

use model::reject::Rejects;
use model::{FailureKind, RunId, Timestamp};

use super::*;
use crate::disk::OsDisk;
use crate::disk::faulty::FaultyDisk;

fn run() -> RunId {
    RunId::new(Timestamp::from_micros(1_700_000_000_000_000), [3; 10])
}

fn folder(data: &tempfile::TempDir) -> Dir {
    crate::disk::open_data_folder(data.path(), FOLDER).unwrap()
}

fn over(data: &tempfile::TempDir, disk: Box<dyn Disk>, limits: &Limits) -> Collector {
    let store = Arc::new(RejectStore::new(folder(data), disk));
    Collector::new(run(), 1, Some(store), limits)
}

/// A collector over a data folder of its own.
pub(crate) fn collector(limits: &Limits) -> (Collector, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    (over(&data, Box::new(OsDisk::new(folder(&data))), limits), data)
}

fn reject(code: &str, line: Option<u64>) -> Reject {
    let raw = line.map(|line| format!("line \"{line}\"\u{fffd}"));
    Reject { code: code.to_owned(), message: format!("why {line:?}"), line, raw }
}

fn names(data: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(data.path().join(FOLDER)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn read(data: &tempfile::TempDir, path: &str) -> Vec<Reject> {
    RejectReader::open(data.path(), path).unwrap().flat_map(Result::unwrap).collect()
}

#[test]
fn a_few_rejects_are_rows_in_order_of_input_and_line() {
    let (collector, data) = collector(&Limits::standard());
    for (place, line) in [(1, Some(2)), (NOWHERE, Some(1)), (0, None), (0, Some(9)), (0, Some(3))] {
        collector.add(place, reject("bad_field", line));
    }
    let kept = collector.finish().unwrap();
    let lines: Vec<_> = kept.rejects.rows.iter().map(|reject| reject.line).collect();
    assert_eq!(lines, [Some(3), Some(9), None, Some(2), Some(1)]);
    assert_eq!((kept.rejected, kept.cut, kept.rejects.file), (5, 0, None));
    assert_eq!(names(&data), [""; 0]);
}

#[test]
fn more_are_one_file_with_a_summary_and_no_rows() {
    let (collector, data) = collector(&Limits::standard());
    let count = model::reject::LEDGER_ROWS_MAX as u64 + 1;
    (0..count).for_each(|line| collector.add(0, reject(if line == 7 { "odd" } else { "bad_field" }, Some(line))));
    let kept = collector.finish().unwrap();
    let file = kept.rejects.file.unwrap();
    assert_eq!(kept.rejects.rows, []);
    assert_eq!((file.path.as_str(), file.rows), (format!("{}.1.parquet", run()).as_str(), count));
    assert_eq!(file.codes, BTreeMap::from([("bad_field".to_owned(), count - 1), ("odd".to_owned(), 1)]));
    assert_eq!(names(&data), std::slice::from_ref(&file.path));
    assert_eq!(std::fs::metadata(data.path().join(FOLDER).join(&file.path)).unwrap().len(), file.bytes);
    let lines: Vec<u64> = read(&data, &file.path).iter().map(|reject| reject.line.unwrap()).collect();
    assert_eq!(lines, (0..count).collect::<Vec<_>>());
}

/// Readers reject in order, a guest a batch later, from two inputs in turn; more than is held in memory.
#[test]
fn every_reject_comes_back_whole_and_in_order_however_they_came() {
    let (collector, data) = collector(&Limits::standard());
    for batch in 0..150_u64 {
        for place in [0, 1] {
            let lines = batch * 1_000..(batch + 1) * 1_000;
            lines.clone().step_by(2).for_each(|line| collector.add(place, reject("bad_field", Some(line))));
            lines.skip(1).step_by(2).for_each(|line| collector.add(place, reject("odd", Some(line))));
        }
    }
    collector.add(0, reject("odd", None));
    assert!(names(&data).iter().any(|name| name.ends_with(UNFINISHED)), "memory did not keep them all");
    let kept = collector.finish().unwrap();
    let file = kept.rejects.file.unwrap();
    assert_eq!((kept.rejected, kept.cut, file.rows), (300_001, 0, 300_001));
    let found = read(&data, &file.path);
    let code = |line: u64| if line.is_multiple_of(2) { "bad_field" } else { "odd" };
    let lines = (0..150_000).map(|line| reject(code(line), Some(line)));
    let expected: Vec<Reject> = lines.clone().chain([reject("odd", None)]).chain(lines).collect();
    assert!(found == expected, "first difference at {:?}", found.iter().zip(&expected).position(|(a, b)| a != b));
    assert_eq!(names(&data), [file.path]);
}

#[test]
fn an_attempt_that_is_given_up_leaves_nothing() {
    let (collector, data) = collector(&Limits::standard());
    (0..100_000).for_each(|line| collector.add(0, reject("bad_field", Some(line))));
    assert_eq!(names(&data).len(), 1);
    drop(collector);
    assert_eq!(names(&data), [""; 0]);
}

#[test]
fn the_file_of_a_later_attempt_takes_the_place_of_the_first() {
    let (first, data) = collector(&Limits::standard());
    (0..5_000).for_each(|line| first.add(0, reject("bad_field", Some(line))));
    let first = first.finish().unwrap().rejects.file.unwrap();
    let second = over(&data, Box::new(OsDisk::new(folder(&data))), &Limits::standard());
    (0..2_000).for_each(|line| second.add(0, reject("bad_field", Some(line))));
    let second = second.finish().unwrap().rejects.file.unwrap();
    assert_eq!((first.rows, second.rows, &first.path), (5_000, 2_000, &second.path));
    assert_eq!(read(&data, &second.path).len(), 2_000);
    assert_eq!(names(&data), [second.path]);
}

#[test]
fn past_a_limit_rejects_are_counted_and_not_kept() {
    let (few, _data) = collector(&Limits { rejects: 3, ..Limits::standard() });
    (0..5).for_each(|line| few.add(0, reject(if line == 4 { "odd" } else { "bad_field" }, Some(line))));
    assert!(!few.has_room());
    let kept = few.finish().unwrap();
    assert_eq!((kept.rejects.rows.len(), kept.rejected, kept.cut), (3, 5, 2));
    let (short, data) = collector(&Limits { reject_bytes: 100_000, ..Limits::standard() });
    (0..100_000).for_each(|line| short.add(0, reject(&format!("code {line}"), Some(line))));
    let kept = short.finish().unwrap();
    let file = kept.rejects.file.unwrap();
    assert_eq!(kept.cut, 100_000 - file.rows);
    assert_eq!(file.codes.values().sum::<u64>(), 100_000, "the summary counts all of them");
    assert_eq!((file.codes.len(), read(&data, &file.path).len() as u64), (257, file.rows));
}

#[test]
fn a_dry_run_counts_alike_and_holds_the_first_thousand_in_order_of_line() {
    let collector = Collector::new(run(), 1, None, &Limits { rejects: 60_000, ..Limits::standard() });
    (0..100_000).for_each(|line| collector.add(0, reject("bad_field", Some(99_999 - line))));
    let kept = collector.finish().unwrap();
    assert_eq!((kept.rejected, kept.cut), (100_000, 40_000));
    let lines: Vec<u64> = kept.rejects.rows.iter().filter_map(|reject| reject.line).collect();
    assert_eq!(lines, (40_000..41_000).collect::<Vec<u64>>(), "of those that were kept");
    assert_eq!(kept.rejects.file, None);

    let none = Collector::new(run(), 1, None, &Limits::standard()).finish().unwrap();
    assert_eq!((none.rejects, none.rejected), (Rejects::default(), 0));
}

#[test]
fn a_dry_run_holds_no_more_text_than_its_report_shows_but_always_one_line() {
    let long = |line, bytes: usize| Reject { raw: Some("x".repeat(bytes)), ..reject("bad_field", Some(line)) };
    for (bytes, shown) in [(100_000, 10), (3_000_000, 1)] {
        let collector = Collector::new(run(), 1, None, &Limits::standard());
        (0..50).for_each(|line| collector.add(0, long(line, bytes)));
        let kept = collector.finish().unwrap();
        assert_eq!((kept.rejects.rows.len(), kept.rejected), (shown, 50));
    }
}

#[test]
fn a_full_disk_is_told_at_the_end_and_leaves_nothing() {
    for (rejects, bytes) in [(50_000, 0), (50_000, 1_000_000), (2_000, 100)] {
        let data = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::new(folder(&data)).full_after(bytes);
        let collector = over(&data, Box::new(disk), &Limits::standard());
        (0..rejects).for_each(|line| collector.add(0, reject("bad_field", Some(line))));
        let failure = collector.finish().unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Storage, "no_space"));
        assert_eq!(names(&data), [""; 0], "after {bytes} bytes");
    }
}

#[test]
fn the_file_is_durable_before_it_has_its_name_and_the_name_before_the_end() {
    let data = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new(folder(&data));
    let asked = disk.log();
    let collector = over(&data, Box::new(disk), &Limits::standard());
    (0..2_000).for_each(|line| collector.add(0, reject("bad_field", Some(line))));
    let path = collector.finish().unwrap().rejects.file.unwrap().path;
    assert_eq!(
        asked(),
        [format!("create .{}.0.tmp", run()), "sync_file".into(), format!("rename {path}"), "sync_dir ".into()]
    );
}

#[test]
fn a_file_that_is_gone_or_damaged_is_told_by_name() {
    let (_, data) = collector(&Limits::standard());
    assert_eq!(RejectReader::open(data.path(), "run_x.parquet").unwrap_err().code, "not_found");
    std::fs::write(data.path().join("rejects/run_x.parquet"), "PAR1 no").unwrap();
    let failure = RejectReader::open(data.path(), "run_x.parquet").unwrap_err();
    assert_eq!(failure.code, "corrupt");
    assert!(failure.message.contains("rejects/run_x.parquet"), "{}", failure.message);
    assert!(RejectReader::open(data.path(), "../spine.db").is_err());
}

#[test]
fn only_files_of_runs_are_removed_and_those_that_are_gone_are_as_good() {
    let data = tempfile::tempdir().unwrap();
    let store = RejectStore::new(folder(&data), Box::new(OsDisk::new(folder(&data))));
    let file = format!("{}.parquet", run());
    for name in [file.as_str(), "notes.txt"] {
        std::fs::write(data.path().join(FOLDER).join(name), "x").unwrap();
    }
    assert!(store.remove(&file).unwrap());
    for other in [file.as_str(), "notes.txt", "../spine.db"] {
        assert!(!store.remove(other).unwrap(), "{other}");
    }
    assert_eq!(names(&data), ["notes.txt"]);
}
