//! Attempts whose rows share a key: nothing is delivered, and every line is a reject.

use super::*;

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
