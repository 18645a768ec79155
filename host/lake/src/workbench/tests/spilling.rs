//! Attempts that write more than memory may hold.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::disk::faulty::FaultyDisk;

/// Names of the files that hold rows.
fn staged_files(bench: &Bench) -> Vec<String> {
    let files = std::fs::read_dir(bench.folder.path().join("staging")).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// Leaves no memory for rows.
fn without_memory() -> Bench {
    let mut bench = bench().with_file(FILE);
    bench.order.limits.staging_memory_bytes = 0;
    bench
}

#[test]
fn rows_that_find_no_room_in_memory_are_delivered_all_the_same() {
    let bench = without_memory();
    let mut open = bench.open();
    copy(&mut *open);
    assert_eq!(staged_files(&bench).len(), 1);
    let staged = r#"{"columns":["volume"]}"#;
    assert_eq!(rows(open.input("staged:demo.volume", staged).unwrap(), "volume"), [1, 3]);
    let finished = open.finish().unwrap();
    let in_memory = super::bench().with_file(FILE);
    let expected = in_memory.copied();
    let content = |finished: &Finished| -> Vec<_> {
        finished.captures.iter().map(|it| (it.partition.clone(), it.rows, it.content_hash)).collect()
    };
    assert_eq!(content(&finished), content(&expected));
    assert_eq!(finished.checks, expected.checks);
    for (number, (spilled, kept)) in finished.captures.into_iter().zip(expected.captures).enumerate() {
        let capture = CaptureId::new(Timestamp::from_micros(0), [number as u8; 10]);
        let file = spilled.data.write(capture, ids().1).unwrap().unwrap();
        assert_eq!(file, kept.data.write(capture, ids().1).unwrap().unwrap());
    }
    assert_eq!(staged_files(&bench), Vec::<String>::new());
}

#[test]
fn memory_is_shared_and_only_the_dataset_that_finds_no_room_is_spilled() {
    let mut bench = bench();
    bench.order.limits.staging_memory_bytes = 10_000;
    let mut open = bench.open();
    let mut other = open.output("demo.other").unwrap();
    other.write(named(vec![("kind", text_column(&["a"]))])).unwrap();
    assert_eq!(staged_files(&bench).len(), 0);
    let mut volume = open.output("demo.volume").unwrap();
    let long = "x".repeat(20_000);
    let row = |symbol: &str| {
        named(vec![("day", date_column(&[1])), ("symbol", text_column(&[symbol])), ("volume", int_column(&[5]))])
    };
    assert_eq!(volume.write(row(&long)).unwrap(), 1);
    assert_eq!(volume.write(row("A")).unwrap(), 2);
    assert_eq!(staged_files(&bench).len(), 1);
    other.write(named(vec![("kind", text_column(&["b"]))])).unwrap();
    assert_eq!(staged_files(&bench).len(), 1, "there is room again");
    drop((other, volume));
    let counts: Vec<u64> = open.finish().unwrap().captures.iter().map(|it| it.rows).collect();
    assert_eq!(counts, [2, 1, 1]);
}

#[test]
fn staged_rows_are_those_that_were_written_when_they_were_opened() {
    let bench = without_memory();
    let mut open = bench.open();
    let mut writer = open.output("demo.volume").unwrap();
    let row = |volume: i64| {
        named(vec![("day", date_column(&[1])), ("symbol", text_column(&["A"])), ("volume", int_column(&[volume]))])
    };
    writer.write(row(1)).unwrap();
    let before = open.input("staged:demo.volume", "{}").unwrap();
    writer.write(row(2)).unwrap();
    let after = open.input("staged:demo.volume", "{}").unwrap();
    assert_eq!(rows(after, "volume"), [1, 2]);
    assert_eq!(rows(before, "volume"), [1]);
}

#[test]
fn an_attempt_that_is_given_up_or_panics_leaves_no_rows() {
    let bench = without_memory();
    let mut open = bench.open();
    copy(&mut *open);
    drop(open);
    assert_eq!(staged_files(&bench).len(), 0);
    let mut open = bench.open();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        copy(&mut *open);
        panic!("a defect");
    }));
    assert!(panicked.is_err());
    assert_eq!(staged_files(&bench).len(), 0);
    let captures = bench.copied().captures;
    assert_eq!(staged_files(&bench).len(), 1);
    drop(captures);
    assert_eq!(staged_files(&bench).len(), 0);
}

#[test]
fn a_dry_run_stays_in_memory() {
    let mut bench = without_memory();
    bench.order.dry_run = true;
    let mut open = bench.open();
    copy(&mut *open);
    assert_eq!(staged_files(&bench).len(), 0);
    assert_eq!(open.finish().unwrap().captures.len(), 2);
}

#[test]
fn a_full_disk_fails_the_attempt_whether_the_guest_goes_on_or_not() {
    a_full_disk_fails(|open| open.finish());
    a_full_disk_fails(|open| open.abandon());
}

fn a_full_disk_fails(end: fn(Box<LocalWorkbench>) -> Result<Finished, Failure>) {
    let bench = without_memory();
    let staging = || crate::disk::open_data_folder(bench.folder.path(), "staging").unwrap();
    let spill = SpillFolder::new(staging(), Box::new(FaultyDisk::new(staging()).full_after(100)));
    let captures = crate::disk::open_data_folder(bench.folder.path(), "captures").unwrap();
    let store = CaptureStore::new(captures, Box::new(FaultyDisk::new(staging())));
    let inputs = InputStore::new(staging(), Box::new(FaultyDisk::new(staging())));
    let rejects = Arc::new(RejectStore::new(staging(), Box::new(FaultyDisk::new(staging()))));
    let mut open = LocalWorkbench::open(bench.order.clone(), Arc::new(store), inputs, rejects, spill).unwrap();
    let mut writer = open.output("demo.volume").unwrap();
    let batch = open.input("file", "{}").unwrap().next().unwrap().unwrap();
    let written = (0..2_000).map(|_| writer.write_batch(&*batch)).find_map(Result::err).unwrap();
    assert_eq!(written.code, "storage");
    assert_eq!(writer.write_batch(&*batch).unwrap_err(), written, "it does not heal");
    assert_eq!(open.input("staged:demo.volume", "{}").unwrap_err().code, "no_space");
    drop(writer);
    let failure = end(Box::new(open)).unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Storage, "no_space"));
    assert_eq!(staged_files(&bench).len(), 0);
}

/// The most memory that this process ever used.
#[cfg(target_os = "linux")]
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_writes_far_more_than_memory_may_hold_stays_bounded() {
    const ROWS: usize = 65_536;
    const BATCHES: usize = 32;
    let mut bench = bench();
    bench.order.limits.staging_memory_bytes = 1024 * 1024;
    let mut open = bench.open();
    let before = peak_bytes();
    let mut writer = open.output("demo.volume").unwrap();
    for at in (0..BATCHES).rev() {
        // Backwards, and 120 bytes a row.
        let symbols: Vec<String> = (0..ROWS).rev().map(|row| format!("{:0100}", at * ROWS + row)).collect();
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let days: Vec<i32> = (0..ROWS).map(|row| (row % 3) as i32).collect();
        let columns =
            vec![("day", date_column(&days)), ("symbol", text_column(&symbols)), ("volume", int_column(&[7; ROWS]))];
        writer.write(named(columns)).unwrap();
    }
    drop(writer);
    let finished = open.finish().unwrap();
    assert_eq!(finished.captures.iter().map(|it| it.rows).sum::<u64>(), (ROWS * BATCHES) as u64);
    for capture in finished.captures {
        capture.data.write(ids().0, ids().1).unwrap().unwrap();
    }
    let written = (ROWS * BATCHES * 120) as u64;
    let grown = peak_bytes() - before;
    assert!(grown < written / 2, "{grown} bytes of memory for {written} bytes of rows");
}
