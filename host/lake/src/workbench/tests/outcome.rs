//! What an attempt comes to: rows, rejects and the checks of the host.

use model::quality::{CheckCategory, CheckStatus};

use super::*;

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

#[test]
fn what_a_guest_wrote_that_then_failed_is_no_capture_but_its_lines_count() {
    let bench = bench().with_file(FILE);
    let mut open = bench.open();
    copy(&mut *open);
    let abandoned = open.abandon().unwrap();
    assert_eq!((abandoned.rows_in, abandoned.rejected, abandoned.rows_written), (3, 1, 2));
    assert_eq!(abandoned.rejects.rows[0].raw.as_deref(), Some("20210128||2"));
    assert_eq!((abandoned.captures.len(), abandoned.checks.len()), (0, 0));
}

#[test]
fn lines_count_even_if_the_guest_reads_nothing() {
    let bench = bench().with_file(FILE);
    let finished = bench.open().finish().unwrap();
    assert_eq!((finished.rows_in, finished.rejected, finished.captures.len()), (3, 1, 0));
    assert!(finished.checks.is_empty());
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
